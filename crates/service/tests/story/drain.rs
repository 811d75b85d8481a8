//! Services stop in order.

use std::sync::Arc;

use async_trait::async_trait;
use outcry_contracts::operations::v1::ListDeadLettersRequest;
use outcry_contracts::operations::v1::dead_letter_service_client::DeadLetterServiceClient;
use outcry_service::testing::{Platform, eventually};
use outcry_service::{RunError, Service, Slots, Unknown, run};
use outcry_store::Lease;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use crate::toys::{Act, Script, deposit, funds, journal, ledger, start_funds_and_ledger};

#[tokio::test(flavor = "multi_thread")]
async fn stopping_leaves_nothing_unsent_and_nothing_half_done() {
    let folder = tempfile::tempdir().unwrap();
    let mut platform = Platform::open(folder.path()).await;
    let (f, l) = (
        platform.context("funds").await,
        platform.context("ledger").await,
    );
    platform
        .start([
            (f.clone(), funds(&f)),
            (l.clone(), ledger(&l, &Script::default(), Unknown::Park)),
        ])
        .await;
    deposit(&f, 1, &["r1", "r2", "r3", "r4"]).await;
    drop((f, l));
    let mut platform = platform.restart().await;

    let (f, l) = (
        platform.context("funds").await,
        platform.context("ledger").await,
    );
    assert_eq!(f.store.oldest_unsent().await.unwrap(), None);
    platform
        .start([
            (f.clone(), funds(&f)),
            (l.clone(), ledger(&l, &Script::default(), Unknown::Park)),
        ])
        .await;
    eventually("all are written down", async || {
        journal(&l, 1).await.len() >= 4
    })
    .await;
    assert_eq!(journal(&l, 1).await, ["r1", "r2", "r3", "r4"]);
    let counts = l.metrics().group("ledger");
    assert_eq!(
        counts.duplicates.get(),
        0,
        "what was handled was acknowledged"
    );
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_waiting_to_be_retried_is_given_back_when_the_service_stops() {
    let folder = tempfile::tempdir().unwrap();
    let mut platform = Platform::open(folder.path()).await;
    let script = Script::default();
    script.plan("r1", [Act::Fail, Act::Fail]);
    let (f, l) = start_funds_and_ledger(&mut platform, &script).await;
    deposit(&f, 1, &["r1"]).await;
    let counts = l.metrics().group("ledger");
    eventually("it has failed", async || counts.retried.get() > 0).await;
    drop((f, l));
    let mut platform = platform.restart().await;
    let l = platform.context("ledger").await;
    platform
        .start([(l.clone(), ledger(&l, &Script::default(), Unknown::Park))])
        .await;
    eventually("it is written down", async || {
        journal(&l, 1).await == ["r1"]
    })
    .await;
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_service_refuses_calls_and_its_tasks_have_ended() {
    let folder = tempfile::tempdir().unwrap();
    let platform = Platform::open(folder.path()).await;
    let ctx = platform.context("ledger").await;
    let ended = Arc::new(Notify::new());
    let ending = Arc::clone(&ended);
    let service = ledger(&ctx, &Script::default(), Unknown::Park)
        .runs("short", |_| async {})
        .runs("long", |stop| async move {
            stop.cancelled().await;
            ending.notify_one();
        });
    let shutdown = CancellationToken::new();
    let broker = Arc::clone(platform.broker());
    let running = tokio::spawn(run(ctx, service, broker, shutdown.clone()));
    let mut letters = DeadLetterServiceClient::new(platform.admin("ledger"));
    eventually("the service can be called", async || {
        letters
            .list_dead_letters(ListDeadLettersRequest::default())
            .await
            .is_ok()
    })
    .await;
    shutdown.cancel();
    running.await.unwrap().unwrap();
    ended.notified().await;
    let refused = letters
        .list_dead_letters(ListDeadLettersRequest::default())
        .await;
    assert_eq!(refused.unwrap_err().code(), Code::Unavailable);
    platform.stop().await;
}

/// Slots of a pool of this name and size.
struct Own(&'static str, u32);

#[async_trait]
impl Slots for Own {
    fn pool(&self) -> &'static str {
        self.0
    }
    fn count(&self) -> u32 {
        self.1
    }
    async fn hold(&self, _: Lease, stop: CancellationToken) {
        stop.cancelled().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_does_not_fit_is_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let platform = Platform::open(folder.path()).await;
    let ctx = platform.context("funds").await;
    let attempt = async |service: Service| {
        let broker = Arc::clone(platform.broker());
        run(ctx.clone(), service, broker, CancellationToken::new())
            .await
            .unwrap_err()
    };
    let foreign = Service::new("funds").emits(&["payment.success"]);
    assert!(matches!(
        attempt(foreign).await,
        RunError::ForeignTopic { .. }
    ));
    let wrong = Service::new("ledger");
    assert!(matches!(
        attempt(wrong).await,
        RunError::WrongContext { .. }
    ));
    let credit = || crate::toys::Credit { ctx: ctx.clone() };
    let double = Service::new("funds").reacts(credit()).reacts(credit());
    assert!(matches!(
        attempt(double).await,
        RunError::DoubleGroup { .. }
    ));
    for (pool, count) in [("relay", 1), ("group/funds", 1), ("own", 0), ("own", 1025)] {
        let own = Service::new("funds").holds(Own(pool, count));
        assert!(
            matches!(attempt(own).await, RunError::Pool { .. }),
            "{pool}"
        );
    }
    let twice = Service::new("funds")
        .holds(Own("own", 1))
        .holds(Own("own", 2));
    assert!(matches!(attempt(twice).await, RunError::Pool { .. }));
    let broken = Service::new("funds").runs("broken", |_| async { panic!("a bug") });
    assert!(matches!(attempt(broken).await, RunError::Ended { .. }));
    platform.stop().await;
}
