//! Several processes on the same data.

use std::sync::Arc;

use outcry_store::limits::LEASE_TTL;
use outcry_store::{
    Commit, CommitError, Conflict, Expect, Lease, LeaseRequest, Member, PoolRequest, PostgresStore,
    Store, ViewWrite,
};
use tokio::task::JoinSet;

use super::fixtures::{
    PATIENCE, appending, hold_key, length, new_database, patient_process, process, raw, until,
    wait_for_waiters,
};

async fn lease(store: &PostgresStore, member: &str, slots: u32) -> Vec<Lease> {
    let request = LeaseRequest {
        member: Member {
            id: member.to_owned(),
            address: String::new(),
        },
        pools: vec![PoolRequest {
            pool: "venue".to_owned(),
            slots,
            give_back: Vec::new(),
        }],
    };
    store.lease(&request).await.unwrap().remove(0).held
}

fn fenced(lease: &Lease, id: &str, expected: u64, key: &str) -> Commit {
    Commit {
        fence: Some(lease.fence()),
        ..appending(id, expected, key)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_commits_of_two_processes_lose_nothing() {
    const WRITERS: u64 = 32;
    const STREAMS: u64 = 4;
    const EACH: u64 = 8;
    if !outcry_servers::present() {
        return;
    }
    let url = new_database("two-processes").await;
    let stores = [process(&url).await, process(&url).await];
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let store = Arc::clone(&stores[writer as usize % 2]);
        writers.spawn(async move {
            let id = format!("s{}", writer % STREAMS);
            for _ in 0..EACH {
                loop {
                    let last = length(store.as_ref(), &id).await;
                    let row = store.view("counts", &id).await.unwrap();
                    let version = row.map_or(0, |row| row.version);
                    let mut commit = appending(&id, last, &id);
                    commit.views = vec![ViewWrite {
                        expect: Expect::Version(version),
                        ..ViewWrite::put("counts", &id, &(last + 1)).unwrap()
                    }];
                    match store.commit(commit).await {
                        Ok(()) => break,
                        Err(CommitError::Conflict(
                            Conflict::Stream { .. } | Conflict::View { .. },
                        )) => {}
                        Err(error) => panic!("{error:?}"),
                    }
                }
            }
        });
    }
    writers.join_all().await;
    for number in 0..STREAMS {
        let id = format!("s{number}");
        assert_eq!(
            length(stores[0].as_ref(), &id).await,
            WRITERS / STREAMS * EACH
        );
        let row = stores[1].view("counts", &id).await.unwrap().unwrap();
        assert_eq!(row.version, WRITERS / STREAMS * EACH);
        assert_eq!(row.decode::<u64>().unwrap(), row.version);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_written_in_opposite_orders_do_not_fail_commits() {
    if !outcry_servers::present() {
        return;
    }
    let url = new_database("deadlocks").await;
    let stores = [process(&url).await, process(&url).await];
    let mut writers = JoinSet::new();
    for writer in 0..8 {
        let store = Arc::clone(&stores[writer % 2]);
        writers.spawn(async move {
            for _ in 0..5 {
                let mut keys: Vec<_> = (0..20).map(|key| format!("row-{key}")).collect();
                if writer % 2 == 0 {
                    keys.reverse();
                }
                let views = keys
                    .iter()
                    .map(|key| ViewWrite::put("rows", key, &writer).unwrap());
                let commit = Commit {
                    views: views.collect(),
                    ..Commit::default()
                };
                store.commit(commit).await.unwrap();
            }
        });
    }
    writers.join_all().await;
    let row = stores[0].view("rows", "row-7").await.unwrap().unwrap();
    assert_eq!(row.version, 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_wake_other_processes_also_after_a_broken_connection() {
    if !outcry_servers::present() {
        return;
    }
    let url = new_database("news").await;
    let (here, there) = (process(&url).await, process(&url).await);
    let mut news = there.commits();
    let client = raw(&url).await;
    let listeners = async || {
        let row = client
            .query_one(
                "SELECT count(*) FROM pg_stat_activity
                 WHERE datname = current_database() AND query LIKE 'LISTEN%'",
                &[],
            )
            .await
            .unwrap();
        row.get::<_, i64>(0)
    };
    until("both listen", async || listeners().await == 2).await;
    for round in 0..20 {
        news.mark_unchanged();
        here.commit(appending("a", round, "a")).await.unwrap();
        let told = tokio::time::timeout(PATIENCE, news.changed()).await;
        assert!(matches!(told, Ok(Ok(()))), "round {round}");
    }
    // Both connections are cut; a new one tells everybody, whatever was missed.
    news.mark_unchanged();
    client
        .execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND query ~ 'LISTEN|pg_notify'
               AND pid <> pg_backend_pid()",
            &[],
        )
        .await
        .unwrap();
    let told = tokio::time::timeout(PATIENCE, news.changed()).await;
    assert!(matches!(told, Ok(Ok(()))), "a new connection is news");
    until("the other hears of commits again", async || {
        let mut news = there.commits();
        let expected = length(here.as_ref(), "a").await;
        here.commit(appending("a", expected, "a")).await.unwrap();
        let told = tokio::time::timeout(LEASE_TTL, news.changed()).await;
        told.is_ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fence_holds_across_processes() {
    if !outcry_servers::present() {
        return;
    }
    let url = new_database("fences").await;
    let (here, there) = (process(&url).await, process(&url).await);
    let held = lease(&here, "here", 2).await;
    assert_eq!(held.len(), 2);
    assert!(lease(&there, "there", 2).await.is_empty());
    let mut news = there.commits();
    news.mark_unchanged();
    here.leave("here").await.unwrap();
    let told = tokio::time::timeout(PATIENCE, news.changed()).await;
    assert!(matches!(told, Ok(Ok(()))), "free slots are news everywhere");
    let taken = lease(&there, "there", 2).await;
    assert_eq!(taken.len(), 2);
    let refused = here.commit(fenced(&held[0], "a", 0, "a")).await;
    assert!(
        matches!(
            refused,
            Err(CommitError::Conflict(Conflict::Fenced { found, .. })) if found == taken[0].epoch
        ),
        "{refused:?}"
    );
    there.commit(fenced(&taken[0], "a", 0, "a")).await.unwrap();
    let holder = here.holder("venue", 1).await.unwrap();
    assert_eq!(holder.unwrap().id, "there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_is_taken_when_the_commits_made_for_it_have_ended() {
    if !outcry_servers::present() {
        return;
    }
    let url = new_database("take-over").await;
    let old = patient_process(&url).await;
    let new = process(&url).await;
    let held = lease(&old, "old", 1).await.remove(0);
    let client = raw(&url).await;
    hold_key(&client, "slow").await;
    let in_flight = {
        let commit = fenced(&held, "a", 0, "slow");
        tokio::spawn(async move { (old.commit(commit).await, old) })
    };
    wait_for_waiters(&raw(&url).await, 1).await;
    // The old holder does not renew. Who wants the slot cuts it off, but has to wait.
    until("the old holder is cut off", async || {
        assert!(lease(&new, "new", 1).await.is_empty(), "taken too early");
        let late = new.commit(fenced(&held, "b", 0, "b")).await;
        match late {
            Err(CommitError::Conflict(Conflict::Fenced { .. })) => true,
            Err(CommitError::Conflict(Conflict::Stream { .. })) => false,
            Ok(()) => false,
            Err(error) => panic!("{error:?}"),
        }
    })
    .await;
    assert!(!in_flight.is_finished());
    assert!(lease(&new, "new", 1).await.is_empty(), "taken too early");
    client.batch_execute("COMMIT").await.unwrap();
    let (outcome, _old) = in_flight.await.unwrap();
    outcome.unwrap();
    let taken = lease(&new, "new", 1).await.remove(0);
    assert!(taken.epoch > held.epoch);
    assert_eq!(length(new.as_ref(), "a").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn renewing_waits_for_no_commit() {
    if !outcry_servers::present() {
        return;
    }
    let url = new_database("renewing").await;
    let store = patient_process(&url).await;
    let held = lease(&store, "a", 1).await.remove(0);
    let client = raw(&url).await;
    hold_key(&client, "slow").await;
    let in_flight = {
        let (store, commit) = (Arc::clone(&store), fenced(&held, "a", 0, "slow"));
        tokio::spawn(async move { store.commit(commit).await })
    };
    wait_for_waiters(&raw(&url).await, 1).await;
    for _ in 0..3 {
        assert_eq!(lease(&store, "a", 1).await, std::slice::from_ref(&held));
    }
    assert!(!in_flight.is_finished());
    client.batch_execute("COMMIT").await.unwrap();
    in_flight.await.unwrap().unwrap();
}
