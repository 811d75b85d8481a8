//! How many calls a service handles at a time: a limit that follows how they end, with a lane for each
//! [level](crate::criticality) and no queue.
//!
//! A call that finds no place is refused at once. So nothing waits for a place while it holds one, and services
//! that call each other in a circle cannot block each other; and nobody gets an answer that came too late to
//! matter, as those at the end of a queue do.

use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use tokio::time::Instant;
use tonic::Status;

use crate::criticality::Level;
use crate::refusal;

/// Calls of a service in progress, between the worst of times and the best: the lower bound leaves every lane
/// some places, the upper one is what the largest process holds in memory without harm.
const CALLS: RangeInclusive<u32> = 32..=1024;

/// The limit a service starts with: more than one that keeps up ever has in progress.
const CALLS_AT_FIRST: u32 = 256;

/// Streams of a service in progress. They mostly wait, so nothing is learnt from how long they take.
const STREAMS: u32 = 1024;

/// What is left of the limit, in percent, when calls end late.
const KEPT_PERCENT: u32 = 75;

/// A call that takes longer is late, even if its caller would wait: commands and reads take milliseconds, the
/// slowest of all, verifying a password, a tenth of this.
const LATE: Duration = Duration::from_secs(1);

/// A call that ends this short of its deadline was ended by it: callers give up a little before their callees.
const DEADLINE_MARGIN: Duration = Duration::from_millis(5);

/// When a refused call is worth another try: most calls end within this time.
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// How much of the limit calls of a level may use, in percent, all lower levels' calls included.
fn share_percent(level: Level) -> u32 {
    match level {
        Level::Sheddable => 50,
        Level::SheddablePlus => 75,
        Level::Critical => 90,
        Level::CriticalPlus => 100,
    }
}

/// The limit itself: grows by one for each round of calls that were answered in time while it was used, and
/// shrinks by a quarter when one was not. How calls end says something only while at least half of it is used:
/// one slow method, or a caller in a hurry, does not make a service refuse others.
#[derive(Debug)]
pub(crate) struct Limit {
    bounds: RangeInclusive<u32>,
    now: u32,
    in_progress: u32,
    /// Calls answered in time since the limit last changed.
    in_time: u32,
    /// How often it has shrunk.
    shrunk: u64,
}

/// A call that was let in, as the limit was then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Admitted {
    shrunk: u64,
}

/// How a call ended, as far as it says something about the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It was answered.
    InTime,
    /// Its deadline came first, or its answer was of little use by then.
    Late,
    /// Its caller went away for reasons of its own.
    Abandoned,
}

impl Limit {
    /// A limit that stays between bounds.
    pub(crate) fn between(bounds: RangeInclusive<u32>, first: u32) -> Limit {
        Limit {
            now: first.clamp(*bounds.start(), *bounds.end()),
            bounds,
            in_progress: 0,
            in_time: 0,
            shrunk: 0,
        }
    }

    /// Lets a call in if its lane has a place.
    pub(crate) fn admit(&mut self, level: Level) -> Option<Admitted> {
        if self.in_progress >= self.now * share_percent(level) / 100 {
            return None;
        }
        self.in_progress += 1;
        Some(Admitted {
            shrunk: self.shrunk,
        })
    }

    /// Frees the place of a call, and learns from its end.
    pub(crate) fn end(&mut self, call: Admitted, end: End) {
        let used = self.in_progress * 2 >= self.now;
        self.in_progress -= 1;
        // Calls that were let in before it shrank say nothing about what it is now.
        if !used || call.shrunk != self.shrunk {
            return;
        }
        match end {
            End::InTime => {
                self.in_time += 1;
                if self.in_time >= self.now {
                    self.change(self.now + 1);
                }
            }
            End::Late => {
                self.shrunk += 1;
                self.change(self.now * KEPT_PERCENT / 100);
            }
            End::Abandoned => {}
        }
    }

    /// How many calls may be in progress now.
    pub(crate) fn now(&self) -> u32 {
        self.now
    }

    fn change(&mut self, to: u32) {
        self.now = to.clamp(*self.bounds.start(), *self.bounds.end());
        self.in_time = 0;
    }
}

/// How a call ended that took so long of the time it had.
fn judged(answered: bool, took: Duration, allowed: Option<Duration>) -> End {
    let in_time = allowed.map_or(LATE, |allowed| {
        LATE.min(allowed.saturating_sub(DEADLINE_MARGIN))
    });
    match answered {
        _ if took >= in_time => End::Late,
        true => End::InTime,
        false => End::Abandoned,
    }
}

/// The places of one service.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    calls: Shared,
    streams: Shared,
}

/// One limit, and where it is shown.
#[derive(Debug, Clone)]
struct Shared {
    limit: Arc<Mutex<Limit>>,
    gauge: Gauge,
}

/// A call's place, free again when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    shared: Shared,
    admitted: Admitted,
    began: Instant,
    deadline: Option<Instant>,
    answered: bool,
}

impl Shared {
    fn new(limit: Limit, gauge: Gauge) -> Shared {
        gauge.set(limit.now().into());
        Shared {
            limit: Arc::new(Mutex::new(limit)),
            gauge,
        }
    }

    /// A limit is whole after every change.
    fn lock(&self) -> MutexGuard<'_, Limit> {
        self.limit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places {
    /// Those of a service, whose limits are shown by the gauges.
    pub(crate) fn new(calls: Gauge, streams: Gauge) -> Places {
        Places {
            calls: Shared::new(Limit::between(CALLS, CALLS_AT_FIRST), calls),
            streams: Shared::new(Limit::between(STREAMS..=STREAMS, STREAMS), streams),
        }
    }

    /// A place for a call, if there is one.
    pub(crate) fn take(
        &self,
        streaming: bool,
        level: Level,
        deadline: Option<Instant>,
    ) -> Option<Place> {
        let shared = if streaming {
            &self.streams
        } else {
            &self.calls
        };
        let admitted = shared.lock().admit(level)?;
        Some(Place {
            shared: shared.clone(),
            admitted,
            began: Instant::now(),
            deadline,
            answered: false,
        })
    }
}

impl Place {
    /// Frees the place of a call that has its answer.
    pub(crate) fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let allowed = self
            .deadline
            .map(|deadline| deadline.saturating_duration_since(self.began));
        let end = judged(self.answered, self.began.elapsed(), allowed);
        let mut limit = self.shared.lock();
        limit.end(self.admitted, end);
        self.shared.gauge.set(limit.now().into());
    }
}

/// Marks the answer of a call that no handler began with. Handlers cannot write it: metadata is no mark, and
/// the server takes it from answers of theirs that came from elsewhere.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NotBegun;

/// The answer of a call that found no place.
pub(crate) fn refused(service: &str, level: Level) -> Status {
    let message = format!(
        "service {service} has as many calls in progress as it can answer, and takes no more of level {} now",
        level.name()
    );
    refusal::too_busy(message, RETRY_AFTER)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    /// A limit of exactly this many.
    fn fixed(limit: u32) -> Limit {
        Limit::between(limit..=limit, limit)
    }

    /// Fills a lane, and tells how many calls it took.
    fn fill(limit: &mut Limit, level: Level) -> Vec<Admitted> {
        std::iter::from_fn(|| limit.admit(level)).collect()
    }

    #[test]
    fn every_level_finds_places_where_those_below_find_none() {
        let mut limit = fixed(100);
        let taken = Level::ALL.map(|level| fill(&mut limit, level).len());
        assert_eq!(taken, [50, 25, 15, 10]);
        // The smallest limit there is still has places for each.
        let mut limit = fixed(*CALLS.start());
        let taken = Level::ALL.map(|level| fill(&mut limit, level).len());
        assert!(taken.iter().all(|taken| *taken > 0), "{taken:?}");
    }

    #[test]
    fn a_limit_in_use_grows_by_one_for_each_round_answered_in_time() {
        let mut limit = Limit::between(10..=11, 10);
        let mut calls = VecDeque::from(fill(&mut limit, Level::CriticalPlus));
        for expected in [10; 9].into_iter().chain([11; 30]) {
            limit.end(calls.pop_front().unwrap(), End::InTime);
            calls.extend(fill(&mut limit, Level::CriticalPlus));
            assert_eq!(limit.now(), expected);
        }
    }

    #[test]
    fn calls_that_end_late_together_shrink_it_once_and_those_let_in_since_again() {
        let mut limit = Limit::between(10..=100, 100);
        for expected in [75, 56, 42] {
            let calls = fill(&mut limit, Level::CriticalPlus);
            for call in calls {
                limit.end(call, End::Late);
                assert_eq!(limit.now(), expected);
            }
        }
    }

    #[test]
    fn nothing_is_learnt_while_it_is_hardly_used() {
        let mut limit = Limit::between(1..=100, 10);
        for end in [End::InTime, End::Late, End::Abandoned] {
            for _ in 0..100 {
                let call = limit.admit(Level::Critical).unwrap();
                limit.end(call, end);
            }
        }
        assert_eq!(limit.now(), 10);
    }

    #[test]
    fn a_call_is_late_by_the_time_it_took_of_the_time_it_had() {
        let ms = Duration::from_millis;
        assert_eq!(judged(true, ms(10), Some(ms(100))), End::InTime);
        assert_eq!(judged(true, ms(96), Some(ms(100))), End::Late);
        // Its caller gave up a moment before its deadline, or long before.
        assert_eq!(judged(false, ms(96), Some(ms(100))), End::Late);
        assert_eq!(judged(false, ms(10), Some(ms(100))), End::Abandoned);
        assert_eq!(judged(true, LATE, Some(LATE * 10)), End::Late);
        assert_eq!(judged(true, ms(10), None), End::InTime);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Call(Level),
        End(usize, End),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let call = prop::sample::select(&Level::ALL[..]).prop_map(Step::Call);
        let ends = [End::InTime, End::Late, End::Abandoned];
        let end = (any::<usize>(), prop::sample::select(ends.to_vec()));
        let step = prop_oneof![call, end.prop_map(|(which, end)| Step::End(which, end))];
        prop::collection::vec(step, 0..400)
    }

    proptest! {
        #[test]
        fn whatever_happens_the_limit_keeps_its_bounds_and_counts_right(steps in steps()) {
            let mut limit = Limit::between(8..=20, 12);
            let mut open = Vec::new();
            for step in steps {
                let before = limit.now();
                match step {
                    Step::Call(level) => {
                        let admitted = limit.admit(level);
                        let lane = before * share_percent(level) / 100;
                        prop_assert_eq!(admitted.is_some(), (open.len() as u32) < lane);
                        prop_assert_eq!(limit.now(), before);
                        open.extend(admitted);
                    }
                    Step::End(which, end) if !open.is_empty() => {
                        let call = open.swap_remove(which % open.len());
                        limit.end(call, end);
                        match end {
                            End::InTime => prop_assert!(limit.now() <= before + 1),
                            End::Late => prop_assert!(limit.now() <= before),
                            End::Abandoned => prop_assert_eq!(limit.now(), before),
                        }
                    }
                    Step::End(..) => {}
                }
                prop_assert!((8..=20).contains(&limit.now()));
                prop_assert_eq!(limit.in_progress as usize, open.len());
            }
        }
    }
}
