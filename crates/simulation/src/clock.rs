//! Simulated time, and ids that follow from it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use outcry_service::Clock;
use tokio::time::Instant;
use uuid::Uuid;

/// When every simulation begins: 2026-03-02 14:30 UTC, a Monday.
pub const BEGINNING: Duration = Duration::from_secs(1_772_461_800);

/// Bytes of an id behind its milliseconds.
const COUNTER_BYTES: usize = 10;

/// The one clock of a simulated world. It goes as the runtime's paused time does: not at all while
/// anybody has something to do, and then in a leap to whatever is due next.
#[derive(Debug)]
pub struct SimulatedClock {
    started: Instant,
    began: SystemTime,
    ids: AtomicU64,
}

// === impl SimulatedClock ===

impl SimulatedClock {
    /// A clock that shows `began` now and whose ids go on behind `ids`.
    #[must_use]
    pub fn new(began: SystemTime, ids: u64) -> Self {
        Self {
            started: Instant::now(),
            began,
            ids: AtomicU64::new(ids),
        }
    }

    /// How many ids have been made.
    #[must_use]
    pub fn ids(&self) -> u64 {
        self.ids.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Clock for SimulatedClock {
    fn now(&self) -> SystemTime {
        self.began + self.started.elapsed()
    }

    /// Milliseconds and a counter: in order, different, and the same in every run of a seed.
    fn new_id(&self) -> Uuid {
        let since = self.now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        let number = self.ids.fetch_add(1, Ordering::Relaxed);
        let mut counter = [0; COUNTER_BYTES];
        counter[COUNTER_BYTES - 8..].copy_from_slice(&number.to_be_bytes());
        uuid::Builder::from_unix_timestamp_millis(millis, &counter).into_uuid()
    }

    async fn sleep_until(&self, at: SystemTime) {
        let left = at.duration_since(self.now()).unwrap_or_default();
        tokio::time::sleep(left).await;
    }
}
