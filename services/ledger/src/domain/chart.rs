//! The accounts there are, by name.

use std::fmt;

use outcry_events::money::CURRENCY;
use serde::{Deserialize, Serialize};

/// An account of the journal:
/// `u:<user>:<asset>:avail`, `u:<user>:<asset>:locked`, `world:<asset>`, `house:fees:USD` or
/// `issuer:<symbol>`. An asset is `USD` or a symbol.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccountName(String);

// === impl AccountName ===

impl AccountName {
    /// What a user can use.
    #[must_use]
    pub fn available(user_id: &str, asset: &str) -> Self {
        Self(format!("u:{user_id}:{asset}:avail"))
    }

    /// What is set aside for a user's orders and payouts.
    #[must_use]
    pub fn locked(user_id: &str, asset: &str) -> Self {
        Self(format!("u:{user_id}:{asset}:locked"))
    }

    /// Everything outside of the platform.
    #[must_use]
    pub fn world(asset: &str) -> Self {
        Self(format!("world:{asset}"))
    }

    /// What the house earned.
    #[must_use]
    pub fn fees() -> Self {
        Self(format!("house:fees:{CURRENCY}"))
    }

    /// Where the shares of a symbol come from.
    #[must_use]
    pub fn issuer(symbol: &str) -> Self {
        Self(format!("issuer:{symbol}"))
    }

    /// A name as somebody wrote it; none if no account can be called so.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let parts: Vec<&str> = name.split(':').collect();
        let is_account = match parts.as_slice() {
            ["u", user, asset, "avail" | "locked"] => !user.is_empty() && !asset.is_empty(),
            ["world" | "issuer", asset] => !asset.is_empty(),
            ["house", "fees", asset] => *asset == CURRENCY,
            _ => false,
        };
        is_account.then(|| Self(name.to_owned()))
    }

    /// Whose account it is; none for those of the house and the world.
    #[must_use]
    pub fn owner(&self) -> Option<&str> {
        self.0.strip_prefix("u:")?.split(':').next()
    }

    /// What it is held in.
    #[must_use]
    pub fn asset(&self) -> &str {
        let place = if self.owner().is_some() { 2 } else { 1 };
        let fees = self.0.starts_with("house:");
        self.0
            .split(':')
            .nth(if fees { 2 } else { place })
            .unwrap_or_default()
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_account_is_read_back_with_its_owner_and_asset() {
        for (account, owner, asset) in [
            (AccountName::available("u-1", "USD"), Some("u-1"), "USD"),
            (AccountName::locked("u-1", "ACME"), Some("u-1"), "ACME"),
            (AccountName::world("USD"), None, "USD"),
            (AccountName::fees(), None, "USD"),
            (AccountName::issuer("ACME"), None, "ACME"),
        ] {
            assert_eq!(AccountName::parse(account.as_str()), Some(account.clone()));
            assert_eq!((account.owner(), account.asset()), (owner, asset));
        }
    }

    #[test]
    fn other_names_are_no_accounts() {
        for name in ["", "u:x:USD", "u::USD:avail", "house:fees:ACME", "bank:USD"] {
            assert_eq!(AccountName::parse(name), None, "{name}");
        }
    }
}
