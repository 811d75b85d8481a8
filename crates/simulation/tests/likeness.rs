//! Whatever is committed, in memory and in SQLite it comes to the same.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use outcry_simulation::{MemoryData, MemoryStore};
use outcry_sqlite::Database;
use outcry_store::{
    Asked, AuditFilter, Commit, CommitError, Handled, ParkWrite, ParkedEvent, ParkedFilter,
    RedriveRequest, RedriveScope, Scan, SqliteStore, Store, Timer, TimerWrite, ViewWrite,
};
use proptest::prelude::*;
use tempfile::TempDir;
use uuid::Uuid;

const GROUPS: [&str; 2] = ["g", "h"];
const KEYS: [&str; 3] = ["a", "ab", "b"];
const LIMIT: usize = 1000;
const STEPS: u8 = 40;

fn at(seconds: u8) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds.into())
}

fn key() -> impl Strategy<Value = String> {
    prop::sample::select(&KEYS[..]).prop_map(str::to_owned)
}

fn group() -> impl Strategy<Value = String> {
    prop::sample::select(&GROUPS[..]).prop_map(str::to_owned)
}

/// Few, so that they meet again.
fn event_id() -> impl Strategy<Value = Uuid> {
    (1_u128..12).prop_map(Uuid::from_u128)
}

fn position() -> impl Strategy<Value = u64> {
    1_u64..10
}

fn asked() -> impl Strategy<Value = Asked> {
    (key(), any::<u8>()).prop_map(|(by, seconds)| Asked {
        by,
        why: String::new(),
        at: at(seconds),
    })
}

fn parked_event() -> impl Strategy<Value = ParkedEvent> {
    (group(), key(), event_id(), any::<u8>()).prop_map(|(group, key, event_id, seconds)| {
        ParkedEvent {
            group,
            topic: format!("topic.{key}"),
            key,
            event_id,
            bytes: Bytes::from_static(b"bytes"),
            headers: vec![("name".to_owned(), "value".to_owned())],
            reason: "reason".to_owned(),
            attempts: u32::from(seconds % 4),
            parked_at: at(seconds),
        }
    })
}

fn scope() -> impl Strategy<Value = RedriveScope> {
    prop_oneof![
        position().prop_map(RedriveScope::Event),
        key().prop_map(RedriveScope::Key),
        Just(RedriveScope::Group),
    ]
}

fn park_write() -> impl Strategy<Value = ParkWrite> {
    let request = (group(), scope(), 0_u32..3, asked());
    prop_oneof![
        4 => parked_event().prop_map(ParkWrite::Park),
        2 => parked_event().prop_map(ParkWrite::ParkBehind),
        2 => (position(), any::<u8>()).prop_map(|(position, seconds)| ParkWrite::FailedAgain {
            position,
            reason: "again".to_owned(),
            attempts: 2,
            at: at(seconds),
        }),
        4 => request.prop_map(|(group, scope, per_second, asked)| {
            ParkWrite::RequestRedrive(RedriveRequest { group, scope, per_second, asked })
        }),
        1 => (group(), key(), asked())
            .prop_map(|(group, key, asked)| ParkWrite::CancelRedrive { group, key, asked }),
        2 => (position(), asked())
            .prop_map(|(position, asked)| ParkWrite::Discard { position, asked }),
    ]
}

fn view_write() -> impl Strategy<Value = ViewWrite> {
    let put = (key(), any::<u8>(), prop::collection::vec(key(), 0..3)).prop_map(
        |(key, value, places)| {
            let write = ViewWrite::put("rows", key, &value).unwrap();
            places
                .into_iter()
                .fold(write, |write, place| write.index("order", place))
        },
    );
    let write = prop_oneof![3 => put, 1 => key().prop_map(|key| ViewWrite::delete("rows", key))];
    (write, prop::option::weighted(0.2, 0_u64..4)).prop_map(|(write, version)| match version {
        Some(version) => write.expect(version),
        None => write,
    })
}

fn timer_write() -> impl Strategy<Value = TimerWrite> {
    let set = (key(), 0_u8..4, any::<u8>()).prop_map(|(id, due, payload)| {
        TimerWrite::Set(Timer {
            id,
            due: at(due),
            payload: vec![payload],
        })
    });
    prop_oneof![
        3 => set,
        1 => key().prop_map(|id| TimerWrite::Clear { id }),
        1 => (key(), 0_u8..4).prop_map(|(id, due)| TimerWrite::Fired { id, due: at(due) }),
    ]
}

fn commit() -> impl Strategy<Value = Commit> {
    let handled = (group(), event_id(), key());
    (
        prop::option::weighted(0.2, handled),
        prop::collection::vec(view_write(), 0..3),
        prop::collection::vec(timer_write(), 0..2),
        prop::collection::vec(park_write(), 0..3),
    )
        .prop_map(|(handled, views, timers, parked)| Commit {
            handled: handled.map(|(group, event_id, key)| Handled {
                group,
                event_id,
                key,
                at: UNIX_EPOCH,
            }),
            views,
            timers,
            parked,
            ..Commit::default()
        })
}

/// A commit; or what is parked at a position comes back, in the right way; or marks from before a
/// time are forgotten.
#[derive(Debug, Clone)]
enum Step {
    Commit(Box<Commit>),
    Unpark(u64),
    Forget(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => commit().prop_map(|commit| Step::Commit(Box::new(commit))),
        3 => position().prop_map(Step::Unpark),
        1 => (0..STEPS).prop_map(Step::Forget),
    ]
}

/// No two marks are of the same time, which one of them is forgotten first would be left open.
async fn take(store: &dyn Store, step: Step, number: u8) -> Result<String, CommitError> {
    let mut commit = match step {
        Step::Commit(commit) => *commit,
        Step::Forget(seconds) => return Ok(store.forget(at(seconds), 2).await?.to_string()),
        Step::Unpark(position) => {
            let filter = ParkedFilter {
                position: Some(position),
                limit: 1,
                ..ParkedFilter::default()
            };
            let Some(row) = store.parked(&filter).await?.pop() else {
                return Ok("nothing there".to_owned());
            };
            Commit {
                handled: Some(Handled {
                    group: row.group,
                    event_id: row.event_id,
                    key: row.key,
                    at: at(number),
                }),
                parked: vec![ParkWrite::Unpark {
                    position,
                    at: at(9),
                }],
                ..Commit::default()
            }
        }
    };
    if let Some(handled) = &mut commit.handled {
        handled.at = at(number);
    }
    store.commit(commit).await.map(|()| "done".to_owned())
}

/// All that can be read, as text.
async fn everything(store: &dyn Store) -> String {
    let mut all = String::new();
    let mut note = |part: String| {
        all.push_str(&part);
        all.push('\n');
    };
    for (index, prefix, reverse) in [
        (None, "", false),
        (None, "a", true),
        (Some("order"), "", true),
        (Some("order"), "a", false),
    ] {
        let scan = Scan {
            index,
            reverse,
            ..Scan::new("rows").prefix(prefix)
        };
        let rows = store.scan(&scan).await.unwrap();
        note(format!("{rows:?}"));
        let middle = rows.get(rows.len() / 2).map(|row| row.cursor.clone());
        let rest = store.scan(&scan.after(middle)).await.unwrap();
        note(format!("{rest:?}"));
    }
    note(format!(
        "{:?}",
        store.timers_due(at(2), LIMIT).await.unwrap()
    ));
    note(format!("{:?}", store.next_timer().await.unwrap()));
    let parked = ParkedFilter {
        limit: LIMIT,
        ..ParkedFilter::default()
    };
    note(format!("{:#?}", store.parked(&parked).await.unwrap()));
    let filters = [
        ParkedFilter {
            key: Some("a".to_owned()),
            after: 1,
            ..parked.clone()
        },
        ParkedFilter {
            event_id: Some(Uuid::from_u128(3)),
            ..parked.clone()
        },
        ParkedFilter {
            group: Some("g".to_owned()),
            key: Some("b".to_owned()),
            after: 2,
            ..parked
        },
    ];
    for filter in &filters {
        note(format!("{:?}", store.parked(filter).await.unwrap()));
    }
    for group in GROUPS {
        note(format!("{:?}", store.parked_keys(group).await.unwrap()));
        note(format!(
            "{:#?}",
            store.redrives(group, LIMIT).await.unwrap()
        ));
        for id in 1..12 {
            let handled = store.is_handled(group, Uuid::from_u128(id)).await.unwrap();
            note(format!("{group} {id} {handled}"));
        }
        let audit = AuditFilter {
            group: Some(group.to_owned()),
            before: Some(20),
            limit: 10,
        };
        note(format!("{:?}", store.parking_audit(&audit).await.unwrap()));
    }
    let audit = AuditFilter {
        limit: LIMIT,
        ..AuditFilter::default()
    };
    note(format!("{:#?}", store.parking_audit(&audit).await.unwrap()));
    all
}

async fn compare(steps: Vec<Step>) {
    let folder = TempDir::new().unwrap();
    let database = Database::open(&folder.path().join("likeness.db")).unwrap();
    let model = SqliteStore::open(&database, "samples").await.unwrap();
    let memory = MemoryStore::open(&MemoryData::new(), Arc::new(|| UNIX_EPOCH));
    for (number, step) in (0..).zip(steps) {
        let expected = take(&model, step.clone(), number).await;
        if let Err(CommitError::Store(_)) = expected {
            // Contradicts itself, such as parking an event twice: no store promises anything.
            return;
        }
        let found = take(&memory, step.clone(), number).await;
        assert_eq!(format!("{found:?}"), format!("{expected:?}"), "{step:#?}");
        assert_eq!(
            everything(&memory).await,
            everything(&model).await,
            "{step:#?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn memory_is_like_sqlite(steps in prop::collection::vec(step(), 1..usize::from(STEPS))) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(compare(steps));
    }
}
