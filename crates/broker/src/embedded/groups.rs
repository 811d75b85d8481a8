//! The declared groups and where their partitions are.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use tokio::sync::{Notify, Semaphore};

use super::progress::Progress;
use crate::group::{Group, wants};
use outcry_events::key::place_of_hash;

/// Topics whose answer a group remembers. The contract has a few dozen.
const VERDICTS_MAX: usize = 1024;

/// A declared group.
#[derive(Debug)]
pub(super) struct GroupState {
    pub(super) name: String,
    pub(super) topics: Vec<String>,
    pub(super) partitions: Vec<Arc<PartitionState>>,
    /// Whether it wants a topic, once asked.
    verdicts: RwLock<HashMap<String, bool>>,
    /// Subscriptions' partitions and leases that are alive.
    attached: AtomicUsize,
}

/// One partition of a group.
#[derive(Debug)]
pub(super) struct PartitionState {
    progress: Mutex<Progress>,
    /// There may be something to deliver. The partition's one consumer waits for it.
    pub(super) changed: Notify,
    /// Whoever holds the permit consumes the partition.
    pub(super) turn: Arc<Semaphore>,
    /// The floor that the file has.
    pub(super) saved: AtomicU64,
}

/// What the file keeps of a group.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) name: String,
    pub(super) topics: Vec<String>,
    /// Floor of each partition.
    pub(super) floors: Vec<u64>,
}

/// Which messages one partition wants.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) group: &'a GroupState,
    pub(super) index: usize,
}

/// Somebody holds on to the group.
#[derive(Debug)]
pub(super) struct Attachment {
    group: Arc<GroupState>,
}

// === impl GroupState ===

impl GroupState {
    /// A group nobody has seen before.
    pub(super) fn new(group: &Group) -> Self {
        let floors = vec![0; group.partitions as usize];
        Self::from_record(
            Record {
                name: group.name.to_owned(),
                topics: group.topics.clone(),
                floors,
            },
            0,
        )
    }

    /// A group whose messages up to `delivered_to` may have been delivered.
    pub(super) fn from_record(record: Record, delivered_to: u64) -> Self {
        let partition = |floor: u64| {
            Arc::new(PartitionState {
                progress: Mutex::new(Progress::new(floor, delivered_to)),
                changed: Notify::new(),
                turn: Arc::new(Semaphore::new(1)),
                saved: AtomicU64::new(floor),
            })
        };
        Self {
            name: record.name,
            topics: record.topics,
            partitions: record.floors.into_iter().map(partition).collect(),
            verdicts: RwLock::default(),
            attached: AtomicUsize::new(0),
        }
    }

    /// The group with other topics or partitions. When the number of partitions changes, keys move:
    /// every partition goes back to where the slowest one was, so that nothing is lost.
    pub(super) fn changed(&self, group: &Group) -> Self {
        let mut floors = self.floors();
        if floors.len() != group.partitions as usize {
            let slowest = floors.iter().min().copied().unwrap_or(0);
            floors = vec![slowest; group.partitions as usize];
        }
        let delivered_to = self
            .partitions
            .iter()
            .map(|partition| partition.progress().delivered_to())
            .max();
        Self::from_record(
            Record {
                name: self.name.clone(),
                topics: group.topics.clone(),
                floors,
            },
            delivered_to.unwrap_or(0),
        )
    }

    pub(super) fn record(&self) -> Record {
        Record {
            name: self.name.clone(),
            topics: self.topics.clone(),
            floors: self.floors(),
        }
    }

    /// Whether it has been declared so.
    pub(super) fn is_like(&self, group: &Group) -> bool {
        self.topics == group.topics && self.partition_count() == group.partitions
    }

    pub(super) fn partition_count(&self) -> u32 {
        u32::try_from(self.partitions.len()).unwrap_or(u32::MAX)
    }

    /// Up to where each partition is settled.
    pub(super) fn floors(&self) -> Vec<u64> {
        self.partitions
            .iter()
            .map(|partition| partition.progress().floor())
            .collect()
    }

    pub(super) fn wants(&self, topic: &str) -> bool {
        let verdicts = self.verdicts.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(verdict) = verdicts.get(topic) {
            return *verdict;
        }
        drop(verdicts);
        let verdict = wants(&self.topics, topic);
        let mut verdicts = self
            .verdicts
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if verdicts.len() < VERDICTS_MAX {
            verdicts.insert(topic.to_owned(), verdict);
        }
        verdict
    }

    /// The partition that gets messages with this key, if the group wants the topic.
    pub(super) fn partition_for(&self, key_hash: u64, topic: &str) -> Option<usize> {
        self.wants(topic)
            .then(|| place_of_hash(key_hash, self.partition_count()) as usize)
    }

    pub(super) fn is_attached(&self) -> bool {
        self.attached.load(Ordering::SeqCst) > 0
    }

    /// Ends every subscription.
    pub(super) fn end(&self) {
        for partition in &self.partitions {
            partition.turn.close();
            partition.changed.notify_one();
        }
    }
}

// === impl PartitionState ===

impl PartitionState {
    pub(super) fn progress(&self) -> MutexGuard<'_, Progress> {
        // Nothing that panics happens while it is held.
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Wanted ===

impl Wanted<'_> {
    pub(super) fn fits(&self, key_hash: u64, topic: &str) -> bool {
        // The hash first: it rules out most and costs least.
        place_of_hash(key_hash, self.group.partition_count()) as usize == self.index
            && self.group.wants(topic)
    }
}

// === impl Attachment ===

impl Attachment {
    pub(super) fn to(group: &Arc<GroupState>) -> Self {
        group.attached.fetch_add(1, Ordering::SeqCst);
        Self {
            group: Arc::clone(group),
        }
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        self.group.attached.fetch_sub(1, Ordering::SeqCst);
    }
}
