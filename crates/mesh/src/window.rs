//! What went well and what did not, over the last while.

use std::time::Duration;

use tokio::time::Instant;

/// Two counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) good: u64,
    pub(crate) bad: u64,
}

impl Counts {
    pub(crate) fn total(self) -> u64 {
        self.good + self.bad
    }

    /// The share of what went well; of nothing, all did.
    pub(crate) fn good_share(self) -> f64 {
        match self.total() {
            0 => 1.0,
            #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
            total => self.good as f64 / total as f64,
        }
    }
}

/// Counts over the last while, in a ring of equal parts: the oldest part is dropped as a whole.
#[derive(Debug)]
pub(crate) struct Window {
    part: Duration,
    parts: Box<[Counts]>,
    sum: Counts,
    /// The part counted into, and when it began.
    at: usize,
    began: Instant,
}

impl Window {
    /// A window of `parts` times `part`, beginning now.
    pub(crate) fn new(parts: usize, part: Duration, now: Instant) -> Window {
        Window {
            part,
            parts: vec![Counts::default(); parts.max(1)].into(),
            sum: Counts::default(),
            at: 0,
            began: now,
        }
    }

    pub(crate) fn count(&mut self, good: bool, now: Instant) {
        self.move_on(now);
        let part = &mut self.parts[self.at];
        if good {
            part.good += 1;
            self.sum.good += 1;
        } else {
            part.bad += 1;
            self.sum.bad += 1;
        }
    }

    pub(crate) fn counts(&mut self, now: Instant) -> Counts {
        self.move_on(now);
        self.sum
    }

    /// Begins anew.
    pub(crate) fn clear(&mut self, now: Instant) {
        self.parts.fill(Counts::default());
        self.sum = Counts::default();
        self.began = now;
    }

    fn move_on(&mut self, now: Instant) {
        let mut passed = now.saturating_duration_since(self.began);
        if passed < self.part {
            return;
        }
        let whole = self
            .part
            .saturating_mul(u32::try_from(self.parts.len()).unwrap_or(u32::MAX));
        if passed >= whole {
            self.clear(now);
            return;
        }
        while passed >= self.part {
            passed -= self.part;
            self.began += self.part;
            self.at = (self.at + 1) % self.parts.len();
            let oldest = std::mem::take(&mut self.parts[self.at]);
            self.sum.good -= oldest.good;
            self.sum.bad -= oldest.bad;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PART: Duration = Duration::from_secs(1);

    #[test]
    fn what_is_older_than_the_window_is_forgotten() {
        let start = Instant::now();
        let mut window = Window::new(3, PART, start);
        window.count(true, start);
        window.count(false, start + PART);
        let later = |parts: u32| start + PART * parts;
        assert_eq!(window.counts(later(2)), Counts { good: 1, bad: 1 });
        assert_eq!(window.counts(later(3)), Counts { good: 0, bad: 1 });
        assert_eq!(window.counts(later(4)), Counts::default());
        window.count(true, later(5));
        assert_eq!(window.counts(later(500)), Counts::default());
    }

    #[test]
    fn of_nothing_all_went_well() {
        assert!((Counts::default().good_share() - 1.0).abs() < f64::EPSILON);
        assert!((Counts { good: 1, bad: 3 }.good_share() - 0.25).abs() < f64::EPSILON);
    }

    proptest! {
        #[test]
        fn the_sum_is_that_of_the_events_within_the_window(
            steps in proptest::collection::vec((0_u64..2500, any::<bool>()), 1..60),
        ) {
            const PARTS: usize = 4;
            let start = Instant::now();
            let mut window = Window::new(PARTS, PART, start);
            let (mut now, mut events) = (start, Vec::new());
            for (wait, good) in steps {
                now += Duration::from_millis(wait);
                window.count(good, now);
                events.push(now);
                let total = usize::try_from(window.counts(now).total()).unwrap();
                let since = |age: Duration| events.iter().filter(|at| now - **at < age).count();
                // The current part is not whole, so the window covers between one part less and all.
                prop_assert!(total >= since(PART * 3) && total <= since(PART * 4));
            }
        }
    }
}
