//! The store of one service in memory.

mod data;
mod events;
mod leases;
mod marks;
mod parking;
mod place;
mod state;
mod timers;
mod views;

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use outcry_store::limits::PAGE_MAX;
use outcry_store::{
    Answer, AuditEntry, AuditFilter, Commit, CommitError, LeaseRequest, Member, Parked,
    ParkedFilter, ReadAll, Redrive, RelaySlots, Scan, Share, Store, StoreError, StoredEvent, Timer,
    ViewRow,
};
use tokio::sync::watch;
use tokio::task::yield_now;
use uuid::Uuid;

pub use self::data::MemoryData;

/// What time it is for a store: decides when leases run out.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// A store on [`MemoryData`]. Dropping it loses nothing; several on the same data are several
/// processes with one database.
#[derive(Clone)]
pub struct MemoryStore {
    data: MemoryData,
    clock: Clock,
}

// === impl MemoryStore ===

impl MemoryStore {
    /// Opens a store on `data`, which may hold what others have committed.
    #[must_use]
    pub fn open(data: &MemoryData, clock: Clock) -> Self {
        Self {
            data: data.clone(),
            clock,
        }
    }

    /// What the store stands on.
    #[must_use]
    pub fn data(&self) -> &MemoryData {
        &self.data
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

/// Every call lets other tasks go first, as a call to a database would, and then does everything
/// at once.
#[async_trait]
impl Store for MemoryStore {
    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        commit.check()?;
        if commit.is_empty() {
            return Ok(());
        }
        yield_now().await;
        let is_news = commit.is_news();
        self.data.state().apply(commit)?;
        if is_news {
            self.data.tell();
        }
        Ok(())
    }

    async fn read_stream(
        &self,
        stream: &str,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        yield_now().await;
        Ok(self.data.state().events.stream(stream, after, page(limit)))
    }

    async fn read_all(&self, filter: &ReadAll) -> Result<Vec<StoredEvent>, StoreError> {
        yield_now().await;
        let state = self.data.state();
        let limit = page(filter.limit);
        Ok(match &filter.partition_key {
            Some(key) => state.events.of_key(key, filter.after, limit),
            None => state.events.all(filter.after, limit),
        })
    }

    async fn unsent(
        &self,
        slots: RelaySlots,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        yield_now().await;
        Ok(self.data.state().events.unsent(slots, page(limit)))
    }

    async fn mark_sent(&self, positions: Vec<u64>) -> Result<(), StoreError> {
        yield_now().await;
        self.data.state().events.mark_sent(&positions);
        Ok(())
    }

    async fn oldest_unsent(&self) -> Result<Option<(SystemTime, u64)>, StoreError> {
        yield_now().await;
        Ok(self.data.state().events.oldest_unsent())
    }

    async fn view(&self, view: &str, key: &str) -> Result<Option<ViewRow>, StoreError> {
        yield_now().await;
        Ok(self.data.state().views.row(view, key))
    }

    async fn scan(&self, scan: &Scan) -> Result<Vec<ViewRow>, StoreError> {
        yield_now().await;
        self.data.state().views.scan(scan, page(scan.limit))
    }

    async fn answer(
        &self,
        principal: &str,
        method: &str,
        request_id: &str,
    ) -> Result<Option<Answer>, StoreError> {
        yield_now().await;
        let state = self.data.state();
        Ok(state.answers.find(principal, method, request_id).cloned())
    }

    async fn is_handled(&self, group: &str, event_id: Uuid) -> Result<bool, StoreError> {
        yield_now().await;
        Ok(self.data.state().handled.contains(group, event_id))
    }

    async fn timers_due(&self, now: SystemTime, limit: usize) -> Result<Vec<Timer>, StoreError> {
        yield_now().await;
        Ok(self.data.state().timers.due(now, page(limit)))
    }

    async fn next_timer(&self) -> Result<Option<SystemTime>, StoreError> {
        yield_now().await;
        Ok(self.data.state().timers.next())
    }

    async fn parked(&self, filter: &ParkedFilter) -> Result<Vec<Parked>, StoreError> {
        yield_now().await;
        let state = self.data.state();
        Ok(state.parking.list(filter, page(filter.limit)))
    }

    async fn parked_keys(&self, group: &str) -> Result<Vec<(String, u64)>, StoreError> {
        yield_now().await;
        Ok(self.data.state().parking.keys(group))
    }

    async fn first_parked(&self, group: &str, key: &str) -> Result<Option<u64>, StoreError> {
        yield_now().await;
        Ok(self.data.state().parking.first(group, key))
    }

    async fn redrives(&self, group: &str, limit: usize) -> Result<Vec<Redrive>, StoreError> {
        yield_now().await;
        Ok(self.data.state().parking.redrives(group, page(limit)))
    }

    async fn parking_audit(&self, filter: &AuditFilter) -> Result<Vec<AuditEntry>, StoreError> {
        yield_now().await;
        let state = self.data.state();
        Ok(state.parking.audit(filter, page(filter.limit)))
    }

    async fn forget(&self, before: SystemTime, limit: usize) -> Result<u64, StoreError> {
        yield_now().await;
        let mut state = self.data.state();
        let limit = page(limit);
        let marks = state.handled.forget(before, limit);
        let answers = state.answers.forget(before, limit);
        Ok(marks + answers)
    }

    async fn lease(&self, request: &LeaseRequest) -> Result<Vec<Share>, StoreError> {
        request.check()?;
        yield_now().await;
        let now = (self.clock)();
        let (shares, freed) = self.data.state().leases.lease(request, now);
        if freed {
            self.data.tell();
        }
        Ok(shares)
    }

    async fn leave(&self, member: &str) -> Result<(), StoreError> {
        yield_now().await;
        self.data.state().leases.leave(member);
        self.data.tell();
        Ok(())
    }

    async fn holder(&self, pool: &str, slot: u32) -> Result<Option<Member>, StoreError> {
        yield_now().await;
        let now = (self.clock)();
        Ok(self.data.state().leases.holder(pool, slot, now))
    }

    fn commits(&self) -> watch::Receiver<u64> {
        self.data.news()
    }
}

fn page(limit: usize) -> usize {
    limit.min(PAGE_MAX)
}
