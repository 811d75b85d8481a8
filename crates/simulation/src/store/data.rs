//! What outlives the stores that are opened on it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use outcry_store::{Parked, ParkedFilter, StoredEvent, Timer, ViewRow};
use tokio::sync::watch;
use uuid::Uuid;

use super::state::State;

/// Everything one service keeps: its database. Cheap to clone; clones are the same data.
///
/// Reads of it see what has been committed, at once and without a store: they are for whoever
/// judges a run.
#[derive(Clone, Default)]
pub struct MemoryData {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Commits that were news. Of the data, not of a store: each of several stores hears of all.
    ///
    /// Each listener has a channel to itself and is told in its turn: of several at one channel,
    /// chance would say who comes first.
    news: Mutex<Vec<watch::Sender<u64>>>,
}

// === impl MemoryData ===

impl MemoryData {
    /// Data with nothing in it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same data once more: what happens to one from now on does not happen to the other.
    #[must_use]
    pub fn fork(&self) -> Self {
        let state = self.state().clone();
        Self {
            shared: Arc::new(Shared {
                state: Mutex::new(state),
                news: Mutex::default(),
            }),
        }
    }

    /// Every event, by position.
    #[must_use]
    pub fn events(&self) -> Vec<StoredEvent> {
        self.state().events.all(0, usize::MAX)
    }

    /// How many events there are.
    #[must_use]
    pub fn event_count(&self) -> u64 {
        self.state().events.count()
    }

    /// How many events are not marked sent.
    #[must_use]
    pub fn unsent_count(&self) -> u64 {
        self.state().events.unsent_count()
    }

    /// The views that have, or once had, rows.
    #[must_use]
    pub fn views(&self) -> Vec<&'static str> {
        self.state().views.names()
    }

    /// Every row of a view, by key.
    #[must_use]
    pub fn rows(&self, view: &str) -> Vec<ViewRow> {
        self.state().views.rows(view)
    }

    /// Every parked event, in the order of parking.
    #[must_use]
    pub fn parked(&self) -> Vec<Parked> {
        let all = ParkedFilter::default();
        self.state().parking.list(&all, usize::MAX)
    }

    /// Every timer, the next one first.
    #[must_use]
    pub fn timers(&self) -> Vec<Timer> {
        self.state().timers.all()
    }

    /// Which events a group has handled (or a person has discarded), by id.
    #[must_use]
    pub fn handled(&self, group: &str) -> Vec<Uuid> {
        self.state().handled.of_group(group)
    }

    /// Who holds a slot at `now`: the member's id.
    #[must_use]
    pub fn holder(&self, pool: &str, slot: u32, now: SystemTime) -> Option<String> {
        let holder = self.state().leases.holder(pool, slot, now);
        holder.map(|member| member.id)
    }

    /// Never held across an await. A change is whole or undone before anything can panic.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tell(&self) {
        self.listeners().retain(|listener| {
            listener.send_modify(|commits| *commits += 1);
            !listener.is_closed()
        });
    }

    pub(super) fn news(&self) -> watch::Receiver<u64> {
        let (listener, news) = watch::channel(0);
        self.listeners().push(listener);
        news
    }

    fn listeners(&self) -> MutexGuard<'_, Vec<watch::Sender<u64>>> {
        let listeners = self.shared.news.lock();
        listeners.unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryData {
    /// Shows how much there is and nothing of what it says.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryData")
            .field("events", &self.event_count())
            .field("unsent", &self.unsent_count())
            .finish_non_exhaustive()
    }
}
