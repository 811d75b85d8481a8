//! Several replicas of a service share its work, and pass it on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use outcry_mesh::Directory;
use outcry_service::testing::{Platform, Replica, eventually, found};
use outcry_service::{Context, Slots};
use outcry_store::{Commit, CommitError, Conflict, Lease, ViewWrite};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::obstacles::Flaky;
use crate::toys::{Script, WIDE, deposited, journal, wide_ledger};

const PARTITIONS: &str = "group/ledger";

/// Between two rounds of events: a load that goes on while partitions move.
const ROUND_EVERY: Duration = Duration::from_millis(10);

/// What each user's journal has to say after `rounds`.
fn lines(rounds: u64) -> Vec<String> {
    (1..=rounds).map(|round| format!("r{round}")).collect()
}

/// Publishes one event per user and round, beginning behind round `after`.
async fn publish(platform: &Platform, users: u128, after: u64, rounds: u64, pace: Duration) {
    for round in after + 1..=after + rounds {
        let reference = format!("r{round}");
        let batch = (0..users).map(|user| deposited(user, round, &reference));
        let results = platform.broker().publish(batch.collect()).await;
        assert!(results.iter().all(Result::is_ok));
        tokio::time::sleep(pace).await;
    }
}

async fn share(replicas: &[&Replica], pool: &str, each: u64) {
    eventually("all have the same share", async || {
        replicas.iter().all(|replica| replica.held(pool) == each)
    })
    .await;
}

async fn all_written(ctx: &Context, users: u128, rounds: u64) {
    for user in 0..users {
        eventually("all deposits of a user are written down", async || {
            journal(ctx, user).await.len() as u64 >= rounds
        })
        .await;
        assert_eq!(journal(ctx, user).await, lines(rounds), "user {user}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_move_to_a_replica_that_joins_and_from_one_that_leaves_under_load() {
    const USERS: u128 = 24;
    const ROUNDS: u64 = 300;
    let folder = tempfile::tempdir().unwrap();
    let platform = Platform::open(folder.path()).await;
    let script = Script::default();
    let make = |ctx: &Context| wide_ledger(ctx, &script);
    let a = platform.replica("ledger", make).await;
    let b = platform.replica("ledger", make).await;
    share(&[&a, &b], PARTITIONS, 6).await;

    let is_over = watch::Sender::new(false);
    let load = async {
        publish(&platform, USERS, 0, ROUNDS, ROUND_EVERY).await;
        is_over.send_replace(true);
    };
    let moves = async {
        let c = platform.replica("ledger", make).await;
        share(&[&a, &b, &c], PARTITIONS, 4).await;
        eventually("the new one works", async || {
            c.ctx.metrics().group("ledger").handled.get() > 0
        })
        .await;
        let is_early = !*is_over.borrow();
        b.stop().await;
        share(&[&a, &c], PARTITIONS, 6).await;
        (c, is_early)
    };
    let ((), (c, is_early)) = tokio::join!(load, moves);
    assert!(is_early, "the load was over before anything moved");
    all_written(&a.ctx, USERS, ROUNDS).await;
    for replica in [&a, &c] {
        assert_eq!(replica.ctx.metrics().group("ledger").parked.get(), 0);
    }
    a.stop().await;
    c.stop().await;
    platform.stop().await;
}

/// Keeps the leases it has had.
struct Desks(Arc<Mutex<Vec<Lease>>>);

#[async_trait]
impl Slots for Desks {
    fn pool(&self) -> &'static str {
        "desks"
    }
    fn count(&self) -> u32 {
        6
    }
    async fn hold(&self, lease: Lease, stop: CancellationToken) {
        self.0.lock().unwrap().push(lease);
        stop.cancelled().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_replica_held_is_taken_over_and_its_commits_are_refused() {
    const USERS: u128 = 24;
    let folder = tempfile::tempdir().unwrap();
    let platform = Platform::open(folder.path()).await;
    let script = Script::default();
    let leases: Vec<Arc<Mutex<Vec<Lease>>>> = (0..3).map(|_| Arc::default()).collect();
    let mut replicas = Vec::new();
    for leases in &leases {
        let make = |ctx: &Context| wide_ledger(ctx, &script).holds(Desks(Arc::clone(leases)));
        replicas.push(platform.replica("ledger", make).await);
    }
    let [a, b, c] = replicas.try_into().ok().unwrap();
    share(&[&a, &b, &c], "desks", 2).await;
    share(&[&a, &b, &c], PARTITIONS, 4).await;
    // A slot counts as held a little before its work begins.
    let stale = found("the slots are worked on", async || {
        let leases = leases[1].lock().unwrap().clone();
        (leases.len() >= 2).then_some(leases)
    })
    .await;
    let ctx = b.ctx.clone();
    b.crash().await;

    publish(&platform, USERS, 0, 20, Duration::ZERO).await;
    share(&[&a, &c], "desks", 3).await;
    share(&[&a, &c], PARTITIONS, 6).await;
    all_written(&a.ctx, USERS, 20).await;
    for lease in stale {
        let commit = Commit {
            fence: Some(lease.fence()),
            views: vec![ViewWrite::put("desks", "b", &"was here").unwrap()],
            ..Commit::default()
        };
        let refused = ctx.store.commit(commit).await.unwrap_err();
        assert!(
            matches!(refused, CommitError::Conflict(Conflict::Fenced { .. })),
            "{refused}"
        );
    }
    assert_eq!(ctx.store.view("desks", "b").await.unwrap(), None);
    a.stop().await;
    c.stop().await;
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_lost_its_slots_unknowingly_commits_nothing_and_gives_way() {
    const USERS: u128 = 24;
    let folder = tempfile::tempdir().unwrap();
    let platform = Platform::open(folder.path()).await;
    let script = Script::default();
    let make = |ctx: &Context| wide_ledger(ctx, &script);
    let a = platform.replica("ledger", make).await;
    let inner = platform.context("ledger").await;
    let is_cut_off = Arc::new(AtomicBool::new(false));
    let flaky = Flaky {
        inner: Arc::clone(&inner.store),
        down: Arc::default(),
        is_cut_off: Arc::clone(&is_cut_off),
    };
    let ctx = Context::new(
        "ledger",
        Arc::new(flaky),
        Arc::clone(&inner.clock),
        Directory::new(),
    );
    let b = Replica::start(ctx, make, Arc::clone(platform.broker())).await;
    share(&[&a, &b], PARTITIONS, 6).await;
    publish(&platform, USERS, 0, 5, Duration::ZERO).await;
    all_written(&a.ctx, USERS, 5).await;
    let counts = b.ctx.metrics();
    let handled = counts.group("ledger").handled.get();
    assert!(handled > 0);

    is_cut_off.store(true, Ordering::SeqCst);
    share(&[&a], PARTITIONS, u64::from(WIDE)).await;
    publish(&platform, USERS, 5, 20, Duration::ZERO).await;
    all_written(&a.ctx, USERS, 25).await;
    assert_eq!(counts.group("ledger").handled.get(), handled);
    assert!(counts.leases.fenced.get() > 0, "it tried");
    assert!(counts.leases.failed.get() > 0);

    is_cut_off.store(false, Ordering::SeqCst);
    share(&[&a, &b], PARTITIONS, 6).await;
    publish(&platform, USERS, 25, 20, Duration::ZERO).await;
    all_written(&a.ctx, USERS, 45).await;
    assert!(counts.group("ledger").handled.get() > handled, "it is back");
    a.stop().await;
    b.stop().await;
    platform.stop().await;
}
