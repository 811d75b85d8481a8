//! A database that the services of a process share.

use std::sync::Arc;

use tokio_postgres::Row;
use tokio_util::sync::CancellationToken;

use super::connector::Connector;
use super::failure::PostgresError;
use super::migrations::{self, Migration};
use super::news::News;
use super::options::PostgresOptions;
use super::pool::{Lent, Pool};
use super::session::{Failure, Params};
use crate::error::StoreError;

/// Longest name PostgreSQL keeps whole.
const NAME_MAX: usize = 63;

/// One database, with the connections of this process to it. Clones share them.
#[derive(Debug, Clone)]
pub struct PostgresDatabase {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    connector: Arc<Connector>,
    pool: Pool,
    news: Arc<News>,
    prefix: String,
    shutdown: CancellationToken,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

// === impl PostgresDatabase ===

impl PostgresDatabase {
    /// Connects to the database at `url`, `postgres://role:password@host:5432/database`, and looks
    /// whether it lets this process in. With `?sslmode=require` the connections are encrypted and
    /// the server's certificate is checked.
    ///
    /// # Errors
    /// [`StoreError::Backend`] with a [`PostgresError`] that says what is wrong.
    pub async fn connect(url: &str, options: PostgresOptions) -> Result<Self, StoreError> {
        let connector = Arc::new(Connector::new(url, &options)?);
        // The prefix is a part of names that stand in statements.
        schema(&options.prefix, "orders")?;
        let pool = Pool::new(
            Arc::clone(&connector),
            options.connections,
            options.acquire_timeout,
        );
        pool.give_back(pool.get().await?);
        let news = Arc::new(News::new(&options.prefix));
        let shutdown = CancellationToken::new();
        tokio::spawn(Arc::clone(&news).run(Arc::clone(&connector), shutdown.clone()));
        Ok(Self {
            inner: Arc::new(Inner {
                connector,
                pool,
                news,
                prefix: options.prefix,
                shutdown,
            }),
        })
    }

    /// Closes the connections: those in use as soon as they are not. Stores on this database fail
    /// from now on. It is closed, too, when the last handle goes.
    pub fn close(&self) {
        self.inner.shutdown.cancel();
        self.inner.pool.close();
    }

    /// Makes the schema of a service, or brings it up to date. Doing it again does nothing more.
    ///
    /// # Errors
    /// Those of [`PostgresStore::open`](super::PostgresStore::open).
    pub async fn migrate(&self, service: &str) -> Result<Migration, StoreError> {
        let migrated = async {
            let schema = self.schema(service)?;
            migrations::apply(&self.inner.connector, &schema).await
        };
        migrated.await.map_err(|source| source.of_tables(service))
    }

    /// Looks whether the schema of a service is that of this version.
    pub(super) async fn check(&self, schema: &str) -> Result<(), PostgresError> {
        let session = self.inner.connector.connect().await?;
        migrations::check(&session, schema).await
    }

    /// The schema of a service.
    pub(super) fn schema(&self, service: &str) -> Result<String, PostgresError> {
        schema(&self.inner.prefix, service)
    }

    pub(super) fn news(&self) -> &News {
        &self.inner.news
    }

    /// Reads. A broken connection does not matter: it is read again over a new one.
    pub(super) async fn query(
        &self,
        sql: &str,
        params: Params<'_>,
    ) -> Result<Vec<Row>, PostgresError> {
        let lent = self.inner.pool.get().await?;
        let is_fresh = lent.is_fresh;
        match self.query_over(lent, sql, params).await {
            Err(failure) if failure.error.is_broken() && !is_fresh => {
                let lent = self.inner.pool.fresh().await?;
                self.query_over(lent, sql, params).await
            }
            outcome => outcome,
        }
        .map_err(|failure| failure.error)
    }

    /// Writes. It is tried again only when the broken connection had not been given the statement.
    pub(super) async fn execute(
        &self,
        sql: &str,
        params: Params<'_>,
    ) -> Result<u64, PostgresError> {
        let lent = self.inner.pool.get().await?;
        let is_fresh = lent.is_fresh;
        match self.execute_over(lent, sql, params).await {
            Err(failure) if failure.error.is_broken() && !failure.was_sent && !is_fresh => {
                let lent = self.inner.pool.fresh().await?;
                self.execute_over(lent, sql, params).await
            }
            outcome => outcome,
        }
        .map_err(|failure| failure.error)
    }

    /// A script and what it leaves behind, over one connection.
    #[cfg(test)]
    pub(super) async fn script(&self, script: &str, sql: &str) -> Result<Vec<Row>, PostgresError> {
        let lent = self.inner.pool.get().await?;
        lent.session.batch(script).await?;
        self.query_over(lent, sql, &[])
            .await
            .map_err(|failure| failure.error)
    }

    async fn query_over(
        &self,
        lent: Lent,
        sql: &str,
        params: Params<'_>,
    ) -> Result<Vec<Row>, Failure> {
        let outcome = lent.session.query(sql, params).await;
        self.settle(lent, outcome)
    }

    async fn execute_over(
        &self,
        lent: Lent,
        sql: &str,
        params: Params<'_>,
    ) -> Result<u64, Failure> {
        let outcome = lent.session.execute(sql, params).await;
        self.settle(lent, outcome)
    }

    /// Gives the connection back if it is in order.
    fn settle<T>(&self, lent: Lent, outcome: Result<T, Failure>) -> Result<T, Failure> {
        let is_whole = match &outcome {
            Ok(_) => true,
            Err(Failure { error, .. }) => {
                !error.is_broken() && !matches!(error, PostgresError::Late { .. })
            }
        };
        if is_whole {
            self.inner.pool.give_back(lent);
        }
        outcome
    }
}

/// The schema of a service.
pub(super) fn schema(prefix: &str, service: &str) -> Result<String, PostgresError> {
    let is_plain = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_lowercase())
            && name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    let schema = format!("{prefix}_{service}");
    if !is_plain(prefix) || !is_plain(service) || schema.len() > NAME_MAX {
        return Err(PostgresError::Settings {
            reason: format!("a schema cannot be named {schema:?}"),
        });
    }
    Ok(schema)
}
