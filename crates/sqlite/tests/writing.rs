//! Writes: grouped, durable when answered, undone alone or together.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use outcry_sqlite::rusqlite::Connection;
use outcry_sqlite::{Database, Error, Schema, Undo};
use tempfile::TempDir;

async fn open(folder: &TempDir) -> Database {
    let database = Database::open(&folder.path().join("outcry.db")).unwrap();
    let steps = vec![
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
         CREATE TABLE parents (id INTEGER PRIMARY KEY);
         CREATE TABLE children (
             parent INTEGER REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED
         );"
        .to_owned(),
    ];
    let namespace = "notes".to_owned();
    database.migrate(Schema { namespace, steps }).await.unwrap();
    database
}

fn insert(text: impl Into<String>) -> impl FnOnce(&Connection) -> Result<i64, Error> + Send {
    let text = text.into();
    move |connection| {
        connection
            .prepare_cached("INSERT INTO notes (text) VALUES (?1)")?
            .execute([&text])?;
        Ok(connection.last_insert_rowid())
    }
}

async fn texts(database: &Database) -> Vec<String> {
    database
        .read(|connection| -> Result<_, Error> {
            let mut statement = connection.prepare("SELECT text FROM notes ORDER BY id")?;
            let rows = statement.query_map([], |row| row.get(0))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
        .unwrap()
}

/// Holds the writer inside a job until the returned sender is used or dropped: whatever is asked
/// for meanwhile ends up in the same group.
async fn hold(database: &Database) -> std::sync::mpsc::Sender<()> {
    let (release, held) = std::sync::mpsc::channel();
    let (entered, inside) = tokio::sync::oneshot::channel();
    let database = database.clone();
    tokio::spawn(async move {
        database
            .write(move |_| -> Result<(), Error> {
                let _ = entered.send(());
                let _ = held.recv();
                Ok(())
            })
            .await
    });
    inside.await.unwrap();
    release
}

/// Asks for `job` and returns once it is queued.
async fn queue<T: Send + 'static>(
    database: &Database,
    job: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
) -> tokio::task::JoinHandle<Result<T, Error>> {
    let mut write = Box::pin({
        let database = database.clone();
        async move { database.write(job).await }
    });
    // The queue has room, so the first poll puts the job into it.
    let first = std::future::poll_fn(|context| {
        std::task::Poll::Ready(std::future::Future::poll(write.as_mut(), context))
    });
    assert!(first.await.is_pending());
    tokio::spawn(write)
}

#[tokio::test]
async fn what_was_answered_is_read_at_once_and_after_reopening() {
    let folder = TempDir::new().unwrap();
    let database = open(&folder).await;
    database.write(insert("first")).await.unwrap();
    assert_eq!(texts(&database).await, ["first"]);
    database.close().await.unwrap();
    assert_eq!(texts(&open(&folder).await).await, ["first"]);
}

#[tokio::test]
async fn dropping_the_last_clone_finishes_what_was_asked_for() {
    let folder = TempDir::new().unwrap();
    let database = open(&folder).await;
    let release = hold(&database).await;
    let write = queue(&database, insert("late")).await;
    drop(database);
    drop(release);
    write.await.unwrap().unwrap();
    assert_eq!(texts(&open(&folder).await).await, ["late"]);
}

#[tokio::test]
async fn a_failing_job_is_undone_alone() {
    let folder = TempDir::new().unwrap();
    let database = open(&folder).await;
    let release = hold(&database).await;
    let good = queue(&database, insert("good")).await;
    let bad = queue(&database, |connection| {
        insert("bad")(connection)?;
        insert("good")(connection)
    })
    .await;
    let better = queue(&database, insert("better")).await;
    drop(release);
    good.await.unwrap().unwrap();
    let error = bad.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Statement(_)), "{error:?}");
    better.await.unwrap().unwrap();
    assert_eq!(texts(&database).await, ["good", "better"]);
}

#[tokio::test]
async fn a_panicking_job_is_undone_and_the_writer_goes_on() {
    let folder = TempDir::new().unwrap();
    let database = open(&folder).await;
    let result = database
        .write(|connection| -> Result<(), Error> {
            insert("bad")(connection)?;
            panic!("on purpose");
        })
        .await;
    assert!(matches!(result, Err(Error::Panicked)), "{result:?}");
    database.write(insert("good")).await.unwrap();
    assert_eq!(texts(&database).await, ["good"]);
}

#[tokio::test]
async fn a_job_without_a_way_back_may_refuse_before_it_writes_and_takes_its_group_with_it_afterwards()
 {
    let folder = TempDir::new().unwrap();
    let database = open(&folder).await;
    let release = hold(&database).await;
    let good = queue(&database, insert("good")).await;
    let whole = |job: fn(&Connection) -> Result<i64, Error>| {
        let database = database.clone();
        async move { database.write_then(Undo::Group, job, |_| {}).await }
    };
    let refused = tokio::spawn(whole(|_| Err(Error::ReadOnly)));
    let kept = tokio::spawn(whole(|connection| insert("kept")(connection)));
    tokio::task::yield_now().await;
    drop(release);
    good.await.unwrap().unwrap();
    assert!(matches!(refused.await.unwrap(), Err(Error::ReadOnly)));
    kept.await.unwrap().unwrap();
    assert_eq!(texts(&database).await, ["good", "kept"]);

    let release = hold(&database).await;
    let innocent = queue(&database, insert("innocent")).await;
    let torn = tokio::spawn(whole(|connection| {
        insert("torn")(connection)?;
        Err(Error::ReadOnly)
    }));
    tokio::task::yield_now().await;
    drop(release);
    let told = innocent.await.unwrap().unwrap_err();
    assert!(
        matches!(told, Error::Group { step: "keep", .. }),
        "{told:?}"
    );
    assert!(matches!(torn.await.unwrap(), Err(Error::ReadOnly)));
    assert_eq!(texts(&database).await, ["good", "kept"]);

    let panicked = whole(|connection| {
        insert("torn")(connection)?;
        panic!("on purpose");
    });
    assert!(matches!(panicked.await, Err(Error::Panicked)));
    database.write(insert("after")).await.unwrap();
    assert_eq!(texts(&database).await, ["good", "kept", "after"]);
}

#[tokio::test]
async fn the_log_is_copied_while_writing_goes_on_and_does_not_grow_on() {
    const ROUNDS: usize = 400;
    let folder = TempDir::new().unwrap();
    let database = open(&folder).await;
    let text = "x".repeat(1_000_000);
    for _ in 0..ROUNDS {
        let text = text.clone();
        let replace = move |connection: &Connection| -> Result<(), Error> {
            connection.execute("DELETE FROM notes", [])?;
            insert(text)(connection)?;
            Ok(())
        };
        database.write(replace).await.unwrap();
    }
    // Four hundred times a megabyte went through it.
    let log = std::fs::metadata(folder.path().join("outcry.db-wal")).unwrap();
    assert!(log.len() < 128 * 1024 * 1024, "{}", log.len());
}

#[tokio::test]
async fn when_the_commit_fails_every_job_of_the_group_is_told_and_nothing_is_kept() {
    let folder = TempDir::new().unwrap();
    let database = open(&folder).await;
    let release = hold(&database).await;
    let innocent = queue(&database, insert("innocent")).await;
    // Deferred: nobody notices before COMMIT.
    let orphan = queue(&database, |connection| {
        connection.execute("INSERT INTO children (parent) VALUES (7)", [])?;
        Ok(())
    })
    .await;
    drop(release);
    for error in [
        innocent.await.unwrap().unwrap_err(),
        orphan.await.unwrap().unwrap_err(),
    ] {
        assert!(
            matches!(error, Error::Group { step: "commit", .. }),
            "{error:?}"
        );
    }
    assert!(texts(&database).await.is_empty());
    database.write(insert("after")).await.unwrap();
    assert_eq!(texts(&database).await, ["after"]);
}

#[tokio::test]
async fn a_full_disk_is_an_error_and_leaves_nothing_half_written() {
    let folder = TempDir::new().unwrap();
    let database = open(&folder).await;
    database.write(insert("before")).await.unwrap();
    let limit = |pages: u32| {
        move |connection: &Connection| -> Result<(), Error> {
            connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?;
            Ok(())
        }
    };
    // SQLite never goes below what the file has: no page more from now on.
    database.write(limit(1)).await.unwrap();
    let error = database
        .write(|connection| {
            insert("small")(connection)?;
            insert("large".repeat(100_000))(connection)
        })
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::Statement(_) | Error::Group { .. }),
        "{error:?}"
    );
    assert_eq!(texts(&database).await, ["before"]);
    // With room again, everything goes on.
    database.write(limit(1_000_000)).await.unwrap();
    database.write(insert("after")).await.unwrap();
    assert_eq!(texts(&database).await, ["before", "after"]);
}

#[tokio::test]
async fn a_job_nobody_waits_for_is_taken_back_before_its_turn() {
    let folder = TempDir::new().unwrap();
    let database = open(&folder).await;
    let release = hold(&database).await;
    let write = queue(&database, insert("unwanted")).await;
    write.abort();
    assert!(write.await.unwrap_err().is_cancelled());
    drop(release);
    database.write(insert("wanted")).await.unwrap();
    assert_eq!(texts(&database).await, ["wanted"]);
}

#[tokio::test]
async fn what_follows_a_commit_is_called_in_order_and_only_after_it() {
    let folder = TempDir::new().unwrap();
    let database = open(&folder).await;
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut writes = tokio::task::JoinSet::new();
    for number in 0..200 {
        let (database, seen) = (database.clone(), Arc::clone(&seen));
        writes.spawn(async move {
            let insert = insert(number.to_string());
            let job = move |connection: &Connection| {
                let id = insert(connection)?;
                // Every third is undone.
                if number % 3 == 0 {
                    return Err(Error::ReadOnly);
                }
                Ok(id)
            };
            database
                .write_then(Undo::Job, job, move |id| seen.lock().unwrap().push(*id))
                .await
        });
    }
    while let Some(result) = writes.join_next().await {
        let _ = result.unwrap();
    }
    let stored: Vec<i64> = database
        .read(|connection| -> Result<_, Error> {
            let mut statement = connection.prepare("SELECT id FROM notes ORDER BY id")?;
            let rows = statement.query_map([], |row| row.get(0))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
        .unwrap();
    assert_eq!(stored.len(), 133);
    assert_eq!(*seen.lock().unwrap(), stored);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_writers_and_readers_see_whole_jobs_only() {
    let folder = TempDir::new().unwrap();
    let database = open(&folder).await;
    let torn = Arc::new(AtomicU32::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..16 {
        let database = database.clone();
        let torn = Arc::clone(&torn);
        tasks.spawn(async move {
            for round in 0..20 {
                let pair = [format!("{writer}-{round}-a"), format!("{writer}-{round}-b")];
                let job = move |connection: &Connection| {
                    for text in pair {
                        insert(text)(connection)?;
                    }
                    Ok::<_, Error>(())
                };
                database.write(job).await.unwrap();
                if texts(&database).await.len() % 2 == 1 {
                    torn.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(torn.load(Ordering::Relaxed), 0);
    assert_eq!(texts(&database).await.len(), 16 * 20 * 2);
}

#[tokio::test]
async fn a_panicking_read_is_an_error_and_reading_goes_on() {
    let folder = TempDir::new().unwrap();
    let database = open(&folder).await;
    for _ in 0..20 {
        let result = database
            .read(|_| -> Result<(), Error> { panic!("on purpose") })
            .await;
        assert!(matches!(result, Err(Error::Panicked)), "{result:?}");
    }
    assert!(texts(&database).await.is_empty());
}

#[tokio::test]
async fn a_closed_database_says_so() {
    let folder = TempDir::new().unwrap();
    let database = open(&folder).await;
    database.clone().close().await.unwrap();
    assert!(matches!(
        database.write(insert("late")).await,
        Err(Error::Closed)
    ));
    assert!(matches!(
        database.read(|_| Ok::<_, Error>(())).await,
        Err(Error::Closed)
    ));
    database.close().await.unwrap();
}
