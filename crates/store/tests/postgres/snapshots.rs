//! All services as they were at one moment.

use std::sync::Arc;

use outcry_store::{
    Commit, CommitError, PostgresDatabase, PostgresOptions, PostgresStore, Store, StoreError,
    ViewWrite,
};
use tokio_util::sync::CancellationToken;

use super::fixtures::{appending, length, new_database, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_shows_one_moment_of_all_services_while_commits_go_on() {
    if !outcry_servers::present() {
        return;
    }
    let url = new_database("snapshot").await;
    let options = PostgresOptions::default();
    let database = PostgresDatabase::connect(&url, options.clone())
        .await
        .unwrap();
    let mut stores = Vec::new();
    for service in ["orders", "funds"] {
        stores.push(Arc::new(
            PostgresStore::open(&database, service).await.unwrap(),
        ));
    }
    let stop = CancellationToken::new();
    let writing = {
        let (stores, stop) = (stores.clone(), stop.clone());
        tokio::spawn(async move {
            let mut round = 0;
            while !stop.is_cancelled() {
                for store in &stores {
                    let mut commit = appending("a", round, "a");
                    commit.views = vec![ViewWrite::put("rows", "a", &(round + 1)).unwrap()];
                    store.commit(commit).await.unwrap();
                }
                round += 1;
            }
        })
    };
    until("some commits", async || {
        length(stores[1].as_ref(), "a").await > 3
    })
    .await;
    let snapshot = PostgresDatabase::snapshot(&url, &options).await.unwrap();
    let orders = snapshot.store("orders").await.unwrap();
    let funds = snapshot.store("funds").await.unwrap();
    let (there, here) = (
        length(orders.as_ref(), "a").await,
        length(funds.as_ref(), "a").await,
    );
    assert!(there == here || there == here + 1, "{there} {here}");
    let now = length(stores[0].as_ref(), "a").await;
    until("commits go on", async || {
        length(stores[0].as_ref(), "a").await > now + 3
    })
    .await;
    assert_eq!(length(orders.as_ref(), "a").await, there);
    assert_eq!(length(funds.as_ref(), "a").await, here);
    let row = orders.view("rows", "a").await.unwrap().unwrap();
    assert_eq!(row.decode::<u64>().unwrap(), there);
    let refused = orders.commit(appending("b", 0, "b")).await;
    assert!(matches!(refused, Err(CommitError::Store(_))), "{refused:?}");
    assert!(orders.mark_sent(vec![1]).await.is_err());
    let missing = snapshot.store("trades").await;
    assert!(matches!(missing, Err(StoreError::Tables { .. })));
    orders.commit(Commit::default()).await.unwrap();
    stop.cancel();
    writing.await.unwrap();
}

#[tokio::test]
async fn nothing_is_done_in_a_closed_database() {
    if !outcry_servers::present() {
        return;
    }
    let url = new_database("closed").await;
    let database = PostgresDatabase::connect(&url, PostgresOptions::default())
        .await
        .unwrap();
    let store = PostgresStore::open(&database, "orders").await.unwrap();
    store.commit(appending("a", 0, "a")).await.unwrap();
    database.close();
    assert!(store.commit(appending("a", 1, "a")).await.is_err());
    assert!(store.next_timer().await.is_err());
}
