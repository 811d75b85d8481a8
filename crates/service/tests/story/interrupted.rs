//! Timers and relays that are interrupted in the middle: another replica begins where they were.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use outcry_broker::{Broker, BrokerError, Group, GroupStatus, Message, Partition, PublishError};
use outcry_service::testing::{Platform, Replica, eventually, found};
use outcry_service::{Context, Fault, Service, TimerHandler};
use outcry_store::{Commit, ReadAll, Timer, TimerWrite, ViewWrite};

use crate::gate::Gate;
use crate::obstacles::cut_off;
use crate::toys::{Script, deposit, id, journal, wide_ledger};

/// How a replica comes to its end, or seems to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It dies where it stands.
    Crash,
    /// It stops in order, but what it is at does not come to an end.
    Drain,
    /// It loses its leases without hearing of it, and goes on later.
    Freeze,
}

/// Writes down who fired a timer, and gets stuck on the way.
struct Bell {
    ctx: Context,
    gate: Gate,
}

#[async_trait]
impl TimerHandler for Bell {
    async fn fire(&self, timer: &Timer) -> Result<Commit, Fault> {
        self.gate.pass(&timer.id).await;
        // Nothing but the fence keeps this from being done twice.
        Ok(Commit {
            views: vec![ViewWrite::put("rings", &*timer.id, &self.ctx.member.id)?],
            timers: vec![TimerWrite::Clear {
                id: timer.id.clone(),
            }],
            ..Commit::default()
        })
    }
}

async fn set(ctx: &Context, ids: &[&str]) {
    for id in ids {
        let timer = Timer {
            id: (*id).to_owned(),
            due: ctx.clock.now(),
            payload: Vec::new(),
        };
        let commit = Commit {
            timers: vec![TimerWrite::Set(timer)],
            ..Commit::default()
        };
        ctx.store.commit(commit).await.unwrap();
    }
}

/// Waits until a timer has fired; at which member.
async fn rung(ctx: &Context, id: &str) -> String {
    let row = found("the timer fires", async || {
        ctx.store.view("rings", id).await.unwrap()
    })
    .await;
    row.decode().unwrap()
}

/// Interrupts the replica that fires timers in the middle of one of three.
async fn interrupt_timers(end: End) {
    let folder = tempfile::tempdir().unwrap();
    let platform = Platform::open(folder.path()).await;
    let gate = Gate::default();
    let make = |ctx: &Context| {
        Service::new("orders").fires(Bell {
            ctx: ctx.clone(),
            gate: gate.clone(),
        })
    };
    let is_cut_off = Arc::new(AtomicBool::new(false));
    let first = cut_off(&platform.context("orders").await, &is_cut_off);
    let a = Replica::start(first.clone(), make, Arc::clone(platform.broker())).await;
    eventually("it fires timers", async || a.holds("timers", 0).await).await;
    let b = platform.replica("orders", make).await;
    let second = b.ctx.clone();

    gate.set();
    set(&second, &["t1", "t2", "t3"]).await;
    let stuck = gate.held_up().await;
    for other in ["t1", "t2", "t3"].iter().filter(|id| **id != stuck) {
        assert_eq!(rung(&second, other).await, first.member.id);
    }
    let fired = |ctx: &Context| ctx.metrics().timers.fired.get();
    // Counted after the commit, which may be where a crash comes in between.
    eventually("both are counted", async || fired(&first) == 2).await;
    let mut frozen = None;
    if end == End::Crash {
        a.crash().await;
    } else {
        is_cut_off.store(true, Ordering::SeqCst);
        frozen = Some(a);
    }
    assert_eq!(rung(&second, &stuck).await, second.member.id);
    if let Some(a) = frozen {
        gate.open();
        eventually("its commit is refused", async || {
            first.metrics().leases.fenced.get() == 1
        })
        .await;
        assert_eq!(rung(&second, &stuck).await, second.member.id);
        is_cut_off.store(false, Ordering::SeqCst);
        a.stop().await;
    }
    set(&second, &["t4", "t5"]).await;
    for later in ["t4", "t5"] {
        assert_eq!(rung(&second, later).await, second.member.id);
    }
    eventually("each counts where it fired", async || {
        fired(&first) == 2 && fired(&second) == 3
    })
    .await;
    assert_eq!(second.store.next_timer().await.unwrap(), None);
    b.stop().await;
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timer_whose_replica_dies_while_firing_it_fires_at_another_one() {
    interrupt_timers(End::Crash).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timer_that_fired_elsewhere_meanwhile_is_not_fired_by_the_replica_that_wakes_up() {
    interrupt_timers(End::Freeze).await;
}

const USERS: u128 = 6;
const DEPOSITS: usize = 10;

/// Events of its first batch that a relay has published when it gets stuck. The batch has more,
/// were it of one key only.
const STUCK_AFTER: usize = DEPOSITS / 2;

/// Writes down what is published, key and event id, and gets stuck in the middle of a batch.
struct Recorder {
    inner: Arc<dyn Broker>,
    gate: Gate,
    log: Arc<Mutex<Vec<(String, String)>>>,
}

#[async_trait]
impl Broker for Recorder {
    async fn publish(&self, messages: Vec<Message>) -> Vec<Result<(), PublishError>> {
        let mut results = Vec::new();
        for (number, message) in messages.into_iter().enumerate() {
            if number == STUCK_AFTER {
                self.gate.pass(&message.event_id).await;
            }
            let line = (message.partition_key.clone(), message.event_id.clone());
            self.log.lock().unwrap().push(line);
            results.extend(self.inner.publish(vec![message]).await);
        }
        results
    }
    async fn declare(&self, group: &Group) -> Result<(), BrokerError> {
        self.inner.declare(group).await
    }
    async fn subscribe(&self, group: &Group, partition: u32) -> Result<Partition, BrokerError> {
        self.inner.subscribe(group, partition).await
    }
    async fn remove(&self, group: &str) -> Result<(), BrokerError> {
        self.inner.remove(group).await
    }
    async fn groups(&self) -> Result<Vec<GroupStatus>, BrokerError> {
        self.inner.groups().await
    }
    async fn close(&self) -> Result<(), BrokerError> {
        self.inner.close().await
    }
}

/// Deposits one round after the other for all users, from number `first` on.
async fn deposit_all(ctx: &Context, first: usize) {
    for number in first..first + DEPOSITS {
        for user in 0..USERS {
            deposit(ctx, user, &[&format!("r{number}")]).await;
        }
    }
}

async fn all_sent(ctx: &Context) {
    eventually("all is published", async || {
        ctx.store.oldest_unsent().await.unwrap().is_none()
    })
    .await;
}

/// Interrupts a relay in the middle of a batch while events go on being committed.
async fn interrupt_relay(end: End) {
    let folder = tempfile::tempdir().unwrap();
    let (gate, log) = (Gate::default(), Arc::default());
    gate.set();
    let platform = Platform::open(folder.path()).await.with_broker(|inner| {
        Arc::new(Recorder {
            inner,
            gate: gate.clone(),
            log: Arc::clone(&log),
        })
    });
    let script = Script::default();
    let ledger = platform
        .replica("ledger", |ctx| wide_ledger(ctx, &script))
        .await;
    let make = |_: &Context| Service::new("funds").emits(&["funds.deposited"]);
    let ctx = platform.context("funds").await;
    deposit_all(&ctx, 0).await;
    let is_cut_off = Arc::new(AtomicBool::new(false));
    let first = cut_off(&platform.context("funds").await, &is_cut_off);
    let a = Replica::start(first, make, Arc::clone(platform.broker())).await;
    gate.held_up().await;
    let published = log.lock().unwrap().len();
    assert_eq!(published, STUCK_AFTER);
    deposit_all(&ctx, DEPOSITS).await;
    let b = platform.replica("funds", make).await;

    let mut frozen = None;
    match end {
        End::Crash => a.crash().await,
        End::Drain => a.stop().await,
        End::Freeze => {
            is_cut_off.store(true, Ordering::SeqCst);
            frozen = Some(a);
        }
    }
    all_sent(&ctx).await;
    if let Some(a) = frozen {
        gate.open();
        // Both publish the same slots now: the one that holds them, and the one that knows no better.
        deposit_all(&ctx, 2 * DEPOSITS).await;
        all_sent(&ctx).await;
        is_cut_off.store(false, Ordering::SeqCst);
        a.stop().await;
    }

    let mut published: HashMap<String, Vec<String>> = HashMap::new();
    let mut repeats = 0;
    for (key, event_id) in log.lock().unwrap().iter() {
        let ids = published.entry(key.clone()).or_default();
        if ids.contains(event_id) {
            repeats += 1;
        } else {
            ids.push(event_id.clone());
        }
    }
    assert!(repeats >= STUCK_AFTER, "what was not confirmed comes again");
    for user in 0..USERS {
        let filter = ReadAll {
            partition_key: Some(id(user)),
            limit: 1000,
            ..ReadAll::default()
        };
        let committed = ctx.store.read_all(&filter).await.unwrap();
        let ids = committed.iter().map(|row| row.event.id().to_string());
        let ids: Vec<_> = ids.collect();
        assert_eq!(published[&id(user)], ids, "user {user}");
        eventually("all is written down", async || {
            journal(&ledger.ctx, user).await.len() >= ids.len()
        })
        .await;
        let lines: Vec<_> = (0..ids.len()).map(|number| format!("r{number}")).collect();
        assert_eq!(journal(&ledger.ctx, user).await, lines, "user {user}");
    }
    b.stop().await;
    ledger.stop().await;
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_relay_goes_on_where_one_died_in_the_middle_of_a_batch() {
    interrupt_relay(End::Crash).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_relay_goes_on_where_one_stopped_that_the_broker_did_not_answer() {
    interrupt_relay(End::Drain).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_wakes_up_in_the_middle_of_a_batch_repeats_events_and_reorders_none() {
    interrupt_relay(End::Freeze).await;
}
