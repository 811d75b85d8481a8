//! Events reach consumers in order and have their effect once.

use outcry_service::testing::{Platform, eventually, found};
use outcry_service::{Unknown, load};

use crate::toys::{
    Account, Act, Script, capture, deposit, funds, id, journal, ledger, payments, repeated,
    start_funds_and_ledger,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_captured_payment_is_credited_and_written_down_in_one_flow() {
    let folder = tempfile::tempdir().unwrap();
    let mut platform = Platform::open(folder.path()).await;
    let (p, f, l) = (
        platform.context("payments").await,
        platform.context("funds").await,
        platform.context("ledger").await,
    );
    platform
        .start([
            (p.clone(), payments()),
            (f.clone(), funds(&f)),
            (l.clone(), ledger(&l, &Script::default(), Unknown::Park)),
        ])
        .await;

    let captured = capture(&p, 1, 77).await;
    eventually("the deposit is written down", async || {
        journal(&l, 77).await == [id(1)]
    })
    .await;

    let account = load::<Account>(&f, &id(77)).await.unwrap();
    assert_eq!(account.sequence, 1);
    let stored = f
        .store
        .read_stream(&format!("account-{}", id(77)), 0, 10)
        .await
        .unwrap();
    let (payment, credit) = (&captured.events[0], &stored[0].event);
    assert_eq!(credit.correlation_id(), payment.correlation_id());
    assert_eq!(credit.causation_id(), Some(payment.id()));
    assert_eq!(credit.envelope().actor, "service:funds");
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_delivered_again_has_its_effect_once() {
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

    let events = deposit(&f, 7, &["r1"]).await;
    eventually("the deposit is written down", async || {
        journal(&l, 7).await == ["r1"]
    })
    .await;
    for _ in 0..3 {
        let again = platform.broker().publish(vec![repeated(&events[0])]).await;
        assert!(again.iter().all(Result::is_ok));
    }
    let counts = l.metrics().group("ledger");
    eventually("the repeats are recognised", async || {
        counts.duplicates.get() == 3
    })
    .await;
    assert_eq!(journal(&l, 7).await, ["r1"]);
    assert_eq!(counts.handled.get(), 1);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_that_a_reaction_would_refuse_is_recognised_and_not_parked() {
    let folder = tempfile::tempdir().unwrap();
    let mut platform = Platform::open(folder.path()).await;
    let script = Script::default();
    let (f, l) = start_funds_and_ledger(&mut platform, &script).await;
    let events = deposit(&f, 7, &["r1"]).await;
    eventually("the deposit is written down", async || {
        journal(&l, 7).await == ["r1"]
    })
    .await;

    let counts = l.metrics().group("ledger");
    let acts = [Act::Poison, Act::Discard, Act::Fail, Act::Panic];
    for (repeats, act) in acts.into_iter().enumerate() {
        script.plan("r1", [act]);
        let again = platform.broker().publish(vec![repeated(&events[0])]).await;
        assert!(again.iter().all(Result::is_ok));
        eventually("the repeat is recognised", async || {
            counts.duplicates.get() == repeats as u64 + 1
        })
        .await;
        assert!(script.is_spent("r1"), "the reaction saw it");
    }
    assert_eq!(counts.handled.get(), 1);
    assert_eq!(counts.discarded.get(), 0);
    assert_eq!(counts.parked.get(), 0);
    assert_eq!(counts.retried.get(), 0);
    deposit(&f, 7, &["r2"]).await;
    eventually("the key goes on", async || {
        journal(&l, 7).await == ["r1", "r2"]
    })
    .await;
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_commit_and_acknowledgement_leaves_one_effect() {
    let folder = tempfile::tempdir().unwrap();
    let mut platform = Platform::open(folder.path()).await;
    let script = Script::default();
    *script.hold_committed.lock().unwrap() = true;
    let (f, l) = start_funds_and_ledger(&mut platform, &script).await;
    deposit(&f, 7, &["r1", "r2"]).await;
    script.committed.notified().await;
    drop((f, l));
    let mut platform = platform.crash_and_restart().await;

    let l = platform.context("ledger").await;
    let counts = l.metrics().group("ledger");
    let f = platform.context("funds").await;
    platform
        .start([
            (f.clone(), funds(&f)),
            (l.clone(), ledger(&l, &Script::default(), Unknown::Park)),
        ])
        .await;
    eventually("both are written down", async || {
        journal(&l, 7).await.len() >= 2
    })
    .await;
    assert_eq!(journal(&l, 7).await, ["r1", "r2"]);
    assert_eq!(counts.duplicates.get(), 1, "the first one came again");
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_that_passes_is_retried_in_place_and_order_holds() {
    let folder = tempfile::tempdir().unwrap();
    let mut platform = Platform::open(folder.path()).await;
    let script = Script::default();
    script.plan("r2", [Act::Fail, Act::Panic]);
    script.plan("r3", [Act::Discard]);
    let (f, l) = start_funds_and_ledger(&mut platform, &script).await;
    deposit(&f, 7, &["r1", "r2", "r3", "r4"]).await;
    let lines = found("the last one is written down", async || {
        let lines = journal(&l, 7).await;
        lines.contains(&"r4".to_owned()).then_some(lines)
    })
    .await;
    assert_eq!(lines, ["r1", "r2", "r4"]);
    let counts = l.metrics().group("ledger");
    assert_eq!(counts.retried.get(), 2);
    assert_eq!(counts.discarded.get(), 1);
    assert_eq!(counts.parked.get(), 0);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_keys_at_once_keep_their_order_across_a_restart() {
    const USERS: u128 = 20;
    let folder = tempfile::tempdir().unwrap();
    let mut platform = Platform::open(folder.path()).await;
    let script = Script::default();
    let references: Vec<String> = (1..=10).map(|n| format!("r{n}")).collect();
    let references: Vec<&str> = references.iter().map(String::as_str).collect();
    let (first, second) = references.split_at(5);
    for half in [first, second] {
        let (f, l) = (
            platform.context("funds").await,
            platform.context("ledger").await,
        );
        platform
            .start([
                (f.clone(), funds(&f)),
                (l.clone(), ledger(&l, &script, Unknown::Park)),
            ])
            .await;
        let users = (0..USERS).map(|user| deposit(&f, user, half));
        futures::future::join_all(users).await;
        // In the middle of the work.
        platform = platform.crash_and_restart().await;
    }
    let (f, l) = (
        platform.context("funds").await,
        platform.context("ledger").await,
    );
    platform
        .start([
            (f.clone(), funds(&f)),
            (l.clone(), ledger(&l, &script, Unknown::Park)),
        ])
        .await;
    for user in 0..USERS {
        eventually("all deposits of a user are written down", async || {
            journal(&l, user).await.len() >= references.len()
        })
        .await;
        assert_eq!(journal(&l, user).await, references);
    }
    platform.stop().await;
}
