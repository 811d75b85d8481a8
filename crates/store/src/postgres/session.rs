//! One connection.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::{Stream, StreamExt as _, stream};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Client, Connection, Row, Statement};

use super::failure::PostgresError;

/// Parameters of a statement.
pub(super) type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// What comes from the server by itself. Polling it does the connection's work.
pub(super) type Messages =
    Pin<Box<dyn Stream<Item = Result<AsyncMessage, tokio_postgres::Error>> + Send>>;

/// A connection with its prepared statements. Every call is bounded in time; after one that failed
/// for the connection's sake, or was let go before its end, the session must not be used again.
pub(super) struct Session {
    client: Client,
    statements: Mutex<HashMap<String, Statement>>,
    answer_timeout: Duration,
}

/// Why a statement has no result.
pub(super) struct Failure {
    pub(super) error: PostgresError,
    /// Whether the server may have carried it out.
    pub(super) was_sent: bool,
}

// === impl Session ===

impl Session {
    pub(super) fn new(client: Client, answer_timeout: Duration) -> Self {
        Self {
            client,
            statements: Mutex::default(),
            answer_timeout,
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Rows of a statement; one round trip, and another one when it is new to the connection.
    pub(super) async fn query(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Failure> {
        let statement = self.prepared(sql).await.map_err(|error| Failure {
            error,
            was_sent: false,
        })?;
        self.within(self.client.query(&statement, params))
            .await
            .map_err(|error| Failure {
                error,
                was_sent: true,
            })
    }

    /// Carries out a statement; how many rows it changed.
    pub(super) async fn execute(&self, sql: &str, params: Params<'_>) -> Result<u64, Failure> {
        let statement = self.prepared(sql).await.map_err(|error| Failure {
            error,
            was_sent: false,
        })?;
        self.within(self.client.execute(&statement, params))
            .await
            .map_err(|error| Failure {
                error,
                was_sent: true,
            })
    }

    /// Carries out statements without parameters and results.
    pub(super) async fn batch(&self, sql: &str) -> Result<(), PostgresError> {
        self.within(self.client.batch_execute(sql)).await
    }

    async fn prepared(&self, sql: &str) -> Result<Statement, PostgresError> {
        let known = self.statements().get(sql).cloned();
        if let Some(statement) = known {
            return Ok(statement);
        }
        let statement = self.within(self.client.prepare(sql)).await?;
        self.statements().insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    fn statements(&self) -> std::sync::MutexGuard<'_, HashMap<String, Statement>> {
        self.statements
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    async fn within<T>(
        &self,
        answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, PostgresError> {
        match tokio::time::timeout(self.answer_timeout, answer).await {
            Ok(answer) => answer.map_err(PostgresError::of_statement),
            Err(_) => Err(PostgresError::Late {
                within: self.answer_timeout,
            }),
        }
    }
}

/// The messages of a connection.
pub(super) fn messages<S, T>(mut connection: Connection<S, T>) -> Messages
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    stream::poll_fn(move |context| connection.poll_message(context)).boxed()
}
