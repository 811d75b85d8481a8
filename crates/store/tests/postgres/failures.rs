//! What becomes of the data when a server or a connection dies.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use outcry_servers::{Postgres, Proxy};
use outcry_store::{CommitError, PostgresOptions, Store};
use tokio::task::JoinSet;

use super::fixtures::{appending, length, new_database, process, process_with, raw, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_keeps_every_answered_commit() {
    const WRITERS: usize = 16;
    if !outcry_servers::present() {
        return;
    }
    let server = Postgres::start().await.unwrap();
    let url = server.create_database("killed").await.unwrap();
    let store = process(&url).await;
    let answered: Arc<Vec<AtomicU64>> = Arc::new((0..WRITERS).map(|_| AtomicU64::new(0)).collect());
    for _ in 0..2 {
        let before: Vec<_> = answered
            .iter()
            .map(|last| last.load(Ordering::SeqCst))
            .collect();
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            let (store, answered) = (Arc::clone(&store), Arc::clone(&answered));
            writers.spawn(async move {
                let id = format!("w{writer}");
                let mut last = length(store.as_ref(), &id).await;
                while store.commit(appending(&id, last, &id)).await.is_ok() {
                    last += 1;
                    answered[writer].store(last, Ordering::SeqCst);
                }
            });
        }
        until("commits are answered", async || {
            let mut pairs = answered.iter().zip(&before);
            pairs.all(|(last, before)| last.load(Ordering::SeqCst) >= before + 5)
        })
        .await;
        server.kill().await.unwrap();
        writers.join_all().await;
        server.restart().await.unwrap();
        for writer in 0..WRITERS {
            let id = format!("w{writer}");
            let found = length(store.as_ref(), &id).await;
            let answered = answered[writer].load(Ordering::SeqCst);
            // One more may have been carried out and not answered.
            assert!(
                found == answered || found == answered + 1,
                "{id}: {found} of {answered}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_server_fails_calls_in_time() {
    if !outcry_servers::present() {
        return;
    }
    let server = Postgres::start().await.unwrap();
    let url = server.create_database("frozen").await.unwrap();
    let options = PostgresOptions {
        connections: 2,
        statement_timeout: Duration::from_millis(200),
        connect_timeout: Duration::from_millis(500),
        acquire_timeout: Duration::from_millis(500),
        ..PostgresOptions::default()
    };
    let store = process_with(&url, options).await;
    store.commit(appending("a", 0, "a")).await.unwrap();
    server.pause().await.unwrap();
    let calls = async {
        for _ in 0..2 {
            assert!(store.next_timer().await.is_err());
            let outcome = store.commit(appending("a", 1, "a")).await;
            assert!(matches!(outcome, Err(CommitError::Store(_))), "{outcome:?}");
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(60), calls).await;
    server.resume().await.unwrap();
    assert!(ended.is_ok(), "a call hangs");
    until("it goes on", async || store.next_timer().await.is_ok()).await;
    // What was given up may have been carried out after all, once.
    let found = length(store.as_ref(), "a").await;
    assert!((1..=2).contains(&found), "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_connections_are_replaced_and_reads_do_not_notice() {
    if !outcry_servers::present() {
        return;
    }
    let url = new_database("broken").await;
    let store = process(&url).await;
    store.commit(appending("a", 0, "a")).await.unwrap();
    let client = raw(&url).await;
    for round in 1..20 {
        client
            .execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                 WHERE datname = current_database() AND pid <> pg_backend_pid()",
                &[],
            )
            .await
            .unwrap();
        assert_eq!(length(store.as_ref(), "a").await, round);
        store.commit(appending("a", round, "a")).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_comes_back_is_used_again() {
    if !outcry_servers::present() {
        return;
    }
    let url = new_database("comes-back").await;
    let port = outcry_servers::shared_postgres().await.unwrap().port();
    let proxy = Proxy::start(port).await.unwrap();
    let through = proxy.through(&url);
    let store = process(&through).await;
    store.commit(appending("a", 0, "a")).await.unwrap();
    proxy.refuse().await;
    proxy.cut();
    until("it is away", async || store.next_timer().await.is_err()).await;
    assert!(store.commit(appending("a", 1, "a")).await.is_err());
    proxy.accept().await.unwrap();
    until("it is back", async || store.next_timer().await.is_ok()).await;
    store.commit(appending("a", 1, "a")).await.unwrap();
}
