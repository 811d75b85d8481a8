//! How often somebody may guess a password. Pure.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// Wrong passwords for one address before it is locked: more than somebody with three passwords
/// in mind needs, far fewer than a guesser does.
pub(crate) const FAILURES_MAX: usize = 5;

/// Only failures that lie closer together than this count.
pub(crate) const WINDOW: Duration = Duration::from_secs(15 * 60);

/// How long an address stays locked, so that nobody is kept out for long by a stranger.
pub(crate) const LOCKED_FOR: Duration = Duration::from_secs(15 * 60);

/// The failures of one address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attempts {
    /// When, oldest first; [`FAILURES_MAX`] at most.
    failed_at: Vec<SystemTime>,
}

// === impl Attempts ===

impl Attempts {
    /// With one more failure.
    pub(crate) fn failed(mut self, now: SystemTime) -> Self {
        self.failed_at.push(now);
        let surplus = self.failed_at.len().saturating_sub(FAILURES_MAX);
        self.failed_at.drain(..surplus);
        self
    }

    /// How much longer the address is locked, when it is.
    pub(crate) fn locked(&self, now: SystemTime) -> Option<Duration> {
        let (first, last) = (self.failed_at.first()?, self.failed_at.last()?);
        if self.failed_at.len() < FAILURES_MAX || *last > *first + WINDOW {
            return None;
        }
        let until = *last + LOCKED_FOR;
        until
            .duration_since(now)
            .ok()
            .filter(|left| !left.is_zero())
    }

    /// From when on the failures mean nothing any more.
    pub(crate) fn forgotten_at(&self, now: SystemTime) -> SystemTime {
        let last = self.failed_at.last().map_or(now, |last| *last);
        last + WINDOW.max(LOCKED_FOR)
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn at(minutes: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(minutes * 60)
    }

    fn failed_at(minutes: impl IntoIterator<Item = u64>) -> Attempts {
        minutes
            .into_iter()
            .fold(Attempts::default(), |attempts, one| {
                attempts.failed(at(one))
            })
    }

    #[test]
    fn the_fifth_failure_locks_for_a_quarter_of_an_hour() {
        assert_eq!(failed_at([0, 1, 2, 3]).locked(at(4)), None);
        let locked = failed_at([0, 1, 2, 3, 4]);
        assert_eq!(locked.locked(at(4)), Some(LOCKED_FOR));
        assert_eq!(locked.locked(at(18)), Some(Duration::from_secs(60)));
        assert_eq!(locked.locked(at(19)), None);
        assert_eq!(locked.forgotten_at(at(9)), at(19));
    }

    #[test]
    fn failures_far_apart_do_not_lock() {
        assert_eq!(failed_at([0, 5, 10, 15, 20]).locked(at(20)), None);
    }

    #[test]
    fn the_first_failure_after_a_lock_locks_again_only_when_close() {
        assert!(failed_at([0, 1, 2, 3, 4, 15]).locked(at(15)).is_some());
        assert!(failed_at([0, 1, 2, 3, 4, 20]).locked(at(20)).is_none());
    }
}
