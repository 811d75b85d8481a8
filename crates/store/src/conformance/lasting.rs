//! What lasts.

use std::sync::Arc;

use uuid::Uuid;

use super::fixtures::{
    GROUP, answer, append, appending, asked, at, commit, event_of, everything, handled, positions,
    read, row, showing, stream,
};
use super::parking::{park, parking};
use crate::commit::{Answer, Append, Commit};
use crate::lease::RelaySlots;
use crate::limits::EVENT_BYTES_MAX;
use crate::parking::{AuditFilter, ParkWrite, ParkedFilter, RedriveRequest, RedriveScope};
use crate::store::Store;
use crate::timer::{Timer, TimerWrite};
use crate::view::Scan;

/// Room enough for the envelope around the largest payload.
const ENVELOPE_BYTES: usize = 1024;

/// Nothing is cut off or changed.
pub async fn large_bodies_come_back(make: &impl AsyncFn(&str) -> Arc<dyn Store>) {
    let store = make("large").await;
    let event = event_of("a", 1, "a", EVENT_BYTES_MAX - ENVELOPE_BYTES);
    let text: String = ('a'..='z').cycle().take(3_000_000).collect();
    let large_answer = Answer {
        response: text.clone().into_bytes(),
        ..answer("large")
    };
    let mut large = showing([row("large", "a", &text).index("order", "1")]);
    large.appends.push(Append {
        stream: event.stream(),
        expected: 0,
        events: vec![event.clone()],
    });
    large.answered = Some(large_answer.clone());
    commit(store.as_ref(), large).await;
    let events = stream(store.as_ref(), "a").await;
    assert!(events.iter().any(|stored| stored.event == event));
    let rows = read(store.scan(&Scan::new("large").index("order")).await);
    let bodies: Vec<String> = rows.iter().map(|row| read(row.decode())).collect();
    assert!(bodies == [text]);
    let found = store
        .answer(
            &large_answer.principal,
            &large_answer.method,
            &large_answer.request_id,
        )
        .await;
    assert!(read(found) == Some(large_answer));
}

/// Every kind of thing is there after an end and a new beginning, and goes on from there.
pub async fn reopening_keeps_everything(make: &impl AsyncFn(&str) -> Arc<dyn Store>) {
    let store = make("reopen").await;
    let event_id = Uuid::now_v7();
    let timer = Timer {
        id: "t".to_owned(),
        due: at(5),
        payload: vec![1],
    };
    commit(
        store.as_ref(),
        Commit {
            fence: None,
            appends: vec![append("a", 0, 3)],
            handled: Some(handled(event_id, "key")),
            answered: Some(answer("r")),
            views: vec![row("rows", "a", "1").index("order", "x")],
            timers: vec![TimerWrite::Set(timer.clone())],
            parked: Vec::new(),
        },
    )
    .await;
    let parked = park(store.as_ref(), "p", 1).await;
    let request = ParkWrite::RequestRedrive(RedriveRequest {
        group: GROUP.to_owned(),
        scope: RedriveScope::Key("p".to_owned()),
        per_second: 3,
        asked: asked("after the fix", 2),
    });
    commit(store.as_ref(), parking([request])).await;
    let before = everything(store.as_ref()).await;
    read(
        store
            .mark_sent(positions(&before).into_iter().take(1).collect())
            .await,
    );
    let unsent = read(store.unsent(RelaySlots::ALL, 10).await);
    let redrives = read(store.redrives(GROUP, 10).await);
    drop(store);

    let store = make("reopen").await;
    assert_eq!(everything(store.as_ref()).await, before);
    assert_eq!(read(store.unsent(RelaySlots::ALL, 10).await), unsent);
    assert_eq!(unsent.len(), 2);
    assert!(read(store.is_handled(GROUP, event_id).await));
    let Answer {
        principal, method, ..
    } = answer("r");
    let found = read(store.answer(&principal, &method, "r").await);
    assert_eq!(found, Some(answer("r")));
    let rows = read(store.scan(&Scan::new("rows").index("order")).await);
    assert!(rows.iter().any(|row| row.key == "a" && row.version == 1));
    assert_eq!(read(store.timers_due(at(5), 10).await), [timer]);
    let filter = ParkedFilter {
        limit: 10,
        ..ParkedFilter::default()
    };
    let rows = read(store.parked(&filter).await);
    assert!(
        rows.iter()
            .any(|row| row.event_id == parked.event_id && row.redrive_requested)
    );
    assert_eq!(read(store.redrives(GROUP, 10).await), redrives);
    assert_eq!(redrives.len(), 1);
    let audit = AuditFilter {
        limit: 10,
        ..AuditFilter::default()
    };
    assert_eq!(read(store.parking_audit(&audit).await).len(), 1);

    commit(store.as_ref(), appending([append("a", 3, 1)])).await;
    let after = everything(store.as_ref()).await;
    assert!(after.last().map(|last| last.position) > before.last().map(|last| last.position));
}
