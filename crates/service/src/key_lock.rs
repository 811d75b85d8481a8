//! One at a time per key, within this process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

/// A lock per key, made on first use and gone with its last holder or waiter.
///
/// Waiters of a key are served in order. Never hold two keys at once: nothing here orders them.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyLocks {
    locks: Arc<Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>>,
}

/// Holds one key until dropped.
#[derive(Debug)]
pub(crate) struct KeyGuard {
    key: String,
    owner: KeyLocks,
    /// `None` while waiting, so that a waiter that gives up leaves no entry behind either.
    held: Option<OwnedMutexGuard<()>>,
}

// === impl KeyLocks ===

impl KeyLocks {
    /// Waits until nobody else holds `key`.
    pub(crate) async fn lock(&self, key: String) -> KeyGuard {
        let lock = {
            let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(locks.entry(key.clone()).or_default())
        };
        let mut guard = KeyGuard {
            key,
            owner: self.clone(),
            held: None,
        };
        guard.held = Some(lock.lock_owned().await);
        guard
    }
}

// === impl KeyGuard ===

impl Drop for KeyGuard {
    fn drop(&mut self) {
        self.held = None;
        let mut locks = self
            .owner
            .locks
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // The map's own reference is the last one: nobody holds the key, nobody waits for it.
        if locks
            .get(&self.key)
            .is_some_and(|lock| Arc::strong_count(lock) == 1)
        {
            locks.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn entries(locks: &KeyLocks) -> usize {
        locks.locks.lock().unwrap().len()
    }

    #[tokio::test]
    async fn a_key_is_held_by_one_at_a_time_and_forgotten_afterwards() {
        let locks = KeyLocks::default();
        let first = locks.lock("a".into()).await;
        assert!(locks.lock("a".into()).now_or_never().is_none());
        assert!(locks.lock("b".into()).now_or_never().is_some());
        drop(first);
        assert!(locks.lock("a".into()).now_or_never().is_some());
        assert_eq!(entries(&locks), 0);
    }

    #[tokio::test]
    async fn a_waiter_that_gives_up_does_not_free_the_key() {
        let locks = KeyLocks::default();
        let held = locks.lock("a".into()).await;
        assert!(locks.lock("a".into()).now_or_never().is_none());
        assert!(locks.lock("a".into()).now_or_never().is_none());
        assert_eq!(entries(&locks), 1);
        drop(held);
        assert_eq!(entries(&locks), 0);
    }
}
