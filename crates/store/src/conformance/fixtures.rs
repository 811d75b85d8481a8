//! Events, commits and expectations for the tests.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use outcry_contracts::events::v1::EventEnvelope;
use outcry_events::SealedEvent;
use prost::Message as _;
use uuid::Uuid;

use crate::commit::{Answer, Append, Commit, Handled};
use crate::error::{CommitError, Conflict, Duplicate, InvalidCommit, StoreError};
use crate::parking::{Asked, ParkedEvent};
use crate::store::{ReadAll, Store, StoredEvent};
use crate::view::ViewWrite;

/// The group of most tests.
pub(super) const GROUP: &str = "orders";

/// `seconds` after some moment, with a fraction that only an exact store keeps.
pub(super) fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::new(1_800_000_000 + seconds, 123_456_789)
}

pub(super) fn event(id: &str, sequence: u64) -> SealedEvent {
    event_of(id, sequence, id, 16)
}

/// An event with a partition key of its own and a payload of so many bytes.
pub(super) fn event_of(id: &str, sequence: u64, key: &str, payload: usize) -> SealedEvent {
    let recorded_at = UNIX_EPOCH + Duration::from_secs(1_800_000_000 + sequence);
    let envelope = EventEnvelope {
        event_id: Uuid::now_v7().to_string(),
        source: "/samples".to_owned(),
        spec_version: "1.0".to_owned(),
        event_type: "sample.taken".to_owned(),
        payload: Some(prost_types::Any {
            type_url: "type.googleapis.com/outcry.samples.v1.SampleTaken".to_owned(),
            value: vec![0xa5; payload],
        }),
        schema_version: 1,
        aggregate_type: "sample".to_owned(),
        aggregate_id: id.to_owned(),
        aggregate_sequence: sequence,
        occurred_at: Some(recorded_at.into()),
        recorded_at: Some(recorded_at.into()),
        correlation_id: Uuid::now_v7().to_string(),
        causation_id: String::new(),
        traceparent: String::new(),
        tracestate: String::new(),
        actor: "service:samples".to_owned(),
        partition_key: key.to_owned(),
        copy_of: String::new(),
    };
    match SealedEvent::open(Bytes::from(envelope.encode_to_vec())) {
        Ok(event) => event,
        Err(error) => panic!("making an event: {error}"),
    }
}

/// `count` events behind `expected`.
pub(super) fn append(id: &str, expected: u64, count: u64) -> Append {
    Append {
        stream: format!("sample-{id}"),
        expected,
        events: (expected + 1..=expected + count)
            .map(|sequence| event(id, sequence))
            .collect(),
    }
}

pub(super) fn appending(appends: impl IntoIterator<Item = Append>) -> Commit {
    Commit {
        appends: appends.into_iter().collect(),
        ..Commit::default()
    }
}

pub(super) fn handled(event_id: Uuid, key: &str) -> Handled {
    Handled {
        group: GROUP.to_owned(),
        event_id,
        key: key.to_owned(),
        at: at(0),
    }
}

pub(super) fn handling(event_id: Uuid, key: &str) -> Commit {
    Commit {
        handled: Some(handled(event_id, key)),
        ..Commit::default()
    }
}

pub(super) fn answer(request_id: &str) -> Answer {
    Answer {
        principal: "user:1".to_owned(),
        method: "/outcry.orders.v1.OrderService/PlaceOrder".to_owned(),
        request_id: request_id.to_owned(),
        request_hash: [7; 32],
        response: vec![0, 1, 255],
        at: at(0),
    }
}

pub(super) fn row(view: &'static str, key: &str, value: &str) -> ViewWrite {
    match ViewWrite::put(view, key, &value) {
        Ok(write) => write,
        Err(error) => panic!("making a row: {error}"),
    }
}

pub(super) fn showing(views: impl IntoIterator<Item = ViewWrite>) -> Commit {
    Commit {
        views: views.into_iter().collect(),
        ..Commit::default()
    }
}

pub(super) fn parked_event(key: &str, seconds: u64) -> ParkedEvent {
    ParkedEvent {
        group: GROUP.to_owned(),
        key: key.to_owned(),
        event_id: Uuid::now_v7(),
        topic: "trade.executed".to_owned(),
        bytes: Bytes::from_static(&[0, 159, 146, 150]),
        headers: vec![("ce-type".to_owned(), "träde \"x\"".to_owned())],
        reason: "no such order".to_owned(),
        attempts: 5,
        parked_at: at(seconds),
    }
}

pub(super) fn asked(why: &str, seconds: u64) -> Asked {
    Asked {
        by: "user:ops".to_owned(),
        why: why.to_owned(),
        at: at(seconds),
    }
}

pub(super) async fn commit(store: &dyn Store, commit: Commit) {
    if let Err(error) = store.commit(commit).await {
        panic!("a commit failed: {error:?}");
    }
}

pub(super) async fn conflict(store: &dyn Store, commit: Commit) -> Conflict {
    match store.commit(commit).await {
        Err(CommitError::Conflict(conflict)) => conflict,
        other => panic!("expected a conflict, got {other:?}"),
    }
}

pub(super) async fn duplicate(store: &dyn Store, commit: Commit) -> Duplicate {
    match store.commit(commit).await {
        Err(CommitError::Duplicate(duplicate)) => duplicate,
        other => panic!("expected a duplicate, got {other:?}"),
    }
}

pub(super) async fn invalid(store: &dyn Store, commit: Commit) -> InvalidCommit {
    match store.commit(commit).await {
        Err(CommitError::Invalid(invalid)) => invalid,
        other => panic!("expected an invalid commit, got {other:?}"),
    }
}

/// What a read gave, which must not fail.
pub(super) fn read<T>(result: Result<T, StoreError>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("a read failed: {error:?}"),
    }
}

/// Everything of a stream.
pub(super) async fn stream(store: &dyn Store, id: &str) -> Vec<StoredEvent> {
    read(store.read_stream(&format!("sample-{id}"), 0, 10_000).await)
}

/// Every event there is.
pub(super) async fn everything(store: &dyn Store) -> Vec<StoredEvent> {
    let filter = ReadAll {
        limit: 10_000,
        ..ReadAll::default()
    };
    read(store.read_all(&filter).await)
}

pub(super) fn sequences(events: &[StoredEvent]) -> Vec<u64> {
    events
        .iter()
        .map(|stored| stored.event.sequence())
        .collect()
}

pub(super) fn positions(events: &[StoredEvent]) -> Vec<u64> {
    events.iter().map(|stored| stored.position).collect()
}
