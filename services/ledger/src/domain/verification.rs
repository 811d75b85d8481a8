//! A kept journal held against its own rules.

use std::collections::{BTreeMap, HashSet};

use super::chart::AccountName;
use super::journal::{Head, JournalError, Transaction, next_balance};
use super::summary::Summary;

/// Goes through a journal from its beginning and recomputes everything.
#[derive(Debug, Clone)]
pub struct Verification {
    head: Head,
    balances: BTreeMap<AccountName, i64>,
    summaries: BTreeMap<AccountName, Summary>,
    keys: HashSet<String>,
}

/// What does not hold, and from which transaction on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Number of the first transaction that does not hold.
    pub number: u64,
    /// In what way.
    pub problem: Problem,
}

/// In what way a transaction does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Another number stands there.
    #[error("number {found} stands where {expected} belongs")]
    Number {
        /// Should be there.
        expected: u64,
        /// Is there.
        found: u64,
    },
    /// It does not name the hash of the one before.
    #[error("it is not chained to the transaction before")]
    Chain,
    /// Its hash is not that of what it says.
    #[error("its hash is not that of what it says")]
    Hash,
    /// It is before the one before.
    #[error("it is earlier than the transaction before")]
    Time,
    /// Its key was used before.
    #[error("key {0} is booked twice")]
    Key(String),
    /// Its entries break a rule.
    #[error(transparent)]
    Entries(#[from] JournalError),
    /// An entry states another balance than the entries before lead to.
    #[error("{account} holds {expected} after it, it says {found}")]
    Balance {
        /// Which account.
        account: AccountName,
        /// What it holds.
        expected: i64,
        /// What the entry says.
        found: i64,
    },
    /// The kept balance of an account is not what its entries lead to.
    #[error("{account} is kept with {found}, its entries lead to {expected}")]
    KeptBalance {
        /// Which account.
        account: AccountName,
        /// What the entries lead to.
        expected: i64,
        /// What is kept.
        found: i64,
    },
    /// The kept counts and sums of an account are not those of its entries.
    #[error("the counts and sums by kind kept of {account} are not those of its entries")]
    KeptSummary {
        /// Which account.
        account: AccountName,
    },
    /// The journal should go on.
    #[error("the journal should go on to number {0}")]
    Missing(u64),
}

impl Default for Verification {
    fn default() -> Verification {
        Verification {
            head: Head::ORIGIN,
            balances: BTreeMap::new(),
            summaries: BTreeMap::new(),
            keys: HashSet::new(),
        }
    }
}

// === impl Verification ===

impl Verification {
    /// Holds the next transaction against the rules.
    ///
    /// # Errors
    /// What does not hold.
    pub fn follow(&mut self, transaction: &Transaction) -> Result<(), Broken> {
        self.check(transaction).map_err(|problem| Broken {
            number: self.head.number + 1,
            problem,
        })?;
        self.head = transaction.head();
        Ok(())
    }

    fn check(&mut self, transaction: &Transaction) -> Result<(), Problem> {
        let expected = self.head.number + 1;
        if transaction.number != expected {
            return Err(Problem::Number {
                expected,
                found: transaction.number,
            });
        }
        if transaction.previous != self.head.hash {
            return Err(Problem::Chain);
        }
        if transaction.hash != transaction.computed_hash() {
            return Err(Problem::Hash);
        }
        if transaction.at_ns < self.head.at_ns {
            return Err(Problem::Time);
        }
        transaction.balanced()?;
        for entry in &transaction.entries {
            let balance = self.balances.entry(entry.account.clone()).or_default();
            *balance = next_balance(&entry.account, *balance, entry.amount)?;
            if *balance != entry.balance_after {
                return Err(Problem::Balance {
                    account: entry.account.clone(),
                    expected: *balance,
                    found: entry.balance_after,
                });
            }
            let summary = self.summaries.entry(entry.account.clone()).or_default();
            summary.count(transaction.kind, entry.amount);
        }
        if !self.keys.insert(transaction.key.clone()) {
            return Err(Problem::Key(transaction.key.clone()));
        }
        Ok(())
    }

    /// Number of transactions that hold.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.head.number
    }

    /// Where the journal ends so far.
    #[must_use]
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// What the accounts hold so far.
    #[must_use]
    pub fn balances(&self) -> &BTreeMap<AccountName, i64> {
        &self.balances
    }

    /// Counts and sums of the accounts so far.
    #[must_use]
    pub fn summaries(&self) -> &BTreeMap<AccountName, Summary> {
        &self.summaries
    }

    /// Holds kept counts and sums against what was followed.
    ///
    /// # Errors
    /// The first account whose are others.
    pub fn check_summaries(&self, kept: &BTreeMap<AccountName, Summary>) -> Result<(), Broken> {
        for (account, summary) in kept {
            if self.summaries.get(account).unwrap_or(&Summary::default()) != summary {
                return Err(Broken {
                    number: self.head.number,
                    problem: Problem::KeptSummary {
                        account: account.clone(),
                    },
                });
            }
        }
        Ok(())
    }

    /// Holds the kept balances and the kept end of the journal against what was followed.
    ///
    /// # Errors
    /// What does not hold.
    pub fn finish(&self, kept: &BTreeMap<AccountName, i64>, head: &Head) -> Result<(), Broken> {
        let broken = |problem| Broken {
            number: self.head.number,
            problem,
        };
        if head.number > self.head.number {
            return Err(Broken {
                number: self.head.number + 1,
                problem: Problem::Missing(head.number),
            });
        }
        if head != &self.head {
            return Err(broken(Problem::Chain));
        }
        let names: std::collections::BTreeSet<_> =
            kept.keys().chain(self.balances.keys()).collect();
        for account in names {
            let expected = self.balances.get(account).copied().unwrap_or(0);
            let found = kept.get(account).copied().unwrap_or(0);
            if expected != found {
                return Err(broken(Problem::KeptBalance {
                    account: account.clone(),
                    expected,
                    found,
                }));
            }
        }
        Ok(())
    }
}
