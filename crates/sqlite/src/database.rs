//! What others hold of the file.

use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;

use crate::error::{Error, MigrateError, OpenError};
use crate::file;
use crate::lock::Lock;
use crate::readers::Readers;
use crate::schema::Schema;
use crate::writer::{Undo, Writer};

/// One SQLite file: one writer thread with group commit, a few readers. Cheap to clone.
///
/// When the last clone goes, what was asked for is finished and the file is closed.
#[derive(Debug, Clone)]
pub struct Database {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    // Dropped in this order: the last connection to close is the writer's, which then folds the
    // write-ahead log into the file.
    readers: Readers,
    /// None: open for reading only.
    writer: Option<Writer>,
}

// === impl Database ===

impl Database {
    /// Opens the file for reading and writing; makes it and its folder when they are missing.
    ///
    /// Blocks for as long as the disk takes.
    ///
    /// # Errors
    /// The folder cannot be written, another process (or another part of this one) has the file
    /// open for writing, or the file is foreign, newer or broken.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let folder = file::folder(path);
        std::fs::create_dir_all(folder).map_err(|source| OpenError::Folder {
            folder: folder.to_owned(),
            source,
        })?;
        let lock = Lock::acquire(path)?;
        let connection = file::open_writer(path)?;
        let copier = file::open_copier(path)?;
        let writer = Writer::start(connection, copier, lock).map_err(OpenError::Thread)?;
        Ok(Self {
            shared: Arc::new(Shared {
                readers: Readers::new(path.to_owned(), None),
                writer: Some(writer),
            }),
        })
    }

    /// Opens a file that is there for reading only, also while another process writes to it.
    ///
    /// # Errors
    /// There is no such file, or it is foreign, newer or broken.
    pub fn open_read_only(path: &Path) -> Result<Self, OpenError> {
        let first = file::check_readable(path)?;
        Ok(Self {
            shared: Arc::new(Shared {
                readers: Readers::new(path.to_owned(), Some(first)),
                writer: None,
            }),
        })
    }

    /// Whether [`Database::write`] is refused.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.shared.writer.is_none()
    }

    /// Runs `job` on the writing connection; answers when what it wrote is on the disk.
    ///
    /// Jobs run one after the other, each in its own savepoint of a transaction it shares with the
    /// jobs queued around it. A job that fails is undone alone. Waits while the queue is full. A
    /// caller that stops waiting before its turn has come takes the job back; afterwards the job
    /// takes effect unseen.
    ///
    /// # Errors
    /// The job's own, or an [`Error`]: then nothing of the job is kept.
    pub async fn write<T, E>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.write_then(Undo::Job, job, |_| {}).await
    }

    /// As [`Database::write`], with a choice of what is [undone](Undo) when `job` fails; calls `then` when what it wrote
    /// is on the disk, before anybody is answered. These calls happen in the order the jobs ran, on the writer thread:
    /// they must be quick.
    ///
    /// # Errors
    /// As [`Database::write`]; `then` is not called.
    pub async fn write_then<T, E>(
        &self,
        undo: Undo,
        job: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        then: impl FnOnce(&T) + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        match &self.shared.writer {
            Some(writer) => writer.write(undo, job, then).await,
            None => Err(Error::ReadOnly.into()),
        }
    }

    /// Runs `job` on a reading connection, off the threads that run futures. It sees everything
    /// answered before, and the file as it was at one moment.
    ///
    /// # Errors
    /// The job's own, or an [`Error`].
    pub async fn read<T, E>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.shared.readers.read(job).await
    }

    /// As [`Database::read`], on the thread that asks: for a few rows by their key. These are in memory as a rule and
    /// take microseconds, less than it takes to hand them to another thread and back; a disk that has to be
    /// asked holds up the other futures of this thread for as long.
    ///
    /// # Errors
    /// The job's own, or an [`Error`].
    pub async fn look_up<T, E>(&self, job: impl FnOnce(&Connection) -> Result<T, E>) -> Result<T, E>
    where
        E: From<Error>,
    {
        self.shared.readers.look_up(job).await
    }

    /// Brings the tables of `schema` up to date; checks them only when the file is open for reading
    /// only.
    ///
    /// # Errors
    /// The tables are newer than this version (or, when only reading, older), or a step failed.
    pub async fn migrate(&self, schema: Schema) -> Result<(), MigrateError> {
        if self.is_read_only() {
            self.read(move |connection| schema.check(connection)).await
        } else {
            self.write(move |connection| schema.apply(connection)).await
        }
    }

    /// Finishes what was asked for, folds the write-ahead log into the file and lets go of it.
    /// Other clones are told [`Error::Closed`] from then on.
    ///
    /// # Errors
    /// The log could not be folded in. Nothing is lost: the next start does it.
    pub async fn close(self) -> Result<(), Error> {
        self.shared.readers.close().await;
        match &self.shared.writer {
            Some(writer) => writer.close().await,
            None => Ok(()),
        }
    }
}
