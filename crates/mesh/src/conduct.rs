//! How one endpoint has behaved, as seen from here: what decides how many calls it gets.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::gate::{Gate, Passage, Verdict};
use crate::load::Load;
use crate::metrics::Detection;
use crate::window::Counts;

/// The record of one endpoint.
#[derive(Debug)]
pub(crate) struct Conduct {
    record: Mutex<Record>,
}

#[derive(Debug)]
struct Record {
    load: Load,
    gate: Gate,
    tally: Tally,
    answered: Option<Instant>,
}

/// Numbers for whoever looks.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) started: u64,
    pub(crate) succeeded: u64,
    pub(crate) failed: u64,
    /// When the latest call began.
    pub(crate) latest: Option<Instant>,
}

/// Everything there is to see of an endpoint's conduct.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) passage: Passage,
    pub(crate) average: Option<std::time::Duration>,
    pub(crate) ejections: u32,
    pub(crate) tally: Tally,
}

impl Conduct {
    pub(crate) fn new(now: Instant) -> Conduct {
        Conduct {
            record: Mutex::new(Record {
                load: Load::default(),
                gate: Gate::new(now),
                tally: Tally::default(),
                answered: None,
            }),
        }
    }

    /// Whether its gate lets calls through, and how busy it is with so many calls in progress.
    pub(crate) fn busy(&self, calls: usize, now: Instant) -> (Passage, f64) {
        let record = self.record();
        (record.gate.passage(now), record.load.with(calls, now))
    }

    pub(crate) fn passage(&self, now: Instant) -> Passage {
        self.record().gate.passage(now)
    }

    /// Takes the right to the one call that finds out whether it is well again.
    pub(crate) fn probe(&self, now: Instant) -> bool {
        self.record().gate.probe(now)
    }

    /// There is a new connection, and most likely a new process behind it: nothing is known of its speed.
    pub(crate) fn connected(&self) {
        self.record().load.forget();
    }

    /// A call begins.
    pub(crate) fn began(&self, now: Instant) {
        let tally = &mut self.record().tally;
        tally.started += 1;
        tally.latest = Some(now);
    }

    /// A call that began at a moment has ended; says what makes the endpoint suspect.
    pub(crate) fn ended(
        &self,
        verdict: Verdict,
        began: Instant,
        probe: bool,
        now: Instant,
    ) -> Option<Detection> {
        let record = &mut *self.record();
        let took = now.saturating_duration_since(began);
        match verdict {
            Verdict::Good => {
                record.tally.succeeded += 1;
                record.answered = Some(now);
                if probe {
                    // What was measured before it failed says little about it now.
                    record.load.forget();
                }
                record.load.answered(took, now);
            }
            Verdict::Failed | Verdict::Declined => {
                record.tally.failed += 1;
                record.load.failed(took, now);
            }
            Verdict::TimedOut | Verdict::Unknown => {
                record.tally.failed += 1;
                record.load.given_up(took, now);
            }
        }
        if probe {
            record.gate.probed(verdict, fastrand::f64(), now);
            return None;
        }
        record.gate.note(verdict, began, now)
    }

    /// Passes it over for a while; `false` if it is already.
    pub(crate) fn eject(&self, now: Instant) -> bool {
        let gate = &mut self.record().gate;
        let open = gate.is_open();
        if open {
            gate.shut(fastrand::f64(), now);
        }
        open
    }

    /// Lets it go on as if nothing had been.
    pub(crate) fn spare(&self, now: Instant) {
        self.record().gate.spare(now);
    }

    pub(crate) fn is_ejected(&self) -> bool {
        !self.record().gate.is_open()
    }

    pub(crate) fn counts(&self, now: Instant) -> Counts {
        self.record().gate.counts(now)
    }

    /// When its failures in a row began.
    pub(crate) fn failing_since(&self) -> Option<Instant> {
        self.record().gate.failing_since()
    }

    /// Whether it answered at a moment or after.
    pub(crate) fn answered_since(&self, moment: Instant) -> bool {
        self.record().answered.is_some_and(|at| at >= moment)
    }

    pub(crate) fn seen(&self, now: Instant) -> Seen {
        let record = self.record();
        Seen {
            passage: record.gate.passage(now),
            average: record.load.average(now),
            ejections: record.gate.times(),
            tally: record.tally,
        }
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
