//! What the servers of this process answered, for whoever asks this process how it stands: the
//! counters beside are written for Prometheus and cannot be read back.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tonic::Code;

use super::SECONDS;

/// What was counted of one method since the process started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// Path of the method; one name for all that are in no contract.
    pub path: String,
    /// Calls begun.
    pub started: u64,
    /// Calls that were refused: for too much to do, or since something was away.
    pub refused: u64,
    /// Calls that ended with an error nobody wishes for.
    pub failed: u64,
    /// How many calls took how long at most, and longer than the bucket before; without those of no
    /// calls. Calls that took longer than all say so in the last one.
    pub durations: Vec<(Duration, u64)>,
}

/// The counts of one method.
#[derive(Debug)]
pub(super) struct Tally {
    started: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
    durations: [AtomicU64; SECONDS.len()],
}

impl Default for Tally {
    fn default() -> Tally {
        Tally {
            started: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            durations: [const { AtomicU64::new(0) }; SECONDS.len()],
        }
    }
}

impl Tally {
    /// A call begins.
    pub(super) fn started(&self) {
        self.started.fetch_add(1, Ordering::Relaxed);
    }

    /// A call has ended that took so many seconds.
    pub(super) fn ended(&self, code: Code, seconds: f64) {
        match code {
            Code::ResourceExhausted | Code::Unavailable => {
                self.refused.fetch_add(1, Ordering::Relaxed);
            }
            Code::Unknown | Code::Internal | Code::DataLoss | Code::DeadlineExceeded => {
                self.failed.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
        let fits = SECONDS.partition_point(|bound| *bound < seconds);
        if let Some(bucket) = self.durations.get(fits.min(SECONDS.len() - 1)) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The counts now.
    pub(super) fn read(&self, path: &str) -> Served {
        let durations = SECONDS.iter().zip(&self.durations);
        Served {
            path: path.to_owned(),
            started: self.started.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            durations: durations
                .map(|(bound, calls)| {
                    let upper = Duration::from_secs_f64(*bound);
                    (upper, calls.load(Ordering::Relaxed))
                })
                .filter(|(_, calls)| *calls > 0)
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_in_the_bucket_that_they_fit_in() {
        let tally = Tally::default();
        for (code, seconds) in [
            (Code::Ok, 0.001),
            (Code::NotFound, 0.0011),
            (Code::Unavailable, 0.002),
            (Code::Internal, 1000.0),
        ] {
            tally.started();
            tally.ended(code, seconds);
        }
        tally.started();
        let served = tally.read("/a/B");
        assert_eq!(served.path, "/a/B");
        assert_eq!((served.started, served.refused, served.failed), (5, 1, 1));
        let expected = [(1, 1), (2, 2), (100_000, 1)];
        assert_eq!(
            served.durations,
            expected.map(|(ms, calls)| (Duration::from_millis(ms), calls))
        );
    }
}
