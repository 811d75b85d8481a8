//! How much may be going on at a time: in all, and for one caller; the last places are for what matters most.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use outcry_mesh::refusal;
use tonic::{Code, Status};

use super::caller::Caller;
use super::lane::Lane;
use crate::config::Config;

/// When a refused call is worth another try: most calls end within this time.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// One part in so many of all places for calls is for cancellations alone: they are few and soon
/// done, and must get through when nothing else does.
const CANCELS_PART: usize = 8;

/// One part in so many is closed to reads: when not all can be answered, reads are refused before
/// orders. Streams share their places among reads alone.
const ORDERS_PART: usize = 4;

/// The two kinds of calls are bounded apart, so that open streams never keep an order out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Call(Lane),
    Stream,
}

/// Admits calls and keeps count of them.
#[derive(Debug, Clone)]
pub(super) struct Admission {
    calls: Arc<Places>,
    streams: Arc<Places>,
}

#[derive(Debug)]
struct Places {
    all_max: usize,
    caller_max: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    all: usize,
    by_caller: HashMap<Caller, usize>,
}

/// Counts as one open call until dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    places: Arc<Places>,
    caller: Caller,
}

impl Admission {
    pub(super) fn new(config: &Config) -> Admission {
        Admission {
            calls: Places::new(config.calls_max, config.calls_per_caller_max),
            streams: Places::new(config.streams_max, config.streams_per_caller_max),
        }
    }

    /// Admits one call of a caller, or says when to come back.
    pub(super) fn admit(&self, kind: Kind, caller: Caller) -> Result<Ticket, Status> {
        let (places, noun) = match kind {
            Kind::Call(_) => (&self.calls, "calls"),
            Kind::Stream => (&self.streams, "streams"),
        };
        let mut open = places.open();
        if open.all >= open_to(kind, places.all_max) {
            return Err(refused(
                "TOO_BUSY",
                format!("the platform is busy: {} {noun} are in progress", open.all),
            ));
        }
        let own = open.by_caller.get(&caller).copied().unwrap_or(0);
        if own >= open_to(kind, places.caller_max) {
            return Err(refused(
                "TOO_MANY_AT_ONCE",
                format!("{own} of your {noun} are in progress: end one first"),
            ));
        }
        open.all += 1;
        open.by_caller.insert(caller.clone(), own + 1);
        drop(open);
        Ok(Ticket {
            places: Arc::clone(places),
            caller,
        })
    }
}

/// How many of some places are open to a kind of call. Too few places to divide are open to all.
fn open_to(kind: Kind, places: usize) -> usize {
    match kind {
        Kind::Stream | Kind::Call(Lane::Cancels) => places,
        Kind::Call(Lane::Orders | Lane::SignIns) => places - places / CANCELS_PART,
        Kind::Call(Lane::Reads) => places - places / ORDERS_PART,
    }
}

impl Places {
    fn new(all_max: usize, caller_max: usize) -> Arc<Places> {
        Arc::new(Places {
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
        let mut open = self.places.open();
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

    fn caller(name: &str) -> Caller {
        Caller::User(name.to_owned())
    }

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
        let admit = |name: &str| admission.admit(Kind::Call(Lane::Orders), caller(name));
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
        let stream = admission.admit(Kind::Stream, caller("a")).unwrap();
        assert!(admission.admit(Kind::Stream, caller("a")).is_err());
        drop(
            admission
                .admit(Kind::Call(Lane::Reads), caller("a"))
                .unwrap(),
        );
        drop(stream);
        assert!(admission.streams.open().by_caller.is_empty());
        assert!(admission.calls.open().by_caller.is_empty());
    }

    #[test]
    fn at_full_load_orders_go_before_reads_and_cancellations_before_both() {
        let admission = Admission::new(&Config {
            calls_max: 16,
            calls_per_caller_max: 8,
            ..Config::default()
        });
        let mut open = Vec::new();
        let mut fill = |lane: Lane, names: [&str; 3]| -> Vec<usize> {
            let of_one = |name| {
                let tickets =
                    std::iter::from_fn(|| admission.admit(Kind::Call(lane), caller(name)).ok());
                let before = open.len();
                open.extend(tickets);
                open.len() - before
            };
            names.map(of_one).to_vec()
        };
        assert_eq!(fill(Lane::Reads, ["a", "b", "c"]), [6, 6, 0]);
        assert_eq!(fill(Lane::Orders, ["a", "b", "c"]), [1, 1, 0]);
        assert_eq!(fill(Lane::Cancels, ["a", "b", "c"]), [1, 1, 0]);
    }
}
