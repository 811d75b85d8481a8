//! One poisoned key among many, with several replicas.

use std::time::SystemTime;

use outcry_service::Context;
use outcry_service::testing::{Platform, Replica, eventually};
use outcry_store::{
    Asked, AuditAction, AuditEntry, AuditFilter, Commit, ParkWrite, Parked, ParkedFilter,
    RedriveRequest, RedriveScope,
};

use crate::toys::{Act, Script, WIDE, deposited, id, journal, wide_ledger};

const KEYS: u128 = 64;
const EVENTS: u64 = 500;

/// The key that is poisoned, where, and where its redrive gets stuck.
const POISONED: u128 = 7;
const POISON_AT: u64 = 100;
const STUCK_AT: u64 = 300;

/// Slow enough that a rate which got lost would show in the stored request, fast enough for a test.
const PER_SECOND: u32 = 500;

fn reference(key: u128, number: u64) -> String {
    format!("{key}-{number}")
}

fn references(key: u128, to: u64) -> Vec<String> {
    (1..=to).map(|number| reference(key, number)).collect()
}

async fn redrive(ctx: &Context) {
    let commit = Commit {
        parked: vec![ParkWrite::RequestRedrive(RedriveRequest {
            group: "ledger".into(),
            scope: RedriveScope::Key(id(POISONED)),
            per_second: PER_SECOND,
            asked: Asked {
                by: "user:admin".into(),
                why: "mended".into(),
                at: SystemTime::now(),
            },
        })],
        ..Commit::default()
    };
    ctx.store.commit(commit).await.unwrap();
}

async fn parked(ctx: &Context) -> Vec<Parked> {
    let filter = ParkedFilter {
        group: Some("ledger".into()),
        limit: 1000,
        ..ParkedFilter::default()
    };
    ctx.store.parked(&filter).await.unwrap()
}

async fn audit(ctx: &Context, action: AuditAction) -> Vec<AuditEntry> {
    let filter = AuditFilter {
        limit: 1000,
        ..AuditFilter::default()
    };
    let mut entries = ctx.store.parking_audit(&filter).await.unwrap();
    entries.retain(|entry| entry.action == action);
    entries
}

/// Takes the replica that redrives out of `replicas`.
async fn redriver(replicas: &mut Vec<Replica>) -> Replica {
    for place in 0..replicas.len() {
        if replicas[place].holds("redrive/ledger", 0).await {
            return replicas.remove(place);
        }
    }
    panic!("nobody redrives");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poisoned_key_waits_the_others_flow_and_its_redrive_outlives_the_replica_at_it() {
    let folder = tempfile::tempdir().unwrap();
    let platform = Platform::open(folder.path()).await;
    let script = Script::default();
    script.plan(&reference(POISONED, POISON_AT), [Act::Poison, Act::Fail]);
    script.plan(&reference(POISONED, STUCK_AT), [Act::Hang]);
    let make = |ctx: &Context| wide_ledger(ctx, &script);
    let mut replicas = Vec::new();
    for _ in 0..3 {
        replicas.push(platform.replica("ledger", make).await);
    }
    eventually("the partitions are shared", async || {
        let each = u64::from(WIDE) / 3;
        replicas.iter().all(|one| one.held("group/ledger") == each)
    })
    .await;
    let ctx = platform.context("ledger").await;

    for number in 1..=EVENTS {
        let batch = (0..KEYS).map(|key| deposited(key, number, &reference(key, number)));
        let results = platform.broker().publish(batch.collect()).await;
        assert!(results.iter().all(Result::is_ok));
    }
    for key in (0..KEYS).filter(|key| *key != POISONED) {
        eventually("the other keys flow", async || {
            journal(&ctx, key).await.len() as u64 >= EVENTS
        })
        .await;
        assert_eq!(journal(&ctx, key).await, references(key, EVENTS));
    }
    let waiting = (EVENTS - POISON_AT + 1) as usize;
    eventually("the rest of the key is parked", async || {
        parked(&ctx).await.len() == waiting
    })
    .await;
    let before = references(POISONED, POISON_AT - 1);
    assert_eq!(journal(&ctx, POISONED).await, before, "nothing leapfrogs");

    redrive(&ctx).await;
    eventually("the redrive fails", async || {
        audit(&ctx, AuditAction::RedriveFailed).await.len() == 1
    })
    .await;
    let rows = parked(&ctx).await;
    assert_eq!(rows.len(), waiting);
    assert_eq!(rows[0].attempts, 1, "attempts count anew");
    assert_eq!(journal(&ctx, POISONED).await, before);

    redrive(&ctx).await;
    let stuck = references(POISONED, STUCK_AT - 1);
    // What comes before it is committed earlier than it is begun.
    eventually("the redrive is stuck", async || {
        script.is_spent(&reference(POISONED, STUCK_AT))
    })
    .await;
    assert_eq!(journal(&ctx, POISONED).await, stuck);
    redriver(&mut replicas).await.crash().await;
    let requests = ctx.store.redrives("ledger", 10).await.unwrap();
    let rates: Vec<_> = requests
        .iter()
        .map(|one| (one.key.clone(), one.per_second))
        .collect();
    assert_eq!(rates, [(id(POISONED), PER_SECOND)]);

    eventually("nothing is parked", async || parked(&ctx).await.is_empty()).await;
    let all = references(POISONED, EVENTS);
    assert_eq!(journal(&ctx, POISONED).await, all);
    let redriven = audit(&ctx, AuditAction::Redriven).await;
    assert_eq!(redriven.len(), waiting, "each once, whoever did it");
    assert!(redriven.iter().all(|entry| entry.asked.by == "user:admin"));
    assert_eq!(audit(&ctx, AuditAction::RedriveRequested).await.len(), 2);
    for replica in replicas {
        replica.stop().await;
    }
    platform.stop().await;
}
