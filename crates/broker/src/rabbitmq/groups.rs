//! The groups this process has declared, and what it has in hand of them.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::group::Group;

/// The groups by name.
#[derive(Debug, Default)]
pub(super) struct Groups(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    declared: BTreeMap<&'static str, Group>,
    /// Unsettled deliveries by queue.
    unsettled: HashMap<String, Arc<AtomicU64>>,
}

// === impl Groups ===

impl Groups {
    pub(super) fn get(&self, name: &str) -> Option<Group> {
        self.lock().declared.get(name).cloned()
    }

    pub(super) fn all(&self) -> Vec<Group> {
        self.lock().declared.values().cloned().collect()
    }

    pub(super) fn insert(&self, group: &Group) {
        self.lock().declared.insert(group.name, group.clone());
    }

    pub(super) fn remove(&self, name: &str) {
        self.lock().declared.remove(name);
    }

    /// The counter of what this process has not settled of a queue.
    pub(super) fn counter(&self, queue: &str) -> Arc<AtomicU64> {
        let mut inner = self.lock();
        Arc::clone(inner.unsettled.entry(queue.to_owned()).or_default())
    }

    /// What this process has not settled of a queue.
    pub(super) fn unsettled(&self, queue: &str) -> u64 {
        self.lock()
            .unsettled
            .get(queue)
            .map_or(0, |count| count.load(Ordering::SeqCst))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing that panics happens while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
