//! The life of a connection as a matter of moments: when it is told to go, and when it is cut off.

use std::time::Duration;

use tokio::time::Instant;

use super::bounds::Bounds;
use super::departure::Leaving;
use super::register::End;

/// How much ages differ, in hundredths to either side: connections made together by a restart
/// should not all be made again together.
const JITTER_PERCENT: u32 = 10;

/// What goes on on a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Activity {
    /// Calls and streams in progress.
    pub(super) calls: usize,
    /// Whether anything was ever asked.
    pub(super) used: bool,
    /// When the last call ended, or else the connection began.
    pub(super) since: Instant,
}

/// What is to be done with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing before this moment.
    WaitUntil(Instant),
    /// Tell the peer that nothing new is taken.
    Leave,
    /// End the streams.
    EndStreams(Leaving),
    /// Close it, whatever goes on.
    CutOff,
}

/// One connection's course.
#[derive(Debug)]
pub(super) struct Course {
    bounds: Bounds,
    opened: Instant,
    ages: Option<Instant>,
    going: Option<Going>,
}

#[derive(Debug)]
struct Going {
    why: End,
    /// Whether the peer has been told.
    told: bool,
    streams_end: Option<(Instant, Leaving)>,
    /// `None`: only the door's drain time ends it.
    cut_off: Option<Instant>,
}

impl Course {
    /// A connection opened now. `chance` from 0 to 1 says how much earlier or later than others it ages.
    pub(super) fn new(bounds: &Bounds, now: Instant, chance: f64) -> Course {
        let spread = f64::from(JITTER_PERCENT) / 100.0;
        let factor = 1.0 - spread + 2.0 * spread * chance.clamp(0.0, 1.0);
        let ages = !bounds.age_max.is_zero();
        Course {
            ages: ages.then(|| now + bounds.age_max.mul_f64(factor)),
            bounds: bounds.clone(),
            opened: now,
            going: None,
        }
    }

    /// The process drains from now on.
    pub(super) fn drain(&mut self, now: Instant) {
        let mut end = now + self.bounds.streams_end_after;
        let told = match &self.going {
            Some(going) => {
                // An old connection whose streams end earlier anyway keeps to that.
                if let Some((sooner, _)) = going.streams_end {
                    end = end.min(sooner);
                }
                going.told
            }
            None => false,
        };
        self.going = Some(Going {
            why: End::Drained,
            told,
            streams_end: Some((end, Leaving::Draining)),
            cut_off: None,
        });
    }

    /// Why the connection goes, if it does.
    pub(super) fn why(&self) -> Option<End> {
        self.going.as_ref().map(|going| going.why)
    }

    /// What is to be done now. Each step is asked for once.
    pub(super) fn step(&mut self, now: Instant, activity: Activity) -> Step {
        if self.going.is_none() {
            match self.due(now, activity) {
                Ok(going) => self.going = Some(going),
                Err(later) => return Step::WaitUntil(later),
            }
        }
        let Some(going) = &mut self.going else {
            return Step::CutOff;
        };
        if !going.told {
            going.told = true;
            return Step::Leave;
        }
        if let Some((end, why)) = going.streams_end
            && end <= now
        {
            going.streams_end = None;
            return Step::EndStreams(why);
        }
        if going.cut_off.is_some_and(|moment| moment <= now) {
            return Step::CutOff;
        }
        let next = [going.streams_end.map(|(end, _)| end), going.cut_off];
        Step::WaitUntil(next.into_iter().flatten().min().unwrap_or(now + FAR_AWAY))
    }

    /// How the connection goes, or when to look again.
    fn due(&self, now: Instant, activity: Activity) -> Result<Going, Instant> {
        let bounds = &self.bounds;
        let (silent, why) = match activity {
            Activity { calls: 1.., .. } => (now + bounds.idle_max, End::Idle),
            Activity { used: true, .. } => (activity.since + bounds.idle_max, End::Idle),
            _ => (
                self.opened + bounds.first_request_within,
                End::FirstRequestLate,
            ),
        };
        if silent <= now && activity.calls == 0 {
            return Ok(Going {
                why,
                told: false,
                streams_end: None,
                cut_off: Some(now + bounds.close_within),
            });
        }
        match self.ages {
            Some(ages) if ages <= now => {
                let end = now + bounds.age_grace;
                Ok(Going {
                    why: End::Aged,
                    told: false,
                    streams_end: Some((end, Leaving::Aged)),
                    cut_off: Some(end + bounds.close_within),
                })
            }
            Some(ages) => Err(ages.min(silent)),
            None => Err(silent),
        }
    }
}

/// Stands for "no bound of its own": longer than any drain time.
const FAR_AWAY: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn bounds() -> Bounds {
        Bounds {
            first_request_within: 10 * SECOND,
            idle_max: 60 * SECOND,
            age_max: 100 * SECOND,
            age_grace: 20 * SECOND,
            close_within: 5 * SECOND,
            streams_end_after: 2 * SECOND,
            ..Bounds::of_peers()
        }
    }

    fn busy(now: Instant) -> Activity {
        Activity {
            calls: 1,
            used: true,
            since: now,
        }
    }

    fn quiet(since: Instant) -> Activity {
        Activity {
            calls: 0,
            used: true,
            since,
        }
    }

    #[test]
    fn who_asks_for_nothing_is_told_to_go_and_then_cut_off() {
        let start = Instant::now();
        let unused = Activity {
            calls: 0,
            used: false,
            since: start,
        };
        let mut course = Course::new(&bounds(), start, 0.5);
        assert_eq!(
            course.step(start, unused),
            Step::WaitUntil(start + 10 * SECOND)
        );
        let late = start + 10 * SECOND;
        assert_eq!(course.step(late, unused), Step::Leave);
        assert_eq!(course.why(), Some(End::FirstRequestLate));
        assert_eq!(
            course.step(late, unused),
            Step::WaitUntil(late + 5 * SECOND)
        );
        assert_eq!(course.step(late + 5 * SECOND, unused), Step::CutOff);
    }

    #[test]
    fn a_connection_with_a_call_is_never_idle() {
        let start = Instant::now();
        let mut course = Course::new(&bounds(), start, 0.5);
        let later = start + 61 * SECOND;
        assert!(matches!(
            course.step(later, busy(start)),
            Step::WaitUntil(_)
        ));
        assert_eq!(course.step(later, quiet(start)), Step::Leave);
        assert_eq!(course.why(), Some(End::Idle));
    }

    #[test]
    fn an_old_connection_is_told_then_its_streams_end_then_it_is_cut_off() {
        let start = Instant::now();
        let mut course = Course::new(&bounds(), start, 0.5);
        let old = start + 100 * SECOND;
        assert_eq!(course.step(old, busy(old)), Step::Leave);
        assert_eq!(
            course.step(old, busy(old)),
            Step::WaitUntil(old + 20 * SECOND)
        );
        let end = old + 20 * SECOND;
        assert_eq!(course.step(end, busy(old)), Step::EndStreams(Leaving::Aged));
        assert_eq!(
            course.step(end, busy(old)),
            Step::WaitUntil(end + 5 * SECOND)
        );
        assert_eq!(course.step(end + 5 * SECOND, busy(old)), Step::CutOff);
    }

    #[test]
    fn a_drain_ends_the_streams_of_old_connections_too_and_not_later_than_their_age_does() {
        let start = Instant::now();
        let old = start + 100 * SECOND;
        for (after, wait) in [(SECOND, 2 * SECOND), (19 * SECOND, SECOND)] {
            let mut course = Course::new(&bounds(), start, 0.5);
            assert_eq!(course.step(old, busy(old)), Step::Leave);
            let now = old + after;
            course.drain(now);
            assert_eq!(course.step(now, busy(old)), Step::WaitUntil(now + wait));
            assert_eq!(
                course.step(now + wait, busy(old)),
                Step::EndStreams(Leaving::Draining)
            );
            assert_eq!(course.why(), Some(End::Drained));
        }
    }

    #[test]
    fn without_an_age_a_busy_connection_stays() {
        let start = Instant::now();
        let ageless = Bounds {
            age_max: Duration::ZERO,
            ..bounds()
        };
        let mut course = Course::new(&ageless, start, 0.5);
        let later = start + 1_000_000 * SECOND;
        assert!(matches!(
            course.step(later, busy(start)),
            Step::WaitUntil(_)
        ));
    }

    proptest! {
        #[test]
        fn ages_differ_by_at_most_a_tenth(chance in 0.0..=1.0_f64) {
            let start = Instant::now();
            let mut course = Course::new(&bounds(), start, chance);
            prop_assert!(matches!(course.step(start + 89 * SECOND, busy(start)), Step::WaitUntil(_)));
            prop_assert_eq!(course.step(start + 111 * SECOND, busy(start)), Step::Leave);
        }
    }
}
