//! How much may be going on at a time: in all, and for one caller.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use outcry_mesh::refusal;
use tonic::{Code, Status};

use crate::config::Config;

/// When a refused call is worth another try: most calls end within this time.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The two kinds of calls are bounded apart, so that open streams never keep an order out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Call,
    Stream,
}

/// Admits calls and keeps count of them.
#[derive(Debug, Clone)]
pub(super) struct Admission {
    calls: Arc<Lane>,
    streams: Arc<Lane>,
}

#[derive(Debug)]
struct Lane {
    all_max: usize,
    caller_max: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    all: usize,
    by_caller: HashMap<String, usize>,
}

/// Counts as one open call until dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    lane: Arc<Lane>,
    caller: String,
}

impl Admission {
    pub(super) fn new(config: &Config) -> Admission {
        Admission {
            calls: Lane::new(config.calls_max, config.calls_per_caller_max),
            streams: Lane::new(config.streams_max, config.streams_per_caller_max),
        }
    }

    /// Admits one call of a caller, or says when to come back.
    pub(super) fn admit(&self, kind: Kind, caller: String) -> Result<Ticket, Status> {
        let (lane, noun) = match kind {
            Kind::Call => (&self.calls, "calls"),
            Kind::Stream => (&self.streams, "streams"),
        };
        let mut open = lane.open();
        if open.all >= lane.all_max {
            return Err(refused(
                "TOO_BUSY",
                format!("the platform is busy: {} {noun} are in progress", open.all),
            ));
        }
        let own = open.by_caller.get(&caller).copied().unwrap_or(0);
        if own >= lane.caller_max {
            return Err(refused(
                "TOO_MANY_AT_ONCE",
                format!("{own} of your {noun} are in progress: end one first"),
            ));
        }
        open.all += 1;
        open.by_caller.insert(caller.clone(), own + 1);
        drop(open);
        Ok(Ticket {
            lane: Arc::clone(lane),
            caller,
        })
    }
}

impl Lane {
    fn new(all_max: usize, caller_max: usize) -> Arc<Lane> {
        Arc::new(Lane {
            all_max,
            caller_max,
            open: Mutex::default(),
        })
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        // Counts are changed in one step each: a panic elsewhere leaves them right.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut open = self.lane.open();
        open.all -= 1;
        if let Some(own) = open.by_caller.get_mut(&self.caller) {
            *own -= 1;
            if *own == 0 {
                open.by_caller.remove(&self.caller);
            }
        }
    }
}

fn refused(reason: &str, message: String) -> Status {
    refusal::retry_after(Code::ResourceExhausted, reason, message, RETRY_AFTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission() -> Admission {
        Admission::new(&Config {
            calls_max: 3,
            calls_per_caller_max: 2,
            streams_max: 1,
            streams_per_caller_max: 1,
            ..Config::default()
        })
    }

    #[test]
    fn one_caller_cannot_shut_out_another_and_all_together_are_bounded() {
        let admission = admission();
        let admit = |caller: &str| admission.admit(Kind::Call, caller.to_owned());
        let first = admit("a").unwrap();
        let _second = admit("a").unwrap();
        assert_eq!(admit("a").unwrap_err().code(), Code::ResourceExhausted);
        let _third = admit("b").unwrap();
        assert!(admit("c").is_err());
        drop(first);
        let _again = admit("c").unwrap();
    }

    #[test]
    fn streams_do_not_count_as_calls_and_ended_callers_are_forgotten() {
        let admission = admission();
        let stream = admission.admit(Kind::Stream, "a".into()).unwrap();
        assert!(admission.admit(Kind::Stream, "a".into()).is_err());
        drop(admission.admit(Kind::Call, "a".into()).unwrap());
        drop(stream);
        assert!(admission.streams.open().by_caller.is_empty());
        assert!(admission.calls.open().by_caller.is_empty());
    }
}
