//! Brokers and stores that stand in the way for a while.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use async_trait::async_trait;
use outcry_broker::{Broker, BrokerError, Group, GroupStatus, Message, Partition, PublishError};
use outcry_mesh::Directory;
use outcry_service::Context;
use outcry_store::{
    Answer, AuditEntry, AuditFilter, Commit, CommitError, LeaseRequest, Member, Parked,
    ParkedFilter, ReadAll, Redrive, RelaySlots, Scan, Share, Store, StoreError, StoredEvent, Timer,
    ViewRow,
};
use tokio::sync::watch;
use uuid::Uuid;

/// A broker that does not take some keys.
pub struct Choosy {
    pub inner: Arc<dyn Broker>,
    pub refused: Arc<Mutex<HashSet<String>>>,
}

#[async_trait]
impl Broker for Choosy {
    async fn publish(&self, messages: Vec<Message>) -> Vec<Result<(), PublishError>> {
        let refused = self.refused.lock().unwrap().clone();
        let mut results = Vec::new();
        for message in messages {
            if refused.contains(&message.partition_key) {
                results.push(Err(PublishError::Unroutable {
                    topic: message.topic,
                }));
            } else {
                results.extend(self.inner.publish(vec![message]).await);
            }
        }
        results
    }
    async fn declare(&self, group: &Group) -> Result<(), BrokerError> {
        self.inner.declare(group).await
    }
    async fn subscribe(&self, group: &Group, partition: u32) -> Result<Partition, BrokerError> {
        self.inner.subscribe(group, partition).await
    }
    async fn remove(&self, group: &str) -> Result<(), BrokerError> {
        self.inner.remove(group).await
    }
    async fn groups(&self) -> Result<Vec<GroupStatus>, BrokerError> {
        self.inner.groups().await
    }
    async fn close(&self) -> Result<(), BrokerError> {
        self.inner.close().await
    }
}

/// A store that does not answer while it is down, or not to those who would renew their leases.
pub struct Flaky {
    pub inner: Arc<dyn Store>,
    pub down: Arc<AtomicBool>,
    pub is_cut_off: Arc<AtomicBool>,
}

impl Flaky {
    fn up(&self) -> Result<&dyn Store, StoreError> {
        if self.down.load(Ordering::SeqCst) {
            return Err(StoreError::Backend("it is down".into()));
        }
        Ok(self.inner.as_ref())
    }
}

#[async_trait]
impl Store for Flaky {
    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        self.up()?.commit(commit).await
    }
    async fn read_stream(
        &self,
        stream: &str,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        self.up()?.read_stream(stream, after, limit).await
    }
    async fn read_all(&self, filter: &ReadAll) -> Result<Vec<StoredEvent>, StoreError> {
        self.up()?.read_all(filter).await
    }
    async fn unsent(
        &self,
        slots: RelaySlots,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        self.up()?.unsent(slots, limit).await
    }
    async fn mark_sent(&self, positions: Vec<u64>) -> Result<(), StoreError> {
        self.up()?.mark_sent(positions).await
    }
    async fn oldest_unsent(&self) -> Result<Option<(SystemTime, u64)>, StoreError> {
        self.up()?.oldest_unsent().await
    }
    async fn view(&self, view: &str, key: &str) -> Result<Option<ViewRow>, StoreError> {
        self.up()?.view(view, key).await
    }
    async fn scan(&self, scan: &Scan) -> Result<Vec<ViewRow>, StoreError> {
        self.up()?.scan(scan).await
    }
    async fn answer(
        &self,
        principal: &str,
        method: &str,
        request_id: &str,
    ) -> Result<Option<Answer>, StoreError> {
        self.up()?.answer(principal, method, request_id).await
    }
    async fn is_handled(&self, group: &str, event_id: Uuid) -> Result<bool, StoreError> {
        self.up()?.is_handled(group, event_id).await
    }
    async fn timers_due(&self, now: SystemTime, limit: usize) -> Result<Vec<Timer>, StoreError> {
        self.up()?.timers_due(now, limit).await
    }
    async fn next_timer(&self) -> Result<Option<SystemTime>, StoreError> {
        self.up()?.next_timer().await
    }
    async fn parked(&self, filter: &ParkedFilter) -> Result<Vec<Parked>, StoreError> {
        self.up()?.parked(filter).await
    }
    async fn parked_keys(&self, group: &str) -> Result<Vec<(String, u64)>, StoreError> {
        self.up()?.parked_keys(group).await
    }
    async fn first_parked(&self, group: &str, key: &str) -> Result<Option<u64>, StoreError> {
        self.up()?.first_parked(group, key).await
    }
    async fn redrives(&self, group: &str, limit: usize) -> Result<Vec<Redrive>, StoreError> {
        self.up()?.redrives(group, limit).await
    }
    async fn parking_audit(&self, filter: &AuditFilter) -> Result<Vec<AuditEntry>, StoreError> {
        self.up()?.parking_audit(filter).await
    }
    async fn lease(&self, request: &LeaseRequest) -> Result<Vec<Share>, StoreError> {
        if self.is_cut_off.load(Ordering::SeqCst) {
            return Err(StoreError::Backend("it is cut off".into()));
        }
        self.up()?.lease(request).await
    }
    async fn leave(&self, member: &str) -> Result<(), StoreError> {
        self.up()?.leave(member).await
    }
    async fn holder(&self, pool: &str, slot: u32) -> Result<Option<Member>, StoreError> {
        self.up()?.holder(pool, slot).await
    }
    async fn forget(&self, before: SystemTime, limit: usize) -> Result<u64, StoreError> {
        self.up()?.forget(before, limit).await
    }
    fn commits(&self) -> watch::Receiver<u64> {
        self.inner.commits()
    }
}

/// The context of a replica like `ctx` whose leases are not renewed while it is cut off.
pub fn cut_off(ctx: &Context, is_cut_off: &Arc<AtomicBool>) -> Context {
    let flaky = Flaky {
        inner: Arc::clone(&ctx.store),
        down: Arc::default(),
        is_cut_off: Arc::clone(is_cut_off),
    };
    let clock = Arc::clone(&ctx.clock);
    Context::new(ctx.service, Arc::new(flaky), clock, Directory::new())
}
