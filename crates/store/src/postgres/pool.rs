//! A bounded number of connections.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connector::Connector;
use super::failure::PostgresError;
use super::session::Session;

/// Connections of one process: the ones not in use, and how many there may be.
#[derive(Debug)]
pub(super) struct Pool {
    connector: Arc<Connector>,
    /// The one used last is used next: a quiet process keeps few of them awake.
    idle: Mutex<Vec<Session>>,
    permits: Arc<Semaphore>,
    connections: usize,
    acquire_timeout: Duration,
}

/// A connection in use. Letting it go closes it, unless it is given back.
pub(super) struct Lent {
    pub(super) session: Session,
    /// Whether it has just been made.
    pub(super) is_fresh: bool,
    /// Frees the place last, also when a call is given up half way.
    permit: OwnedSemaphorePermit,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Session").finish_non_exhaustive()
    }
}

// === impl Pool ===

impl Pool {
    pub(super) fn new(
        connector: Arc<Connector>,
        connections: usize,
        acquire_timeout: Duration,
    ) -> Self {
        let connections = connections.max(1);
        Self {
            connector,
            idle: Mutex::default(),
            permits: Arc::new(Semaphore::new(connections)),
            connections,
            acquire_timeout,
        }
    }

    /// A connection that was in order when it was last used, or a new one.
    pub(super) async fn get(&self) -> Result<Lent, PostgresError> {
        let permit = self.permit().await?;
        loop {
            let Some(session) = self.idle().pop() else {
                return self.make(permit).await;
            };
            if !session.is_closed() {
                return Ok(Lent {
                    session,
                    is_fresh: false,
                    permit,
                });
            }
        }
    }

    /// A new connection.
    pub(super) async fn fresh(&self) -> Result<Lent, PostgresError> {
        let permit = self.permit().await?;
        self.make(permit).await
    }

    /// Takes a connection back that is in order.
    pub(super) fn give_back(&self, lent: Lent) {
        let Lent {
            session, permit, ..
        } = lent;
        if !self.permits.is_closed() {
            self.idle().push(session);
        }
        drop(permit);
    }

    /// Closes what is not in use, and what is in use as soon as it is given back.
    pub(super) fn close(&self) {
        self.permits.close();
        self.idle().clear();
    }

    async fn make(&self, permit: OwnedSemaphorePermit) -> Result<Lent, PostgresError> {
        Ok(Lent {
            session: self.connector.connect().await?,
            is_fresh: true,
            permit,
        })
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, PostgresError> {
        let permit = Arc::clone(&self.permits).acquire_owned();
        match tokio::time::timeout(self.acquire_timeout, permit).await {
            Ok(permit) => permit.map_err(|_| PostgresError::Closed),
            Err(_) => Err(PostgresError::Busy {
                connections: self.connections,
                waited: self.acquire_timeout,
            }),
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Session>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
