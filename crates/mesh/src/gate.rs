//! Whether an endpoint gets calls: one that keeps failing is passed over for a while, then tried by one call.

use std::time::Duration;

use tokio::time::Instant;

use crate::metrics::Detection;
use crate::window::{Counts, Window};

/// Failures in a row that shut the gate: a few may be bad luck or bad requests.
const FAILURES_MAX: u32 = 5;

/// Time over which the share of good answers is looked at.
const WINDOW_PARTS: usize = 10;
const WINDOW_PART: Duration = Duration::from_secs(1);

/// Calls within the window before their share of good answers says anything.
const CALLS_MIN: u64 = 20;

/// Share of good answers below which an endpoint is suspected.
const GOOD_SHARE_MIN: f64 = 0.8;

/// How much worse than the others a suspect must be. What they all depend on may be failing, or they
/// may all be overloaded, and passing one over would only burden the rest.
const WORSE_BY: f64 = 0.2;

/// How long an endpoint is passed over the first time. Each further time it is that much longer, up to
/// the longest: a replica that comes back is used within half a minute, however long it was gone.
const SHUT: Duration = Duration::from_secs(2);
const SHUT_MAX: Duration = Duration::from_secs(30);

/// Share of that time that chance adds, so that endpoints shut together are not tried together.
const SHUT_SPREAD: f64 = 0.2;

/// Good time after which one earlier ejection is forgotten.
const FORGIVEN_AFTER: Duration = Duration::from_secs(10);

/// What came of a call, as far as the endpoint is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It answered, whatever the answer.
    Good,
    /// It did not do its part: it was unavailable, it broke over the call, or the connection was lost.
    Failed,
    /// It did not begin, for having too much to do or being about to stop. Others may do the same, so this
    /// counts in the share of good answers only, where it is held against theirs.
    Declined,
    /// No answer by the call's deadline. The deadline may have been short, so only several in a row say
    /// something.
    TimedOut,
    /// Nobody waited for the answer any more.
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Shut {
        until: Instant,
    },
    /// One call is finding out.
    Probed,
}

/// How far a gate lets calls through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passage {
    Open,
    /// Until then.
    Shut(Instant),
    /// Time is over: one call may go through as the probe.
    Due,
    /// The probe is on its way.
    Probed,
}

/// The gate of one endpoint.
#[derive(Debug)]
pub(crate) struct Gate {
    state: State,
    failures: u32,
    failing_since: Option<Instant>,
    window: Window,
    /// Ejections not forgotten yet.
    times: u32,
    /// When it was last opened. Calls begun before say nothing about the time after.
    opened: Instant,
}

impl Gate {
    pub(crate) fn new(now: Instant) -> Gate {
        Gate {
            state: State::Open,
            failures: 0,
            failing_since: None,
            window: Window::new(WINDOW_PARTS, WINDOW_PART, now),
            times: 0,
            opened: now,
        }
    }

    pub(crate) fn passage(&self, now: Instant) -> Passage {
        match self.state {
            State::Open => Passage::Open,
            State::Shut { until } if now < until => Passage::Shut(until),
            State::Shut { .. } => Passage::Due,
            State::Probed => Passage::Probed,
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// Ejections that are not forgotten.
    pub(crate) fn times(&self) -> u32 {
        self.times
    }

    pub(crate) fn counts(&mut self, now: Instant) -> Counts {
        self.window.counts(now)
    }

    /// Takes the right to the one call that finds out.
    pub(crate) fn probe(&mut self, now: Instant) -> bool {
        let due = self.passage(now) == Passage::Due;
        if due {
            self.state = State::Probed;
        }
        due
    }

    /// Notes a call that began at a moment, and says what makes the endpoint suspect.
    pub(crate) fn note(
        &mut self,
        verdict: Verdict,
        began: Instant,
        now: Instant,
    ) -> Option<Detection> {
        if self.state != State::Open || began < self.opened {
            return None;
        }
        match verdict {
            Verdict::Good => {
                self.failures = 0;
                self.window.count(true, now);
            }
            Verdict::Failed => {
                self.failed(began);
                self.window.count(false, now);
            }
            Verdict::Declined => self.window.count(false, now),
            Verdict::TimedOut => self.failed(began),
            Verdict::Unknown => {}
        }
        if self.failures >= FAILURES_MAX {
            return Some(Detection::ConsecutiveFailures);
        }
        let bad = matches!(verdict, Verdict::Failed | Verdict::Declined);
        let counts = self.window.counts(now);
        (bad && counts.total() >= CALLS_MIN && counts.good_share() < GOOD_SHARE_MIN)
            .then_some(Detection::SuccessRate)
    }

    fn failed(&mut self, began: Instant) {
        if self.failures == 0 {
            self.failing_since = Some(began);
        }
        self.failures += 1;
    }

    /// When the latest failures in a row began.
    pub(crate) fn failing_since(&self) -> Option<Instant> {
        self.failing_since
    }

    /// Shuts the gate. `chance` is between 0 and 1.
    pub(crate) fn shut(&mut self, chance: f64, now: Instant) {
        let good = now.saturating_duration_since(self.opened).as_secs();
        let forgiven = u32::try_from(good / FORGIVEN_AFTER.as_secs()).unwrap_or(u32::MAX);
        self.times = self.times.saturating_sub(forgiven);
        self.shut_again(chance, now);
    }

    /// Goes on without shutting the gate: not everyone can be passed over.
    pub(crate) fn spare(&mut self, now: Instant) {
        self.failures = 0;
        self.window.clear(now);
    }

    /// Notes how the probe ended. Only a good answer opens the gate.
    pub(crate) fn probed(&mut self, verdict: Verdict, chance: f64, now: Instant) {
        if self.state != State::Probed {
            return;
        }
        match verdict {
            Verdict::Good => {
                self.state = State::Open;
                self.opened = now;
                self.spare(now);
            }
            // Nothing was found out: the next call may.
            Verdict::Unknown => self.state = State::Shut { until: now },
            Verdict::Failed | Verdict::Declined | Verdict::TimedOut => {
                self.shut_again(chance, now);
            }
        }
    }

    fn shut_again(&mut self, chance: f64, now: Instant) {
        self.times = self.times.saturating_add(1);
        let shut = SHUT.saturating_mul(self.times).min(SHUT_MAX);
        let until = now + shut.mul_f64(1.0 + SHUT_SPREAD * chance.clamp(0.0, 1.0));
        self.state = State::Shut { until };
        self.spare(now);
    }
}

/// How many of so many endpoints may be passed over: half of them, so that the others can carry what
/// comes, and never the last.
pub(crate) fn ejected_max(endpoints: usize) -> usize {
    endpoints / 2
}

/// Whether a suspect is worse than the others, of which those count that have enough calls. With none
/// to compare with, it is not.
pub(crate) fn worse(suspect: Counts, others: impl Iterator<Item = Counts>) -> bool {
    let known = others.filter(|counts| counts.total() >= CALLS_MIN);
    let all = known.fold(Counts::default(), |sum, one| Counts {
        good: sum.good + one.good,
        bad: sum.bad + one.bad,
    });
    all.total() > 0 && suspect.good_share() + WORSE_BY <= all.good_share()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn failing(gate: &mut Gate, now: Instant) -> Option<Detection> {
        (0..FAILURES_MAX)
            .map(|_| gate.note(Verdict::Failed, now, now))
            .last()
            .flatten()
    }

    fn shut(now: Instant) -> Gate {
        let mut gate = Gate::new(now);
        gate.shut(0.0, now);
        gate
    }

    #[test]
    fn failures_in_a_row_are_noticed_and_a_good_answer_between_them_is_not_overlooked() {
        let now = Instant::now();
        let mut gate = Gate::new(now);
        for round in 0..3 {
            for _ in 1..FAILURES_MAX {
                let noticed = gate.note(Verdict::Failed, now, now);
                assert_ne!(noticed, Some(Detection::ConsecutiveFailures), "{round}");
            }
            gate.note(Verdict::Good, now, now);
        }
        assert_eq!(
            failing(&mut gate, now),
            Some(Detection::ConsecutiveFailures)
        );
    }

    #[test]
    fn what_is_declined_is_no_row_of_failures_but_a_bad_share() {
        let now = Instant::now();
        let mut gate = Gate::new(now);
        let noticed: Vec<_> = (0..CALLS_MIN)
            .map(|_| gate.note(Verdict::Declined, now, now))
            .collect();
        let (last, before) = noticed.split_last().unwrap();
        assert!(before.iter().all(Option::is_none));
        assert_eq!(*last, Some(Detection::SuccessRate));
        let late = now + WINDOW_PART * 11;
        assert_eq!(gate.note(Verdict::Declined, late, late), None);
    }

    #[test]
    fn a_bad_share_shuts_out_only_who_is_worse_than_the_others() {
        let counts = |good, bad| Counts { good, bad };
        let suspect = counts(10, 20);
        assert!(worse(suspect, [counts(99, 1)].into_iter()));
        assert!(!worse(suspect, [counts(12, 18)].into_iter()));
        assert!(!worse(suspect, [counts(5, 0)].into_iter()), "too few calls");
        assert!(!worse(suspect, std::iter::empty()));
    }

    #[test]
    fn after_its_time_exactly_one_call_goes_through() {
        let now = Instant::now();
        let mut gate = shut(now);
        assert!(!gate.probe(now));
        let due = now + SHUT;
        assert_eq!(gate.passage(due), Passage::Due);
        assert!(gate.probe(due));
        assert!(!gate.probe(due));
        assert_eq!(gate.passage(due), Passage::Probed);
        gate.probed(Verdict::Unknown, 0.0, due);
        assert!(
            gate.probe(due),
            "a probe that was given up found nothing out"
        );
        gate.probed(Verdict::Good, 0.0, due);
        assert!(gate.is_open());
    }

    #[test]
    fn each_ejection_is_longer_up_to_a_bound_and_good_time_is_held_in_favour() {
        let mut now = Instant::now();
        let mut gate = shut(now);
        let mut waits = Vec::new();
        for _ in 0..20 {
            let Passage::Shut(until) = gate.passage(now) else {
                panic!("{gate:?}");
            };
            waits.push(until - now);
            now = until;
            assert!(gate.probe(now));
            gate.probed(Verdict::Failed, 0.0, now);
        }
        assert_eq!(waits[..3], [SHUT, SHUT * 2, SHUT * 3]);
        assert_eq!(waits[19], SHUT_MAX);
        let Passage::Shut(until) = gate.passage(now) else {
            panic!("{gate:?}");
        };
        now = until;
        assert!(gate.probe(now));
        gate.probed(Verdict::Good, 0.0, now);
        now += FORGIVEN_AFTER * 100;
        gate.shut(0.0, now);
        assert_eq!(gate.passage(now), Passage::Shut(now + SHUT));
    }

    #[test]
    fn calls_from_before_it_was_shut_say_nothing_about_the_time_after() {
        let before = Instant::now();
        let mut gate = shut(before);
        let due = before + SHUT;
        assert!(gate.probe(due));
        assert_eq!(failing(&mut gate, before), None);
        gate.probed(Verdict::Good, 0.0, due);
        for _ in 0..FAILURES_MAX * 2 {
            assert_eq!(gate.note(Verdict::Failed, before, due), None);
        }
        assert!(gate.is_open());
    }

    #[test]
    fn half_may_be_passed_over_and_never_the_last() {
        let allowed: Vec<_> = (0..6).map(ejected_max).collect();
        assert_eq!(allowed, [0, 0, 1, 1, 2, 2]);
    }

    proptest! {
        #[test]
        fn whatever_happens_there_is_never_more_than_one_probe(
            steps in proptest::collection::vec((0_u8..7, 0_u64..3000), 1..200),
        ) {
            let mut now = Instant::now();
            let (mut gate, mut probes) = (Gate::new(now), 0);
            for (step, wait) in steps {
                now += Duration::from_millis(wait);
                let verdicts = [Verdict::Good, Verdict::Failed, Verdict::Unknown];
                match step {
                    0..3 => {
                        let suspected = gate.note(verdicts[usize::from(step)], now, now);
                        suspected.inspect(|_| gate.shut(0.5, now));
                    }
                    3 => probes += u32::from(gate.probe(now)),
                    4.. if probes > 0 => {
                        gate.probed(verdicts[usize::from(step) - 4], 0.5, now);
                        probes -= 1;
                    }
                    _ => {}
                }
                prop_assert!(probes <= 1);
                prop_assert_eq!(probes == 1, gate.passage(now) == Passage::Probed);
            }
        }
    }
}
