//! How busy an endpoint seems from here: how long its answers take, times the calls it is answering.

use std::time::Duration;

use tokio::time::Instant;

/// How fast a time that was measured loses its weight. A hiccup of the machine, which most likely met
/// whoever had calls at the moment, is forgotten within seconds. An endpoint that is really slow is then
/// asked now and then, which costs a call each few seconds.
const DECAY: Duration = Duration::from_secs(1);

/// Shorter times count as this one. What lies below is noise of the machine and the network: endpoints
/// that are all fast take calls by how many they have, not by whose last answer was luckier.
const FASTEST: Duration = Duration::from_millis(1);

/// What an answer of an endpoint not yet known is expected to take, once it has a call: a slow answer
/// among neighbours. Its first call is made at once, others beside that one rather go to those known.
const EXPECTED: Duration = Duration::from_millis(10);

/// What a failure counts as, however fast it came. An endpoint that fails at once would otherwise be the
/// fastest of all and draw all calls to itself. Long against an answer, and forgiven
/// within six seconds without another one; what keeps failing is the gate's to judge.
const FAILURE: Duration = Duration::from_millis(250);

/// Times of an endpoint's answers: a moving average that jumps up at once and comes down slowly.
#[derive(Debug, Default)]
pub(crate) struct Load {
    /// Seconds, and when they were last changed.
    average: Option<(f64, Instant)>,
}

impl Load {
    /// An answer took so long.
    pub(crate) fn answered(&mut self, took: Duration, now: Instant) {
        let took = took.as_secs_f64();
        let average = match self.average {
            Some((average, at)) if took < average => {
                let kept = kept(at, now);
                average * kept + took * (1.0 - kept)
            }
            // Slower than expected: believed at once, since calls already wait.
            _ => took,
        };
        self.average = Some((average, now));
    }

    /// A call failed after so long.
    pub(crate) fn failed(&mut self, after: Duration, now: Instant) {
        self.answered(after.max(FAILURE), now);
    }

    /// There was no answer for so long, and nobody waits any more: it would have taken at least that.
    pub(crate) fn given_up(&mut self, after: Duration, now: Instant) {
        if self
            .average
            .is_some_and(|(average, _)| average < after.as_secs_f64())
        {
            self.answered(after, now);
        }
    }

    /// Forgets everything, as if the endpoint were new.
    pub(crate) fn forget(&mut self) {
        self.average = None;
    }

    /// What an answer is thought to take by now; `None` while nothing is known.
    pub(crate) fn average(&self, now: Instant) -> Option<Duration> {
        let (average, at) = self.average?;
        Some(Duration::from_secs_f64(average * kept(at, now)))
    }

    /// How busy it is with so many calls in progress. The less, the sooner it should get another.
    pub(crate) fn with(&self, calls: usize, now: Instant) -> f64 {
        let one = match self.average(now) {
            Some(average) => average.max(FASTEST),
            None if calls == 0 => FASTEST,
            None => EXPECTED,
        };
        #[expect(
            clippy::cast_precision_loss,
            reason = "calls are some thousands at most"
        )]
        let calls = calls as f64 + 1.0;
        one.as_secs_f64() * calls
    }
}

/// The share of its weight that something measured at a moment still has.
fn kept(at: Instant, now: Instant) -> f64 {
    let age = now.saturating_duration_since(at);
    (-age.as_secs_f64() / DECAY.as_secs_f64()).exp()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    fn known(answers: &[Duration], now: Instant) -> Load {
        let mut load = Load::default();
        for took in answers {
            load.answered(*took, now);
        }
        load
    }

    #[test]
    fn a_slow_answer_is_believed_at_once_and_forgotten_within_seconds() {
        let now = Instant::now();
        let mut load = known(&[MILLI, 50 * MILLI], now);
        assert!(load.with(0, now) > 0.049);
        load.answered(MILLI, now + DECAY);
        assert!(load.with(0, now + DECAY) < 0.02);
        assert!(load.with(0, now + DECAY * 6) < 0.0011);
    }

    #[test]
    fn a_fast_failure_weighs_more_than_a_slow_answer() {
        let now = Instant::now();
        let slow = known(&[100 * MILLI], now);
        let mut failing = Load::default();
        failing.failed(Duration::from_micros(10), now);
        assert!(failing.with(0, now) > slow.with(0, now));
        // And is forgiven in the time its comment says.
        let later = now + Duration::from_secs(6);
        assert!(failing.with(0, later) < 1.5 * FASTEST.as_secs_f64());
    }

    #[test]
    fn a_newcomer_is_tried_at_once_and_not_flooded() {
        let now = Instant::now();
        let (new, old) = (Load::default(), known(&[2 * MILLI], now));
        assert!(new.with(0, now) < old.with(0, now));
        assert!(new.with(1, now) > old.with(5, now));
    }

    #[test]
    fn what_lies_below_noise_does_not_matter() {
        let now = Instant::now();
        let lucky = known(&[Duration::from_micros(80)], now);
        let other = known(&[Duration::from_micros(600)], now);
        assert!(lucky.with(1, now) > other.with(0, now));
    }

    #[test]
    fn waiting_in_vain_counts_only_if_it_was_long() {
        let now = Instant::now();
        let mut load = known(&[20 * MILLI], now);
        load.given_up(MILLI, now);
        assert_eq!(load.average(now), Some(20 * MILLI));
        load.given_up(80 * MILLI, now);
        assert_eq!(load.average(now), Some(80 * MILLI));
    }

    proptest! {
        #[test]
        fn the_average_stays_within_what_was_measured(
            answers in proptest::collection::vec((0_u64..5_000_000, 0_u64..10_000), 1..50),
        ) {
            let (mut load, mut now) = (Load::default(), Instant::now());
            let longest = answers.iter().map(|(took, _)| *took).max().unwrap();
            for (took, wait) in answers {
                now += Duration::from_millis(wait);
                load.answered(Duration::from_micros(took), now);
                let average = load.average(now).unwrap();
                prop_assert!(average <= Duration::from_micros(longest + 1));
                prop_assert!(load.with(3, now) > load.with(2, now));
            }
        }
    }
}
