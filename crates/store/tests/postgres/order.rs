//! The order of positions, and who waits for whom.

use std::sync::Arc;

use outcry_store::Store;
use tokio::task::JoinSet;

use super::fixtures::{
    PATIENCE, appending, hold_key, length, new_database, patient_process, positions, process, raw,
    wait_for_waiters,
};

/// Commits take their time between the allotting of positions and their end.
const SLOW: &str = "
    CREATE FUNCTION outcry_orders.wait_a_little() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN PERFORM pg_sleep(random() * 0.02); RETURN NULL; END $$;
    CREATE TRIGGER slow AFTER INSERT ON outcry_orders.events
    FOR EACH ROW EXECUTE FUNCTION outcry_orders.wait_a_little();
";

#[tokio::test(flavor = "multi_thread")]
async fn positions_of_a_key_appear_in_their_order_however_long_commits_take() {
    const WRITERS: u64 = 8;
    const KEYS: u64 = 3;
    const EACH: u64 = 30;
    if !outcry_servers::present() {
        return;
    }
    let url = new_database("slow-commits").await;
    let stores = [process(&url).await, process(&url).await];
    raw(&url).await.batch_execute(SLOW).await.unwrap();
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let store = Arc::clone(&stores[writer as usize % 2]);
        writers.spawn(async move {
            for round in 0..EACH {
                let key = format!("key-{}", (writer + round) % KEYS);
                let commit = appending(&format!("w{writer}"), round, &key);
                store.commit(commit).await.unwrap();
            }
        });
    }
    let mut followers = JoinSet::new();
    for key in 0..KEYS {
        let store = process(&url).await;
        followers.spawn(async move {
            let key = format!("key-{key}");
            let mut seen = Vec::new();
            while seen.len() as u64 != WRITERS * EACH / KEYS {
                let after = seen.last().copied().unwrap_or(0);
                seen.extend(positions(store.as_ref(), &key, after).await);
                tokio::task::yield_now().await;
            }
            assert_eq!(seen, positions(store.as_ref(), &key, 0).await);
        });
    }
    writers.join_all().await;
    let followed = tokio::time::timeout(PATIENCE, followers.join_all()).await;
    assert!(followed.is_ok(), "an event appeared before what was read");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_waits_for_its_keys_and_for_no_others() {
    if !outcry_servers::present() {
        return;
    }
    let url = new_database("waiting").await;
    let store = patient_process(&url).await;
    let client = raw(&url).await;
    hold_key(&client, "held").await;
    let waiting = {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.commit(appending("a", 0, "held")).await })
    };
    wait_for_waiters(&raw(&url).await, 1).await;
    for number in 0..20 {
        let key = format!("free-{number}");
        store.commit(appending(&key, 0, &key)).await.unwrap();
    }
    assert!(!waiting.is_finished());
    assert_eq!(length(store.as_ref(), "a").await, 0);
    client.batch_execute("COMMIT").await.unwrap();
    waiting.await.unwrap().unwrap();
    // It was kept waiting before it got its position.
    let first = positions(store.as_ref(), "held", 0).await;
    let last = positions(store.as_ref(), "free-19", 0).await;
    assert!(first > last, "{first:?} {last:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_is_never_given_up_fails_the_commit() {
    if !outcry_servers::present() {
        return;
    }
    let url = new_database("lock-timeout").await;
    let options = outcry_store::PostgresOptions {
        lock_timeout: std::time::Duration::from_millis(100),
        ..outcry_store::PostgresOptions::default()
    };
    let store = super::fixtures::process_with(&url, options).await;
    let client = raw(&url).await;
    hold_key(&client, "held").await;
    let refused = store.commit(appending("a", 0, "held")).await;
    assert!(
        matches!(refused, Err(outcry_store::CommitError::Store(_))),
        "{refused:?}"
    );
    client.batch_execute("COMMIT").await.unwrap();
    store.commit(appending("a", 0, "held")).await.unwrap();
}
