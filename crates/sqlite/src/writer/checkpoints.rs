//! The write-ahead log, copied into the file before it is too long.
//!
//! Most of it is copied by a thread beside the writer, in parts. Only when the log is as long as it may be does the
//! writer copy what is left itself: nobody else can begin the log again while it goes on writing.

use std::cell::Cell;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use rusqlite::hooks::Wal;
use tracing::warn;

use crate::error::Error;
use crate::file::LOG_KEPT_BYTES;

/// Pages in the log when the writer copies it: as many as fit into what is kept of it. Far more than SQLite's own
/// 1000: a page that was changed often is copied once.
const LOG_PAGES: u32 = LOG_KEPT_BYTES / 4096;

/// Pages by which the log has grown when the thread copies it: the writer has a quarter left to copy at most, if the
/// thread keeps up. With smaller parts, pages that are changed often are copied again and again.
const PART_PAGES: u32 = LOG_PAGES / 4;

thread_local! {
    /// Pages in the log after the last commit of this thread. SQLite's hook has no other place to leave them.
    static LENGTH: Cell<u32> = const { Cell::new(0) };
}

/// The thread that copies, and when it was told to.
#[derive(Debug)]
pub(super) struct Checkpoints {
    /// Taken away to end the thread.
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    /// Parts there were when the thread was told last.
    parts: u32,
}

// === impl Checkpoints ===

impl Checkpoints {
    /// Starts the thread, which uses `copying`.
    pub(super) fn start(copying: Connection) -> io::Result<Self> {
        let (wake, woken) = sync_channel(1);
        let thread = thread::Builder::new()
            .name("sqlite-copier".to_owned())
            .spawn(move || work(&woken, &copying))?;
        Ok(Self {
            wake: Some(wake),
            thread: Some(thread),
            parts: 0,
        })
    }

    /// Has SQLite say how long the log is whenever `writing` commits on this thread, and leave it alone.
    pub(super) fn watch(writing: &Connection) {
        writing.wal_hook(Some(note_length));
    }

    /// Sees to the log after commits of `writing`.
    pub(super) fn look(&mut self, writing: &Connection) {
        let length = LENGTH.get();
        let parts = length / PART_PAGES;
        if length >= LOG_PAGES {
            if let Err(error) = copy(writing) {
                warn!(error = %error, "copying the write-ahead log failed; it grows on");
            }
        } else if parts > self.parts
            && let Some(wake) = &self.wake
        {
            // It may be at it, and has been told already then.
            let _ = wake.try_send(());
        }
        self.parts = parts;
    }

    /// Waits for the thread to end.
    pub(super) fn end(mut self) {
        drop(self.wake.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            warn!("the thread that copies the write-ahead log ended with a panic");
        }
    }
}

/// The thread. Ends when nobody can wake it any more.
fn work(woken: &Receiver<()>, copying: &Connection) {
    while woken.recv().is_ok() {
        if let Err(error) = copy(copying) {
            // The writer does it, at the latest.
            warn!(error = %error, "copying the write-ahead log failed");
        }
    }
}

/// Copies what can be copied without waiting for anybody.
fn copy(connection: &Connection) -> Result<(), Error> {
    connection
        .prepare_cached("PRAGMA wal_checkpoint(PASSIVE)")?
        .query_row([], |_| Ok(()))?;
    Ok(())
}

/// SQLite's hooks may fail; this one does not.
fn note_length(_: &Wal, pages: i32) -> rusqlite::Result<()> {
    LENGTH.set(pages.unsigned_abs());
    Ok(())
}
