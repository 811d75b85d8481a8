//! The books held against what custody says it holds, account by account.

use std::collections::BTreeMap;

use super::chart::AccountName;

/// Differences that are told at most: more say no more about what is wrong.
pub const DIFFERENCES_MAX: usize = 100;

/// A comparison under way: custody tells its accounts, then the rest is looked for.
#[derive(Debug, Clone)]
pub struct Reconciliation {
    /// What the books say of users' accounts that custody has not told yet.
    untold: BTreeMap<AccountName, i64>,
    accounts: u64,
    differences: Vec<Difference>,
    differences_max: usize,
    found: u64,
}

/// A balance that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Of which account.
    pub account: AccountName,
    /// What the books say.
    pub ledger: i64,
    /// What custody says.
    pub custody: i64,
}

// === impl Reconciliation ===

impl Reconciliation {
    /// Begins with the balances of the books. Those of the house and the outside are left out:
    /// custody keeps none.
    #[must_use]
    pub fn of(books: BTreeMap<AccountName, i64>) -> Reconciliation {
        Reconciliation::keeping(books, DIFFERENCES_MAX)
    }

    /// The same, with more differences than are told, for who follows them.
    #[must_use]
    pub fn keeping(books: BTreeMap<AccountName, i64>, differences_max: usize) -> Reconciliation {
        let of_users = books
            .into_iter()
            .filter(|(account, _)| account.owner().is_some());
        Reconciliation {
            untold: of_users.collect(),
            accounts: 0,
            differences: Vec::new(),
            differences_max,
            found: 0,
        }
    }

    /// Compares an account with what custody holds there. An account that the books do not know
    /// holds nothing.
    pub fn told(&mut self, account: AccountName, custody: i64) {
        let ledger = self.untold.remove(&account).unwrap_or(0);
        self.compare(account, ledger, custody);
    }

    /// Ends it: accounts that custody did not tell hold nothing there.
    #[must_use]
    pub fn finish(mut self) -> Reconciliation {
        for (account, ledger) in std::mem::take(&mut self.untold) {
            self.compare(account, ledger, 0);
        }
        self
    }

    /// Accounts compared.
    #[must_use]
    pub fn accounts(&self) -> u64 {
        self.accounts
    }

    /// The first of those that differ: [`DIFFERENCES_MAX`], unless more were to be kept.
    #[must_use]
    pub fn differences(&self) -> &[Difference] {
        &self.differences
    }

    /// How many differ.
    #[must_use]
    pub fn found(&self) -> u64 {
        self.found
    }

    fn compare(&mut self, account: AccountName, ledger: i64, custody: i64) {
        self.accounts += 1;
        if ledger == custody {
            return;
        }
        self.found += 1;
        if self.differences.len() < self.differences_max {
            self.differences.push(Difference {
                account,
                ledger,
                custody,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usd(user: &str) -> AccountName {
        AccountName::available(user, "USD")
    }

    #[test]
    fn books_and_custody_that_agree_have_no_differences() {
        let books = [(usd("a"), 5), (AccountName::world("USD"), -5)].into();
        let mut compared = Reconciliation::of(books);
        compared.told(usd("a"), 5);
        compared.told(AccountName::locked("a", "USD"), 0);
        let compared = compared.finish();
        assert_eq!((compared.accounts(), compared.differences()), (2, &[][..]));
    }

    #[test]
    fn what_only_one_side_holds_is_a_difference() {
        let mut compared = Reconciliation::of([(usd("a"), 5)].into());
        compared.told(usd("b"), 7);
        let compared = compared.finish();
        let told: Vec<_> = compared
            .differences()
            .iter()
            .map(|one| (one.account.clone(), one.ledger, one.custody))
            .collect();
        assert_eq!(told, [(usd("b"), 0, 7), (usd("a"), 5, 0)]);
    }

    #[test]
    fn differences_are_all_counted_and_the_first_are_told() {
        let mut compared = Reconciliation::of(BTreeMap::new());
        for number in 0..=DIFFERENCES_MAX {
            compared.told(usd(&number.to_string()), 1);
        }
        let compared = compared.finish();
        assert_eq!(compared.differences().len(), DIFFERENCES_MAX);
        assert_eq!(compared.found(), DIFFERENCES_MAX as u64 + 1);
    }
}
