//! Events leave the store in order, whatever stands in the way.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use outcry_service::testing::{Platform, eventually};
use outcry_service::{Context, Unknown};

use crate::obstacles::{Choosy, Flaky};
use crate::toys::{Act, Script, deposit, funds, id, journal, ledger};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_committed_before_a_crash_leaves_after_it_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let platform = Platform::open(folder.path()).await;
    // Nothing runs: these events wait in the store.
    let f = platform.context("funds").await;
    deposit(&f, 1, &["r1", "r2", "r3"]).await;
    assert_eq!(
        f.store
            .oldest_unsent()
            .await
            .unwrap()
            .map(|(_, count)| count),
        Some(3)
    );
    drop(f);

    let mut platform = platform.crash_and_restart().await;
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
    eventually("all are written down", async || {
        journal(&l, 1).await.len() == 3
    })
    .await;
    assert_eq!(journal(&l, 1).await, ["r1", "r2", "r3"]);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_the_broker_refuses_waits_and_the_others_flow() {
    let folder = tempfile::tempdir().unwrap();
    let refused = Arc::new(Mutex::new(HashSet::from([id(1)])));
    let mut platform = Platform::open(folder.path()).await.with_broker(|inner| {
        Arc::new(Choosy {
            inner,
            refused: Arc::clone(&refused),
        })
    });
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
    deposit(&f, 1, &["r1", "r2"]).await;
    deposit(&f, 2, &["s1", "s2"]).await;
    eventually("the other key flows", async || {
        journal(&l, 2).await == ["s1", "s2"]
    })
    .await;
    deposit(&f, 1, &["r3"]).await;
    let relay = &f.metrics().relay;
    eventually("what waits is seen", async || relay.unsent.get() == 3).await;
    assert!(relay.failed.get() > 0);
    assert!(journal(&l, 1).await.is_empty());

    refused.lock().unwrap().clear();
    eventually("the key flows", async || journal(&l, 1).await.len() == 3).await;
    assert_eq!(journal(&l, 1).await, ["r1", "r2", "r3"]);
    eventually("nothing waits", async || relay.unsent.get() == 0).await;
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_does_not_answer_is_waited_for_and_nothing_is_parked() {
    let folder = tempfile::tempdir().unwrap();
    let mut platform = Platform::open(folder.path()).await;
    let (f, inner) = (
        platform.context("funds").await,
        platform.context("ledger").await,
    );
    let down = Arc::new(AtomicBool::new(false));
    let flaky = Flaky {
        inner: Arc::clone(&inner.store),
        down: Arc::clone(&down),
        is_cut_off: Arc::default(),
    };
    let (clock, directory) = (Arc::clone(&inner.clock), inner.directory.clone());
    let l = Context::new("ledger", Arc::new(flaky), clock, directory);
    let script = Script::default();
    script.plan("r1", [Act::Fail]);
    platform
        .start([
            (f.clone(), funds(&f)),
            (l.clone(), ledger(&l, &script, Unknown::Park)),
        ])
        .await;
    eventually("the partitions are held", async || {
        l.metrics().leases.held_of("group/ledger") == 4
    })
    .await;
    down.store(true, Ordering::SeqCst);
    deposit(&f, 1, &["r1", "r2"]).await;
    let counts = l.metrics().group("ledger");
    eventually(
        "the consumer waits longer than it would retry",
        async || counts.paused.get() > 4,
    )
    .await;
    assert_eq!((counts.parked.get(), counts.handled.get()), (0, 0));
    down.store(false, Ordering::SeqCst);
    eventually("all are written down", async || {
        journal(&l, 1).await.len() == 2
    })
    .await;
    assert_eq!(counts.parked.get(), 0);
    platform.stop().await;
}
