//! Databases, events and raw connections for the tests.

use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use bytes::Bytes;
use outcry_contracts::events::v1::EventEnvelope;
use outcry_events::SealedEvent;
use outcry_servers::shared_postgres;
use outcry_store::{
    Append, Commit, PostgresDatabase, PostgresOptions, PostgresStore, ReadAll, Store,
};
use prost::Message as _;
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

/// Longest wait for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A new database on the server all tests share.
pub(crate) async fn new_database(name: &str) -> String {
    let server = shared_postgres().await.unwrap();
    server.create_database(name).await.unwrap()
}

/// The store of a process: it has its own connections.
pub(crate) async fn process(url: &str) -> Arc<PostgresStore> {
    process_with(url, PostgresOptions::default()).await
}

pub(crate) async fn process_with(url: &str, options: PostgresOptions) -> Arc<PostgresStore> {
    let database = PostgresDatabase::connect(url, options).await.unwrap();
    Arc::new(PostgresStore::open(&database, "orders").await.unwrap())
}

/// The store of a process whose commits wait for locks as long as a test does.
pub(crate) async fn patient_process(url: &str) -> Arc<PostgresStore> {
    let options = PostgresOptions {
        lock_timeout: PATIENCE,
        statement_timeout: PATIENCE,
        ..PostgresOptions::default()
    };
    process_with(url, options).await
}

/// A connection beside the store's.
pub(crate) async fn raw(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Keeps commits with events of that key waiting until the connection goes on.
pub(crate) async fn hold_key(client: &Client, key: &str) {
    let name = outcry_store::postgres::key_lock(key);
    client.batch_execute("BEGIN").await.unwrap();
    client
        .execute(
            "SELECT pg_advisory_xact_lock(hashtext('outcry_orders'), hashtext($1))",
            &[&name],
        )
        .await
        .unwrap();
}

/// Whether so many statements of others wait for a lock of the kind that commits take.
pub(crate) async fn wait_for_waiters(client: &Client, waiters: i64) {
    until("somebody waits for the lock", async || {
        let row = client
            .query_one(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
                 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
                &[],
            )
            .await
            .unwrap();
        row.get::<_, i64>(0) >= waiters
    })
    .await;
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < end, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) fn event(id: &str, sequence: u64, key: &str) -> SealedEvent {
    let recorded_at = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let envelope = EventEnvelope {
        event_id: Uuid::now_v7().to_string(),
        source: "/samples".to_owned(),
        spec_version: "1.0".to_owned(),
        event_type: "sample.taken".to_owned(),
        payload: Some(prost_types::Any {
            type_url: "type.googleapis.com/outcry.samples.v1.SampleTaken".to_owned(),
            value: vec![0xa5; 64],
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
    SealedEvent::open(Bytes::from(envelope.encode_to_vec())).unwrap()
}

/// One event behind `expected`.
pub(crate) fn appending(id: &str, expected: u64, key: &str) -> Commit {
    Commit {
        appends: vec![Append {
            stream: format!("sample-{id}"),
            expected,
            events: vec![event(id, expected + 1, key)],
        }],
        ..Commit::default()
    }
}

pub(crate) async fn length(store: &dyn Store, id: &str) -> u64 {
    let events = store.read_stream(&format!("sample-{id}"), 0, 20_000).await;
    events.unwrap().len() as u64
}

/// Positions of the events of a key behind one.
pub(crate) async fn positions(store: &dyn Store, key: &str, after: u64) -> Vec<u64> {
    let filter = ReadAll {
        after,
        partition_key: Some(key.to_owned()),
        limit: 20_000,
    };
    let events = store.read_all(&filter).await.unwrap();
    events.iter().map(|stored| stored.position).collect()
}
