//! Slots change hands under load: given back, run out, or taken from one who does not know it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use outcry_broker::partition_of;
use outcry_events::SealedEvent;
use outcry_service::testing::{Platform, Replica, eventually, found};
use outcry_service::{Context, Fault, GroupSpec, Reaction, Service, Slots, Unknown};
use outcry_store::{Commit, CommitError, Conflict, Lease, ViewWrite};
use tokio_util::sync::CancellationToken;

use crate::gate::Gate;
use crate::obstacles::cut_off;
use crate::toys::{Journal, Script, WIDE, deposited, id, journal, wide_ledger};

const USERS: u128 = 24;
const PARTITIONS: &str = "group/ledger";
const DESKS: &str = "desks";

/// Slots that no number of replicas up to six shares evenly without a rest.
const DESK_COUNT: u32 = 7;

/// Between two rounds of events: a load that goes on while slots move, and leaves room for it.
const ROUND_EVERY: Duration = Duration::from_millis(20);

/// Slots of the ledger's own, with the leases they were held by.
#[derive(Clone, Default)]
struct Desks(Arc<Mutex<Vec<Lease>>>);

#[async_trait]
impl Slots for Desks {
    fn pool(&self) -> &'static str {
        DESKS
    }
    fn count(&self) -> u32 {
        DESK_COUNT
    }
    async fn hold(&self, lease: Lease, stop: CancellationToken) {
        self.0.lock().unwrap().push(lease);
        stop.cancelled().await;
    }
}

impl Desks {
    /// The last lease of each slot.
    fn last(&self) -> HashMap<u32, Lease> {
        let leases = self.0.lock().unwrap();
        let by_slot = leases.iter().map(|lease| (lease.slot, lease.clone()));
        by_slot.collect()
    }

    /// Waits until a slot is held by another lease than `before`; how many epochs later.
    async fn epochs_later(&self, before: &Lease) -> u64 {
        let next = found("the slot is in other hands", async || {
            let leases = self.0.lock().unwrap();
            let mut of_slot = leases.iter().filter(|lease| lease.slot == before.slot);
            let next = of_slot.find(|lease| lease.epoch > before.epoch);
            next.map(|lease| lease.epoch)
        })
        .await;
        next - before.epoch
    }
}

/// Publishes a round of one event per user.
async fn publish(platform: &Platform, round: u64) {
    let reference = format!("r{round}");
    let batch = (0..USERS).map(|user| deposited(user, round, &reference));
    let results = platform.broker().publish(batch.collect()).await;
    assert!(results.iter().all(Result::is_ok));
}

/// Publishes rounds until told that it is enough; how many.
async fn publish_until(platform: &Platform, enough: &CancellationToken) -> u64 {
    let mut round = 0;
    while !enough.is_cancelled() {
        round += 1;
        publish(platform, round).await;
        tokio::time::sleep(ROUND_EVERY).await;
    }
    round
}

/// Waits until the journal of `user` has `rounds` lines: these rounds, each once, in order.
async fn written(ctx: &Context, user: u128, rounds: u64) {
    eventually("all deposits of a user are written down", async || {
        journal(ctx, user).await.len() as u64 >= rounds
    })
    .await;
    let lines: Vec<_> = (1..=rounds).map(|round| format!("r{round}")).collect();
    assert_eq!(journal(ctx, user).await, lines, "user {user}");
}

/// How many events replicas have handled together, each counted by whoever committed it.
fn handled(contexts: &[&Context]) -> u64 {
    let counts = contexts.iter().map(|ctx| ctx.metrics().group("ledger"));
    counts.map(|counts| counts.handled.get()).sum()
}

/// Waits until every slot of `pool` is held by one of `replicas`, none of which has two more than
/// another one.
async fn shared(replicas: &[&Replica], pool: &str, slots: u32) {
    let ctx = &replicas[0].ctx;
    eventually("the slots are shared evenly", async || {
        let mut counts = vec![0; replicas.len()];
        for slot in 0..slots {
            let holder = ctx.store.holder(pool, slot).await.unwrap();
            let place = replicas
                .iter()
                .position(|replica| holder.as_ref() == Some(&replica.ctx.member));
            match place {
                Some(place) => counts[place] += 1,
                None => return false,
            }
        }
        counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1
    })
    .await;
}

/// Waits until `replica` has handled more than it has now.
async fn works(replica: &Replica) {
    let before = handled(&[&replica.ctx]);
    eventually("the replica handles events", async || {
        handled(&[&replica.ctx]) > before
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_leaves_in_order_gives_its_slots_back_and_does_not_let_them_run_out() {
    let folder = tempfile::tempdir().unwrap();
    let platform = Platform::open(folder.path()).await;
    let (script, desks) = (Script::default(), Desks::default());
    let make = |ctx: &Context| wide_ledger(ctx, &script).holds(desks.clone());
    let a = platform.replica("ledger", make).await;
    let b = platform.replica("ledger", make).await;
    let c = platform.replica("ledger", make).await;
    let enough = CancellationToken::new();
    let moves = async {
        for (pool, slots) in [(DESKS, DESK_COUNT), (PARTITIONS, WIDE)] {
            shared(&[&a, &b, &c], pool, slots).await;
        }
        let d = platform.replica("ledger", make).await;
        for (pool, slots) in [(DESKS, DESK_COUNT), (PARTITIONS, WIDE)] {
            shared(&[&a, &b, &c, &d], pool, slots).await;
        }
        works(&d).await;

        let mut given_back = Vec::new();
        for lease in desks.last().into_values() {
            if b.holds(DESKS, lease.slot).await {
                given_back.push(lease);
            }
        }
        let left = b.ctx.clone();
        b.stop().await;
        for (pool, slots) in [(DESKS, DESK_COUNT), (PARTITIONS, WIDE)] {
            for slot in 0..slots {
                let holder = left.store.holder(pool, slot).await.unwrap();
                assert_ne!(holder.as_ref(), Some(&left.member), "{pool} {slot}");
            }
            shared(&[&a, &c, &d], pool, slots).await;
        }
        assert!(!given_back.is_empty());
        for lease in given_back {
            // In this store giving back ends an epoch, and so does taking; running out does not.
            assert!(desks.epochs_later(&lease).await >= 2, "{lease:?}");
        }
        works(&a).await;
        enough.cancel();
        (left, d)
    };
    let (rounds, (left, d)) = tokio::join!(publish_until(&platform, &enough), moves);
    for user in 0..USERS {
        written(&a.ctx, user, rounds).await;
    }
    let all = [&a.ctx, &left, &c.ctx, &d.ctx];
    let events = rounds * USERS as u64;
    eventually("each event is handled once", async || {
        handled(&all) == events
    })
    .await;
    for replica in [a, c, d] {
        replica.stop().await;
    }
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_replica_held_that_died_under_load_runs_out_and_goes_on_in_order_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let platform = Platform::open(folder.path()).await;
    let (script, desks) = (Script::default(), Desks::default());
    let make = |ctx: &Context| wide_ledger(ctx, &script).holds(desks.clone());
    let a = platform.replica("ledger", make).await;
    let b = platform.replica("ledger", make).await;
    let c = platform.replica("ledger", make).await;
    let enough = CancellationToken::new();
    let moves = async {
        for (pool, slots) in [(DESKS, DESK_COUNT), (PARTITIONS, WIDE)] {
            shared(&[&a, &b, &c], pool, slots).await;
        }
        works(&b).await;
        let mut old = Vec::new();
        for lease in desks.last().into_values() {
            if b.holds(DESKS, lease.slot).await {
                old.push(lease);
            }
        }
        let dead = b.ctx.clone();
        b.crash().await;
        for (pool, slots) in [(DESKS, DESK_COUNT), (PARTITIONS, WIDE)] {
            shared(&[&a, &c], pool, slots).await;
        }
        assert!(!old.is_empty());
        for lease in old {
            let epochs = desks.epochs_later(&lease).await;
            assert_eq!(epochs, 1, "nobody gave {lease:?} back");
            let commit = Commit {
                fence: Some(lease.fence()),
                views: vec![ViewWrite::put(DESKS, "dead", &lease.slot).unwrap()],
                ..Commit::default()
            };
            let refused = dead.store.commit(commit).await.unwrap_err();
            let is_fenced = matches!(refused, CommitError::Conflict(Conflict::Fenced { .. }));
            assert!(is_fenced, "{refused}");
        }
        works(&a).await;
        works(&c).await;
        enough.cancel();
        dead
    };
    let (rounds, dead) = tokio::join!(publish_until(&platform, &enough), moves);
    for user in 0..USERS {
        written(&a.ctx, user, rounds).await;
    }
    assert_eq!(dead.store.view(DESKS, "dead").await.unwrap(), None);
    for replica in [a, c] {
        replica.stop().await;
    }
    platform.stop().await;
}

/// A journal that gets stuck between reading and writing.
struct Stuck {
    journal: Journal,
    gate: Gate,
}

#[async_trait]
impl Reaction for Stuck {
    fn group(&self) -> GroupSpec {
        self.journal.group()
    }

    async fn react(&self, event: &SealedEvent) -> Result<Commit, Fault> {
        let commit = self.journal.react(event).await?;
        self.gate.pass(event.partition_key()).await;
        Ok(commit)
    }
}

/// A ledger that gets stuck at a gate.
fn stuck_ledger(ctx: &Context, script: &Script, gate: &Gate) -> Service {
    let journal = Journal {
        ctx: ctx.clone(),
        script: script.clone(),
        unknown: Unknown::Park,
        partitions: WIDE,
    };
    let gate = gate.clone();
    Service::new("ledger").reacts(Stuck { journal, gate })
}

/// The users whose events wait behind those of `stuck`, and the others.
fn waiting_behind(stuck: &str) -> (Vec<u128>, Vec<u128>) {
    let place = |key: &str| partition_of(key, WIDE);
    (0..USERS).partition(|user| place(&id(*user)) == place(stuck))
}

/// Freezes one of two replicas with an event in hand until the other one has all slots, and wakes
/// it: before it hears of its loss, or after it has got slots again.
async fn freeze(is_back_first: bool) {
    let folder = tempfile::tempdir().unwrap();
    let platform = Platform::open(folder.path()).await;
    let (script, gate) = (Script::default(), Gate::default());
    let a = platform
        .replica("ledger", |ctx| wide_ledger(ctx, &script))
        .await;
    let is_cut_off = Arc::new(AtomicBool::new(false));
    let ctx = cut_off(&platform.context("ledger").await, &is_cut_off);
    let make = |ctx: &Context| stuck_ledger(ctx, &script, &gate);
    let b = Replica::start(ctx, make, Arc::clone(platform.broker())).await;
    shared(&[&a, &b], PARTITIONS, WIDE).await;

    gate.set();
    publish(&platform, 1).await;
    let stuck = gate.held_up().await;
    is_cut_off.store(true, Ordering::SeqCst);
    shared(&[&a], PARTITIONS, WIDE).await;
    for round in 2..=10 {
        publish(&platform, round).await;
    }
    let (waiting, flowing) = waiting_behind(&stuck);
    for user in &flowing {
        written(&a.ctx, *user, 10).await;
    }
    if is_back_first {
        is_cut_off.store(false, Ordering::SeqCst);
        shared(&[&a, &b], PARTITIONS, WIDE).await;
    }
    let user = waiting.iter().find(|user| id(**user) == stuck).unwrap();
    assert!(journal(&a.ctx, *user).await.is_empty());
    let fenced = &b.ctx.metrics().leases.fenced;
    let before = fenced.get();

    gate.open();
    for user in waiting {
        written(&a.ctx, user, 10).await;
    }
    assert_eq!(fenced.get(), before + 1, "its commit is refused");
    is_cut_off.store(false, Ordering::SeqCst);
    shared(&[&a, &b], PARTITIONS, WIDE).await;
    for round in 11..=20 {
        publish(&platform, round).await;
    }
    for user in 0..USERS {
        written(&a.ctx, user, 20).await;
    }
    eventually("each event is handled once", async || {
        handled(&[&a.ctx, &b.ctx]) == 20 * USERS as u64
    })
    .await;
    assert_eq!(fenced.get(), before + 1, "nothing else is");
    a.stop().await;
    b.stop().await;
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_replica_wakes_up_to_a_refused_commit_and_lets_the_event_go() {
    freeze(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_came_back_meanwhile_does_not_make_an_old_commit_good() {
    freeze(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reaction_that_goes_on_while_its_replica_stops_does_not_keep_the_other_partitions() {
    let folder = tempfile::tempdir().unwrap();
    let platform = Platform::open(folder.path()).await;
    let (script, gate) = (Script::default(), Gate::default());
    let a = platform
        .replica("ledger", |ctx| wide_ledger(ctx, &script))
        .await;
    let b = platform
        .replica("ledger", |ctx| stuck_ledger(ctx, &script, &gate))
        .await;
    shared(&[&a, &b], PARTITIONS, WIDE).await;
    gate.set();
    publish(&platform, 1).await;
    let (waiting, flowing) = waiting_behind(&gate.held_up().await);
    let stopping = b.ctx.clone();
    let stopped = tokio::spawn(b.stop());
    publish(&platform, 2).await;
    for user in flowing {
        written(&a.ctx, user, 2).await;
    }
    assert!(!stopped.is_finished(), "they waited for the one");
    shared(&[&a], PARTITIONS, WIDE).await;

    gate.open();
    stopped.await.unwrap();
    assert_eq!(stopping.metrics().leases.fenced.get(), 1);
    for user in waiting {
        written(&a.ctx, user, 2).await;
    }
    a.stop().await;
    platform.stop().await;
}
