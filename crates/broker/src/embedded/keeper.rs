//! Tasks behind the broker: one wakes partitions for new messages, one saves how far they are and
//! cuts the log behind them.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use outcry_sqlite::Error;
use tokio::sync::{Notify, watch};
use tracing::warn;

use super::cursors::{self, Advance};
use super::groups::{GroupState, Wanted};
use super::tail::Found;
use super::{Shared, log};

/// Pause before cursors are saved again. What was acknowledged in it is delivered again after a
/// crash; the shorter, the more disk flushes.
const SAVE_EVERY: Duration = Duration::from_millis(200);

/// Messages cut off in one write, so that the writes of others do not wait long behind it.
const TRIM_BATCH: usize = 1000;

/// Wakes the partitions that get new messages, and no others. Ends with the broker.
pub(super) async fn wake(shared: Weak<Shared>, mut end: watch::Receiver<u64>) {
    let mut seen = *end.borrow_and_update();
    while end.changed().await.is_ok() {
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let to = *end.borrow_and_update();
        let groups = shared.all_groups();
        let tail = shared.tail.read().unwrap_or_else(PoisonError::into_inner);
        let saw_all = tail.each_behind(seen, |_, key_hash, topic| {
            for group in &groups {
                if let Some(partition) = group.partition_for(key_hash, topic)
                    && let Some(partition) = group.partitions.get(partition)
                {
                    partition.changed.notify_one();
                }
            }
        });
        drop(tail);
        if !saw_all {
            for partition in groups.iter().flat_map(|group| &group.partitions) {
                partition.changed.notify_one();
            }
        }
        // Those that were not woken are moved over what they do not want.
        shared.advanced.notify_one();
        seen = to;
    }
}

/// Saves cursors some time after they have advanced. Ends with the broker.
pub(super) async fn save(shared: Weak<Shared>, advanced: Arc<Notify>) {
    loop {
        advanced.notified().await;
        tokio::time::sleep(SAVE_EVERY).await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        if shared.is_closed() {
            return;
        }
        if let Err(error) = shared.save_cursors().await {
            // Nothing is lost: the next advance tries again.
            warn!(error = %error, "saving the broker's cursors failed");
        }
    }
}

// === impl Shared ===

impl Shared {
    /// Saves how far every partition is and cuts the log behind all of them.
    pub(super) async fn save_cursors(&self) -> Result<(), Error> {
        let _changing = self.changing.lock().await;
        let groups = self.all_groups();
        let mut advances = Vec::new();
        let mut saving = Vec::new();
        let mut slowest = u64::MAX;
        for group in &groups {
            for (index, partition) in group.partitions.iter().enumerate() {
                self.skip_unwanted(group, index);
                let floor = partition.progress().floor();
                if floor > partition.saved.load(Ordering::SeqCst) {
                    advances.push(Advance {
                        group: group.name.clone(),
                        partition: index,
                        floor,
                    });
                    saving.push((partition, floor));
                }
                slowest = slowest.min(floor);
            }
        }
        let to = if groups.is_empty() { 0 } else { slowest };
        if advances.is_empty() && to <= self.trimmed_to.load(Ordering::SeqCst) {
            return Ok(());
        }
        // Cutting in the transaction that saves the cursors: never before they are durable.
        let mut trimmed = self
            .database
            .write(move |connection| {
                cursors::save(connection, &advances)?;
                log::trim(connection, to, TRIM_BATCH)
            })
            .await?;
        for (partition, floor) in saving {
            partition.saved.store(floor, Ordering::SeqCst);
        }
        while trimmed == TRIM_BATCH {
            trimmed = self
                .database
                .write(move |connection| log::trim(connection, to, TRIM_BATCH))
                .await?;
        }
        self.trimmed_to.fetch_max(to, Ordering::SeqCst);
        Ok(())
    }

    /// Moves a partition without anything to deliver over messages it does not want. Nobody wakes
    /// it for those, and the log is not cut before it.
    fn skip_unwanted(&self, group: &GroupState, index: usize) {
        let Some(partition) = group.partitions.get(index) else {
            return;
        };
        let tail = self.tail.read().unwrap_or_else(PoisonError::into_inner);
        let mut progress = partition.progress();
        let Some(at) = progress.idle_at() else { return };
        if let Found::Messages(found, to) = tail.read(at, &Wanted { group, index }) {
            match found.first() {
                None => progress.add(Vec::new(), to),
                Some((first, _)) => progress.add(Vec::new(), first - 1),
            }
        }
    }
}
