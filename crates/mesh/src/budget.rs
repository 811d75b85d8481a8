//! How many retries calls to one service may cost: a storm of them would keep it down.

use tokio::time::Instant;

/// Retries per call. With a service that answers nothing but failures, a fifth more reaches it.
const PER_CALL: f64 = 0.2;

/// Retries per second that are there without any calls: few calls would otherwise have none.
const PER_SECOND: f64 = 10.0;

/// Retries saved up at most: what ten quiet seconds bring.
const SAVED_MAX: f64 = 100.0;

/// A purse of retries, which calls and time fill.
///
/// A retry is paid when it is decided on, not when it is sent: those that wait would otherwise all be
/// sent together.
#[derive(Debug)]
pub(crate) struct Budget {
    left: f64,
    at: Instant,
}

impl Budget {
    /// What one second brings is there from the beginning.
    pub(crate) fn new(now: Instant) -> Budget {
        Budget {
            left: PER_SECOND,
            at: now,
        }
    }

    /// A call is made.
    pub(crate) fn call(&mut self, now: Instant) {
        self.left = (self.left(now) + PER_CALL).min(SAVED_MAX);
        self.at = now;
    }

    /// Pays for a retry, if there is enough.
    #[must_use]
    pub(crate) fn pay(&mut self, now: Instant) -> bool {
        self.left = self.left(now);
        self.at = now;
        let enough = self.left >= 1.0;
        if enough {
            self.left -= 1.0;
        }
        enough
    }

    /// Retries there are.
    pub(crate) fn left(&self, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        (self.left + passed * PER_SECOND).min(SAVED_MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_quiet_service_has_retries_and_saves_them_up_to_a_bound() {
        let now = Instant::now();
        let mut budget = Budget::new(now);
        let mut paid = 0.0;
        while budget.pay(now) {
            paid += 1.0;
        }
        assert!(paid >= PER_SECOND);
        let later = now + Duration::from_secs(3600);
        assert!(budget.left(later) <= SAVED_MAX);
        assert!(budget.pay(later));
    }

    proptest! {
        #[test]
        fn retries_stay_within_a_fifth_of_the_calls_and_the_floor(
            waits in proptest::collection::vec(0_u64..400, 1..300),
        ) {
            let start = Instant::now();
            let (mut budget, mut now) = (Budget::new(start), start);
            let (mut calls, mut retries) = (0.0, 0.0);
            for wait in waits {
                now += Duration::from_millis(wait);
                budget.call(now);
                calls += 1.0;
                // Everything fails, and every call would be made again twice.
                for _ in 0..2 {
                    retries += f64::from(u8::from(budget.pay(now)));
                }
                let seconds = (now - start).as_secs_f64();
                let allowed = calls * PER_CALL + (seconds + 1.0) * PER_SECOND;
                prop_assert!(retries <= allowed + 1e-6, "{retries} retries of {calls} calls");
            }
        }
    }
}
