//! What only the SQLite store promises: one file for all services, and what a crash leaves of it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use outcry_sqlite::{Database, Error};
use outcry_store::{
    Commit, CommitError, Expect, ReadAll, Scan, SqliteStore, Store, StoreError, Timer, TimerWrite,
    ViewWrite,
};
use tempfile::TempDir;

fn counting(view: &'static str, key: &str, number: u64) -> Commit {
    let write = ViewWrite::put(view, key, &number).unwrap();
    Commit {
        views: vec![ViewWrite {
            expect: Expect::Version(number - 1),
            ..write.index("number", format!("{number:020}"))
        }],
        timers: vec![TimerWrite::Set(Timer {
            id: format!("{view}/{key}"),
            due: std::time::UNIX_EPOCH + std::time::Duration::from_secs(number),
            payload: number.to_string().into_bytes(),
        })],
        ..Commit::default()
    }
}

async fn number(store: &SqliteStore, view: &str, key: &str) -> u64 {
    let row = store.view(view, key).await.unwrap();
    row.map_or(0, |row| row.decode().unwrap())
}

/// The files as a crash would leave them now. No write-ahead log is folded in by so few writes, so
/// the larger file does not change meanwhile.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for name in ["outcry.db", "outcry.db-wal"] {
        std::fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

#[tokio::test]
async fn services_share_the_file_and_not_their_data() {
    let folder = TempDir::new().unwrap();
    let database = Database::open(&folder.path().join("outcry.db")).unwrap();
    let orders = SqliteStore::open(&database, "orders").await.unwrap();
    let funds = SqliteStore::open(&database, "funds").await.unwrap();
    let mut news = funds.commits();
    orders.commit(counting("rows", "a", 1)).await.unwrap();
    assert_eq!(number(&orders, "rows", "a").await, 1);
    assert_eq!(number(&funds, "rows", "a").await, 0);
    assert_eq!(funds.next_timer().await.unwrap(), None);
    assert!(!news.has_changed().unwrap());
    funds.commit(counting("rows", "a", 1)).await.unwrap();
    assert!(news.has_changed().unwrap());
    news.mark_unchanged();
}

#[tokio::test]
async fn names_that_cannot_name_tables_are_refused() {
    let folder = TempDir::new().unwrap();
    let database = Database::open(&folder.path().join("outcry.db")).unwrap();
    for name in ["", "1st", "a-b", "a;b", "Orders", "ü"] {
        let store = SqliteStore::open(&database, name).await;
        assert!(matches!(store, Err(StoreError::Tables { .. })), "{name}");
    }
}

#[tokio::test]
async fn tables_of_a_newer_version_are_refused() {
    let folder = TempDir::new().unwrap();
    let database = Database::open(&folder.path().join("outcry.db")).unwrap();
    SqliteStore::open(&database, "orders").await.unwrap();
    database
        .write(|connection| -> Result<(), Error> {
            connection.execute("UPDATE schema_versions SET version = 99", [])?;
            Ok(())
        })
        .await
        .unwrap();
    let error = SqliteStore::open(&database, "orders").await.unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        source.contains("99") && source.contains("up to 2"),
        "{source}"
    );
}

#[tokio::test]
async fn another_process_can_read_while_this_one_writes() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("outcry.db");
    let database = Database::open(&path).unwrap();
    let store = SqliteStore::open(&database, "orders").await.unwrap();
    store.commit(counting("rows", "a", 1)).await.unwrap();
    let reading = Database::open_read_only(&path).unwrap();
    let reader = SqliteStore::open(&reading, "orders").await.unwrap();
    store.commit(counting("rows", "a", 2)).await.unwrap();
    assert_eq!(number(&reader, "rows", "a").await, 2);
    let filter = ReadAll {
        limit: 10,
        ..ReadAll::default()
    };
    assert!(reader.read_all(&filter).await.unwrap().is_empty());
    let refused = reader.commit(counting("rows", "a", 3)).await;
    assert!(matches!(refused, Err(CommitError::Store(_))), "{refused:?}");
    // What the file has never had cannot be read.
    let missing = SqliteStore::open(&reading, "funds").await;
    assert!(matches!(missing, Err(StoreError::Tables { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_keeps_every_answered_commit_and_no_half_of_one() {
    const WRITERS: usize = 8;
    let folder = TempDir::new().unwrap();
    let alive = folder.path().join("alive");
    let database = Database::open(&alive.join("outcry.db")).unwrap();
    let store = Arc::new(SqliteStore::open(&database, "orders").await.unwrap());
    let answered: Arc<Vec<AtomicU64>> = Arc::new((0..WRITERS).map(|_| AtomicU64::new(0)).collect());
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let (store, answered) = (Arc::clone(&store), Arc::clone(&answered));
        writers.spawn(async move {
            for number in 1..=60 {
                let commit = counting("rows", &format!("w{writer}"), number);
                store.commit(commit).await.unwrap();
                answered[writer].store(number, Ordering::SeqCst);
            }
        });
    }
    let mut crashes = Vec::new();
    for crash in 0..4_u64 {
        while answered
            .iter()
            .any(|n| n.load(Ordering::SeqCst) < crash * 15)
        {
            tokio::task::yield_now().await;
        }
        let before: Vec<_> = answered.iter().map(|n| n.load(Ordering::SeqCst)).collect();
        let to = folder.path().join(format!("crash-{crash}"));
        let (from, target) = (alive.clone(), to.clone());
        tokio::task::spawn_blocking(move || copy(&from, &target))
            .await
            .unwrap();
        crashes.push((to, before));
    }
    writers.join_all().await;
    for (to, before) in crashes {
        let database = Database::open(&to.join("outcry.db")).unwrap();
        let store = SqliteStore::open(&database, "orders").await.unwrap();
        let timers = store
            .timers_due(
                std::time::UNIX_EPOCH + std::time::Duration::from_secs(1000),
                100,
            )
            .await
            .unwrap();
        let mut listed = Vec::new();
        for (writer, answered) in before.into_iter().enumerate() {
            let key = format!("w{writer}");
            let found = number(&store, "rows", &key).await;
            assert!(found >= answered, "{key}: {found} of {answered}");
            let timer = timers
                .iter()
                .find(|timer| timer.id == format!("rows/{key}"));
            let payload = timer.map(|timer| timer.payload.clone()).unwrap_or_default();
            let expected = if found == 0 {
                String::new()
            } else {
                listed.push(key);
                found.to_string()
            };
            assert_eq!(payload, expected.into_bytes());
        }
        let rows = store
            .scan(&Scan::new("rows").index("number"))
            .await
            .unwrap();
        assert_eq!(rows.len(), listed.len());
    }
}

#[tokio::test]
async fn a_full_disk_fails_commits_and_leaves_nothing_half_done() {
    let folder = TempDir::new().unwrap();
    let database = Database::open(&folder.path().join("outcry.db")).unwrap();
    let store = SqliteStore::open(&database, "orders").await.unwrap();
    store.commit(counting("rows", "a", 1)).await.unwrap();
    let pages = |pages: u32| {
        let database = database.clone();
        async move {
            database
                .write(move |connection| -> Result<(), Error> {
                    let sql = format!("PRAGMA max_page_count = {pages}");
                    Ok(connection.query_row(&sql, [], |_| Ok(()))?)
                })
                .await
                .unwrap();
        }
    };
    pages(1).await;
    let mut large = counting("rows", "a", 2);
    large
        .views
        .push(ViewWrite::put("rows", "b", &"x".repeat(1_000_000)).unwrap());
    let error = store.commit(large.clone()).await.unwrap_err();
    assert!(matches!(error, CommitError::Store(_)), "{error:?}");
    assert_eq!(number(&store, "rows", "a").await, 1);
    assert_eq!(store.view("rows", "b").await.unwrap(), None);
    pages(1_000_000).await;
    store.commit(large).await.unwrap();
    assert_eq!(number(&store, "rows", "a").await, 2);
}
