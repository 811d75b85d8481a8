//! Transactions: numbered without gaps, balanced, each chained to the one before.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::chart::AccountName;
use super::hash::{Canonical, Hash};
use super::posting::Posting;

/// A booked transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transaction {
    /// 1, 2, 3 … without gaps.
    pub number: u64,
    /// Books its fact once.
    pub key: String,
    /// What kind of fact: a number of
    /// [`TransactionKind`](outcry_contracts::ledger::v1::TransactionKind).
    pub kind: i32,
    /// Payment, order, withdrawal or match.
    pub reference: String,
    /// The event it books.
    pub event_id: Uuid,
    /// When the fact happened, in nanoseconds since 1970, but never before the transaction before:
    /// a journal is in order of time.
    pub at_ns: i64,
    /// Its legs.
    pub entries: Vec<Entry>,
    /// Hash of the transaction before.
    pub previous: Hash,
    /// Hash of all of the above.
    pub hash: Hash,
}

/// One leg of a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Where.
    pub account: AccountName,
    /// Signed, in the unit of the account's asset.
    pub amount: i64,
    /// What the account holds after it.
    pub balance_after: i64,
}

/// The end of the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Number of the last transaction.
    pub number: u64,
    /// Its hash.
    pub hash: Hash,
    /// Its time.
    pub at_ns: i64,
}

/// What is to be booked for an event as soon as those who give have what they give.
///
/// Events about different users and symbols reach the ledger in no particular order, so a
/// settlement may come before the lock it uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// What is to be booked.
    pub posting: Posting,
    /// For which event.
    pub event_id: Uuid,
    /// When the event happened, in nanoseconds since 1970.
    pub at_ns: i64,
}

/// What could be booked and what could not yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recorded {
    /// The next transactions of the journal, in order.
    pub transactions: Vec<Transaction>,
    /// What still waits, in the order given.
    pub waiting: Vec<Waiting>,
}

/// Why a transaction cannot be booked, or should not have been.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// What some accounts lose is not what others gain.
    #[error("the entries in {asset} do not sum to zero")]
    Unbalanced {
        /// Of what.
        asset: String,
    },
    /// An account would hold less than nothing, and does not stand for the outside.
    #[error("{account} would hold {balance}")]
    Overdrawn {
        /// Which.
        account: AccountName,
        /// What it would hold.
        balance: i64,
    },
    /// A balance beyond what a number can say.
    #[error("the balance of {account} is too large")]
    TooLarge {
        /// Which.
        account: AccountName,
    },
    /// A transaction without entries.
    #[error("nothing is booked")]
    Empty,
}

// === impl Head ===

impl Head {
    /// The end of an empty journal.
    pub const ORIGIN: Head = Head {
        number: 0,
        hash: Hash::ORIGIN,
        at_ns: i64::MIN,
    };
}

/// The transaction of a posting, as the next of the journal. `balances` are those of the accounts
/// it touches; an account left out holds nothing.
///
/// # Errors
/// [`JournalError`].
pub fn record(
    head: &Head,
    posting: &Posting,
    event_id: Uuid,
    at_ns: i64,
    balances: &BTreeMap<AccountName, i64>,
) -> Result<Transaction, JournalError> {
    let mut balances = balances.clone();
    let mut entries = Vec::with_capacity(posting.transfers.len() * 2);
    for transfer in &posting.transfers {
        for (account, amount) in [
            (&transfer.from, -transfer.amount),
            (&transfer.to, transfer.amount),
        ] {
            let balance = balances.entry(account.clone()).or_default();
            *balance = next_balance(account, *balance, amount)?;
            entries.push(Entry {
                account: account.clone(),
                amount,
                balance_after: *balance,
            });
        }
    }
    let mut transaction = Transaction {
        number: head.number + 1,
        key: posting.key.clone(),
        kind: posting.kind,
        reference: posting.reference.clone(),
        event_id,
        at_ns: at_ns.max(head.at_ns),
        entries,
        previous: head.hash,
        hash: Hash::ORIGIN,
    };
    transaction.balanced()?;
    transaction.hash = transaction.computed_hash();
    Ok(transaction)
}

/// Books everything that is covered, in the order given; what gets covered by it, too. `balances`
/// are those of the accounts touched.
///
/// # Errors
/// [`JournalError`], except that what is not covered waits.
pub fn record_covered(
    mut head: Head,
    mut waiting: Vec<Waiting>,
    mut balances: BTreeMap<AccountName, i64>,
) -> Result<Recorded, JournalError> {
    let mut recorded = Recorded::default();
    loop {
        let before = waiting.len();
        let mut uncovered = Vec::new();
        for one in waiting {
            match record(&head, &one.posting, one.event_id, one.at_ns, &balances) {
                Ok(transaction) => {
                    for (account, balance) in transaction.balances() {
                        balances.insert(account.clone(), balance);
                    }
                    head = transaction.head();
                    recorded.transactions.push(transaction);
                }
                Err(JournalError::Overdrawn { .. }) => uncovered.push(one),
                Err(error) => return Err(error),
            }
        }
        // Each round books something, so there are at most as many as there is waiting.
        if uncovered.is_empty() || uncovered.len() == before {
            recorded.waiting = uncovered;
            return Ok(recorded);
        }
        waiting = uncovered;
    }
}

/// What an account holds after an entry.
///
/// # Errors
/// Too large, or less than nothing in an account that does not stand for the outside.
pub(super) fn next_balance(
    account: &AccountName,
    balance: i64,
    amount: i64,
) -> Result<i64, JournalError> {
    let next = balance
        .checked_add(amount)
        .ok_or_else(|| JournalError::TooLarge {
            account: account.clone(),
        })?;
    if next < 0 && !account.is_outside() {
        return Err(JournalError::Overdrawn {
            account: account.clone(),
            balance: next,
        });
    }
    Ok(next)
}

// === impl Transaction ===

impl Transaction {
    /// Where the journal ends with it.
    #[must_use]
    pub fn head(&self) -> Head {
        Head {
            number: self.number,
            hash: self.hash,
            at_ns: self.at_ns,
        }
    }

    /// What the accounts it touches hold after it.
    #[must_use]
    pub fn balances(&self) -> BTreeMap<&AccountName, i64> {
        let entries = self.entries.iter();
        entries
            .map(|entry| (&entry.account, entry.balance_after))
            .collect()
    }

    /// Whether what some accounts lose is what others gain, for each asset.
    ///
    /// # Errors
    /// [`JournalError::Unbalanced`], [`JournalError::Empty`].
    pub fn balanced(&self) -> Result<(), JournalError> {
        if self.entries.is_empty() {
            return Err(JournalError::Empty);
        }
        let mut sums: BTreeMap<&str, i128> = BTreeMap::new();
        for entry in &self.entries {
            *sums.entry(entry.account.asset()).or_default() += i128::from(entry.amount);
        }
        match sums.into_iter().find(|(_, sum)| *sum != 0) {
            None => Ok(()),
            Some((asset, _)) => Err(JournalError::Unbalanced {
                asset: asset.to_owned(),
            }),
        }
    }

    /// The hash that belongs to what it says.
    #[must_use]
    pub fn computed_hash(&self) -> Hash {
        let head = Canonical::default()
            .hash(self.previous)
            .number(self.number)
            .text(&self.key)
            .signed(i64::from(self.kind))
            .text(&self.reference)
            .text(&self.event_id.to_string())
            .signed(self.at_ns)
            .number(self.entries.len() as u64);
        let entries = self.entries.iter().fold(head, |bytes, entry| {
            bytes
                .text(entry.account.as_str())
                .signed(entry.amount)
                .signed(entry.balance_after)
        });
        entries.finish()
    }
}
