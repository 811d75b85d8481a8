//! What is between processes and everything outside of them: delays, losses, breakages.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::time::Instant;

use crate::broker::{Acknowledged, Faults, Published};
use crate::plan::{Breakage, Weather};
use crate::sabotage::Bug;

/// Other deliveries of its partition before a repeated one comes, at most.
const AGAIN_AFTER_MAX: u64 = 8;

/// The conditions of one run, shared by all processes. Cheap to clone.
#[derive(Clone)]
pub struct World {
    state: Arc<Mutex<State>>,
    weather: Weather,
    bug: Option<Bug>,
}

struct State {
    dice: StdRng,
    /// Whether anything may go wrong still.
    fair: bool,
    breaks: Vec<Break>,
    crashes: BTreeMap<(&'static str, usize), Crash>,
    survived: Survived,
}

/// What is broken for a while.
struct Break {
    until: Instant,
    what: Breakage,
}

/// A crash that waits for its moment.
#[derive(Clone, Copy)]
struct Crash {
    calls_left: u32,
    applied: bool,
    down: Duration,
}

/// What a run went through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Survived {
    /// Processes that died.
    pub crashes: u64,
    /// Deliveries that came although they had been acknowledged.
    pub duplicates: u64,
    /// Times that services could not reach each other, their store or the broker.
    pub partitions: u64,
    /// Calls, answers, commits and publishes that failed or were lost one by one.
    pub losses: u64,
    /// Times that a service was slow.
    pub slow: u64,
}

/// What becomes of one step over the line to the outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It goes well.
    Through,
    /// It fails and has no effect.
    Refused,
    /// It has its effect and fails.
    Unanswered,
    /// The process dies, before the effect or after it.
    Dies {
        /// Whether it still has its effect.
        applied: bool,
        /// How long the process stays dead.
        down: Duration,
    },
}

/// What a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outside {
    /// Reading from the store.
    Read,
    /// Changing the store.
    Commit,
    /// Talking to the broker.
    Broker,
}

// === impl Survived ===

impl std::ops::AddAssign for Survived {
    fn add_assign(&mut self, other: Self) {
        self.crashes += other.crashes;
        self.duplicates += other.duplicates;
        self.partitions += other.partitions;
        self.losses += other.losses;
        self.slow += other.slow;
    }
}

// === impl World ===

impl World {
    /// The conditions of a run.
    #[must_use]
    pub fn new(seed: u64, weather: Weather, bug: Option<Bug>) -> Self {
        Self {
            state: Arc::new(Mutex::new(State {
                // Not what the plan was drawn with: the same numbers again would be no chance.
                dice: StdRng::seed_from_u64(!seed),
                fair: false,
                breaks: Vec::new(),
                crashes: BTreeMap::new(),
                survived: Survived::default(),
            })),
            weather,
            bug,
        }
    }

    /// The bug that is planted in this run.
    #[must_use]
    pub fn bug(&self) -> Option<Bug> {
        self.bug
    }

    /// From now on, things go wrong as the weather has it.
    pub fn turn_foul(&self) {
        self.state().fair = false;
    }

    /// Nothing goes wrong any more, and what is broken is whole.
    pub fn turn_fair(&self) {
        let mut state = self.state();
        state.fair = true;
        state.breaks.clear();
        state.crashes.clear();
    }

    /// Breaks something.
    pub fn break_now(&self, what: Breakage) {
        let mut state = self.state();
        let lasts = match &what {
            Breakage::Crash {
                service,
                number,
                after_calls,
                applied,
                down,
            } => {
                let crash = Crash {
                    calls_left: *after_calls,
                    applied: *applied,
                    down: *down,
                };
                state.crashes.insert((service, *number), crash);
                return;
            }
            Breakage::Part { lasts, .. }
            | Breakage::StoreGone { lasts, .. }
            | Breakage::BrokerGone { lasts, .. } => {
                state.survived.partitions += 1;
                *lasts
            }
            Breakage::Slow { lasts, .. } => {
                state.survived.slow += 1;
                *lasts
            }
        };
        let until = Instant::now() + lasts;
        state.breaks.push(Break { until, what });
    }

    /// What the run has been through so far.
    #[must_use]
    pub fn survived(&self) -> Survived {
        self.state().survived
    }

    /// Notes that a process died.
    pub fn note_crash(&self) {
        self.state().survived.crashes += 1;
    }

    /// How long a step of `service` takes, before it is decided what becomes of it.
    pub fn delay(&self, service: &str) -> Duration {
        let mut state = self.state();
        if state.fair {
            return Duration::ZERO;
        }
        let most = self.weather.latency_max;
        let usual = if most.is_zero() {
            Duration::ZERO
        } else {
            state.dice.random_range(Duration::ZERO..=most)
        };
        usual + state.slowness(service)
    }

    /// What becomes of a step of a process to its store or the broker.
    pub fn step(&self, service: &'static str, number: usize, outside: Outside) -> Step {
        let mut state = self.state();
        if state.fair {
            return Step::Through;
        }
        if let Some(crash) = state.crashes.get_mut(&(service, number)) {
            if let Some(left) = crash.calls_left.checked_sub(1) {
                crash.calls_left = left;
            } else {
                let crash = *crash;
                state.crashes.remove(&(service, number));
                return Step::Dies {
                    applied: crash.applied,
                    down: crash.down,
                };
            }
        }
        if state.is_cut_off(service, outside) {
            return Step::Refused;
        }
        let (refused, unanswered) = match outside {
            Outside::Read => (self.weather.store_fails, 0),
            Outside::Commit => (self.weather.store_fails, self.weather.commit_unanswered),
            Outside::Broker => (0, 0),
        };
        if state.happens(refused) {
            return Step::Refused;
        }
        if state.happens(unanswered) {
            return Step::Unanswered;
        }
        Step::Through
    }

    /// What becomes of a call of one service to another.
    pub fn call(&self, caller: &str, target: &str) -> Step {
        let mut state = self.state();
        if state.fair {
            return Step::Through;
        }
        if state.is_parted(caller, target) || state.happens(self.weather.call_lost) {
            return Step::Refused;
        }
        if state.happens(self.weather.answer_lost) {
            return Step::Unanswered;
        }
        Step::Through
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Faults for World {
    fn published(&self, _message: &outcry_broker::Message) -> Published {
        let mut state = self.state();
        if state.fair {
            Published::Confirmed
        } else if state.happens(self.weather.publish_refused) {
            Published::Refused
        } else if state.happens(self.weather.publish_unconfirmed) {
            Published::Unconfirmed
        } else {
            Published::Confirmed
        }
    }

    fn acknowledged(
        &self,
        _group: &str,
        _partition: u32,
        _message: &outcry_broker::Message,
    ) -> Acknowledged {
        let mut state = self.state();
        let again = !state.fair && state.dice.random_range(0..1000) < self.weather.redelivered;
        if !again {
            return Acknowledged::Done;
        }
        state.survived.duplicates += 1;
        let after = state.dice.random_range(0..=AGAIN_AFTER_MAX);
        Acknowledged::Again { after }
    }
}

// === impl State ===

impl State {
    /// Whether a loss with this chance in a thousand happens now.
    fn happens(&mut self, chance: u32) -> bool {
        let happens = chance > 0 && self.dice.random_range(0..1000) < chance;
        if happens {
            self.survived.losses += 1;
        }
        happens
    }

    fn present(&self) -> impl Iterator<Item = &Breakage> {
        let now = Instant::now();
        let present = self.breaks.iter().filter(move |one| one.until > now);
        present.map(|one| &one.what)
    }

    fn slowness(&self, name: &str) -> Duration {
        self.present()
            .filter_map(|what| match what {
                Breakage::Slow { service, by, .. } if *service == name => Some(*by),
                _ => None,
            })
            .sum()
    }

    fn is_cut_off(&self, name: &str, outside: Outside) -> bool {
        self.present().any(|what| match what {
            Breakage::StoreGone { service, .. } => *service == name && outside != Outside::Broker,
            Breakage::BrokerGone { service, .. } => *service == name && outside == Outside::Broker,
            _ => false,
        })
    }

    fn is_parted(&self, from: &str, to: &str) -> bool {
        self.present().any(|what| match what {
            Breakage::Part { one, other, .. } => {
                (*one == from && *other == to) || (*one == to && *other == from)
            }
            _ => false,
        })
    }
}
