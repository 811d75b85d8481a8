//! A clock that a story sets.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use tokio::sync::watch;
use uuid::Uuid;

use crate::clock::{Clock, IdSequence};

/// A clock that stands still until it is told otherwise. Timers that become due fire at once.
#[derive(Debug)]
pub struct FakeClock {
    now: watch::Sender<SystemTime>,
    ids: IdSequence,
}

/// Where stories start unless they say otherwise: 2026-01-05 14:30 UTC, a Monday morning in New York.
const START_S: u64 = 1_767_623_400;

// === impl FakeClock ===

impl FakeClock {
    /// A clock that stands at `now`.
    pub fn at(now: SystemTime) -> Self {
        Self {
            now: watch::Sender::new(now),
            ids: IdSequence::default(),
        }
    }

    /// Sets the clock, forwards or back.
    pub fn set(&self, now: SystemTime) {
        self.now.send_replace(now);
    }

    /// Sets the clock forward.
    pub fn advance(&self, by: Duration) {
        self.now.send_modify(|now| *now += by);
    }
}

impl Default for FakeClock {
    fn default() -> Self {
        Self::at(UNIX_EPOCH + Duration::from_secs(START_S))
    }
}

#[async_trait]
impl Clock for FakeClock {
    fn now(&self) -> SystemTime {
        *self.now.borrow()
    }

    fn new_id(&self) -> Uuid {
        self.ids.next(self.now())
    }

    async fn sleep_until(&self, at: SystemTime) {
        // Fails only when the sender is gone, which `self` keeps.
        let _ = self.now.subscribe().wait_for(|now| *now >= at).await;
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn sleepers_wake_when_the_clock_is_set_and_not_before() {
        let clock = FakeClock::default();
        let due = clock.now() + Duration::from_secs(60);
        let mut sleep = Box::pin(clock.sleep_until(due));
        assert!(sleep.as_mut().now_or_never().is_none());
        clock.advance(Duration::from_secs(59));
        assert!(sleep.as_mut().now_or_never().is_none());
        clock.advance(Duration::from_secs(1));
        assert!(sleep.now_or_never().is_some());
    }
}
