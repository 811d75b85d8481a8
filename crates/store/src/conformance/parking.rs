//! Events put aside.

use std::sync::Arc;

use uuid::Uuid;

use super::fixtures::{
    GROUP, append, appending, asked, at, commit, conflict, duplicate, handled, handling, invalid,
    parked_event, read,
};
use crate::commit::Commit;
use crate::error::{Conflict, Duplicate, InvalidCommit};
use crate::parking::{AuditAction, AuditFilter, ParkWrite, Parked, ParkedEvent, ParkedFilter};
use crate::store::Store;

pub(super) fn parking(writes: impl IntoIterator<Item = ParkWrite>) -> Commit {
    Commit {
        parked: writes.into_iter().collect(),
        ..Commit::default()
    }
}

pub(super) async fn park(store: &dyn Store, key: &str, seconds: u64) -> Parked {
    let event = parked_event(key, seconds);
    commit(store, parking([ParkWrite::Park(event.clone())])).await;
    let filter = ParkedFilter {
        group: Some(event.group),
        event_id: Some(event.event_id),
        limit: 10,
        ..ParkedFilter::default()
    };
    match read(store.parked(&filter).await).as_slice() {
        [parked] => parked.clone(),
        other => panic!("one parked event, not {other:?}"),
    }
}

/// The commit that brings a parked event's effect.
pub(super) fn redriving(parked: &Parked) -> Commit {
    Commit {
        handled: Some(handled(parked.event_id, &parked.key)),
        ..parking([ParkWrite::Unpark {
            position: parked.position,
            at: at(100),
        }])
    }
}

pub(super) async fn positions(store: &dyn Store, filter: ParkedFilter) -> Vec<u64> {
    let filter = ParkedFilter {
        limit: filter.limit.max(100),
        ..filter
    };
    let parked = read(store.parked(&filter).await);
    parked.iter().map(|parked| parked.position).collect()
}

/// Everything of a parked event is kept; rows are found by all that they are asked for by.
pub async fn parked_events_are_kept_in_order(make: &impl AsyncFn(&str) -> Arc<dyn Store>) {
    let store = make("parked").await;
    let first = parked_event("a", 1);
    let second = ParkedEvent {
        topic: "order.filled".to_owned(),
        headers: Vec::new(),
        bytes: bytes::Bytes::new(),
        reason: String::new(),
        attempts: 0,
        ..parked_event("b", 2)
    };
    let third = parked_event("a", 3);
    let fourth = ParkedEvent {
        group: "other".to_owned(),
        ..parked_event("a", 4)
    };
    let events = [&first, &second, &third, &fourth];
    for event in events {
        commit(store.as_ref(), parking([ParkWrite::Park(event.clone())])).await;
    }
    let all = ParkedFilter {
        limit: 10,
        ..ParkedFilter::default()
    };
    let rows = read(store.parked(&all).await);
    let [p1, p2, p3, p4] = rows.as_slice() else {
        panic!("four rows, not {rows:?}");
    };
    for (row, event) in rows.iter().zip(events) {
        let expected = Parked {
            position: row.position,
            group: event.group.clone(),
            key: event.key.clone(),
            event_id: event.event_id,
            topic: event.topic.clone(),
            bytes: event.bytes.clone(),
            headers: event.headers.clone(),
            reason: event.reason.clone(),
            attempts: event.attempts,
            parked_at: event.parked_at,
            redrive_requested: false,
        };
        assert_eq!(*row, expected);
    }
    let [n1, n2, n3, n4] = [p1, p2, p3, p4].map(|row| row.position);
    assert!(0 < n1 && n1 < n2 && n2 < n3 && n3 < n4);
    let group = |group: &str| ParkedFilter {
        group: Some(group.to_owned()),
        ..ParkedFilter::default()
    };
    let found = async |filter| positions(store.as_ref(), filter).await;
    assert_eq!(found(group(GROUP)).await, [n1, n2, n3]);
    assert_eq!(found(group("none")).await, [0; 0]);
    let key_a = ParkedFilter {
        key: Some("a".to_owned()),
        ..group(GROUP)
    };
    assert_eq!(found(key_a.clone()).await, [n1, n3]);
    let after = ParkedFilter { after: n1, ..key_a };
    assert_eq!(found(after).await, [n3]);
    let topic = ParkedFilter {
        topic: Some("trade.executed".to_owned()),
        ..ParkedFilter::default()
    };
    assert_eq!(found(topic).await, [n1, n3, n4]);
    let by_position = ParkedFilter {
        position: Some(n2),
        ..ParkedFilter::default()
    };
    assert_eq!(found(by_position).await, [n2]);
    let by_event = ParkedFilter {
        event_id: Some(third.event_id),
        ..ParkedFilter::default()
    };
    assert_eq!(found(by_event).await, [n3]);
    let page = ParkedFilter {
        after: n1,
        limit: 2,
        ..ParkedFilter::default()
    };
    assert_eq!(read(store.parked(&page).await).len(), 2);

    let keys = read(store.parked_keys(GROUP).await);
    assert_eq!(keys, [("a".to_owned(), 2), ("b".to_owned(), 1)]);
    assert!(read(store.parked_keys("none").await).is_empty());
    let first_of = async |group, key| read(store.first_parked(group, key).await);
    assert_eq!(first_of(GROUP, "a").await, Some(n1));
    assert_eq!(first_of("other", "a").await, Some(n4));
    assert_eq!(first_of("other", "b").await, None);
}

/// A late delivery of a parked or handled event is recognised.
pub async fn an_event_is_parked_once(make: &impl AsyncFn(&str) -> Arc<dyn Store>) {
    let store = make("parked-once").await;
    let event = parked_event("a", 1);
    commit(store.as_ref(), parking([ParkWrite::Park(event.clone())])).await;
    let position = read(store.first_parked(GROUP, "a").await).unwrap_or(0);
    for again in [
        ParkWrite::Park(event.clone()),
        ParkWrite::ParkBehind(event.clone()),
    ] {
        assert_eq!(
            duplicate(store.as_ref(), parking([again])).await,
            Duplicate::Parked {
                group: GROUP.to_owned(),
                event_id: event.event_id,
                position
            }
        );
    }
    // Another group has its own rows.
    let elsewhere = ParkedEvent {
        group: "other".to_owned(),
        ..event
    };
    commit(store.as_ref(), parking([ParkWrite::Park(elsewhere)])).await;

    let done = parked_event("c", 1);
    commit(store.as_ref(), handling(done.event_id, "c")).await;
    for late in [ParkWrite::Park(done.clone()), ParkWrite::ParkBehind(done)] {
        let found = duplicate(store.as_ref(), parking([late])).await;
        assert!(matches!(found, Duplicate::Handled { .. }), "{found:?}");
    }
}

/// While a key is parked, its events can only be parked behind; when it is free, only handled.
pub async fn nothing_overtakes_a_parked_event(make: &impl AsyncFn(&str) -> Arc<dyn Store>) {
    let store = make("overtake").await;
    let behind = || ParkWrite::ParkBehind(parked_event("a", 2));
    assert_eq!(
        conflict(store.as_ref(), parking([behind()])).await,
        Conflict::KeyFree {
            group: GROUP.to_owned(),
            key: "a".to_owned()
        }
    );
    let first = park(store.as_ref(), "a", 1).await;
    let mut effect = appending([append("effect", 0, 1)]);
    effect.handled = Some(handled(Uuid::now_v7(), "a"));
    assert_eq!(
        conflict(store.as_ref(), effect.clone()).await,
        Conflict::KeyParked {
            group: GROUP.to_owned(),
            key: "a".to_owned(),
            first: first.position
        }
    );
    // The parked event itself, too: it comes back through its row.
    let itself = conflict(store.as_ref(), handling(first.event_id, "a")).await;
    assert!(matches!(itself, Conflict::KeyParked { .. }), "{itself:?}");
    commit(store.as_ref(), parking([behind()])).await;
    // Other keys and other groups flow.
    commit(store.as_ref(), handling(Uuid::now_v7(), "b")).await;
    let other_group = Commit {
        handled: Some(crate::commit::Handled {
            group: "other".to_owned(),
            ..handled(Uuid::now_v7(), "a")
        }),
        ..Commit::default()
    };
    commit(store.as_ref(), other_group).await;
    // And so does everything that is not the handling of an event.
    commit(store.as_ref(), appending([append("a", 0, 1)])).await;
    let second = read(
        store
            .parked(&ParkedFilter {
                after: first.position,
                limit: 1,
                ..ParkedFilter::default()
            })
            .await,
    );
    commit(store.as_ref(), redriving(&first)).await;
    for parked in &second {
        commit(store.as_ref(), redriving(parked)).await;
    }
    commit(store.as_ref(), effect).await;
}

/// The first of its key, in the commit that handles it.
pub async fn a_parked_event_comes_back_from_the_front(make: &impl AsyncFn(&str) -> Arc<dyn Store>) {
    let store = make("front").await;
    let first = park(store.as_ref(), "a", 1).await;
    let other = park(store.as_ref(), "b", 2).await;
    let second = park(store.as_ref(), "a", 3).await;
    let early = conflict(store.as_ref(), redriving(&second)).await;
    let expected = Conflict::KeyParked {
        group: GROUP.to_owned(),
        key: "a".to_owned(),
        first: first.position,
    };
    assert_eq!(early, expected);
    // Not without being handled, nor as another event, nor with another key.
    let unpark = ParkWrite::Unpark {
        position: first.position,
        at: at(9),
    };
    let found = invalid(store.as_ref(), parking([unpark.clone()])).await;
    assert_eq!(found, InvalidCommit::UnparkWithoutHandled);
    for (event_id, key) in [(second.event_id, "a"), (first.event_id, "elsewhere")] {
        let wrong = Commit {
            handled: Some(handled(event_id, key)),
            ..parking([unpark.clone()])
        };
        let found = invalid(store.as_ref(), wrong).await;
        assert_eq!(found, InvalidCommit::UnparkWithoutHandled);
    }
    for parked in [&first, &second, &other] {
        commit(store.as_ref(), redriving(parked)).await;
        assert!(read(store.is_handled(GROUP, parked.event_id).await));
        let again = duplicate(store.as_ref(), redriving(parked)).await;
        assert!(matches!(again, Duplicate::Handled { .. }), "{again:?}");
    }
    assert!(read(store.parked_keys(GROUP).await).is_empty());
    // A place is not given twice.
    let later = park(store.as_ref(), "a", 9).await;
    assert!(later.position > second.position);
}

/// Given up: the event counts as handled, those behind it move up, and it is known who did it.
pub async fn a_discarded_event_is_gone_for_good(make: &impl AsyncFn(&str) -> Arc<dyn Store>) {
    let store = make("discard").await;
    let first = park(store.as_ref(), "a", 1).await;
    let middle = park(store.as_ref(), "a", 2).await;
    let last = park(store.as_ref(), "a", 3).await;
    let discard = |parked: &Parked| {
        parking([ParkWrite::Discard {
            position: parked.position,
            asked: asked("wrong account", 7),
        }])
    };
    commit(store.as_ref(), discard(&middle)).await;
    commit(store.as_ref(), discard(&first)).await;
    assert_eq!(
        read(store.first_parked(GROUP, "a").await),
        Some(last.position)
    );
    for gone in [&first, &middle] {
        assert!(read(store.is_handled(GROUP, gone.event_id).await));
        let late = ParkedEvent {
            event_id: gone.event_id,
            ..parked_event("a", 8)
        };
        let found = duplicate(store.as_ref(), parking([ParkWrite::Park(late)])).await;
        assert!(matches!(found, Duplicate::Handled { .. }), "{found:?}");
        assert_eq!(
            conflict(store.as_ref(), discard(gone)).await,
            Conflict::NotParked {
                position: gone.position
            }
        );
    }
    let filter = AuditFilter {
        limit: 10,
        ..AuditFilter::default()
    };
    let audit = read(store.parking_audit(&filter).await);
    let [newest, oldest] = audit.as_slice() else {
        panic!("two entries, not {audit:?}");
    };
    for (entry, parked) in [(newest, &first), (oldest, &middle)] {
        assert_eq!(entry.action, AuditAction::Discarded);
        assert_eq!(entry.group, GROUP);
        assert_eq!(entry.key, "a");
        assert_eq!(entry.parked_position, parked.position);
        assert_eq!(entry.event_id, Some(parked.event_id));
        assert_eq!(entry.topic, parked.topic);
        assert_eq!(entry.asked, asked("wrong account", 7));
    }
}
