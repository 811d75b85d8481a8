//! The chart of accounts.
//!
//! | account | holds | fed by | below zero |
//! |---|---|---|---|
//! | `u:<user>:<asset>:avail` | what a user can use | deposits, releases, settlements | never |
//! | `u:<user>:<asset>:locked` | what is set aside for a user's orders and payouts | locks | never |
//! | `house:fees:USD` | what the house earned | settlements | never |
//! | `house:suspense:<currency>` | what came in and could not be credited, until it is decided | captures of failed payments | never |
//! | `clearing:payout:USD` | what is on its way from a lock to a bank: nothing between transactions | payouts | never |
//! | `world:<currency>` | minus all money that is inside | whatever leaves | always, while any is inside |
//! | `issuer:<symbol>` | minus all shares that are inside | issues taken back | always, while any are inside |
//!
//! An asset is a currency or a symbol; each sums to zero over all accounts. Cash is counted in
//! ten-thousandths of the currency's unit, shares are whole.

use std::fmt;

use outcry_events::money::CURRENCY;
use serde::{Deserialize, Serialize};

/// How accounts can be called, for whoever named one that cannot be.
pub const FORMS: &str = "u:<user>:<asset>:avail, u:<user>:<asset>:locked, house:fees:USD, \
                         house:suspense:<currency>, clearing:payout:USD, world:<currency> or \
                         issuer:<symbol>";

/// Name of an account in the chart.
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
    pub fn world(currency: &str) -> Self {
        Self(format!("world:{currency}"))
    }

    /// What the house earned.
    #[must_use]
    pub fn fees() -> Self {
        Self(format!("house:fees:{CURRENCY}"))
    }

    /// What came in and could not be credited.
    #[must_use]
    pub fn suspense(currency: &str) -> Self {
        Self(format!("house:suspense:{currency}"))
    }

    /// What is on its way to a bank.
    #[must_use]
    pub fn payout_clearing() -> Self {
        Self(format!("clearing:payout:{CURRENCY}"))
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
            ["world" | "issuer", asset] | ["house", "suspense", asset] => !asset.is_empty(),
            ["house", "fees", asset] | ["clearing", "payout", asset] => *asset == CURRENCY,
            _ => false,
        };
        is_account.then(|| Self(name.to_owned()))
    }

    /// Whose account it is; none for those of the house and the outside.
    #[must_use]
    pub fn owner(&self) -> Option<&str> {
        self.0.strip_prefix("u:")?.split(':').next()
    }

    /// Whether it stands for the outside, which owes what is inside.
    #[must_use]
    pub fn is_outside(&self) -> bool {
        self.0.starts_with("world:") || self.0.starts_with("issuer:")
    }

    /// What it is held in.
    #[must_use]
    pub fn asset(&self) -> &str {
        let place = if self.is_outside() { 1 } else { 2 };
        self.0.split(':').nth(place).unwrap_or_default()
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
            (AccountName::suspense("EUR"), None, "EUR"),
            (AccountName::payout_clearing(), None, "USD"),
            (AccountName::issuer("ACME"), None, "ACME"),
        ] {
            assert_eq!(AccountName::parse(account.as_str()), Some(account.clone()));
            assert_eq!((account.owner(), account.asset()), (owner, asset));
        }
    }

    #[test]
    fn other_names_are_no_accounts() {
        for name in [
            "",
            "u:x:USD",
            "u::USD:avail",
            "house:fees:ACME",
            "house:suspense:",
            "clearing:payout:EUR",
            "bank:USD",
        ] {
            assert_eq!(AccountName::parse(name), None, "{name}");
        }
    }

    #[test]
    fn only_the_outside_may_owe() {
        assert!(AccountName::world("USD").is_outside());
        assert!(AccountName::issuer("ACME").is_outside());
        assert!(!AccountName::suspense("USD").is_outside());
        assert!(!AccountName::available("world", "USD").is_outside());
    }
}
