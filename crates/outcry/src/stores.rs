//! Where the services' data is: one SQLite file, or schemas of one PostgreSQL database.

use std::sync::Arc;

use anyhow::Context as _;
use outcry_sqlite::Database;
use outcry_store::{PostgresDatabase, PostgresOptions, PostgresStore, SqliteStore, Store};

use crate::config::{Config, without_password};
use crate::folder::Folder;

/// The opened database.
pub enum Stores {
    /// A file in the data folder, this process's alone.
    Sqlite(Database),
    /// A server, shared with other processes.
    Postgres(PostgresDatabase),
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
        let options = PostgresOptions {
            connections: config.database.connections_max,
            ..PostgresOptions::default()
        };
        let database = PostgresDatabase::connect(url, options)
            .await
            .with_context(|| format!("connecting to {}", without_password(url)))?;
        Ok(Self::Postgres(database))
    }

    /// The store of one service, its tables made or brought up to date.
    ///
    /// # Errors
    /// The tables are of a newer version, or cannot be made.
    pub async fn open(&self, service: &'static str) -> anyhow::Result<Arc<dyn Store>> {
        let opening = || format!("opening the tables of {service}");
        Ok(match self {
            Self::Sqlite(database) => Arc::new(
                SqliteStore::open(database, service)
                    .await
                    .with_context(opening)?,
            ),
            Self::Postgres(database) => Arc::new(
                PostgresStore::open(database, service)
                    .await
                    .with_context(opening)?,
            ),
        })
    }

    /// Where the data is, for people.
    pub fn place(&self, folder: &Folder) -> String {
        match self {
            Self::Sqlite(_) => folder.path().display().to_string(),
            Self::Postgres(_) => format!("PostgreSQL, keys in {}", folder.path().display()),
        }
    }

    /// Lets go of the database.
    ///
    /// # Errors
    /// The last writes of the file cannot be made durable.
    pub async fn close(self) -> anyhow::Result<()> {
        match self {
            Self::Sqlite(database) => database.close().await.context("closing the database"),
            Self::Postgres(database) => {
                database.close();
                Ok(())
            }
        }
    }
}
