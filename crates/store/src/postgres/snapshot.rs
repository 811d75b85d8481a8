//! All services as they were at one moment.

use std::sync::Arc;

use super::PostgresStore;
use super::connector::Connector;
use super::database::schema;
use super::failure::PostgresError;
use super::migrations;
use super::options::PostgresOptions;
use super::session::Session;
use super::source::Source;
use crate::error::StoreError;
use crate::store::Store;

/// A view of every service's data at the moment it was made, over one connection. Nothing can be
/// written through it.
///
/// While it lives, the database keeps everything that is deleted meanwhile: let it go soon.
#[derive(Debug)]
pub struct PostgresSnapshot {
    session: Arc<Session>,
    prefix: String,
}

// === impl PostgresSnapshot ===

impl PostgresSnapshot {
    pub(super) async fn take(url: &str, options: &PostgresOptions) -> Result<Self, StoreError> {
        let session = Connector::new(url, options)?.connect().await?;
        // The first statement of the transaction is the moment.
        session
            .batch(
                "SET idle_in_transaction_session_timeout = 0;
                 BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT 1",
            )
            .await?;
        Ok(Self {
            session: Arc::new(session),
            prefix: options.prefix.clone(),
        })
    }

    /// The store of one service at that moment.
    ///
    /// # Errors
    /// Its tables are not there, or of another version.
    pub async fn store(&self, service: &str) -> Result<Arc<dyn Store>, StoreError> {
        let open = async {
            let schema = schema(&self.prefix, service)?;
            migrations::check(&self.session, &schema).await?;
            Ok::<_, PostgresError>(schema)
        };
        let schema = open.await.map_err(|source| source.of_tables(service))?;
        let source = Source::Snapshot(Arc::clone(&self.session));
        Ok(Arc::new(PostgresStore::of(source, schema)))
    }
}
