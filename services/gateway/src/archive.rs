//! Every event of the platform, kept as it was published, in one order.
//!
//! An event's position is given when it arrives, grows, and is final for readers as soon as
//! everything before it is durable. Positions may skip numbers.

mod reader;
mod tail;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use outcry_events::SealedEvent;
use outcry_store::{Scan, Store, StoreError, ViewRow, ViewWrite};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub(crate) use self::reader::{Filter, Reader};
pub(crate) use self::tail::Entry;
use self::tail::Tail;

/// The view the archive is.
const VIEW: &str = "archive";
/// Its other orders; within each, by position.
const BY_EVENT: &str = "event";
const BY_CORRELATION: &str = "correlation";
const BY_SUBJECT: &str = "subject";
const BY_PARTITION_KEY: &str = "partition_key";

/// Digits of a position in keys, so that they sort as numbers.
const DIGITS: usize = 20;

/// How often, and after how long, a position that holds readers back is looked into.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The archive of one platform. Cheap to clone; all clones are one archive.
///
/// One process at a time may write it: positions are given in memory.
#[derive(Clone)]
pub(crate) struct Archive {
    store: Arc<dyn Store>,
    tail: Arc<Tail>,
}

/// Why the archive cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The store failed.
    #[error("reading the archive")]
    Store(#[from] StoreError),
    /// What stands there is no event.
    #[error("archived event {key} is damaged")]
    Damaged {
        /// Its key.
        key: String,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Rows read at once when all are read: an event may have a megabyte, so the bound is on memory.
const ALL_PAGE: usize = 100;

/// Ids of all archived events, in the archive's order.
///
/// # Errors
/// The store cannot be read, or an archived event is damaged.
pub async fn archived(store: &dyn Store) -> Result<Vec<Uuid>, ArchiveError> {
    let mut ids = Vec::new();
    let mut after = None;
    loop {
        let scan = Scan::new(VIEW).limit(ALL_PAGE).after(after);
        let rows = store.scan(&scan).await?;
        for row in &rows {
            ids.push(entry_of(row)?.event.id());
        }
        match rows.into_iter().next_back() {
            Some(last) => after = Some(last.cursor),
            None => return Ok(ids),
        }
    }
}

/// One row of the view.
#[derive(Debug, Serialize, Deserialize)]
struct Row {
    /// The event's bytes as published, in base64.
    event: String,
}

impl Archive {
    /// Finds where the archive ends.
    pub(crate) async fn open(store: Arc<dyn Store>) -> Result<Archive, ArchiveError> {
        let newest = store.scan(&Scan::new(VIEW).reverse().limit(1)).await?;
        let last = newest.first().map(position_of).transpose()?.unwrap_or(0);
        Ok(Archive {
            store,
            tail: Arc::new(Tail::after(last)),
        })
    }

    /// The write that archives an event; `None` when it is in the archive already.
    pub(crate) async fn write(&self, event: &SealedEvent) -> Result<Option<ViewWrite>, StoreError> {
        // Tried again: it has a position, and asking the store could only fail.
        if self.tail.given(event.id()).is_none() && self.find(event.id()).await?.is_some() {
            return Ok(None);
        }
        let row = Row {
            event: STANDARD.encode(event.bytes()),
        };
        let position = self.tail.give(event.id());
        let place = |of: &str| format!("{of}/{}", key(position));
        let mut write = ViewWrite::put(VIEW, key(position), &row)?
            .expect(0)
            .index(BY_EVENT, event.id().to_string())
            .index(BY_CORRELATION, place(&event.correlation_id().to_string()))
            .index(BY_PARTITION_KEY, place(event.partition_key()));
        for subject in subjects(event) {
            write = write.index(BY_SUBJECT, place(&subject));
        }
        Ok(Some(write))
    }

    /// The event's write is durable.
    pub(crate) fn written(&self, event: &SealedEvent) {
        self.tail.settle(event, subjects(event));
    }

    /// The position up to which the archive is final, and how to hear of it moving.
    pub(crate) fn end(&self) -> watch::Receiver<u64> {
        self.tail.end()
    }

    /// All events of a flow in order, at most `limit`.
    pub(crate) async fn flow(
        &self,
        correlation_id: Uuid,
        limit: usize,
    ) -> Result<Vec<Entry>, ArchiveError> {
        let prefix = format!("{correlation_id}/");
        let scan = Scan::new(VIEW)
            .index(BY_CORRELATION)
            .prefix(prefix)
            .limit(limit);
        self.store.scan(&scan).await?.iter().map(entry_of).collect()
    }

    /// Lets readers pass positions whose write was durable although it seemed to fail.
    pub(crate) async fn watch_over(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            for (position, event_id) in self.tail.overdue(LOOK_EVERY) {
                match self.store.view(VIEW, &key(position)).await {
                    Ok(Some(row)) => match entry_of(&row) {
                        Ok(entry) if entry.event.id() == event_id => self.written(&entry.event),
                        Ok(_) => {
                            tracing::error!(position, %event_id, "another writer uses this archive")
                        }
                        Err(error) => {
                            tracing::error!(position, %error, "archived event is damaged")
                        }
                    },
                    // Still being tried: the consumer does not give up while its store is away.
                    Ok(None) => tracing::warn!(position, %event_id, "archiving takes long"),
                    Err(error) => tracing::warn!(position, %error, "archive cannot be read"),
                }
            }
        }
    }

    async fn find(&self, event_id: Uuid) -> Result<Option<ViewRow>, StoreError> {
        let scan = Scan::new(VIEW)
            .index(BY_EVENT)
            .prefix(event_id.to_string())
            .limit(1);
        Ok(self.store.scan(&scan).await?.pop())
    }
}

/// Ids of the users an event is about; nobody's when this build does not know it.
fn subjects(event: &SealedEvent) -> Vec<String> {
    event.subjects().unwrap_or_default()
}

fn key(position: u64) -> String {
    format!("{position:0width$}", width = DIGITS)
}

fn position_of(row: &ViewRow) -> Result<u64, ArchiveError> {
    row.key.parse().map_err(|source| damaged(row, source))
}

fn entry_of(row: &ViewRow) -> Result<Entry, ArchiveError> {
    let position = position_of(row)?;
    let bytes = STANDARD
        .decode(row.decode::<Row>()?.event)
        .map_err(|source| damaged(row, source))?;
    let event = SealedEvent::open(Bytes::from(bytes)).map_err(|source| damaged(row, source))?;
    let subjects = subjects(&event);
    Ok(Entry {
        position,
        event,
        subjects,
    })
}

fn damaged(
    row: &ViewRow,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> ArchiveError {
    ArchiveError::Damaged {
        key: row.key.clone(),
        source: source.into(),
    }
}
