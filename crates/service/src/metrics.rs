//! What a running service has counted: plain atomics that an exporter reads.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The counters of one service.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Of its relay.
    pub relay: RelayMetrics,
    /// Of its timers.
    pub timers: TimerMetrics,
    /// Of the slots it shares with other replicas.
    pub leases: LeaseMetrics,
    groups: Mutex<BTreeMap<&'static str, Arc<GroupMetrics>>>,
    own: Mutex<BTreeMap<&'static Family, Numbers>>,
}

/// Numbers of a service's own that mean the same.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Family {
    /// Its name, as Prometheus has it.
    pub name: &'static str,
    /// What the numbers say.
    pub help: &'static str,
    /// The label that tells them apart.
    pub label: &'static str,
}

/// The numbers of a family, by the value of its label.
pub type Numbers = BTreeMap<String, f64>;

/// The counters of the relay, which takes events from the store to the broker.
#[derive(Debug, Default)]
pub struct RelayMetrics {
    /// Events confirmed and routed by the broker.
    pub published: Value,
    /// Events the broker did not take; each is tried again.
    pub failed: Value,
    /// Copies of events in older versions, confirmed and routed by the broker.
    pub copies: Value,
    /// Events published without such a copy because none could be made.
    pub uncopied: Value,
    /// Events waiting to be published, as last seen.
    pub unsent: Value,
    /// Age of the oldest of them, in milliseconds, as last seen.
    pub oldest_unsent_ms: Value,
}

/// The counters of the timers.
#[derive(Debug, Default)]
pub struct TimerMetrics {
    /// Timers that fired and whose commit is durable.
    pub fired: Value,
    /// Tries that failed; each is tried again.
    pub retried: Value,
}

/// The counters of the slots that the replicas of a service share.
#[derive(Debug, Default)]
pub struct LeaseMetrics {
    /// Commits refused because another replica has the slot they were made for, as far as the
    /// runtime made them.
    pub fenced: Value,
    /// Times the store did not renew the leases.
    pub failed: Value,
    pools: Mutex<BTreeMap<String, Arc<Value>>>,
}

/// The counters of a consumer group.
#[derive(Debug, Default)]
pub struct GroupMetrics {
    /// Events whose commit is durable.
    pub handled: Value,
    /// Events delivered again after they were handled.
    pub duplicates: Value,
    /// Tries that failed and were repeated.
    pub retried: Value,
    /// Events parked, those behind a parked one included.
    pub parked: Value,
    /// Events of a type or version this build does not know, skipped.
    pub skipped: Value,
    /// Copies of events in older versions, skipped: the events themselves come, too.
    pub copies: Value,
    /// Events a reaction discarded.
    pub discarded: Value,
    /// Parked events that a redrive brought through.
    pub redriven: Value,
    /// Times the group waited because its store did not answer.
    pub paused: Value,
    /// Events waiting at the broker, as last seen.
    pub lag: Value,
    /// Keys with parked events, as last seen.
    pub parked_keys: Value,
    partition_lag: Mutex<Vec<u64>>,
}

/// One number, counted up or set.
#[derive(Debug, Default)]
pub struct Value(AtomicU64);

// === impl Metrics ===

impl Metrics {
    /// The counters of `group`, made when first asked for.
    pub fn group(&self, group: &'static str) -> Arc<GroupMetrics> {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(groups.entry(group).or_default())
    }

    /// All groups of the service by name.
    pub fn groups(&self) -> Vec<(&'static str, Arc<GroupMetrics>)> {
        let groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        groups
            .iter()
            .map(|(name, group)| (*name, Arc::clone(group)))
            .collect()
    }

    /// Shows these numbers from now on in place of those before; with none, the family is not shown any more.
    pub fn show(&self, family: &'static Family, numbers: Numbers) {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        if numbers.is_empty() {
            own.remove(family);
        } else {
            own.insert(family, numbers);
        }
    }

    /// The service's own numbers, as last shown.
    pub fn own(&self) -> Vec<(&'static Family, Numbers)> {
        let own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        own.iter()
            .map(|(family, numbers)| (*family, numbers.clone()))
            .collect()
    }
}

// === impl GroupMetrics ===

impl GroupMetrics {
    /// Events waiting at the broker for each partition, as last seen; empty before that.
    pub fn partition_lag(&self) -> Vec<u64> {
        self.lags().clone()
    }

    /// Says how many events wait for each partition.
    pub(crate) fn set_lag(&self, partitions: &[u64]) {
        self.lag.set(partitions.iter().sum());
        *self.lags() = partitions.to_vec();
    }

    fn lags(&self) -> MutexGuard<'_, Vec<u64>> {
        self.partition_lag
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl LeaseMetrics ===

impl LeaseMetrics {
    /// Slots of each pool held here, as last seen; by name of the pool.
    pub fn held(&self) -> Vec<(String, u64)> {
        let pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        pools
            .iter()
            .map(|(name, held)| (name.clone(), held.get()))
            .collect()
    }

    /// Slots of one pool held here, as last seen.
    pub fn held_of(&self, pool: &str) -> u64 {
        let pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        pools.get(pool).map_or(0, |held| held.get())
    }

    /// The number of slots of `pool`, made when first asked for.
    pub(crate) fn pool(&self, pool: &str) -> Arc<Value> {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(pools.entry(pool.to_owned()).or_default())
    }
}

// === impl Value ===

impl Value {
    /// The number now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Counts `more` on top.
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// Counts one on top.
    pub(crate) fn count(&self) {
        self.add(1);
    }

    /// Replaces the number.
    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
}
