//! The line between one process and the outside: everything it does there passes, and once the
//! process is dead nothing does.

use std::fmt;
use std::future::{Future, pending};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use outcry_broker::{Broker, BrokerError, Group, GroupStatus, Message, Partition, PublishError};
use outcry_store::{
    Answer, AuditEntry, AuditFilter, Commit, CommitError, LeaseRequest, Member, Parked,
    ParkedFilter, ReadAll, Redrive, RelaySlots, Scan, Share, Store, StoreError, StoredEvent, Timer,
    ViewRow,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::broker::MemoryBroker;
use crate::sabotage::sabotaged;
use crate::store::MemoryStore;
use crate::world::{Outside, Step, World};

/// One process's line. Cheap to clone.
#[derive(Clone)]
pub struct Line {
    service: &'static str,
    number: usize,
    world: World,
    dead: CancellationToken,
    down: watch::Sender<Duration>,
}

/// What a simulated store or broker says when it fails.
#[derive(Debug)]
struct Unreachable;

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("out of reach")
    }
}

impl std::error::Error for Unreachable {}

// === impl Line ===

impl Line {
    /// The line of a process that has just been started.
    #[must_use]
    pub fn new(service: &'static str, number: usize, world: World) -> Self {
        Self {
            service,
            number,
            world,
            dead: CancellationToken::new(),
            down: watch::Sender::new(Duration::ZERO),
        }
    }

    /// Waits for the process to die; how long it is to stay dead.
    pub async fn died(&self) -> Duration {
        self.dead.cancelled().await;
        *self.down.borrow()
    }

    /// The process is dead.
    pub fn cut(&self) {
        self.dead.cancel();
    }

    /// Ends when the process dies.
    #[must_use]
    pub fn dead(&self) -> &CancellationToken {
        &self.dead
    }

    /// Takes a step over the line. Nothing comes back to a dead process.
    async fn step<T, E>(
        &self,
        outside: Outside,
        refused: impl Fn() -> E,
        effect: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let delay = self.world.delay(self.service);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if self.dead.is_cancelled() {
            return pending().await;
        }
        match self.world.step(self.service, self.number, outside) {
            Step::Through => {
                let outcome = effect.await;
                if self.dead.is_cancelled() {
                    return pending().await;
                }
                outcome
            }
            Step::Refused => Err(refused()),
            Step::Unanswered => {
                effect.await?;
                Err(refused())
            }
            Step::Dies { applied, down } => {
                if applied {
                    // Whatever came of it, the process does not learn it.
                    let _unheard = effect.await;
                }
                self.down.send_replace(down);
                self.world.note_crash();
                self.dead.cancel();
                pending().await
            }
        }
    }
}

/// A store as one process reaches it.
pub struct LineStore {
    line: Line,
    inner: MemoryStore,
}

impl LineStore {
    /// `inner` behind `line`.
    #[must_use]
    pub fn new(line: Line, inner: MemoryStore) -> Self {
        Self { line, inner }
    }

    async fn read<T>(
        &self,
        effect: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.line.step(Outside::Read, out_of_reach, effect).await
    }
}

fn out_of_reach() -> StoreError {
    StoreError::Backend(Box::new(Unreachable))
}

#[async_trait]
impl Store for LineStore {
    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        let effect = async {
            match sabotaged(self.line.world.bug(), self.line.service, commit) {
                Some(commit) => self.inner.commit(commit).await,
                None => Ok(()),
            }
        };
        let refused = || CommitError::Store(out_of_reach());
        self.line.step(Outside::Commit, refused, effect).await
    }

    async fn read_stream(
        &self,
        stream: &str,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        self.read(self.inner.read_stream(stream, after, limit))
            .await
    }

    async fn read_all(&self, filter: &ReadAll) -> Result<Vec<StoredEvent>, StoreError> {
        self.read(self.inner.read_all(filter)).await
    }

    async fn unsent(
        &self,
        slots: RelaySlots,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        self.read(self.inner.unsent(slots, limit)).await
    }

    async fn mark_sent(&self, positions: Vec<u64>) -> Result<(), StoreError> {
        let effect = self.inner.mark_sent(positions);
        self.line.step(Outside::Commit, out_of_reach, effect).await
    }

    async fn oldest_unsent(&self) -> Result<Option<(SystemTime, u64)>, StoreError> {
        self.read(self.inner.oldest_unsent()).await
    }

    async fn view(&self, view: &str, key: &str) -> Result<Option<ViewRow>, StoreError> {
        self.read(self.inner.view(view, key)).await
    }

    async fn scan(&self, scan: &Scan) -> Result<Vec<ViewRow>, StoreError> {
        self.read(self.inner.scan(scan)).await
    }

    async fn answer(
        &self,
        principal: &str,
        method: &str,
        request_id: &str,
    ) -> Result<Option<Answer>, StoreError> {
        self.read(self.inner.answer(principal, method, request_id))
            .await
    }

    async fn is_handled(&self, group: &str, event_id: Uuid) -> Result<bool, StoreError> {
        self.read(self.inner.is_handled(group, event_id)).await
    }

    async fn timers_due(&self, now: SystemTime, limit: usize) -> Result<Vec<Timer>, StoreError> {
        self.read(self.inner.timers_due(now, limit)).await
    }

    async fn next_timer(&self) -> Result<Option<SystemTime>, StoreError> {
        self.read(self.inner.next_timer()).await
    }

    async fn parked(&self, filter: &ParkedFilter) -> Result<Vec<Parked>, StoreError> {
        self.read(self.inner.parked(filter)).await
    }

    async fn parked_keys(&self, group: &str) -> Result<Vec<(String, u64)>, StoreError> {
        self.read(self.inner.parked_keys(group)).await
    }

    async fn first_parked(&self, group: &str, key: &str) -> Result<Option<u64>, StoreError> {
        self.read(self.inner.first_parked(group, key)).await
    }

    async fn redrives(&self, group: &str, limit: usize) -> Result<Vec<Redrive>, StoreError> {
        self.read(self.inner.redrives(group, limit)).await
    }

    async fn parking_audit(&self, filter: &AuditFilter) -> Result<Vec<AuditEntry>, StoreError> {
        self.read(self.inner.parking_audit(filter)).await
    }

    async fn forget(&self, before: SystemTime, limit: usize) -> Result<u64, StoreError> {
        let effect = self.inner.forget(before, limit);
        self.line.step(Outside::Commit, out_of_reach, effect).await
    }

    async fn lease(&self, request: &LeaseRequest) -> Result<Vec<Share>, StoreError> {
        let effect = self.inner.lease(request);
        self.line.step(Outside::Commit, out_of_reach, effect).await
    }

    async fn leave(&self, member: &str) -> Result<(), StoreError> {
        let effect = self.inner.leave(member);
        self.line.step(Outside::Commit, out_of_reach, effect).await
    }

    async fn holder(&self, pool: &str, slot: u32) -> Result<Option<Member>, StoreError> {
        self.read(self.inner.holder(pool, slot)).await
    }

    fn commits(&self) -> watch::Receiver<u64> {
        self.inner.commits()
    }
}

/// The broker as one process reaches it.
pub struct LineBroker {
    line: Line,
    inner: MemoryBroker,
}

impl LineBroker {
    /// `inner` behind `line`.
    #[must_use]
    pub fn new(line: Line, inner: MemoryBroker) -> Self {
        Self { line, inner }
    }

    async fn reach<T>(
        &self,
        effect: impl Future<Output = Result<T, BrokerError>>,
    ) -> Result<T, BrokerError> {
        let gone = || BrokerError::Backend(Arc::new(Unreachable));
        self.line.step(Outside::Broker, gone, effect).await
    }
}

#[async_trait]
impl Broker for LineBroker {
    async fn publish(&self, messages: Vec<Message>) -> Vec<Result<(), PublishError>> {
        let count = messages.len();
        let effect = async { Ok(self.inner.publish(messages).await) };
        match self.line.step(Outside::Broker, || (), effect).await {
            Ok(results) => results,
            Err(()) => {
                let gone = || PublishError::Backend(Arc::new(Unreachable));
                std::iter::repeat_with(|| Err(gone())).take(count).collect()
            }
        }
    }

    async fn declare(&self, group: &Group) -> Result<(), BrokerError> {
        self.reach(self.inner.declare(group)).await
    }

    async fn subscribe(&self, group: &Group, partition: u32) -> Result<Partition, BrokerError> {
        self.reach(self.inner.subscribe(group, partition)).await
    }

    async fn remove(&self, group: &str) -> Result<(), BrokerError> {
        self.reach(self.inner.remove(group)).await
    }

    async fn groups(&self) -> Result<Vec<GroupStatus>, BrokerError> {
        self.reach(self.inner.groups()).await
    }

    async fn close(&self) -> Result<(), BrokerError> {
        self.reach(self.inner.close()).await
    }
}
