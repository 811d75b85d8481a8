//! Where a store reads: the database as it is, or as it was at one moment.

use std::sync::Arc;

use tokio_postgres::Row;

use super::database::PostgresDatabase;
use super::failure::PostgresError;
use super::session::{Params, Session};

/// Where a store reads.
#[derive(Debug, Clone)]
pub(super) enum Source {
    Database(PostgresDatabase),
    Snapshot(Arc<Session>),
}

// === impl Source ===

impl Source {
    pub(super) async fn query(
        &self,
        sql: &str,
        params: Params<'_>,
    ) -> Result<Vec<Row>, PostgresError> {
        match self {
            Self::Database(database) => database.query(sql, params).await,
            Self::Snapshot(session) => session
                .query(sql, params)
                .await
                .map_err(|failure| failure.error),
        }
    }

    /// The database, to write in.
    pub(super) fn database(&self) -> Result<&PostgresDatabase, PostgresError> {
        match self {
            Self::Database(database) => Ok(database),
            Self::Snapshot(_) => Err(PostgresError::ReadOnly),
        }
    }
}
