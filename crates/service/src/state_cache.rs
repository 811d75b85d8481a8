//! Folded states kept in memory, so that a long history is not folded anew for every command.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Streams remembered per generation. States are small; two generations of this many stay well
/// under a hundred megabytes.
const GENERATION_MAX: usize = 4096;

/// The latest folded states, by stream.
///
/// An entry is only a place to go on from: streams never change what they once held, and the
/// reader always asks the store for what came after. So nothing here can be stale.
#[derive(Default)]
pub(crate) struct StateCache {
    generations: Mutex<Generations>,
}

type States = HashMap<String, Arc<dyn Any + Send + Sync>>;

/// What was used lately is in `young`, or is moved there from `old` when asked for. When `young`
/// is full it becomes `old`, and the old `old` is forgotten.
#[derive(Default)]
struct Generations {
    young: States,
    old: States,
}

// === impl StateCache ===

impl StateCache {
    /// The state remembered for `stream`, when there is one of this type.
    pub(crate) fn get<T: Any + Send + Sync>(&self, stream: &str) -> Option<Arc<T>> {
        let mut generations = self
            .generations
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let state = match generations.young.get(stream) {
            Some(state) => Arc::clone(state),
            None => {
                let (stream, state) = generations.old.remove_entry(stream)?;
                generations.insert(stream, Arc::clone(&state));
                state
            }
        };
        state.downcast().ok()
    }

    /// Remembers `state` for `stream`.
    pub(crate) fn put<T: Any + Send + Sync>(&self, stream: &str, state: Arc<T>) {
        self.generations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(stream.to_owned(), state);
    }
}

// === impl Generations ===

impl Generations {
    fn insert(&mut self, stream: String, state: Arc<dyn Any + Send + Sync>) {
        if self.young.len() >= GENERATION_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(stream, state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stays_and_the_rest_is_forgotten() {
        let cache = StateCache::default();
        cache.put("order-kept", Arc::new(7_u64));
        cache.put("order-left", Arc::new(8_u64));
        for n in 0..3 * GENERATION_MAX {
            cache.put(&format!("order-{n}"), Arc::new(0_u64));
            if n % 100 == 0 {
                assert_eq!(cache.get("order-kept"), Some(Arc::new(7_u64)));
            }
        }
        assert_eq!(cache.get::<u64>("order-left"), None);
        let generations = cache.generations.lock().unwrap();
        assert!(generations.young.len() <= GENERATION_MAX);
        assert!(generations.old.len() <= GENERATION_MAX);
    }

    #[test]
    fn a_state_of_another_type_is_not_found() {
        let cache = StateCache::default();
        cache.put("order-1", Arc::new(7_u64));
        assert_eq!(cache.get::<i32>("order-1"), None);
    }
}
