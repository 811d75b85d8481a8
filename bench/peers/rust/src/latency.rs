//! Percentiles of what was measured in a round.

use std::time::Duration;

/// How long each of a round's calls took.
#[derive(Default)]
pub struct Latencies(Vec<Duration>);

impl Latencies {
    pub fn with_capacity(count: usize) -> Self {
        Self(Vec::with_capacity(count))
    }

    pub fn record(&mut self, duration: Duration) {
        self.0.push(duration);
    }

    pub fn merge(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// The 50th and the 99th percentile in microseconds, by nearest rank; 0 when there is nothing.
    pub fn p50_p99_us(&mut self) -> (u64, u64) {
        self.0.sort_unstable();
        let percentile = |percent: usize| {
            let rank = (self.0.len() * percent).div_ceil(100);
            let found = rank.checked_sub(1).and_then(|index| self.0.get(index));
            found.map_or(0, |duration| {
                u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
            })
        };
        (percentile(50), percentile(99))
    }
}
