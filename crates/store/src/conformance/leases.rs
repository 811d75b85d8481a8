//! Slots: who holds them, and what a fence refuses.

use std::sync::Arc;
use std::time::Duration;

use super::fixtures::{append, appending, commit, conflict, read};
use crate::commit::Commit;
use crate::error::{Conflict, StoreError};
use crate::lease::{
    Fence, Lease, LeaseRequest, Member, PoolRequest, RelaySlots, Share, relay_slot,
};
use crate::limits::{LEASE_TTL, POOL_SLOTS_MAX};
use crate::store::Store;

const POOL: &str = "orders";

/// Longest wait for a lease to run out, and how often it is looked at.
const EXPIRY_MAX: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(100);

fn member(id: &str) -> Member {
    Member {
        id: id.to_owned(),
        address: format!("http://{id}.example:1"),
    }
}

fn request(id: &str, slots: u32, give_back: &[u32]) -> LeaseRequest {
    LeaseRequest {
        member: member(id),
        pools: vec![PoolRequest {
            pool: POOL.to_owned(),
            slots,
            give_back: give_back.to_vec(),
        }],
    }
}

async fn share(store: &dyn Store, id: &str, slots: u32, give_back: &[u32]) -> Share {
    let mut shares = read(store.lease(&request(id, slots, give_back)).await);
    match (shares.pop(), shares.is_empty()) {
        (Some(share), true) => share,
        other => panic!("one share for one pool, not {other:?}"),
    }
}

fn slots(share: &Share) -> Vec<u32> {
    share.held.iter().map(|lease| lease.slot).collect()
}

fn lease_of(share: &Share, slot: u32) -> Lease {
    match share.held.iter().find(|lease| lease.slot == slot) {
        Some(lease) => lease.clone(),
        None => panic!("slot {slot} is not in {share:?}"),
    }
}

fn fenced(fence: Fence, id: &str, expected: u64) -> Commit {
    Commit {
        fence: Some(fence),
        ..appending([append(id, expected, 1)])
    }
}

/// One member has all; who comes later gets its share when it has been given back, and nobody has
/// more than one slot more than another.
pub async fn slots_are_shared_evenly(make: &impl AsyncFn(&str) -> Arc<dyn Store>) {
    let store = make("sharing").await;
    let store = store.as_ref();
    let first = share(store, "a", 4, &[]).await;
    assert_eq!((slots(&first), first.surplus), (vec![0, 1, 2, 3], 0));
    let again = share(store, "a", 4, &[]).await;
    assert_eq!(again, first, "renewing changes nothing");

    let second = share(store, "b", 4, &[]).await;
    assert_eq!((slots(&second), second.surplus), (vec![], 0));
    assert_eq!(share(store, "a", 4, &[]).await.surplus, 2);
    let less = share(store, "a", 4, &[3, 1]).await;
    assert_eq!((slots(&less), less.surplus), (vec![0, 2], 0));
    let second = share(store, "b", 4, &[]).await;
    assert_eq!((slots(&second), second.surplus), (vec![1, 3], 0));
    assert_eq!(lease_of(&less, 0), lease_of(&first, 0));
    assert!(lease_of(&second, 1).epoch > lease_of(&first, 1).epoch);

    // Four slots for three: one has two.
    assert_eq!(slots(&share(store, "c", 4, &[]).await), Vec::<u32>::new());
    let surplus = share(store, "a", 4, &[]).await.surplus + share(store, "b", 4, &[]).await.surplus;
    assert!(surplus >= 1, "somebody has to give one back");
    share(store, "a", 4, &[2]).await;
    assert_eq!(slots(&share(store, "c", 4, &[]).await), [2]);
    let counts = [
        share(store, "a", 4, &[]).await,
        share(store, "b", 4, &[]).await,
        share(store, "c", 4, &[]).await,
    ];
    let held: usize = counts.iter().map(|share| share.held.len()).sum();
    assert_eq!(held, 4);
    assert!(counts.iter().all(|share| share.surplus == 0), "{counts:?}");

    // Another pool has nothing to do with it, and giving back what one does not hold is fine.
    let other = LeaseRequest {
        member: member("b"),
        pools: vec![
            PoolRequest {
                pool: "timers".to_owned(),
                slots: 1,
                give_back: vec![0, 7],
            },
            PoolRequest {
                pool: POOL.to_owned(),
                slots: 4,
                give_back: Vec::new(),
            },
        ],
    };
    let shares = read(store.lease(&other).await);
    assert_eq!(shares.len(), 2);
    assert_eq!(slots(&shares[0]), [0]);
    assert_eq!(shares[1].pool, POOL);
}

/// A slot that is not renewed goes to others, and its old holder can write nothing any more.
pub async fn a_stale_holder_commits_nothing(make: &impl AsyncFn(&str) -> Arc<dyn Store>) {
    let store = make("fencing").await;
    let store = store.as_ref();
    let stale = lease_of(&share(store, "a", 1, &[]).await, 0);
    commit(store, fenced(stale.fence(), "fenced", 0)).await;
    let end = std::time::Instant::now() + EXPIRY_MAX;
    let taken = loop {
        let share = share(store, "b", 1, &[]).await;
        if let Some(lease) = share.held.into_iter().next() {
            break lease;
        }
        assert!(
            std::time::Instant::now() < end,
            "the lease does not run out"
        );
        tokio::time::sleep(LOOK_EVERY).await;
    };
    assert!(taken.epoch > stale.epoch);
    let refused = Conflict::Fenced {
        pool: POOL.to_owned(),
        slot: 0,
        epoch: stale.epoch,
        found: taken.epoch,
    };
    assert_eq!(
        conflict(store, fenced(stale.fence(), "fenced", 1)).await,
        refused
    );
    // Also when there would be other reasons: only the holder's view of things counts.
    assert_eq!(
        conflict(store, fenced(stale.fence(), "fenced", 7)).await,
        refused
    );
    commit(store, fenced(taken.fence(), "fenced", 1)).await;
    // The old holder gets nothing as long as the new one renews.
    assert!(share(store, "a", 1, &[]).await.held.is_empty());
    let unknown = Fence {
        pool: "nobody's".to_owned(),
        slot: 3,
        epoch: 1,
    };
    assert!(matches!(
        conflict(store, fenced(unknown, "fenced", 2)).await,
        Conflict::Fenced { found: 0, .. }
    ));
}

/// What was given back cannot be used any more, and getting it again is a new epoch.
pub async fn leaving_frees_at_once(make: &impl AsyncFn(&str) -> Arc<dyn Store>) {
    let store = make("leaving").await;
    let store = store.as_ref();
    let mut news = store.commits();
    let before = share(store, "a", 2, &[]).await;
    assert_eq!(slots(&before), [0, 1]);
    assert_eq!(
        read(store.holder(POOL, 1).await),
        Some(member("a")),
        "whoever holds it is known"
    );
    assert_eq!(read(store.holder(POOL, 2).await), None);
    assert_eq!(read(store.holder("nobody's", 0).await), None);

    news.mark_unchanged();
    read(store.leave("a").await);
    let told = tokio::time::timeout(LEASE_TTL, news.changed()).await;
    assert!(told.is_ok(), "a free slot is news");
    assert_eq!(read(store.holder(POOL, 1).await), None);
    let late = fenced(lease_of(&before, 1).fence(), "left", 0);
    assert!(matches!(
        conflict(store, late).await,
        Conflict::Fenced { .. }
    ));
    let after = share(store, "a", 2, &[]).await;
    assert!(lease_of(&after, 1).epoch > lease_of(&before, 1).epoch);
    read(store.leave("nobody").await);

    let unnamed = store.lease(&request("", 2, &[])).await;
    assert!(
        matches!(unnamed, Err(StoreError::BadLease { .. })),
        "{unnamed:?}"
    );
    let huge = store.lease(&request("a", POOL_SLOTS_MAX + 1, &[])).await;
    assert!(matches!(huge, Err(StoreError::BadLease { .. })), "{huge:?}");
}

/// Every event is in exactly one relay slot: that of its partition key.
pub async fn unsent_events_are_spread_over_slots(make: &impl AsyncFn(&str) -> Arc<dyn Store>) {
    let store = make("relay slots").await;
    let store = store.as_ref();
    let ids: Vec<String> = (0..20).map(|number| format!("id-{number}")).collect();
    for id in &ids {
        commit(store, appending([append(id, 0, 2)])).await;
    }
    let all = read(store.unsent(RelaySlots::ALL, 100).await);
    assert_eq!(all.len(), 40);
    assert!(read(store.unsent(RelaySlots::NONE, 100).await).is_empty());
    for id in &ids {
        let slot = relay_slot(id);
        let only = read(store.unsent(RelaySlots::NONE.with(slot), 100).await);
        let rest = read(store.unsent(RelaySlots::ALL.without(slot), 100).await);
        assert_eq!(only.len() + rest.len(), 40);
        let is_theirs = |stored: &&crate::StoredEvent| stored.event.partition_key() == id;
        assert_eq!(only.iter().filter(is_theirs).count(), 2);
        assert_eq!(rest.iter().filter(is_theirs).count(), 0);
        assert!(only.is_sorted_by_key(|stored| stored.position));
    }
}
