//! Where the services' data is: one SQLite file, or schemas of one PostgreSQL database.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use outcry_sqlite::Database;
use outcry_store::{
    PostgresDatabase, PostgresError, PostgresOptions, PostgresStore, SqliteStore, Store, StoreError,
};
use tokio::time::{Instant, sleep};
use tracing::warn;

use crate::config::{Config, DatabaseConfig, Migrate, without_password};
use crate::folder::Folder;

/// How long a process waits for `outcry migrate` that is not to migrate itself. Long enough for one that was
/// started at the same time; after it the process ends, and whoever looks after it sees why.
const MIGRATED_WITHIN: Duration = Duration::from_secs(60);

/// How often it looks whether that has happened.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The opened database.
pub enum Stores {
    /// A file in the data folder, this process's alone.
    Sqlite(Database),
    /// A server, shared with other processes, and who makes the tables there.
    Postgres(PostgresDatabase, Migrate),
}

// === impl Stores ===

impl Stores {
    /// Opens what the configuration names.
    ///
    /// # Errors
    /// The file or the server cannot be used; the message says what to do.
    pub async fn connect(config: &Config, folder: &Folder) -> anyhow::Result<Self> {
        let url = &config.database.url;
        if url.is_empty() {
            let database = Database::open(&folder.database())
                .with_context(|| format!("opening the data in {}", folder.path().display()))?;
            return Ok(Self::Sqlite(database));
        }
        Ok(Self::Postgres(
            server(config).await?,
            config.database.migrate,
        ))
    }

    /// The store of one service, its tables made or brought up to date, here or by somebody else.
    ///
    /// # Errors
    /// The tables are of a newer version, or cannot be made, or were not made in time.
    pub async fn open(&self, service: &'static str) -> anyhow::Result<Arc<dyn Store>> {
        let opening = || format!("opening the tables of {service}");
        Ok(match self {
            Self::Sqlite(database) => Arc::new(
                SqliteStore::open(database, service)
                    .await
                    .with_context(opening)?,
            ),
            Self::Postgres(database, Migrate::Start) => Arc::new(
                PostgresStore::open(database, service)
                    .await
                    .with_context(opening)?,
            ),
            Self::Postgres(database, Migrate::Never) => Arc::new(
                once_migrated(database, service)
                    .await
                    .with_context(opening)?,
            ),
        })
    }

    /// Where the data is, for people.
    pub fn place(&self, folder: &Folder) -> String {
        match self {
            Self::Sqlite(_) => folder.path().display().to_string(),
            Self::Postgres(..) => format!("PostgreSQL, keys in {}", folder.path().display()),
        }
    }

    /// Lets go of the database.
    ///
    /// # Errors
    /// The last writes of the file cannot be made durable.
    pub async fn close(self) -> anyhow::Result<()> {
        match self {
            Self::Sqlite(database) => database.close().await.context("closing the database"),
            Self::Postgres(database, _) => {
                database.close();
                Ok(())
            }
        }
    }
}

/// The server that the configuration names.
///
/// # Errors
/// It cannot be reached, or does not let us in.
pub async fn server(config: &Config) -> anyhow::Result<PostgresDatabase> {
    let url = &config.database.url;
    PostgresDatabase::connect(url, options(&config.database))
        .await
        .with_context(|| format!("connecting to {}", without_password(url)))
}

/// How the server is spoken to.
pub fn options(database: &DatabaseConfig) -> PostgresOptions {
    let file = Some(database.ca_file.clone());
    PostgresOptions {
        connections: database.connections_max,
        root_certificates: file.filter(|file| !file.as_os_str().is_empty()),
        ..PostgresOptions::default()
    }
}

/// The store of a service as soon as somebody has brought its tables up to date.
async fn once_migrated(
    database: &PostgresDatabase,
    service: &str,
) -> Result<PostgresStore, StoreError> {
    let end = Instant::now() + MIGRATED_WITHIN;
    let mut is_told = false;
    loop {
        match PostgresStore::open_migrated(database, service).await {
            Err(error) if is_older(&error) && Instant::now() < end => {
                if !is_told {
                    warn!(
                        service,
                        "the tables are not there or older than this version: waiting for `outcry migrate`"
                    );
                    is_told = true;
                }
                sleep(LOOK_EVERY).await;
            }
            outcome => return outcome,
        }
    }
}

fn is_older(error: &StoreError) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref());
    matches!(cause, Some(PostgresError::Older { .. }))
}
