//! Pools and their holders. They are data: a process that is gone keeps its slots until its time
//! has run out.

use std::collections::BTreeMap;
use std::time::SystemTime;

use outcry_store::limits::LEASE_TTL;
use outcry_store::{CommitError, Conflict, Fence, Lease, LeaseRequest, Member, PoolRequest, Share};

/// All pools.
#[derive(Clone, Default)]
pub(super) struct Leases {
    pools: BTreeMap<String, Pool>,
}

#[derive(Clone, Default)]
struct Pool {
    /// Who has asked for a share, and until when that counts.
    members: BTreeMap<String, (Member, SystemTime)>,
    slots: BTreeMap<u32, Slot>,
}

#[derive(Clone, Default)]
struct Slot {
    epoch: u64,
    /// Who holds it, and until when if it is not renewed.
    holder: Option<(String, SystemTime)>,
}

// === impl Leases ===

impl Leases {
    /// Refuses a fence of another epoch than the slot's.
    pub(super) fn check(&self, fence: &Fence) -> Result<(), CommitError> {
        let pool = self.pools.get(&fence.pool);
        let slot = pool.and_then(|pool| pool.slots.get(&fence.slot));
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
    pub(super) fn lease(&mut self, request: &LeaseRequest, now: SystemTime) -> (Vec<Share>, bool) {
        let mut freed = false;
        let mut shares = Vec::with_capacity(request.pools.len());
        for asked in &request.pools {
            let pool = self.pools.entry(asked.pool.clone()).or_default();
            freed |= pool.free(&request.member.id, |slot| asked.give_back.contains(&slot));
            shares.push(pool.share(asked, &request.member, now));
        }
        (shares, freed)
    }

    pub(super) fn leave(&mut self, member: &str) {
        for pool in self.pools.values_mut() {
            pool.free(member, |_| true);
            pool.members.remove(member);
        }
    }

    pub(super) fn holder(&self, pool: &str, slot: u32, now: SystemTime) -> Option<Member> {
        let pool = self.pools.get(pool)?;
        let (id, until) = pool.slots.get(&slot)?.holder.as_ref()?;
        let (member, _) = pool.members.get(id)?;
        (*until > now).then(|| member.clone())
    }
}

// === impl Pool ===

impl Pool {
    /// Frees some of what a member holds; whether there was any. Nobody may go on with what was
    /// given back, so that ends its epoch.
    fn free(&mut self, member: &str, which: impl Fn(u32) -> bool) -> bool {
        let mut freed = false;
        for (number, slot) in &mut self.slots {
            if slot.is_held_by(member) && which(*number) {
                slot.holder = None;
                slot.epoch += 1;
                freed = true;
            }
        }
        freed
    }

    fn share(&mut self, asked: &PoolRequest, member: &Member, now: SystemTime) -> Share {
        let until = now + LEASE_TTL;
        self.members.retain(|_, (_, until)| *until > now);
        self.members
            .insert(member.id.clone(), (member.clone(), until));
        let mut held = 0;
        let mut others: BTreeMap<&str, u32> = BTreeMap::new();
        let mut vacant = Vec::new();
        for number in 0..asked.slots {
            self.slots.entry(number).or_default();
        }
        for (number, slot) in self.slots.range_mut(..asked.slots) {
            match &mut slot.holder {
                Some((id, kept)) if *id == member.id => {
                    *kept = until;
                    held += 1;
                }
                Some((id, kept)) if *kept > now => *others.entry(id.as_str()).or_default() += 1,
                _ => vacant.push(*number),
            }
        }
        let members = u32::try_from(self.members.len()).unwrap_or(u32::MAX);
        let allowed = allowed(asked.slots, members, others.values().copied());
        for number in vacant {
            if held >= allowed {
                break;
            }
            let slot = self.slots.entry(number).or_default();
            slot.epoch += 1;
            slot.holder = Some((member.id.clone(), until));
            held += 1;
        }
        let slots = self.slots.range(..asked.slots);
        let theirs = slots.filter(|(_, slot)| slot.is_held_by(&member.id));
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

// === impl Slot ===

impl Slot {
    fn is_held_by(&self, member: &str) -> bool {
        self.holder.as_ref().is_some_and(|(id, _)| id == member)
    }
}

/// How many slots a member may hold: the even share, and one of the remainder unless all of it is
/// in the hands of others, who have this many each.
fn allowed(slots: u32, members: u32, others: impl Iterator<Item = u32>) -> u32 {
    let members = members.max(1);
    let (even, rest) = (slots / members, slots % members);
    let above = others.filter(|held| *held > even).count() as u64;
    even + u32::from(above < u64::from(rest))
}
