//! Queued jobs as one transaction.

use std::sync::Arc;

use rusqlite::Connection;
use tokio::sync::oneshot;
use tracing::warn;

use super::job::{Job, Undo, Verdict};
use crate::error::Error;

/// Jobs in one transaction. One disk flush is already shared by so many that more would not help,
/// and the first of them waits for the last.
const GROUP_MAX: usize = 256;

/// Somebody who waits for the writer to end.
type Closing = oneshot::Sender<Result<(), Error>>;

/// What the queue holds next.
pub(super) enum Next {
    Job(Box<dyn Job>),
    Close(Closing),
    None,
}

/// Runs `first` and what `next` gives as one transaction and answers all of them.
pub(super) fn run_group(
    connection: &Connection,
    first: Box<dyn Job>,
    mut next: impl FnMut() -> Next,
) -> Option<Closing> {
    if first.is_abandoned() {
        return None;
    }
    if let Err(error) = execute(connection, "BEGIN IMMEDIATE") {
        first.answer(Some(group_error("begin", error)));
        return None;
    }
    let mut closing = None;
    let mut done = Vec::new();
    let mut upcoming = Some(first);
    while let Some(mut job) = upcoming {
        let kept = if job.is_abandoned() {
            Ok(())
        } else {
            let kept = run_alone(connection, job.as_mut());
            done.push(job);
            kept
        };
        if let Err(error) = kept {
            end_badly(connection, done, &error);
            return closing;
        }
        upcoming = if done.len() < GROUP_MAX {
            match next() {
                Next::Job(job) => Some(job),
                Next::Close(answer) => {
                    closing = Some(answer);
                    None
                }
                Next::None => None,
            }
        } else {
            None
        };
    }
    match execute(connection, "COMMIT") {
        Ok(()) => {
            for mut job in done {
                job.committed();
                job.answer(None);
            }
        }
        Err(error) => end_badly(connection, done, &group_error("commit", error)),
    }
    closing
}

/// Runs one job, and undoes what it has written when it fails. An error means that the whole transaction is lost.
fn run_alone(connection: &Connection, job: &mut dyn Job) -> Result<(), Error> {
    let is_guarded = job.undo() == Undo::Job;
    if is_guarded {
        execute(connection, "SAVEPOINT job").map_err(lost)?;
    }
    let before = connection.total_changes();
    let verdict = job.run(connection);
    // On a full disk and the like SQLite may end the transaction by itself.
    if connection.is_autocommit() {
        return Err(aborted("the transaction was rolled back"));
    }
    if !is_guarded {
        let is_torn = verdict == Verdict::Undo && connection.total_changes() != before;
        return match is_torn {
            true => Err(aborted("a write failed half-way")),
            false => Ok(()),
        };
    }
    if verdict == Verdict::Undo {
        execute(connection, "ROLLBACK TO job").map_err(lost)?;
    }
    execute(connection, "RELEASE job").map_err(lost)
}

fn lost(source: rusqlite::Error) -> Error {
    group_error("keep", source)
}

/// An end of the transaction that no statement tells of.
fn aborted(why: &str) -> Error {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_ABORT_ROLLBACK);
    lost(rusqlite::Error::SqliteFailure(code, Some(why.to_owned())))
}

/// Undoes the transaction and tells everybody in it.
fn end_badly(connection: &Connection, done: Vec<Box<dyn Job>>, error: &Error) {
    warn!(jobs = done.len(), error = %error, "a group of database writes was undone");
    if !connection.is_autocommit()
        && let Err(error) = execute(connection, "ROLLBACK")
    {
        // The next BEGIN fails then, and its job is told.
        warn!(error = %error, "undoing a group of database writes failed");
    }
    for job in done {
        job.answer(Some(error.clone()));
    }
}

fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(|_| ())
}

fn group_error(step: &'static str, source: rusqlite::Error) -> Error {
    Error::Group {
        step,
        source: Arc::new(source),
    }
}
