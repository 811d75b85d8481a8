use std::sync::Arc;

use outcry_contracts::funds::v1::FundsReleasedEvent;
use outcry_contracts::users::v1::UserStatus;
use outcry_events::SealedEvent;
use outcry_sqlite::Database;
use outcry_store::{Append, Commit, Handled, SqliteStore, Store, ViewWrite};

use super::*;
use crate::samples;

const SERVICES: [&str; 10] = [
    "users",
    "orders",
    "trades",
    "funds",
    "payments",
    "ledger",
    "portfolio",
    "reports",
    "notifications",
    "gateway",
];

/// A platform that has Alice and Bob, and nothing that heard of them.
async fn platform(folder: &tempfile::TempDir) -> (Stores, Vec<SealedEvent>) {
    let database = Database::open(&folder.path().join("outcry.db")).unwrap();
    let mut stores: Vec<(&'static str, Arc<dyn Store>)> = Vec::new();
    for service in SERVICES {
        let store = SqliteStore::open(&database, service).await.unwrap();
        stores.push((service, Arc::new(store)));
    }
    let stores: Stores = stores.into_iter().collect();
    let script = samples::Script::default()
        .then(samples::user(samples::ALICE))
        .then(samples::user(samples::BOB));
    let history = script.history();
    let events: Vec<_> = history.events.into_iter().map(|one| one.event).collect();
    let appends = events.iter().map(|event| Append {
        stream: event.stream(),
        expected: 0,
        events: vec![event.clone()],
    });
    let commit = Commit {
        appends: appends.collect(),
        ..Commit::default()
    };
    stores.store("users").unwrap().commit(commit).await.unwrap();
    (stores, events)
}

#[tokio::test]
async fn every_step_is_told_before_it_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let (stores, _) = platform(&folder).await;
    let mut told = Vec::new();
    examine_telling(&stores, |done, _| told.push(done))
        .await
        .unwrap();
    assert_eq!(told, (0..STEPS).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_nobody_has_heard_of_yet_is_pending_and_no_breach() {
    let folder = tempfile::tempdir().unwrap();
    let (stores, _) = platform(&folder).await;
    let (history, findings) = examine(&stores).await.unwrap();
    assert_eq!(findings.breaches, []);
    assert_eq!(findings.pending["publishing by users"], 2);
    assert_eq!(findings.pending["archiving"], 2);
    assert_eq!(findings.pending["funds"], 2);
    let report = serde_json::to_value(AuditReport::new(&history, &findings)).unwrap();
    assert_eq!(report["events"], 2);
    assert_eq!(report["pending"]["archiving"], 2);
    assert_eq!(report["breaches"], serde_json::json!([]));
}

#[tokio::test]
async fn i14_an_event_handled_without_its_effect_is_a_breach() {
    let folder = tempfile::tempdir().unwrap();
    let (stores, events) = platform(&folder).await;
    for (event, keep) in events.iter().zip([true, false]) {
        let account = serde_json::json!({"standing": "active", "sequence": 0, "balances": {}});
        let account = ViewWrite::put("accounts", event.aggregate_id(), &account).unwrap();
        let commit = Commit {
            handled: Some(Handled {
                group: "funds".to_owned(),
                key: event.partition_key().to_owned(),
                event_id: event.id(),
                at: event.occurred_at(),
            }),
            views: keep.then_some(account).into_iter().collect(),
            ..Commit::default()
        };
        stores.store("funds").unwrap().commit(commit).await.unwrap();
    }
    let (_, findings) = examine(&stores).await.unwrap();
    let [breach] = &findings.breaches[..] else {
        panic!("{:?}", findings.breaches);
    };
    assert_eq!(breach.invariant, "I14");
    assert_eq!(breach.subject, samples::id(samples::BOB));
}

#[tokio::test]
async fn what_services_keep_that_are_not_there_is_not_looked_at() {
    let (history, findings) = examine(&Stores::default()).await.unwrap();
    assert!(history.events.is_empty() && findings.pending.is_empty());
    assert_eq!(findings.breaches, []);
}

/// A platform on which all of this happened, and nobody has heard of it but who is named.
async fn platform_after(
    folder: &tempfile::TempDir,
    script: &samples::Script,
    heard: &[(&str, &str)],
) -> Stores {
    let database = Database::open(&folder.path().join("outcry.db")).unwrap();
    let mut stores: Vec<(&'static str, Arc<dyn Store>)> = Vec::new();
    for service in ["orders", "trades", "funds", "payments", "users", "reports"] {
        let store = SqliteStore::open(&database, service).await.unwrap();
        stores.push((service, Arc::new(store)));
    }
    let stores: Stores = stores.into_iter().collect();
    for recorded in &script.history().events {
        let event = &recorded.event;
        let append = Append {
            stream: event.stream(),
            expected: event.sequence() - 1,
            events: vec![event.clone()],
        };
        let commit = Commit {
            appends: vec![append],
            ..Commit::default()
        };
        let store = stores.store(recorded.service).unwrap();
        store.commit(commit).await.unwrap();
        for (service, topic) in heard {
            if *topic == event.topic() {
                let commit = Commit {
                    handled: Some(Handled {
                        group: (*service).to_owned(),
                        key: event.partition_key().to_owned(),
                        event_id: event.id(),
                        at: event.occurred_at(),
                    }),
                    ..Commit::default()
                };
                stores.store(service).unwrap().commit(commit).await.unwrap();
            }
        }
    }
    stores
}

async fn breaches(script: &samples::Script, heard: &[(&str, &str)]) -> Vec<&'static str> {
    let folder = tempfile::tempdir().unwrap();
    let stores = platform_after(&folder, script, heard).await;
    let (_, findings) = examine(&stores).await.unwrap();
    samples::broken(&findings)
}

#[tokio::test]
async fn i5_what_stays_locked_for_an_ended_order_is_a_breach_once_funds_has_heard_of_its_end() {
    let script = samples::sale().without::<FundsReleasedEvent>(0);
    assert!(!breaches(&script, &[]).await.contains(&"I5"));
    let heard = breaches(&script, &[("funds", "order.filled")]).await;
    assert!(heard.contains(&"I5"));
}

#[tokio::test]
async fn i22_orders_a_suspended_user_still_has_are_a_breach_once_orders_has_heard_of_it() {
    use samples::order::Order;
    let resting = Order::buy(samples::ALICE, 0x30, 1, 900_000);
    let script = samples::paid_in()
        .and(resting.opened(samples::cash(901_000)))
        .then(samples::day::status(
            samples::ALICE,
            UserStatus::Active,
            UserStatus::Suspended,
        ));
    assert!(!breaches(&script, &[]).await.contains(&"I22"));
    let heard = breaches(&script, &[("orders", "user.status_changed")]).await;
    assert!(heard.contains(&"I22"));
}
