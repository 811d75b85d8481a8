//! Timers fire when due, again until done, and survive everything.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use outcry_service::testing::{FakeClock, Platform, eventually};
use outcry_service::{Clock, Context, Fault, Service, TimerHandler};
use outcry_store::{Commit, Timer, TimerWrite, ViewWrite};

const MINUTE: Duration = Duration::from_secs(60);

/// Writes down which timers fired; fails as often as it is told.
#[derive(Clone)]
struct Bell {
    ctx: Context,
    failures: Arc<AtomicU32>,
    rang: Arc<Mutex<Vec<String>>>,
}

#[async_trait]
impl TimerHandler for Bell {
    async fn fire(&self, timer: &Timer) -> Result<Commit, Fault> {
        self.rang.lock().unwrap().push(timer.id.clone());
        let one_less = |left: u32| left.checked_sub(1);
        if let Ok(left) = self
            .failures
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less)
        {
            assert!(left.is_multiple_of(2), "a bug");
            return Err(Fault::retry("not now"));
        }
        let mut commit = Commit::default();
        let text = String::from_utf8_lossy(&timer.payload).into_owned();
        commit
            .views
            .push(ViewWrite::put("rings", timer.id.clone(), &text)?);
        if text == "again" {
            commit.timers.push(TimerWrite::Set(Timer {
                due: timer.due + MINUTE,
                payload: b"last".to_vec(),
                ..timer.clone()
            }));
        }
        Ok(commit)
    }
}

fn bell(ctx: &Context, failures: u32) -> Bell {
    Bell {
        ctx: ctx.clone(),
        failures: Arc::new(AtomicU32::new(failures)),
        rang: Arc::default(),
    }
}

fn service(bell: &Bell) -> (Context, Service) {
    (bell.ctx.clone(), Service::new("orders").fires(bell.clone()))
}

async fn set(ctx: &Context, id: &str, after: Duration, payload: &str) {
    let commit = Commit {
        timers: vec![TimerWrite::Set(Timer {
            id: id.to_owned(),
            due: ctx.clock.now() + after,
            payload: payload.as_bytes().to_vec(),
        })],
        ..Commit::default()
    };
    ctx.store.commit(commit).await.unwrap();
}

async fn ring(ctx: &Context, id: &str) -> Option<String> {
    let row = ctx.store.view("rings", id).await.unwrap()?;
    Some(row.decode().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timer_survives_a_crash_and_fires_when_it_is_due_and_not_before() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(FakeClock::default());
    let mut platform = Platform::open_at(folder.path(), Arc::clone(&clock) as Arc<dyn Clock>).await;
    let first = bell(&platform.context("orders").await, 0);
    platform.start([service(&first)]).await;
    set(&first.ctx, "early", MINUTE, "e").await;
    set(&first.ctx, "late", MINUTE * 3, "l").await;
    clock.advance(MINUTE);
    eventually("the early one fires", async || {
        ring(&first.ctx, "early").await.is_some()
    })
    .await;
    assert_eq!(*first.rang.lock().unwrap(), ["early"]);
    drop(first);

    let mut platform = platform.crash_and_restart().await;
    clock.advance(MINUTE * 2);
    let second = bell(&platform.context("orders").await, 0);
    platform.start([service(&second)]).await;
    eventually("the late one fires", async || {
        ring(&second.ctx, "late").await.is_some()
    })
    .await;
    assert_eq!(*second.rang.lock().unwrap(), ["late"]);
    eventually("none is left", async || {
        second.ctx.store.next_timer().await.unwrap().is_none()
    })
    .await;
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timer_that_fails_fires_again_until_it_is_done_and_others_do_not_wait() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(FakeClock::default());
    let mut platform = Platform::open_at(folder.path(), Arc::clone(&clock) as Arc<dyn Clock>).await;
    let bell = bell(&platform.context("orders").await, 4);
    platform.start([service(&bell)]).await;
    set(&bell.ctx, "stubborn", Duration::ZERO, "s").await;
    eventually("it has failed", async || {
        bell.ctx.metrics().timers.retried.get() > 0
    })
    .await;
    set(&bell.ctx, "other", Duration::ZERO, "o").await;
    eventually("both are done", async || {
        ring(&bell.ctx, "stubborn").await.is_some() && ring(&bell.ctx, "other").await.is_some()
    })
    .await;
    assert_eq!(bell.ctx.metrics().timers.retried.get(), 4);
    assert_eq!(bell.ctx.store.next_timer().await.unwrap(), None);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_may_set_its_timer_again() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(FakeClock::default());
    let mut platform = Platform::open_at(folder.path(), Arc::clone(&clock) as Arc<dyn Clock>).await;
    let bell = bell(&platform.context("orders").await, 0);
    platform.start([service(&bell)]).await;
    set(&bell.ctx, "twice", MINUTE, "again").await;
    clock.advance(MINUTE);
    eventually("it fires", async || {
        ring(&bell.ctx, "twice").await.as_deref() == Some("again")
    })
    .await;
    clock.advance(MINUTE);
    eventually("it fires again", async || {
        ring(&bell.ctx, "twice").await.as_deref() == Some("last")
    })
    .await;
    eventually("it is cleared", async || {
        bell.ctx.store.next_timer().await.unwrap().is_none()
    })
    .await;
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_replica_fires_timers_and_another_one_goes_on_when_it_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(FakeClock::default());
    let platform = Platform::open_at(folder.path(), Arc::clone(&clock) as Arc<dyn Clock>).await;
    let rang = Arc::new(Mutex::new(Vec::new()));
    let service = |ctx: &Context| {
        Service::new("orders").fires(Bell {
            ctx: ctx.clone(),
            failures: Arc::default(),
            rang: Arc::clone(&rang),
        })
    };
    let mut replicas = Vec::new();
    for _ in 0..3 {
        replicas.push(platform.replica("orders", service).await);
    }
    let ctx = replicas[0].ctx.clone();
    let mut ids = Vec::new();
    while let Some(next) = replicas.len().checked_sub(1) {
        for n in 0..20 {
            ids.push(format!("t{next}-{n}"));
            set(&ctx, &ids[ids.len() - 1], MINUTE, "x").await;
        }
        clock.advance(MINUTE);
        eventually("all have fired", async || {
            ctx.store.next_timer().await.unwrap().is_none()
        })
        .await;
        let mut holder = None;
        for (place, replica) in replicas.iter().enumerate() {
            if replica.holds("timers", 0).await {
                holder = Some(place);
            }
        }
        let holder = replicas.remove(holder.unwrap());
        // Counted after the commit that ends the timer.
        eventually("the holder has fired them all", async || {
            holder.ctx.metrics().timers.fired.get() == 20
        })
        .await;
        // One dies, one leaves in order, and the last one finishes.
        if next == 2 {
            holder.crash().await;
        } else {
            holder.stop().await;
        }
    }
    rang.lock().unwrap().sort();
    ids.sort();
    assert_eq!(*rang.lock().unwrap(), ids, "each fired once");
    platform.stop().await;
}
