//! Connections that only read.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::Error;
use crate::file;

/// Reads at the same time. A read takes microseconds when its pages are cached, so a few
/// connections keep all cores busy; each costs its page cache.
const READERS_MAX: usize = 8;

/// A bounded pool of reading connections, opened when first needed.
#[derive(Debug)]
pub(crate) struct Readers {
    path: PathBuf,
    idle: Arc<Mutex<Vec<Connection>>>,
    turns: Arc<Semaphore>,
}

// === impl Readers ===

impl Readers {
    pub(crate) fn new(path: PathBuf, first: Option<Connection>) -> Self {
        Self {
            path,
            idle: Arc::new(Mutex::new(first.into_iter().collect())),
            turns: Arc::new(Semaphore::new(READERS_MAX)),
        }
    }

    /// Runs `job` on a connection, off the threads that run futures. It sees the file as it was at one moment.
    pub(crate) async fn read<T, E>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let turn = self.turn().await?;
        let idle = Arc::clone(&self.idle);
        let path = self.path.clone();
        let reading = tokio::task::spawn_blocking(move || {
            // Given back when the read is over, even if the caller no longer waits for it.
            let _turn = turn;
            on_idle(&idle, &path, job)
        });
        // A job that panicked has dropped its connection; the next read opens another.
        reading
            .await
            .unwrap_or_else(|_| Err(Error::Panicked.into()))
    }

    /// As [`read`](Self::read), on the thread that asks.
    pub(crate) async fn look_up<T, E>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: From<Error>,
    {
        let _turn = self.turn().await?;
        // Nothing of the job is seen after a panic, and its connection is dropped.
        let job = AssertUnwindSafe(|| on_idle(&self.idle, &self.path, job));
        catch_unwind(job).unwrap_or_else(|_| Err(Error::Panicked.into()))
    }

    async fn turn(&self) -> Result<OwnedSemaphorePermit, Error> {
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        turn.map_err(|_| Error::Closed)
    }

    /// Refuses reads from now on, waits for those under way and closes the connections.
    pub(crate) async fn close(&self) {
        // Whoever holds all turns is alone.
        let all = self
            .turns
            .acquire_many(u32::try_from(READERS_MAX).unwrap_or(u32::MAX))
            .await;
        self.turns.close();
        drop(all);
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

/// Runs `job` on a connection nobody uses, which is idle again afterwards.
fn on_idle<T, E: From<Error>>(
    idle: &Mutex<Vec<Connection>>,
    path: &Path,
    job: impl FnOnce(&Connection) -> Result<T, E>,
) -> Result<T, E> {
    let kept = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let mut connection = match kept {
        Some(connection) => connection,
        None => file::open_reader(path).map_err(Error::from)?,
    };
    let result = read_at_one_moment(&mut connection, job);
    idle.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(connection);
    result
}

fn read_at_one_moment<T, E: From<Error>>(
    connection: &mut Connection,
    job: impl FnOnce(&Connection) -> Result<T, E>,
) -> Result<T, E> {
    let snapshot = connection
        .transaction_with_behavior(TransactionBehavior::Deferred)
        .map_err(Error::from)?;
    // Nothing was written, so ending the snapshot by rolling back is as good as any.
    job(&snapshot)
}
