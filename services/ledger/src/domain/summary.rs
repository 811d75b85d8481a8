//! What was booked on one account, counted and summed by kind.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Entries of one account by kind: a number of
/// [`TransactionKind`](outcry_contracts::ledger::v1::TransactionKind).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Summary {
    kinds: BTreeMap<i32, KindTotal>,
}

/// The entries of one kind together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindTotal {
    /// How many.
    pub entries: u64,
    /// Their signed sum, in the unit of the account's asset.
    pub sum: i64,
}

// === impl Summary ===

impl Summary {
    /// Counts one more entry.
    pub fn count(&mut self, kind: i32, amount: i64) {
        let total = self.kinds.entry(kind).or_default();
        total.entries += 1;
        // What flows through an account can exceed what it ever holds, so the sums of single kinds
        // may reach the limits although balances do not: they stop there.
        total.sum = total.sum.saturating_add(amount);
    }

    /// The totals by kind, in the order of kinds.
    pub fn totals(&self) -> impl Iterator<Item = (i32, KindTotal)> {
        self.kinds.iter().map(|(kind, total)| (*kind, *total))
    }
}
