//! How many messages the partitions of all groups have before them.

use std::sync::Arc;

use super::groups::GroupState;

/// The count, while the log is gone through.
#[derive(Debug)]
pub(super) struct Lags {
    groups: Vec<Arc<GroupState>>,
    /// Up to where each partition of each group was settled when the count began.
    floors: Vec<Vec<u64>>,
    counts: Vec<Vec<u64>>,
}

// === impl Lags ===

impl Lags {
    /// Nothing counted yet.
    pub(super) fn of(groups: &[Arc<GroupState>]) -> Self {
        let floors: Vec<Vec<u64>> = groups.iter().map(|group| group.floors()).collect();
        let counts = floors.iter().map(|floors| vec![0; floors.len()]).collect();
        Self {
            groups: groups.to_vec(),
            floors,
            counts,
        }
    }

    /// Where the slowest partition is: nobody has anything before it that is up to there.
    pub(super) fn slowest(&self) -> u64 {
        self.floors.iter().flatten().min().copied().unwrap_or(0)
    }

    /// Counts a message for every partition that has it before it.
    pub(super) fn see(&mut self, position: u64, key_hash: u64, topic: &str) {
        let groups = self.groups.iter().zip(&self.floors);
        for ((group, floors), counts) in groups.zip(&mut self.counts) {
            let Some(partition) = group.partition_for(key_hash, topic) else {
                continue;
            };
            if let (Some(floor), Some(count)) = (floors.get(partition), counts.get_mut(partition))
                && position > *floor
            {
                *count += 1;
            }
        }
    }

    /// What it came to, partition by partition in the order of the groups.
    pub(super) fn counts(self) -> Vec<Vec<u64>> {
        self.counts
    }
}
