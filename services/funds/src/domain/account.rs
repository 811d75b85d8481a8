//! What one user holds.

use std::collections::BTreeMap;

use outcry_contracts::users::v1::UserStatus;
use serde::{Deserialize, Serialize};

use super::asset::{Asset, HOLDING_MAX, Value, ValueError};
use super::movement::{AccountEvent, Movement};

/// The document of one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Whose.
    pub user_id: String,
    /// Whether the user may trade and withdraw.
    pub standing: Standing,
    /// Sequence of the last event of the account's own stream.
    pub sequence: u64,
    /// What it holds, cash and shares. Grows with the number of symbols only.
    pub balances: BTreeMap<Asset, Balance>,
}

/// Whether a user may trade and withdraw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// May.
    Active,
    /// Must not for now.
    Suspended,
    /// Left for good.
    Closed,
}

/// What an account holds of one asset, in the asset's unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// Free to use.
    pub available: i64,
    /// Set aside.
    pub locked: i64,
}

/// Something that must never be: an amount nobody has, or numbers that contradict each other.
/// Whoever meets one stops and lets a person look.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Breach {
    /// An event carries no proper amount.
    #[error("an event carries no proper amount: {0}")]
    Unreadable(ValueError),
    /// An event or a fill moves a negative amount.
    #[error("a negative amount of {asset} was to be moved")]
    Negative {
        /// Of what.
        asset: Asset,
    },
    /// Less than nothing would be left in an account.
    #[error("{user_id} would be left with less than nothing of {asset}")]
    Overdrawn {
        /// Whose account.
        user_id: String,
        /// Of what.
        asset: Asset,
    },
    /// More than an account can hold.
    #[error("more {asset} than an account can hold")]
    TooMuch {
        /// Of what.
        asset: Asset,
    },
    /// More would be used or given back than is locked.
    #[error("lock {lock_id} does not hold as much as is asked of it")]
    LockExceeded {
        /// Which.
        lock_id: String,
    },
    /// A lock belongs to somebody else, holds something else, or is over.
    #[error("lock {lock_id} does not fit: {why}")]
    LockMisfit {
        /// Which.
        lock_id: String,
        /// In what way.
        why: &'static str,
    },
    /// The two sides of a match contradict each other.
    #[error("the sides of match {match_id} do not fit: {why}")]
    SidesDisagree {
        /// Which.
        match_id: String,
        /// In what way.
        why: &'static str,
    },
    /// More was settled for an order than it was filled.
    #[error("{settled} shares are settled for {lock_id}, which ended with {filled}")]
    OverSettled {
        /// The order.
        lock_id: String,
        /// Shares settled.
        settled: i64,
        /// Shares it ended with.
        filled: i64,
    },
}

// === impl Account ===

impl Account {
    /// A new account without anything in it.
    #[must_use]
    pub fn open(user_id: &str) -> Account {
        Account {
            user_id: user_id.to_owned(),
            standing: Standing::Active,
            sequence: 0,
            balances: BTreeMap::new(),
        }
    }

    /// What it holds of an asset.
    #[must_use]
    pub fn balance(&self, asset: &Asset) -> Balance {
        self.balances.get(asset).copied().unwrap_or_default()
    }

    /// What is available of an asset.
    #[must_use]
    pub fn available(&self, asset: &Asset) -> Value {
        stated(asset, self.balance(asset).available)
    }

    /// What is locked of an asset.
    #[must_use]
    pub fn locked(&self, asset: &Asset) -> Value {
        stated(asset, self.balance(asset).locked)
    }

    /// The account after an event of its own stream.
    ///
    /// # Errors
    /// [`Breach`]; the account is not to be used then.
    pub fn after(mut self, event: &AccountEvent) -> Result<Account, Breach> {
        self.sequence += 1;
        self.moved(&event.movement()?)
    }

    /// The account after a movement.
    ///
    /// # Errors
    /// [`Breach`] when less than nothing or too much would be left.
    pub fn moved(mut self, movement: &Movement) -> Result<Account, Breach> {
        let balance = self.balance(&movement.asset);
        let moved = balance.moved(&self.user_id, movement)?;
        self.balances.insert(movement.asset.clone(), moved);
        Ok(self)
    }
}

/// A balance as a value.
fn stated(asset: &Asset, amount: i64) -> Value {
    #[expect(
        clippy::expect_used,
        reason = "the number is clamped to the range of values"
    )]
    asset
        .value(amount.clamp(-HOLDING_MAX, HOLDING_MAX))
        .expect("a value in range")
}

// === impl Balance ===

impl Balance {
    /// The balance after a movement.
    ///
    /// # Errors
    /// [`Breach`] when less than nothing or too much would be left.
    pub fn moved(self, user_id: &str, movement: &Movement) -> Result<Balance, Breach> {
        let too_much = || Breach::TooMuch {
            asset: movement.asset.clone(),
        };
        let available = self.available.checked_add(movement.available);
        let locked = self.locked.checked_add(movement.locked);
        let (available, locked) = available.zip(locked).ok_or_else(too_much)?;
        if available < 0 || locked < 0 {
            return Err(Breach::Overdrawn {
                user_id: user_id.to_owned(),
                asset: movement.asset.clone(),
            });
        }
        match available.checked_add(locked) {
            Some(whole) if whole <= HOLDING_MAX => Ok(Balance { available, locked }),
            _ => Err(too_much()),
        }
    }
}

// === impl Standing ===

impl Standing {
    /// The standing of a user in this status; none for a status that says nothing.
    #[must_use]
    pub fn of(status: UserStatus) -> Option<Standing> {
        match status {
            UserStatus::Unspecified => None,
            UserStatus::Active => Some(Standing::Active),
            UserStatus::Suspended => Some(Standing::Suspended),
            UserStatus::Closed => Some(Standing::Closed),
        }
    }
}
