//! Differences between books and custody that last.
//!
//! Custody is read after the books, so while there is trade some accounts differ in every comparison: by what is on
//! its way. What differs by the same amount again and again is not on its way.

use std::collections::BTreeMap;

use super::chart::AccountName;
use super::reconciliation::Reconciliation;

/// Comparisons in a row in which an account differs by the same amount before that counts. An account that is always
/// being traded on may look the same once or twice.
pub const COMPARISONS_MIN: u32 = 5;

/// Differing accounts that are followed from one comparison to the next at most; far more than there can be events on
/// their way at a time.
pub const FOLLOWED_MAX: usize = 10_000;

/// The accounts that differed at the latest comparison.
#[derive(Debug, Clone, Default)]
pub struct Lasting {
    followed: BTreeMap<AccountName, Followed>,
}

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Followed {
    /// What custody holds more than the books say.
    by: i128,
    /// Comparisons in a row that it has been so.
    times: u32,
}

// === impl Lasting ===

impl Lasting {
    /// Takes in a comparison that was [kept](Reconciliation::keeping) up to [`FOLLOWED_MAX`].
    pub fn follow(&mut self, compared: &Reconciliation) {
        let before = std::mem::take(&mut self.followed);
        for one in compared.differences().iter().take(FOLLOWED_MAX) {
            let by = i128::from(one.custody) - i128::from(one.ledger);
            let times = before
                .get(&one.account)
                .filter(|known| known.by == by)
                .map_or(0, |known| known.times);
            let times = times.saturating_add(1);
            self.followed
                .insert(one.account.clone(), Followed { by, times });
        }
    }

    /// Accounts whose difference lasts, with what custody holds more than the books say.
    pub fn accounts(&self) -> impl Iterator<Item = (&AccountName, i128)> {
        let lasting = self
            .followed
            .iter()
            .filter(|(_, followed)| followed.times >= COMPARISONS_MIN);
        lasting.map(|(account, followed)| (account, followed.by))
    }

    /// By how much they differ of each asset, whichever side has more.
    #[must_use]
    pub fn by_asset(&self) -> BTreeMap<String, u128> {
        let mut sums = BTreeMap::new();
        for (account, by) in self.accounts() {
            let sum: &mut u128 = sums.entry(account.asset().to_owned()).or_default();
            *sum = sum.saturating_add(by.unsigned_abs());
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(user: &str, asset: &str) -> AccountName {
        AccountName::available(user, asset)
    }

    /// A comparison in which custody holds this, and the books nothing.
    fn compared(custody: &[(AccountName, i64)]) -> Reconciliation {
        let mut compared = Reconciliation::keeping(BTreeMap::new(), FOLLOWED_MAX);
        for (account, amount) in custody {
            compared.told(account.clone(), *amount);
        }
        compared.finish()
    }

    #[test]
    fn what_is_on_its_way_does_not_count_however_often_there_is_something() {
        let mut lasting = Lasting::default();
        for number in 1..20 {
            lasting.follow(&compared(&[(of("a", "USD"), number)]));
            lasting.follow(&compared(&[(of("a", "USD"), number)]));
            assert_eq!(lasting.by_asset(), BTreeMap::new());
        }
    }

    #[test]
    fn what_lasts_counts_on_either_side_and_until_it_is_gone() {
        let mut lasting = Lasting::default();
        let differ = [
            (of("a", "USD"), 5),
            (of("b", "USD"), -7),
            (of("a", "ACME"), 1),
        ];
        for _ in 1..COMPARISONS_MIN {
            lasting.follow(&compared(&differ));
            assert_eq!(lasting.by_asset(), BTreeMap::new());
        }
        lasting.follow(&compared(&differ));
        let sums = [("ACME".to_owned(), 1), ("USD".to_owned(), 12)];
        assert_eq!(lasting.by_asset(), sums.into());
        lasting.follow(&compared(&differ[..1]));
        assert_eq!(lasting.by_asset(), [("USD".to_owned(), 5)].into());
        lasting.follow(&compared(&[]));
        assert_eq!(lasting.accounts().count(), 0);
    }

    #[test]
    fn a_difference_as_large_as_numbers_are_is_none_too_many() {
        let books = [(of("a", "USD"), i64::MIN)].into();
        let mut lasting = Lasting::default();
        for _ in 0..COMPARISONS_MIN {
            let mut compared = Reconciliation::keeping(BTreeMap::clone(&books), FOLLOWED_MAX);
            compared.told(of("a", "USD"), i64::MAX);
            lasting.follow(&compared.finish());
        }
        let sum = lasting.by_asset()["USD"];
        assert_eq!(sum, u128::from(u64::MAX));
    }
}
