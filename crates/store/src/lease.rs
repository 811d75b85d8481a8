//! Who may act for what, when several processes serve one store.
//!
//! A pool has a fixed number of slots: the partitions of a consumer group, shares of the outbox,
//! the symbols of the venue. A slot is held by one member at a time, for as long as it renews it.
//! The slot's epoch is the fence: whoever was cut off and comes back still believes to hold the
//! slot, but its commits carry an epoch that has passed and are refused.

use outcry_events::key::place_of;

use crate::error::StoreError;
use crate::limits::{KEY_BYTES_MAX, POOL_SLOTS_MAX, RELAY_SLOTS};

/// The right to act for a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    /// The pool.
    pub pool: String,
    /// The slot.
    pub slot: u32,
    /// The epoch in which the slot was got.
    pub epoch: u64,
}

/// A process that shares in pools.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Member {
    /// Unique per run of a process.
    pub id: String,
    /// Where other members reach it, as a URL; empty when they cannot.
    pub address: String,
}

/// A member asks for its share of some pools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseRequest {
    /// Who.
    pub member: Member,
    /// Of what.
    pub pools: Vec<PoolRequest>,
}

/// One pool of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolRequest {
    /// The pool.
    pub pool: String,
    /// How many slots it has.
    pub slots: u32,
    /// Slots the member is done with; giving back what it does not hold is fine.
    pub give_back: Vec<u32>,
}

/// A slot that is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The pool.
    pub pool: String,
    /// The slot, from 0.
    pub slot: u32,
    /// Grows with every change of holder, also when the same member gets the slot again.
    pub epoch: u64,
}

/// What a member has of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// The pool.
    pub pool: String,
    /// What it holds now, by slot.
    pub held: Vec<Lease>,
    /// How many of them it should give back, as soon as it has finished with them.
    pub surplus: u32,
}

/// A set of relay slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RelaySlots(u32);

/// The relay slot of a partition key: its events leave in order, so one relay takes them all.
#[must_use]
pub fn relay_slot(partition_key: &str) -> u32 {
    place_of(partition_key, RELAY_SLOTS)
}

/// How many slots of a pool a member may hold, when so many of the others hold more than the even
/// share: the remainder goes to those who have it already.
pub(crate) fn allowed(slots: u32, members: u32, others_above: u32) -> u32 {
    let members = members.max(1);
    let (even, rest) = (slots / members, slots % members);
    even + u32::from(others_above < rest)
}

// === impl Lease ===

impl Lease {
    /// What commits made for the slot carry.
    #[must_use]
    pub fn fence(&self) -> Fence {
        Fence {
            pool: self.pool.clone(),
            slot: self.slot,
            epoch: self.epoch,
        }
    }
}

// === impl LeaseRequest ===

impl LeaseRequest {
    /// Judges the request by itself. Every store calls this first.
    ///
    /// # Errors
    /// [`StoreError::BadLease`].
    pub fn check(&self) -> Result<(), StoreError> {
        let texts = self.pools.iter().map(|pool| &pool.pool);
        let mut texts = texts.chain([&self.member.id, &self.member.address]);
        let reason = if self.member.id.is_empty() {
            "a member needs an id"
        } else if texts.any(|text| text.len() > KEY_BYTES_MAX) {
            "a name is too long"
        } else if self.pools.iter().any(|pool| pool.slots > POOL_SLOTS_MAX) {
            "a pool has at most 1024 slots"
        } else {
            return Ok(());
        };
        Err(StoreError::BadLease { reason })
    }
}

// === impl RelaySlots ===

impl RelaySlots {
    /// All of them.
    pub const ALL: Self = Self((1 << RELAY_SLOTS) - 1);

    /// None of them.
    pub const NONE: Self = Self(0);

    /// This set with one more slot.
    #[must_use]
    pub fn with(self, slot: u32) -> Self {
        Self(self.0 | Self::ALL.0 & 1_u32.checked_shl(slot).unwrap_or(0))
    }

    /// This set without a slot.
    #[must_use]
    pub fn without(self, slot: u32) -> Self {
        Self(self.0 & !1_u32.checked_shl(slot).unwrap_or(0))
    }

    /// Whether a slot is in it.
    #[must_use]
    pub fn has(self, slot: u32) -> bool {
        self.0 & 1_u32.checked_shl(slot).unwrap_or(0) != 0
    }

    /// Whether no slot is in it.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// One bit per slot, the lowest for slot 0.
    pub(crate) fn bits(self) -> u32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_of_all_members_make_up_the_pool() {
        for slots in 0..40 {
            for members in 1..9 {
                let mut sum = 0;
                let mut above = 0;
                for _ in 0..members {
                    let share = allowed(slots, members, above);
                    above += u32::from(share > slots / members);
                    sum += share;
                }
                assert_eq!(sum, slots, "{slots} slots, {members} members");
            }
        }
    }

    #[test]
    fn a_set_of_slots_knows_what_is_in_it() {
        let set = RelaySlots::NONE.with(1).with(7).without(1).with(99);
        assert!(set.has(7) && !set.has(1) && !set.has(99) && !set.is_empty());
        assert_eq!(
            (0..RELAY_SLOTS).fold(RelaySlots::NONE, RelaySlots::with),
            RelaySlots::ALL
        );
        assert!(set.without(7).is_empty());
    }

    #[test]
    fn keys_are_spread_over_all_relay_slots() {
        let mut seen = RelaySlots::NONE;
        for key in 0..200 {
            seen = seen.with(relay_slot(&format!("key-{key}")));
        }
        assert_eq!(seen, RelaySlots::ALL);
    }
}
