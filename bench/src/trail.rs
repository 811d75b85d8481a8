//! Whether messages got lost, came twice, or came in another order than they were sent.

use std::collections::{HashMap, HashSet};
use std::ops::AddAssign;

/// What became of messages on their way.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Trail {
    /// Sent and never arrived.
    pub lost: usize,
    /// Arrivals beyond the first of each.
    pub duplicated: usize,
    /// First arrivals behind that of a later message of the same key.
    pub reordered: usize,
}

/// A message that has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrived {
    /// Its place among all that were sent, from 0.
    pub id: u64,
    /// Its key: in what order keys arrive does not matter.
    pub key: u64,
}

// === impl Trail ===

impl Trail {
    /// That of messages 0 to `sent`, which arrived in this order.
    pub fn of(arrived: impl IntoIterator<Item = Arrived>, sent: usize) -> Self {
        let mut trail = Self::default();
        let mut seen = HashSet::new();
        let mut latest: HashMap<u64, u64> = HashMap::new();
        for Arrived { id, key } in arrived {
            if !seen.insert(id) {
                trail.duplicated += 1;
                continue;
            }
            let latest = latest.entry(key).or_insert(id);
            if id < *latest {
                trail.reordered += 1;
            }
            *latest = (*latest).max(id);
        }
        trail.lost = sent.saturating_sub(seen.len());
        trail
    }
}

impl AddAssign for Trail {
    fn add_assign(&mut self, other: Self) {
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trail(ids: &[u64], keys: u64, sent: usize) -> Trail {
        let arrived = ids.iter().map(|id| Arrived {
            id: *id,
            key: id % keys,
        });
        Trail::of(arrived, sent)
    }

    #[test]
    fn keys_may_overtake_each_other_but_nothing_within_one_may() {
        assert_eq!(trail(&[0, 1, 2, 3], 2, 4), Trail::default());
        assert_eq!(trail(&[1, 0, 3, 2], 2, 4), Trail::default());
        assert_eq!(trail(&[2, 1, 0, 3], 2, 4).reordered, 1);
        // One message too late is one, however many have overtaken it.
        assert_eq!(trail(&[1, 2, 3, 0], 1, 4).reordered, 1);
    }

    #[test]
    fn what_comes_again_is_neither_lost_nor_out_of_order() {
        let again = trail(&[0, 1, 0, 3], 1, 4);
        assert_eq!((again.lost, again.duplicated, again.reordered), (1, 1, 0));
    }
}
