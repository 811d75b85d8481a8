//! The seam itself: how a commit is applied and what can be read.

use std::time::SystemTime;

use async_trait::async_trait;
use outcry_events::SealedEvent;
use tokio::sync::watch;
use uuid::Uuid;

use crate::commit::{Answer, Commit};
use crate::error::{CommitError, StoreError};
use crate::lease::{LeaseRequest, Member, RelaySlots, Share};
use crate::parking::{AuditEntry, AuditFilter, Parked, ParkedFilter, Redrive};
use crate::timer::Timer;
use crate::view::{Scan, ViewRow};

/// What one service keeps. Reads see every commit answered before.
///
/// Limits above [`PAGE_MAX`](crate::limits::PAGE_MAX) count as that. Every method fails with
/// [`StoreError`] when the database does.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Applies all of `commit`, durably, or nothing.
    ///
    /// The parts are applied in the order of [`Commit`]'s fields, several of one kind in their
    /// order; but what has been done already is found first: a commit that is both a duplicate and
    /// a conflict is a duplicate. Only a fence comes before that.
    ///
    /// # Errors
    /// [`CommitError::Conflict`]: read again and decide again. [`CommitError::Duplicate`]: done
    /// already. [`CommitError::Invalid`]: a programming error.
    async fn commit(&self, commit: Commit) -> Result<(), CommitError>;

    /// Applies commits in their order, up to the first that cannot be applied; answers how many were, and why the
    /// next one was not. Those that were are durable, and nothing behind the one that failed was applied.
    async fn commit_all(&self, commits: Vec<Commit>) -> (usize, Option<CommitError>) {
        let mut applied = 0;
        for commit in commits {
            match self.commit(commit).await {
                Ok(()) => applied += 1,
                Err(error) => return (applied, Some(error)),
            }
        }
        (applied, None)
    }

    /// Events of one stream behind sequence `after`, in order.
    async fn read_stream(
        &self,
        stream: &str,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError>;

    /// Events of all streams, or of those with one partition key, in commit order.
    ///
    /// Of one key, nothing appears later before what was read. Of all together it may: an event of
    /// another key, committed at the same time, can get a lower position and be seen later.
    async fn read_all(&self, filter: &ReadAll) -> Result<Vec<StoredEvent>, StoreError>;

    /// Events of these slots that are not marked sent, in commit order.
    async fn unsent(&self, slots: RelaySlots, limit: usize)
    -> Result<Vec<StoredEvent>, StoreError>;

    /// Marks events sent; marked before, or not there, is fine.
    async fn mark_sent(&self, positions: Vec<u64>) -> Result<(), StoreError>;

    /// When the first unsent event was written down, and how many are unsent; none when all are
    /// sent.
    async fn oldest_unsent(&self) -> Result<Option<(SystemTime, u64)>, StoreError>;

    /// One row of a view.
    async fn view(&self, view: &str, key: &str) -> Result<Option<ViewRow>, StoreError>;

    /// Rows of a view in one of its orders.
    ///
    /// # Errors
    /// [`StoreError::BadCursor`] when [`Scan::after`] is not a cursor.
    async fn scan(&self, scan: &Scan) -> Result<Vec<ViewRow>, StoreError>;

    /// The answer a request got.
    async fn answer(
        &self,
        principal: &str,
        method: &str,
        request_id: &str,
    ) -> Result<Option<Answer>, StoreError>;

    /// Whether the group has handled the event (or a person has discarded it).
    async fn is_handled(&self, group: &str, event_id: Uuid) -> Result<bool, StoreError>;

    /// Timers due at `now`, the longest due first.
    async fn timers_due(&self, now: SystemTime, limit: usize) -> Result<Vec<Timer>, StoreError>;

    /// When the next timer is due.
    async fn next_timer(&self) -> Result<Option<SystemTime>, StoreError>;

    /// Parked events in the order of parking.
    async fn parked(&self, filter: &ParkedFilter) -> Result<Vec<Parked>, StoreError>;

    /// Keys of a group that are parked, with the number of their parked events; by key.
    async fn parked_keys(&self, group: &str) -> Result<Vec<(String, u64)>, StoreError>;

    /// Position of the first parked event of a key; none when the key is not parked.
    async fn first_parked(&self, group: &str, key: &str) -> Result<Option<u64>, StoreError>;

    /// Open redrive requests of a group, the oldest first.
    async fn redrives(&self, group: &str, limit: usize) -> Result<Vec<Redrive>, StoreError>;

    /// What was done about parked events, newest first.
    async fn parking_audit(&self, filter: &AuditFilter) -> Result<Vec<AuditEntry>, StoreError>;

    /// Forgets marks of handled events and answers from before `before`, at most `limit` of each;
    /// how many were forgotten.
    async fn forget(&self, before: SystemTime, limit: usize) -> Result<u64, StoreError>;

    /// Announces a member and gives it its share of each pool: what it holds is renewed, what it
    /// gives back becomes free, and free slots, or ones that were not renewed for
    /// [`LEASE_TTL`](crate::limits::LEASE_TTL), are taken until it has its share.
    ///
    /// Slots are spread as evenly as their number allows over the members that have asked within
    /// the same time. Whoever holds too many learns it as [`Share::surplus`].
    async fn lease(&self, request: &LeaseRequest) -> Result<Vec<Share>, StoreError>;

    /// Frees everything a member holds and forgets it: others can take over at once.
    async fn leave(&self, member: &str) -> Result<(), StoreError>;

    /// Who holds a slot at the moment.
    async fn holder(&self, pool: &str, slot: u32) -> Result<Option<Member>, StoreError>;

    /// Changes after every commit that is [news](Commit::is_news): wakes relays, timers, redrives. Slots that
    /// have become free are news, too.
    fn commits(&self) -> watch::Receiver<u64>;
}

/// An event and its place in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Place in commit order, from 1; may skip numbers.
    pub position: u64,
    /// The event.
    pub event: SealedEvent,
}

/// Which events are wanted, in commit order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReadAll {
    /// Only those behind this position.
    pub after: u64,
    /// Only those with this partition key.
    pub partition_key: Option<String>,
    /// Events wanted at most.
    pub limit: usize,
}
