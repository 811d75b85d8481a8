//! One account added up from its events alone, in whatever order they are read.

use std::collections::BTreeMap;

use super::account::{Account, Balance};
use super::asset::Asset;
use super::movement::Movement;

/// What events say one user holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Available and locked by asset. Wide enough for sums that should never be.
    sums: BTreeMap<Asset, (i128, i128)>,
    /// Events of the account's own stream that were counted.
    pub own: u64,
    /// Settlements that were counted.
    pub settlements: u64,
}

/// What an account holds of an asset, and what its events say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Of what.
    pub asset: Asset,
    /// What is kept.
    pub held: Balance,
    /// What the events say.
    pub told: Balance,
}

// === impl Tally ===

impl Tally {
    /// Counts a movement of this user.
    pub fn count(&mut self, movement: &Movement) {
        let (available, locked) = self.sums.entry(movement.asset.clone()).or_default();
        *available += i128::from(movement.available);
        *locked += i128::from(movement.locked);
    }

    /// How a kept account differs, by asset.
    #[must_use]
    pub fn differences(&self, account: &Account) -> Vec<Difference> {
        let mut assets: Vec<&Asset> = self.sums.keys().chain(account.balances.keys()).collect();
        assets.sort();
        assets.dedup();
        let differences = assets.into_iter().map(|asset| {
            let (available, locked) = self.sums.get(asset).copied().unwrap_or_default();
            Difference {
                asset: asset.clone(),
                held: account.balance(asset),
                told: Balance {
                    available: narrowed(available),
                    locked: narrowed(locked),
                },
            }
        });
        differences
            .filter(|difference| difference.held != difference.told)
            .collect()
    }
}

/// A sum as a balance can state it: one beyond all bounds differs from any balance anyway.
fn narrowed(sum: i128) -> i64 {
    let clamped = sum.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
    i64::try_from(clamped).unwrap_or(i64::MAX)
}
