//! Connections that only read, used off the threads that run futures.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::Semaphore;

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

    /// Runs `job` on a connection. It sees the file as it was at one moment.
    pub(crate) async fn read<T, E>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let Ok(turn) = Arc::clone(&self.turns).acquire_owned().await else {
            return Err(Error::Closed.into());
        };
        let idle = Arc::clone(&self.idle);
        let path = self.path.clone();
        let reading = tokio::task::spawn_blocking(move || {
            // Given back when the read is over, even if the caller no longer waits for it.
            let _turn = turn;
            let kept = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut connection = match kept {
                Some(connection) => connection,
                None => file::open_reader(&path).map_err(Error::from)?,
            };
            let result = read_at_one_moment(&mut connection, job);
            idle.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(connection);
            result
        });
        // A job that panicked has dropped its connection; the next read opens another.
        reading
            .await
            .unwrap_or_else(|_| Err(Error::Panicked.into()))
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
