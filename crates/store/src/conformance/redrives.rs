//! Requests to bring parked events back.

use std::sync::Arc;

use super::fixtures::{GROUP, asked, at, commit, conflict, parked_event, read};
use super::parking::{park, parking, redriving};
use crate::commit::Commit;
use crate::error::Conflict;
use crate::parking::{
    AuditAction, AuditFilter, ParkWrite, Parked, ParkedFilter, Redrive, RedriveRequest,
    RedriveScope,
};
use crate::store::Store;

fn request(scope: RedriveScope) -> RedriveRequest {
    RedriveRequest {
        group: GROUP.to_owned(),
        scope,
        per_second: 50,
        asked: asked("fixed", 10),
    }
}

fn requesting(scope: RedriveScope) -> Commit {
    parking([ParkWrite::RequestRedrive(request(scope))])
}

fn key(key: &str) -> RedriveScope {
    RedriveScope::Key(key.to_owned())
}

fn redrive(key: &str, only: Option<u64>) -> Redrive {
    Redrive {
        group: GROUP.to_owned(),
        key: key.to_owned(),
        only,
        per_second: 50,
        asked: asked("fixed", 10),
    }
}

async fn open(store: &dyn Store) -> Vec<Redrive> {
    read(store.redrives(GROUP, 100).await)
}

async fn row(store: &dyn Store, position: u64) -> Option<Parked> {
    let filter = ParkedFilter {
        position: Some(position),
        limit: 1,
        ..ParkedFilter::default()
    };
    read(store.parked(&filter).await).pop()
}

async fn actions(store: &dyn Store) -> Vec<AuditAction> {
    let filter = AuditFilter {
        limit: 100,
        ..AuditFilter::default()
    };
    let audit = read(store.parking_audit(&filter).await);
    audit.iter().rev().map(|entry| entry.action).collect()
}

/// A request lasts until nothing of its key is parked, also what came behind meanwhile.
pub async fn a_key_is_redriven_until_it_is_free(make: &impl AsyncFn(&str) -> Arc<dyn Store>) {
    let store = make("redrive-key").await;
    // Nothing there: nothing to do.
    commit(store.as_ref(), requesting(key("a"))).await;
    assert!(open(store.as_ref()).await.is_empty());
    let first = park(store.as_ref(), "a", 1).await;
    let other = park(store.as_ref(), "b", 2).await;
    commit(store.as_ref(), requesting(key("a"))).await;
    commit(store.as_ref(), requesting(key("a"))).await;
    assert_eq!(open(store.as_ref()).await, [redrive("a", None)]);
    let behind = ParkWrite::ParkBehind(parked_event("a", 3));
    commit(store.as_ref(), parking([behind])).await;
    let found = row(store.as_ref(), first.position).await;
    assert!(found.is_some_and(|row| row.redrive_requested && row.attempts == 0));
    let found = row(store.as_ref(), other.position).await;
    assert!(found.is_some_and(|row| !row.redrive_requested && row.attempts == 5));

    commit(store.as_ref(), redriving(&first)).await;
    assert_eq!(open(store.as_ref()).await, [redrive("a", None)]);
    let second = read(store.first_parked(GROUP, "a").await).unwrap_or(0);
    let Some(second) = row(store.as_ref(), second).await else {
        panic!("the event that came behind is not there");
    };
    assert!(second.redrive_requested);
    commit(store.as_ref(), redriving(&second)).await;
    assert!(open(store.as_ref()).await.is_empty());
    let expected = [
        AuditAction::RedriveRequested,
        AuditAction::RedriveRequested,
        AuditAction::Redriven,
        AuditAction::Redriven,
    ];
    assert_eq!(actions(store.as_ref()).await, expected);
}

/// Failing again ends the request and leaves the event where it is.
pub async fn a_redrive_ends_when_an_event_fails_again(make: &impl AsyncFn(&str) -> Arc<dyn Store>) {
    let store = make("redrive-fails").await;
    let parked = park(store.as_ref(), "a", 1).await;
    let behind = park(store.as_ref(), "a", 2).await;
    commit(store.as_ref(), requesting(key("a"))).await;
    let failed = |position| {
        parking([ParkWrite::FailedAgain {
            position,
            reason: "still no such order".to_owned(),
            attempts: 3,
            at: at(20),
        }])
    };
    commit(store.as_ref(), failed(parked.position)).await;
    assert!(open(store.as_ref()).await.is_empty());
    let found = row(store.as_ref(), parked.position).await;
    let expected = Parked {
        reason: "still no such order".to_owned(),
        attempts: 3,
        ..parked.clone()
    };
    assert_eq!(found, Some(expected));
    assert!(row(store.as_ref(), behind.position).await.is_some());
    let audit = read(
        store
            .parking_audit(&AuditFilter {
                limit: 1,
                ..AuditFilter::default()
            })
            .await,
    );
    let [entry] = audit.as_slice() else {
        panic!("one entry, not {audit:?}");
    };
    assert_eq!(entry.action, AuditAction::RedriveFailed);
    assert_eq!(entry.event_id, Some(parked.event_id));
    assert_eq!(entry.asked.by, "user:ops");
    assert_eq!(entry.asked.why, "still no such order");
    assert_eq!(entry.asked.at, at(20));
    // Without a request it counts all the same.
    commit(store.as_ref(), failed(parked.position)).await;
    let found = row(store.as_ref(), parked.position).await;
    assert_eq!(found.map(|row| row.attempts), Some(6));
    let nowhere = conflict(store.as_ref(), failed(1_000_000)).await;
    assert!(matches!(nowhere, Conflict::NotParked { .. }), "{nowhere:?}");
}

/// One event from the front of its key, or all keys of a group.
pub async fn one_event_or_a_whole_group_can_be_redriven(
    make: &impl AsyncFn(&str) -> Arc<dyn Store>,
) {
    let store = make("redrive-some").await;
    let first = park(store.as_ref(), "a", 1).await;
    let second = park(store.as_ref(), "a", 2).await;
    let other = park(store.as_ref(), "b", 3).await;
    let one = |parked: &Parked| requesting(RedriveScope::Event(parked.position));
    assert_eq!(
        conflict(store.as_ref(), one(&second)).await,
        Conflict::NotFirst {
            position: second.position,
            first: first.position
        }
    );
    let not_of_the_group = parking([ParkWrite::RequestRedrive(RedriveRequest {
        group: "other".to_owned(),
        ..request(RedriveScope::Event(first.position))
    })]);
    let found = conflict(store.as_ref(), not_of_the_group).await;
    assert!(matches!(found, Conflict::NotParked { .. }), "{found:?}");
    commit(store.as_ref(), one(&first)).await;
    let only = redrive("a", Some(first.position));
    assert_eq!(open(store.as_ref()).await, [only]);
    let found = row(store.as_ref(), second.position).await;
    assert!(found.is_some_and(|row| !row.redrive_requested && row.attempts == 5));
    commit(store.as_ref(), redriving(&first)).await;
    assert!(open(store.as_ref()).await.is_empty());

    // Asking for one and then for all is asking for all; asking for one again takes nothing back.
    commit(store.as_ref(), one(&second)).await;
    commit(store.as_ref(), requesting(RedriveScope::Group)).await;
    let all = [redrive("a", None), redrive("b", None)];
    assert_eq!(open(store.as_ref()).await, all);
    assert_eq!(read(store.redrives(GROUP, 1).await), all[..1]);
    assert!(read(store.redrives("other", 10).await).is_empty());
    commit(store.as_ref(), one(&second)).await;
    assert_eq!(open(store.as_ref()).await, all);
    // What fails or is parked later is not asked for.
    park(store.as_ref(), "c", 4).await;
    commit(store.as_ref(), redriving(&second)).await;
    commit(store.as_ref(), redriving(&other)).await;
    assert!(open(store.as_ref()).await.is_empty());
    // Discarding the last one ends a request as well.
    let last = park(store.as_ref(), "d", 5).await;
    commit(store.as_ref(), one(&last)).await;
    let discard = ParkWrite::Discard {
        position: last.position,
        asked: asked("", 11),
    };
    commit(store.as_ref(), parking([discard])).await;
    assert!(open(store.as_ref()).await.is_empty());
    let gone = conflict(store.as_ref(), one(&last)).await;
    assert!(matches!(gone, Conflict::NotParked { .. }), "{gone:?}");
}

/// Withdrawn: the rows stay, the worker stops.
pub async fn a_redrive_can_be_withdrawn(make: &impl AsyncFn(&str) -> Arc<dyn Store>) {
    let store = make("redrive-cancel").await;
    let cancel = || {
        parking([ParkWrite::CancelRedrive {
            group: GROUP.to_owned(),
            key: "a".to_owned(),
            asked: asked("not yet", 12),
        }])
    };
    commit(store.as_ref(), cancel()).await;
    let parked = park(store.as_ref(), "a", 1).await;
    commit(store.as_ref(), requesting(key("a"))).await;
    commit(store.as_ref(), cancel()).await;
    assert!(open(store.as_ref()).await.is_empty());
    let found = row(store.as_ref(), parked.position).await;
    assert!(found.is_some_and(|row| !row.redrive_requested));
    let expected = [AuditAction::RedriveRequested, AuditAction::RedriveCancelled];
    assert_eq!(actions(store.as_ref()).await, expected);
}

/// Newest first, page by page, one group or all.
pub async fn the_audit_is_read_backwards(make: &impl AsyncFn(&str) -> Arc<dyn Store>) {
    let store = make("audit").await;
    for number in 0..5 {
        park(store.as_ref(), &format!("k{number}"), number).await;
        commit(store.as_ref(), requesting(key(&format!("k{number}")))).await;
    }
    let mut other = parked_event("x", 9);
    other.group = "other".to_owned();
    let in_other = ParkWrite::RequestRedrive(RedriveRequest {
        group: "other".to_owned(),
        ..request(RedriveScope::Group)
    });
    commit(store.as_ref(), parking([ParkWrite::Park(other), in_other])).await;
    let group = |group: &str| AuditFilter {
        group: Some(group.to_owned()),
        before: None,
        limit: 2,
    };
    let mut filter = group(GROUP);
    let mut keys = Vec::new();
    loop {
        let page = read(store.parking_audit(&filter).await);
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 2);
        filter.before = Some(last.position);
        keys.extend(page.into_iter().map(|entry| entry.key));
    }
    assert_eq!(keys, ["k4", "k3", "k2", "k1", "k0"]);
    let others = read(store.parking_audit(&group("other")).await);
    let [entry] = others.as_slice() else {
        panic!("one entry, not {others:?}");
    };
    // About a whole group.
    assert_eq!((entry.key.as_str(), entry.parked_position), ("", 0));
    assert_eq!(entry.event_id, None);
    let all = AuditFilter {
        limit: 100,
        ..AuditFilter::default()
    };
    assert_eq!(read(store.parking_audit(&all).await).len(), 6);
}
