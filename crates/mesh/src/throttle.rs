//! What a caller keeps to itself of the calls a service refuses anyway: refusing costs the service, too.

use std::time::Duration;

use tokio::time::Instant;
use tonic::{Code, Status};

use crate::criticality::Level;
use crate::refusal;
use crate::window::{Counts, Window};

/// Time over which calls and refusals are counted: two minutes.
const WINDOW_PARTS: usize = 24;
const WINDOW_PART: Duration = Duration::from_secs(5);

/// Calls made per call accepted. With two, a service that has too much to do still gets as many calls
/// in vain as it accepts, and so it is noticed soon when it can take more.
const PER_ACCEPTED: f64 = 2.0;

/// Calls within the window before anything is kept back: a few refusals prove nothing.
const CALLS_MIN: u64 = 100;

/// After so long with only accepted calls, at least so many, the refusals before are forgotten. While
/// there is too much to do every other call is refused, so this says that it is over; two minutes of
/// refusals would otherwise hold calls back long after.
const RELIEF_AFTER: Duration = Duration::from_secs(1);
const RELIEF_CALLS: u32 = 5;

/// When a call kept back is worth repeating.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The share of calls that is kept back at most. Some always go through, or nobody would notice that it
/// is over; of those that matter most, half.
fn kept_back_max(level: Level) -> f64 {
    match level {
        Level::Sheddable => 0.95,
        Level::SheddablePlus => 0.9,
        Level::Critical => 0.8,
        Level::CriticalPlus => 0.5,
    }
}

/// The share of calls to keep back, given what was accepted and what was not, here or there.
fn kept_back(counts: Counts, level: Level) -> f64 {
    let total = counts.total();
    if total < CALLS_MIN {
        return 0.0;
    }
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    let (total, accepted) = (total as f64, counts.good as f64);
    ((total - PER_ACCEPTED * accepted) / (total + 1.0)).clamp(0.0, kept_back_max(level))
}

/// What is known of one service's refusals. Each level is counted apart, since a service that sheds
/// refuses the lower ones and accepts the higher.
#[derive(Debug)]
pub(crate) struct Throttle {
    lanes: [Lane; Level::ALL.len()],
}

#[derive(Debug)]
struct Lane {
    /// Calls accepted, and calls refused here or there.
    window: Window,
    /// Accepted in a row, and when the first of them was.
    row: Option<(Instant, u32)>,
}

impl Throttle {
    pub(crate) fn new(now: Instant) -> Throttle {
        Throttle {
            lanes: std::array::from_fn(|_| Lane {
                window: Window::new(WINDOW_PARTS, WINDOW_PART, now),
                row: None,
            }),
        }
    }

    /// Whether a call may be made. `chance` is from 0 up to 1. One that may not be counts as refused.
    pub(crate) fn admits(&mut self, level: Level, chance: f64, now: Instant) -> bool {
        let admitted = chance >= self.kept_back(level, now);
        if !admitted {
            self.lane(level).window.count(false, now);
        }
        admitted
    }

    /// The service answered a call. Only what says that it had too much to do is a refusal.
    pub(crate) fn answered(&mut self, level: Level, code: Code, now: Instant) {
        let refused = matches!(code, Code::ResourceExhausted | Code::Unavailable);
        let lane = self.lane(level);
        lane.window.count(!refused, now);
        if refused {
            lane.row = None;
            return;
        }
        let (since, accepted) = lane.row.map_or((now, 1), |(since, row)| (since, row + 1));
        lane.row = Some((since, accepted));
        let relieved = accepted >= RELIEF_CALLS && now - since >= RELIEF_AFTER;
        if relieved && lane.window.counts(now).bad > 0 {
            lane.window.clear(now);
        }
    }

    /// The share of a level's calls that is kept back.
    pub(crate) fn kept_back(&mut self, level: Level, now: Instant) -> f64 {
        kept_back(self.lane(level).window.counts(now), level)
    }

    fn lane(&mut self, level: Level) -> &mut Lane {
        &mut self.lanes[level as usize]
    }
}

/// The status of a call that was kept back.
pub(crate) fn throttled(target: &str) -> Status {
    refusal::retry_after(
        Code::ResourceExhausted,
        "THROTTLED",
        format!("service {target} refuses most calls at the moment, so this one was not made"),
        RETRY_AFTER,
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    fn refused(times: u64, level: Level, now: Instant) -> Throttle {
        let mut throttle = Throttle::new(now);
        for _ in 0..times {
            throttle.answered(level, Code::ResourceExhausted, now);
        }
        throttle
    }

    #[test]
    fn few_refusals_prove_nothing_and_many_keep_calls_back() {
        let now = Instant::now();
        let mut few = refused(CALLS_MIN - 1, Level::Critical, now);
        assert!(few.admits(Level::Critical, 0.0, now));
        let mut many = refused(CALLS_MIN * 10, Level::Critical, now);
        assert!(!many.admits(Level::Critical, 0.5, now));
        assert!(many.admits(Level::Critical, 0.9, now), "some always pass");
        // After the window nothing is known.
        let late = now + WINDOW_PART * 25;
        assert!(many.admits(Level::Critical, 0.0, late));
    }

    #[test]
    fn what_matters_more_is_kept_back_less_and_for_its_own_refusals_only() {
        let now = Instant::now();
        let kept: Vec<f64> = Level::ALL
            .map(|level| refused(1000, level, now).kept_back(level, now))
            .to_vec();
        assert!(kept.is_sorted_by(|low, high| low > high), "{kept:?}");
        let mut throttle = refused(1000, Level::Sheddable, now);
        assert!(throttle.admits(Level::CriticalPlus, 0.0, now));
    }

    #[test]
    fn an_answer_that_is_no_refusal_is_accepted_whatever_it_says() {
        let now = Instant::now();
        let mut throttle = Throttle::new(now);
        for _ in 0..CALLS_MIN {
            throttle.answered(Level::Critical, Code::InvalidArgument, now);
        }
        assert!(throttle.admits(Level::Critical, 0.0, now));
    }

    #[test]
    fn a_second_of_accepted_calls_ends_it() {
        let mut now = Instant::now();
        let mut throttle = refused(10_000, Level::Critical, now);
        for _ in 0..RELIEF_CALLS * 20 {
            throttle.answered(Level::Critical, Code::Ok, now);
        }
        assert!(throttle.kept_back(Level::Critical, now) > 0.5, "too soon");
        now += RELIEF_AFTER;
        throttle.answered(Level::Critical, Code::Ok, now);
        assert!(throttle.kept_back(Level::Critical, now) == 0.0);
    }

    /// A service that takes a certain number of calls each millisecond, with callers that want more.
    fn overloaded(wanted: u32, taken: u32, seed: u64) -> (u32, u32) {
        let mut random = fastrand::Rng::with_seed(seed);
        let start = Instant::now();
        let mut throttle = Throttle::new(start);
        let (mut sent, mut accepted) = (0, 0);
        for step in 0..3000 {
            let now = start + MILLI * step;
            let mut room = taken;
            for _ in 0..wanted {
                if !throttle.admits(Level::Critical, random.f64(), now) {
                    continue;
                }
                sent += 1;
                let code = if room > 0 {
                    room -= 1;
                    accepted += 1;
                    Code::Ok
                } else {
                    Code::ResourceExhausted
                };
                throttle.answered(Level::Critical, code, now);
            }
        }
        (sent, accepted)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn an_overloaded_service_gets_what_it_takes_and_hardly_more_than_twice_that(
            taken in 2_u32..5, more in 2_u32..5, seed: u64,
        ) {
            let (sent, accepted) = overloaded(taken * more, taken, seed);
            // Nothing is lost to the service: it has as much to do as it can take.
            prop_assert!(accepted * 10 >= taken * 3000 * 8, "accepted {accepted} of {}", taken * 3000);
            prop_assert!(sent * 10 <= accepted * 25, "sent {sent} for {accepted}");
        }
    }
}
