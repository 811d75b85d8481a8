//! A snapshot of the platform's data, and every event in it.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use outcry_events::{Event, SealedEvent};
use outcry_sqlite::Database;
use outcry_store::{ParkedFilter, ReadAll, Scan, SqliteStore, Store};
use serde_json::Value;
use uuid::Uuid;

use crate::folder::Folder;
use crate::services::NAMES;

/// Rows read at a time.
const PAGE: usize = 5_000;

/// A copy of the data as it was at one moment, with every service's store.
pub struct Snapshot {
    path: PathBuf,
    database: Database,
    stores: BTreeMap<&'static str, SqliteStore>,
}

/// One event, and whose store it is in.
pub struct Recorded {
    pub service: &'static str,
    /// Place in that store.
    pub position: u64,
    pub event: SealedEvent,
}

/// Every event, service by service, each service's in commit order.
pub struct History {
    pub events: Vec<Recorded>,
    by_id: HashMap<Uuid, usize>,
}

// === impl Snapshot ===

impl Snapshot {
    /// Copies the data of a folder, running or not, and opens the copy.
    ///
    /// # Errors
    /// There is no data, or it cannot be copied or read.
    pub async fn take(folder: &Folder) -> anyhow::Result<Self> {
        let from = folder.database();
        if !from.is_file() {
            bail!(
                "there is no platform in {}; name its folder with --data",
                folder.path().display()
            );
        }
        let path = std::env::temp_dir().join(format!("outcry-audit-{}.db", Uuid::new_v4()));
        let source = Database::open_read_only(&from)
            .with_context(|| format!("opening {}", from.display()))?;
        let target = path.to_string_lossy().into_owned();
        let copied: Result<_, outcry_sqlite::Error> = source
            .read(move |connection| {
                connection.execute("VACUUM INTO ?1", [target])?;
                Ok(())
            })
            .await;
        copied.with_context(|| format!("copying {} to {}", from.display(), path.display()))?;
        source.close().await.context("closing the data")?;
        let database = Database::open(&path).context("opening the copy")?;
        let mut stores = BTreeMap::new();
        for service in NAMES {
            let store = SqliteStore::open(&database, service)
                .await
                .with_context(|| format!("reading the tables of {service}"))?;
            stores.insert(service, store);
        }
        Ok(Self {
            path,
            database,
            stores,
        })
    }

    /// Deletes the copy.
    pub async fn discard(self) {
        drop(self.stores);
        // The copy is in the machine's folder for temporary files; what cannot be deleted is its.
        let _closed = self.database.close().await;
        for suffix in ["", "-wal", "-shm", "-lock", ".lock"] {
            let mut path = self.path.clone().into_os_string();
            path.push(suffix);
            let _gone = std::fs::remove_file(path);
        }
    }

    /// The store of a service.
    pub fn store(&self, service: &str) -> anyhow::Result<&SqliteStore> {
        self.stores
            .get(service)
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
                let value = row.decode().with_context(|| format!("view {view} of {service}"))?;
                rows.insert(row.key.clone(), value);
            }
        }
    }

    /// Whether the service's group of the same name has handled an event.
    pub async fn handled(&self, service: &str, event: &SealedEvent) -> anyhow::Result<bool> {
        Ok(self.store(service)?.is_handled(service, event.id()).await?)
    }

    /// How many events the service's group has parked.
    pub async fn parked(&self, service: &'static str) -> anyhow::Result<usize> {
        let filter = ParkedFilter {
            group: Some(service.to_owned()),
            limit: PAGE,
            ..ParkedFilter::default()
        };
        Ok(self.store(service)?.parked(&filter).await?.len())
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
                    position: stored.position,
                    event: stored.event,
                }));
            }
        }
        let by_id = events
            .iter()
            .enumerate()
            .map(|(place, recorded)| (recorded.event.id(), place))
            .collect();
        Ok(Self { events, by_id })
    }

    /// The event with this id.
    pub fn event(&self, id: Uuid) -> Option<&Recorded> {
        self.by_id.get(&id).and_then(|place| self.events.get(*place))
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
