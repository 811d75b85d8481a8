//! Every event of the platform, kept as it was published, in one order.
//!
//! An event's position is one more than the newest one's when it is written, and the store refuses
//! the second of two who give the same. So whatever is in the store is final, for readers of every
//! process; positions may skip numbers.

mod pen;
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
use tokio::sync::{Mutex, Notify, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::pen::Pen;
pub(crate) use self::reader::{Filter, Reader};
pub(crate) use self::tail::Entry;
use self::tail::{RECENT_MAX, Tail};

/// The view the archive is.
const VIEW: &str = "archive";
/// Its other orders; within each, by position.
const BY_EVENT: &str = "event";
const BY_CORRELATION: &str = "correlation";
const BY_SUBJECT: &str = "subject";
const BY_PARTITION_KEY: &str = "partition_key";

/// Digits of a position in keys, so that they sort as numbers.
const DIGITS: usize = 20;

/// Rows read at once: an event may have a megabyte, so the bound is on memory.
const PAGE: usize = 100;
/// Leading digits that all positions of one such page share.
const PAGE_DIGITS: usize = DIGITS - 2;

/// How often the store is looked into for events that other processes have archived, while
/// anybody follows: what a follower notices as delay, against one read of one row.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The archive of one platform. Cheap to clone; all clones are one archive.
///
/// Several processes may write and read it: one that writes does so much faster when no other
/// writes at the same time.
#[derive(Clone)]
pub(crate) struct Archive {
    store: Arc<dyn Store>,
    shared: Arc<Shared>,
}

/// What all clones of an archive have in common.
struct Shared {
    pen: Pen,
    tail: Tail,
    /// Held while the tail catches up with the store: one does it for all.
    catching_up: Mutex<()>,
    /// Something was written that the tail does not hold.
    behind: Notify,
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

/// Ids of all archived events, in the archive's order.
///
/// # Errors
/// The store cannot be read, or an archived event is damaged.
pub async fn archived(store: &dyn Store) -> Result<Vec<Uuid>, ArchiveError> {
    let mut ids = Vec::new();
    let mut after = None;
    loop {
        let scan = Scan::new(VIEW).limit(PAGE).after(after);
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
        let last = newest(store.as_ref()).await?;
        let shared = Shared {
            pen: Pen::default(),
            tail: Tail::after(last),
            catching_up: Mutex::default(),
            behind: Notify::new(),
        };
        Ok(Archive {
            store,
            shared: Arc::new(shared),
        })
    }

    /// The write that archives an event; `None` when it is in the archive already. A conflict
    /// means that another event has got the position: ask again.
    pub(crate) async fn write(
        &self,
        event: &SealedEvent,
    ) -> Result<Option<ViewWrite>, ArchiveError> {
        let writes = self.write_run(std::slice::from_ref(event)).await?;
        Ok(writes.and_then(|writes| writes.into_iter().next()))
    }

    /// The writes that archive events one behind the other; `None` when one of them is in the archive already.
    pub(crate) async fn write_run(
        &self,
        events: &[SealedEvent],
    ) -> Result<Option<Vec<ViewWrite>>, ArchiveError> {
        // The position first: should somebody archive one of these events now, either it is found or
        // the position is taken.
        let first = match self.shared.pen.take_next() {
            Some(position) => position,
            None => newest(self.store.as_ref()).await? + 1,
        };
        for event in events {
            if self.find(event.id()).await?.is_some() {
                return Ok(None);
            }
        }
        let places = || events.iter().zip(first..);
        let writes = places().map(|(event, position)| row(event, position));
        let writes = writes.collect::<Result<_, _>>()?;
        self.shared
            .pen
            .give(places().map(|(event, position)| (event.id(), position)));
        Ok(Some(writes))
    }

    /// The event's write is durable.
    pub(crate) fn written(&self, event: &SealedEvent) {
        let remembered = self.shared.pen.written(event.id()).is_some_and(|position| {
            let entry = Entry {
                position,
                event: event.clone(),
                subjects: subjects(event),
            };
            self.shared
                .tail
                .append(position - 1, vec![Arc::new(entry)], position)
        });
        if !remembered {
            self.shared.behind.notify_one();
        }
    }

    /// The newest position known here, and how to hear of it moving.
    pub(crate) fn end(&self) -> watch::Receiver<u64> {
        self.shared.tail.end()
    }

    /// Learns what other processes have archived: everything durable by now is known then.
    pub(crate) async fn catch_up(&self) -> Result<(), ArchiveError> {
        let _turn = self.shared.catching_up.lock().await;
        let tail = &self.shared.tail;
        let end = newest(self.store.as_ref()).await?;
        let mut after = *tail.end().borrow();
        if end.saturating_sub(after) > RECENT_MAX as u64 {
            // More than memory holds: those who want it read it from the store.
            tail.jump(end);
        }
        while after < end {
            match self.page(after, end).await {
                Ok((entries, reached)) => {
                    tail.append(after, entries, reached);
                    after = reached;
                }
                // Those who want the damaged event are told; it does not hold up the others.
                Err(ArchiveError::Damaged { key, source }) => {
                    tracing::error!(key, error = source.as_ref(), "an archived event is damaged");
                    tail.jump(end);
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
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

    /// Keeps up with what is archived, here and by other processes, while anybody follows.
    pub(crate) async fn keep_up(self, stop: CancellationToken) {
        let mut commits = self.store.commits();
        let mut failing = false;
        while !stop.is_cancelled() {
            // Seen before looking: a commit during the look wakes the next one.
            commits.mark_unchanged();
            if self.shared.tail.is_followed() {
                let outcome = self.catch_up().await;
                if let (Err(error), false) = (&outcome, failing) {
                    let error = error as &dyn std::error::Error;
                    tracing::warn!(error, "followers wait: the archive cannot be read");
                }
                failing = outcome.is_err();
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                _ = commits.changed() => {}
                () = self.shared.behind.notified() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// One page of the events behind `after` and up to `end`, and how far it reaches.
    async fn page(&self, after: u64, end: u64) -> Result<(Vec<Arc<Entry>>, u64), ArchiveError> {
        // By position: keys that share all but the last digits.
        let first = after + 1;
        let page_end = first - first % PAGE as u64 + (PAGE as u64 - 1);
        let prefix = key(first)[..PAGE_DIGITS].to_owned();
        let scan = Scan::new(VIEW).prefix(prefix).limit(PAGE);
        let rows = self.store.scan(&scan).await?;
        let mut page = Vec::with_capacity(rows.len());
        for row in &rows {
            let position = position_of(row)?;
            if (first..=end).contains(&position) {
                page.push(Arc::new(entry_of(row)?));
            }
        }
        Ok((page, page_end.min(end)))
    }

    async fn find(&self, event_id: Uuid) -> Result<Option<ViewRow>, StoreError> {
        let scan = Scan::new(VIEW)
            .index(BY_EVENT)
            .prefix(event_id.to_string())
            .limit(1);
        Ok(self.store.scan(&scan).await?.pop())
    }
}

/// Position of the newest event; 0 when there is none.
async fn newest(store: &dyn Store) -> Result<u64, ArchiveError> {
    let newest = store.scan(&Scan::new(VIEW).reverse().limit(1)).await?;
    Ok(newest.first().map(position_of).transpose()?.unwrap_or(0))
}

/// The row of an event at a position that is still free.
fn row(event: &SealedEvent, position: u64) -> Result<ViewWrite, ArchiveError> {
    let row = Row {
        event: STANDARD.encode(event.bytes()),
    };
    let place = |of: &str| format!("{of}/{}", key(position));
    let mut write = ViewWrite::put(VIEW, key(position), &row)?
        .expect(0)
        .index(BY_EVENT, event.id().to_string())
        .index(BY_CORRELATION, place(&event.correlation_id().to_string()))
        .index(BY_PARTITION_KEY, place(event.partition_key()));
    for subject in subjects(event) {
        write = write.index(BY_SUBJECT, place(&subject));
    }
    Ok(write)
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
