//! Pools and their holders, in memory.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use crate::error::{CommitError, Conflict};
use crate::lease::{Fence, Lease, LeaseRequest, Member, PoolRequest, Share, allowed};
use crate::limits::LEASE_TTL;

/// All pools of one store.
#[derive(Debug, Default)]
pub(super) struct Leases {
    pools: HashMap<String, Pool>,
}

#[derive(Debug, Default)]
struct Pool {
    /// Who has asked for a share, and until when that counts.
    members: HashMap<String, (Member, Instant)>,
    slots: BTreeMap<u32, Slot>,
}

#[derive(Debug, Default)]
struct Slot {
    epoch: u64,
    /// Who holds it, and until when if it is not renewed.
    holder: Option<(String, Instant)>,
}

// === impl Leases ===

impl Leases {
    /// Refuses a fence of another epoch than the slot's.
    pub(super) fn check(&self, fence: &Fence) -> Result<(), CommitError> {
        let slot = self
            .pools
            .get(&fence.pool)
            .and_then(|pool| pool.slots.get(&fence.slot));
        let found = slot.map_or(0, |slot| slot.epoch);
        if found == fence.epoch {
            return Ok(());
        }
        Err(CommitError::Conflict(Conflict::Fenced {
            pool: fence.pool.clone(),
            slot: fence.slot,
            epoch: fence.epoch,
            found,
        }))
    }

    /// The member's shares, and whether slots have become free.
    pub(super) fn lease(&mut self, request: &LeaseRequest, now: Instant) -> (Vec<Share>, bool) {
        let mut freed = false;
        let shares = request.pools.iter().map(|asked| {
            let pool = self.pools.entry(asked.pool.clone()).or_default();
            freed |= pool.free(&request.member.id, Some(&asked.give_back));
            pool.share(asked, &request.member, now)
        });
        let shares = shares.collect();
        (shares, freed)
    }

    pub(super) fn leave(&mut self, member: &str) {
        for pool in self.pools.values_mut() {
            pool.free(member, None);
            pool.members.remove(member);
        }
    }

    pub(super) fn holder(&self, pool: &str, slot: u32, now: Instant) -> Option<Member> {
        let pool = self.pools.get(pool)?;
        let (id, until) = pool.slots.get(&slot)?.holder.as_ref()?;
        let (member, _) = pool.members.get(id)?;
        (*until > now).then(|| member.clone())
    }
}

// === impl Pool ===

impl Pool {
    /// Frees some of what a member holds, or all; whether there was any. Nobody may go on with what
    /// was given back, so that ends its epoch.
    fn free(&mut self, member: &str, only: Option<&[u32]>) -> bool {
        let mut freed = false;
        for (number, slot) in &mut self.slots {
            let is_theirs = slot.holder.as_ref().is_some_and(|(id, _)| id == member);
            if is_theirs && only.is_none_or(|only| only.contains(number)) {
                slot.holder = None;
                slot.epoch += 1;
                freed = true;
            }
        }
        freed
    }

    fn share(&mut self, asked: &PoolRequest, member: &Member, now: Instant) -> Share {
        let until = now + LEASE_TTL;
        self.members
            .insert(member.id.clone(), (member.clone(), until));
        self.members.retain(|_, (_, until)| *until > now);
        for number in 0..asked.slots {
            self.slots.entry(number).or_default();
        }
        let slots = self.slots.range_mut(..asked.slots);
        let mut held = 0;
        let mut counts: HashMap<&str, u32> = HashMap::new();
        let mut vacant = Vec::new();
        for (number, slot) in slots {
            match &mut slot.holder {
                Some((id, kept)) if *id == member.id => {
                    *kept = until;
                    held += 1;
                }
                Some((id, kept)) if *kept > now => *counts.entry(id.as_str()).or_default() += 1,
                _ => vacant.push(*number),
            }
        }
        let members = u32::try_from(self.members.len()).unwrap_or(u32::MAX);
        let even = asked.slots / members.max(1);
        let above = counts.values().filter(|count| **count > even).count();
        let above = u32::try_from(above).unwrap_or(u32::MAX);
        let allowed = allowed(asked.slots, members, above);
        for number in vacant
            .into_iter()
            .take(allowed.saturating_sub(held) as usize)
        {
            let slot = self.slots.entry(number).or_default();
            slot.epoch += 1;
            slot.holder = Some((member.id.clone(), until));
            held += 1;
        }
        let theirs = self
            .slots
            .range(..asked.slots)
            .filter(|(_, slot)| slot.holder.as_ref().is_some_and(|(id, _)| *id == member.id));
        Share {
            pool: asked.pool.clone(),
            held: theirs
                .map(|(number, slot)| Lease {
                    pool: asked.pool.clone(),
                    slot: *number,
                    epoch: slot.epoch,
                })
                .collect(),
            surplus: held.saturating_sub(allowed),
        }
    }
}
