//! What is left when a store goes, and that nothing but the calls decides what happens.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use outcry_simulation::{Clock, MemoryData, MemoryStore};
use outcry_store::limits::LEASE_TTL;
use outcry_store::{
    Commit, CommitError, Conflict, LeaseRequest, Member, PoolRequest, Share, Store, Timer,
    TimerWrite, ViewWrite,
};

/// A clock that is moved by hand.
fn clock() -> (Arc<Mutex<SystemTime>>, Clock) {
    let now = Arc::new(Mutex::new(SystemTime::UNIX_EPOCH));
    let read = Arc::clone(&now);
    (now, Arc::new(move || *read.lock().unwrap()))
}

async fn lease(store: &MemoryStore, member: &str) -> Share {
    let request = LeaseRequest {
        member: Member {
            id: member.to_owned(),
            address: String::new(),
        },
        pools: vec![PoolRequest {
            pool: "relay".to_owned(),
            slots: 2,
            give_back: Vec::new(),
        }],
    };
    store.lease(&request).await.unwrap().remove(0)
}

#[tokio::test]
async fn the_leases_of_a_crashed_process_run_out_in_simulated_time() {
    let data = MemoryData::new();
    let (now, clock) = clock();
    let store = MemoryStore::open(&data, Arc::clone(&clock));
    let before = lease(&store, "first run").await;
    assert_eq!(before.held.len(), 2);
    drop(store);

    let store = MemoryStore::open(&data, clock);
    assert!(lease(&store, "second run").await.held.is_empty());
    *now.lock().unwrap() += LEASE_TTL - Duration::from_millis(1);
    assert!(lease(&store, "second run").await.held.is_empty());
    *now.lock().unwrap() += Duration::from_millis(1);
    let after = lease(&store, "second run").await;
    assert_eq!(after.held.len(), 2);
    let late = Commit {
        fence: Some(before.held[0].fence()),
        views: vec![ViewWrite::delete("rows", "a")],
        ..Commit::default()
    };
    let refused = store.commit(late).await;
    assert!(
        matches!(refused, Err(CommitError::Conflict(Conflict::Fenced { .. }))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn another_process_hears_of_a_commit_and_sees_it() {
    let data = MemoryData::new();
    let (_, clock) = clock();
    let [writer, reader] = [(); 2].map(|()| MemoryStore::open(&data, Arc::clone(&clock)));
    let mut news = reader.commits();
    let timer = Timer {
        id: "t".to_owned(),
        due: SystemTime::UNIX_EPOCH,
        payload: Vec::new(),
    };
    let set = Commit {
        timers: vec![TimerWrite::Set(timer.clone())],
        ..Commit::default()
    };
    writer.commit(set).await.unwrap();
    assert!(news.has_changed().unwrap());
    news.mark_unchanged();
    assert_eq!(reader.next_timer().await.unwrap(), Some(timer.due));
    assert_eq!(data.timers(), [timer]);
}

/// Many tasks that read, decide and write: each conflict and each result must repeat.
async fn race() -> (Vec<String>, Vec<u8>) {
    let data = MemoryData::new();
    let (_, clock) = clock();
    let log = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for task in 0..8_u8 {
        let store = MemoryStore::open(&data, Arc::clone(&clock));
        let log = Arc::clone(&log);
        tasks.push(tokio::spawn(async move {
            let mut left = 5;
            while left > 0 {
                let row = store.view("rows", "shared").await.unwrap();
                let (version, mut seen) = row.map_or((0, Vec::new()), |row| {
                    (row.version, row.decode::<Vec<u8>>().unwrap())
                });
                seen.push(task);
                let write = ViewWrite::put("rows", "shared", &seen).unwrap();
                let commit = Commit {
                    views: vec![write.expect(version)],
                    ..Commit::default()
                };
                let result = store.commit(commit).await;
                left -= u8::from(result.is_ok());
                log.lock().unwrap().push(format!("{task}: {result:?}"));
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let rows = data.rows("rows");
    let row = rows.first().unwrap().decode().unwrap();
    let log = log.lock().unwrap().clone();
    (log, row)
}

#[tokio::test]
async fn the_same_run_comes_to_the_same_and_its_tasks_do_get_in_each_others_way() {
    let (log, row) = race().await;
    assert_eq!(row.len(), 40);
    assert!(log.len() > 40, "nobody was overtaken");
    assert_eq!(race().await, (log, row));
}
