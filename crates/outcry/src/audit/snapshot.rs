//! A snapshot of the platform's data: every service's store as it was at one moment.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use outcry_audit::Stores;
use outcry_sqlite::Database;
use outcry_sqlite::rusqlite::{Connection, OpenFlags};
use outcry_store::{PostgresDatabase, PostgresSnapshot, SqliteStore, Store};
use uuid::Uuid;

use crate::config::{Config, DatabaseConfig, without_password};
use crate::folder::Folder;
use crate::services::NAMES;
use crate::stores;

/// The data as it was at one moment: every service's store.
pub struct Snapshot {
    /// Of that moment.
    pub stores: Stores,
    frozen: Frozen,
}

/// What holds the moment still.
enum Frozen {
    /// A copy of the file.
    Copy { path: PathBuf, database: Database },
    /// A transaction that sees nothing newer.
    Transaction(PostgresSnapshot),
}

// === impl Snapshot ===

impl Snapshot {
    /// Holds the data still that the configuration names, beside the platform if it runs.
    ///
    /// # Errors
    /// There is no data, or it cannot be copied or read.
    pub async fn take(config: &Config) -> anyhow::Result<Self> {
        if config.database.url.is_empty() {
            Self::copy_of(&Folder::at(&config.data)).await
        } else {
            Self::within(&config.database).await
        }
    }

    /// Sees the schemas of a server in one transaction.
    async fn within(database: &DatabaseConfig) -> anyhow::Result<Self> {
        let place = || format!("reading {}", without_password(&database.url));
        let transaction = PostgresDatabase::snapshot(&database.url, &stores::options(database))
            .await
            .with_context(place)?;
        let mut stores: Vec<(&'static str, Arc<dyn Store>)> = Vec::new();
        for service in NAMES {
            let store = transaction
                .store(service)
                .await
                .with_context(|| format!("reading the tables of {service}"))?;
            stores.push((service, store));
        }
        Ok(Self {
            stores: stores.into_iter().collect(),
            frozen: Frozen::Transaction(transaction),
        })
    }

    /// Copies the data of a folder and opens the copy.
    async fn copy_of(folder: &Folder) -> anyhow::Result<Self> {
        let from = folder.database();
        if !from.is_file() {
            bail!(
                "there is no platform in {}; name its folder with --data, or its database with \
                 --database",
                folder.path().display()
            );
        }
        // Opened as a database first: what is no platform's is told apart before it is copied.
        let source = Database::open_read_only(&from)
            .with_context(|| format!("opening {}", from.display()))?;
        source.close().await.context("closing the data")?;
        let path = std::env::temp_dir().join(format!("outcry-audit-{}.db", Uuid::new_v4()));
        let copied = copy(&from, &path)
            .await
            .with_context(|| format!("copying {} to {}", from.display(), path.display()));
        let opened = match copied {
            Ok(()) => Self::open(path.clone()).await,
            Err(error) => Err(error),
        };
        if opened.is_err() {
            delete(&path);
        }
        opened
    }

    async fn open(path: PathBuf) -> anyhow::Result<Self> {
        let database = Database::open(&path).context("opening the copy")?;
        let mut stores: Vec<(&'static str, Arc<dyn Store>)> = Vec::new();
        for service in NAMES {
            let store = SqliteStore::open(&database, service)
                .await
                .with_context(|| format!("reading the tables of {service}"))?;
            stores.push((service, Arc::new(store)));
        }
        Ok(Self {
            stores: stores.into_iter().collect(),
            frozen: Frozen::Copy { path, database },
        })
    }

    /// Lets the moment go.
    pub async fn discard(self) {
        drop(self.stores);
        match self.frozen {
            Frozen::Copy { path, database } => {
                // The copy goes anyway: whether its log could be folded in does not matter.
                let _closed = database.close().await;
                delete(&path);
            }
            Frozen::Transaction(transaction) => drop(transaction),
        }
    }
}

/// Copies a database as it is at one moment, beside whoever writes to it. On a connection of its
/// own, because the copy must not be part of a transaction.
async fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    let (from, to) = (from.to_owned(), to.to_owned());
    tokio::task::spawn_blocking(move || {
        make_private(&to)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(from, flags)?;
        connection.execute("VACUUM INTO ?1", [to.to_string_lossy()])?;
        Ok(())
    })
    .await?
}

/// Makes the empty file the copy is written into, for its owner only: it holds what the data holds.
fn make_private(path: &Path) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?;
    Ok(())
}

/// Deletes a copy with the files that stand beside a database.
fn delete(copy: &Path) {
    for suffix in ["", "-wal", "-shm", ".lock"] {
        let mut path = copy.as_os_str().to_owned();
        path.push(suffix);
        // It is among the machine's temporary files; what is gone already is fine.
        let _gone = std::fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests;
