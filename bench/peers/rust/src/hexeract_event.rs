//! What goes through hexeract's outbox, and the tables for it.

use std::time::Duration;

use hexeract::outbox::Event;
use hexeract::outbox_sql::Dialect;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use crate::Failure;

pub const LIBRARY: &str = "hexeract 0.6.0";

pub const OUTBOX: &str = "peer_outbox";

/// Where the library moves what could not be published.
pub const DEAD_LETTERS: &str = "peer_outbox_dead_letter";

/// The library's documentation wants a bound on the wait for a connection.
const ACQUIRE_WITHIN: Duration = Duration::from_secs(5);

/// Held while tables are made: two that make them at once hinder each other in PostgreSQL.
const DECLARE_LOCK: i64 = 5_310_447;

/// The message: the library keeps it as JSON.
#[derive(Debug, Serialize, Deserialize)]
pub struct PeerEvent {
    pub id: u64,
    pub key: u64,
    /// Microseconds since 1970, just before the commit.
    pub at: u64,
    pub pad: String,
}

impl Event for PeerEvent {
    const EVENT_TYPE: &'static str = "peer.event";
}

pub async fn connect(url: &str, connections: u32) -> Result<PgPool, Failure> {
    let options = PgPoolOptions::new()
        .min_connections(connections)
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_WITHIN);
    Ok(options.connect(url).await?)
}

/// Makes the library's tables with its own statements, unless they are there.
pub async fn declare(pool: &PgPool) -> Result<(), Failure> {
    let mut transaction = pool.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(DECLARE_LOCK)
        .execute(&mut *transaction)
        .await?;
    let tables = [
        Dialect::Postgres.schema_ddl(OUTBOX)?,
        Dialect::Postgres.dead_letter_schema_ddl(OUTBOX)?,
    ];
    for statements in &tables {
        sqlx::raw_sql(statements).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(())
}
