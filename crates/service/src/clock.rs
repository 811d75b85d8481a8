//! Where time and new ids come from: the only two things a service takes from its surroundings unasked.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use uuid::timestamp::context::ContextV7;
use uuid::{Timestamp, Uuid};

/// Time and ids. Domain code never reads the wall clock or draws a random id: it is told both.
#[async_trait]
pub trait Clock: Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> SystemTime;

    /// A new id (UUID version 7): later ids of one clock sort after earlier ones.
    fn new_id(&self) -> Uuid;

    /// Comes back once `now()` has reached `at`. May come back early: look again.
    async fn sleep_until(&self, at: SystemTime);
}

/// The machine's clock.
#[derive(Debug, Default)]
pub struct SystemClock {
    ids: IdSequence,
}

/// Longest sleep without a look at the clock: wall clocks are set, machines are suspended.
const SLEEP_MAX: Duration = Duration::from_secs(5);

// === impl SystemClock ===

impl SystemClock {
    /// A clock with its own sequence of ids; one per process keeps ids in order across services.
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn new_id(&self) -> Uuid {
        self.ids.next(self.now())
    }

    async fn sleep_until(&self, at: SystemTime) {
        let left = at.duration_since(self.now()).unwrap_or_default();
        tokio::time::sleep(left.min(SLEEP_MAX)).await;
    }
}

/// Ids in order, even within one millisecond and across a clock set back.
#[derive(Debug, Default)]
pub(crate) struct IdSequence {
    context: Mutex<ContextV7>,
}

// === impl IdSequence ===

impl IdSequence {
    /// The next id, stamped with `now`.
    pub(crate) fn next(&self, now: SystemTime) -> Uuid {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let context = self.context.lock().unwrap_or_else(PoisonError::into_inner);
        Uuid::new_v7(Timestamp::from_unix(
            &*context,
            since.as_secs(),
            since.subsec_nanos(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_one_clock_sort_in_the_order_they_were_made() {
        let clock = SystemClock::new();
        let ids: Vec<Uuid> = (0..10_000).map(|_| clock.new_id()).collect();
        assert!(ids.is_sorted());
        assert!(ids.windows(2).all(|pair| pair[0] != pair[1]));
        assert!(ids.iter().all(|id| id.get_version_num() == 7));
    }

    #[test]
    fn a_clock_set_back_does_not_take_ids_back() {
        let ids = IdSequence::default();
        let late = UNIX_EPOCH + Duration::from_secs(2_000_000_000);
        let first = ids.next(late);
        let second = ids.next(late - Duration::from_secs(3600));
        assert!(second > first);
    }
}
