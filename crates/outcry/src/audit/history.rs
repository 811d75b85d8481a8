//! A snapshot of the platform's data, and every event in it.

use std::collections::{BTreeMap, HashMap};
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use outcry_events::{Event, SealedEvent};
use outcry_sqlite::Database;
use outcry_sqlite::rusqlite::{Connection, OpenFlags};
use outcry_store::{
    PostgresDatabase, PostgresOptions, PostgresSnapshot, ReadAll, Scan, SqliteStore, Store,
};
use serde_json::Value;
use uuid::Uuid;

use crate::config::{Config, without_password};
use crate::folder::Folder;
use crate::services::NAMES;

/// Rows read at a time.
const PAGE: usize = 5_000;

/// The data as it was at one moment: every service's store.
pub struct Snapshot {
    stores: BTreeMap<&'static str, Arc<dyn Store>>,
    frozen: Frozen,
}

/// What holds the moment still.
enum Frozen {
    /// A copy of the file.
    Copy { path: PathBuf, database: Database },
    /// A transaction that sees nothing newer.
    Transaction(PostgresSnapshot),
}

/// One event, and whose store it is in.
pub struct Recorded {
    pub service: &'static str,
    pub event: SealedEvent,
}

/// Every event, service by service, each service's in commit order.
pub struct History {
    pub events: Vec<Recorded>,
    by_id: HashMap<Uuid, usize>,
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
            Self::within(&config.database.url).await
        }
    }

    /// Sees the schemas of a server in one transaction.
    async fn within(url: &str) -> anyhow::Result<Self> {
        let place = || format!("reading {}", without_password(url));
        let transaction = PostgresDatabase::snapshot(url, &PostgresOptions::default())
            .await
            .with_context(place)?;
        let mut stores = BTreeMap::new();
        for service in NAMES {
            let store = transaction
                .store(service)
                .await
                .with_context(|| format!("reading the tables of {service}"))?;
            stores.insert(service, store);
        }
        Ok(Self {
            stores,
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
        let mut stores: BTreeMap<&'static str, Arc<dyn Store>> = BTreeMap::new();
        for service in NAMES {
            let store = SqliteStore::open(&database, service)
                .await
                .with_context(|| format!("reading the tables of {service}"))?;
            stores.insert(service, Arc::new(store));
        }
        Ok(Self {
            stores,
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

    /// The store of a service.
    pub fn store(&self, service: &str) -> anyhow::Result<&dyn Store> {
        self.stores
            .get(service)
            .map(Arc::as_ref)
            .with_context(|| format!("there is no service {service}"))
    }

    /// Every row of a view, by key.
    pub async fn view(
        &self,
        service: &str,
        view: &'static str,
    ) -> anyhow::Result<BTreeMap<String, Value>> {
        let store = self.store(service)?;
        let mut rows = BTreeMap::new();
        let mut after = None;
        loop {
            let page = store
                .scan(&Scan::new(view).limit(PAGE).after(after))
                .await
                .with_context(|| format!("reading view {view} of {service}"))?;
            let Some(last) = page.last() else {
                return Ok(rows);
            };
            after = Some(last.cursor.clone());
            for row in &page {
                let value = row
                    .decode()
                    .with_context(|| format!("view {view} of {service}"))?;
                rows.insert(row.key.clone(), value);
            }
        }
    }

    /// Whether the service's group of the same name has handled an event.
    pub async fn handled(&self, service: &str, event: &SealedEvent) -> anyhow::Result<bool> {
        Ok(self.store(service)?.is_handled(service, event.id()).await?)
    }

    /// How many events the service's group has parked.
    pub async fn parked(&self, service: &str) -> anyhow::Result<u64> {
        let keys = self.store(service)?.parked_keys(service).await?;
        Ok(keys.iter().map(|(_, count)| count).sum())
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

// === impl History ===

impl History {
    /// Every event of every store.
    ///
    /// # Errors
    /// A store cannot be read.
    pub async fn read(snapshot: &Snapshot) -> anyhow::Result<Self> {
        let mut events = Vec::new();
        for (service, store) in &snapshot.stores {
            let mut after = 0;
            loop {
                let filter = ReadAll {
                    after,
                    partition_key: None,
                    limit: PAGE,
                };
                let page = store
                    .read_all(&filter)
                    .await
                    .with_context(|| format!("reading the events of {service}"))?;
                let Some(last) = page.last() else { break };
                after = last.position;
                events.extend(page.into_iter().map(|stored| Recorded {
                    service,
                    event: stored.event,
                }));
            }
        }
        Ok(Self::new(events))
    }

    /// These events: service by service, each service's in commit order.
    pub fn new(events: Vec<Recorded>) -> Self {
        let by_id = events
            .iter()
            .enumerate()
            .map(|(place, recorded)| (recorded.event.id(), place))
            .collect();
        Self { events, by_id }
    }

    /// The event with this id.
    pub fn event(&self, id: Uuid) -> Option<&Recorded> {
        self.by_id
            .get(&id)
            .and_then(|place| self.events.get(*place))
    }

    /// Every event of one type with its payload, in commit order.
    ///
    /// # Errors
    /// A payload cannot be read.
    pub fn all<E: Event>(&self) -> anyhow::Result<Vec<(&SealedEvent, E)>> {
        self.events
            .iter()
            .filter(|recorded| recorded.event.is::<E>())
            .map(|recorded| {
                let payload = recorded
                    .event
                    .payload::<E>()
                    .with_context(|| format!("event {}", recorded.event.id()))?;
                Ok((&recorded.event, payload))
            })
            .collect()
    }

    /// Every event by its stream, each stream in commit order.
    pub fn streams(&self) -> BTreeMap<String, Vec<&Recorded>> {
        let mut streams: BTreeMap<String, Vec<&Recorded>> = BTreeMap::new();
        for recorded in &self.events {
            streams
                .entry(recorded.event.stream())
                .or_default()
                .push(recorded);
        }
        streams
    }
}

#[cfg(test)]
mod tests;
