//! The journal: every event of a user's account in its original bytes, numbered as it arrived and
//! listed as it occurred.
//!
//! One user's events come over several partitions. Each write demands the end of the user's
//! journal to be where it was read, so that two of them never take the same position.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use outcry_events::SealedEvent;
use outcry_store::timer::nanos;
use outcry_store::{Scan, Store, StoreError, ViewRow, ViewWrite};
use serde::{Deserialize, Serialize};

/// View of [`Entry`] rows by user and position, the latter in twenty digits.
pub const JOURNAL: &str = "journal";

/// Order of [`JOURNAL`] by user, time of the event and id of the event.
pub const BY_TIME: &str = "time";

/// View of [`Head`] rows by user.
pub const HEADS: &str = "heads";

/// Entries read at a time.
const BATCH: usize = 1_000;

/// An event in a user's journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Place in the user's journal, from 1, in order of arrival.
    pub position: u64,
    /// Id of the event.
    pub event_id: String,
    /// Its topic.
    pub topic: String,
    /// When it occurred, in nanoseconds since 1970.
    pub occurred_at_ns: i64,
    /// The latest time any event up to here occurred at, in nanoseconds since 1970. Not known of
    /// entries made before it was kept.
    #[serde(default)]
    pub latest_ns: i64,
    /// The envelope's own bytes, in base64.
    pub bytes: String,
}

/// Where a user's journal ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Position of the last entry; 0 without any.
    pub position: u64,
    /// The latest time any event of the journal occurred at, in nanoseconds since 1970.
    #[serde(default)]
    pub latest_ns: i64,
}

/// Why a kept event does not come back.
#[derive(Debug, thiserror::Error)]
pub enum Damaged {
    /// The text is no base64.
    #[error("entry {position} is damaged")]
    Text {
        /// Place of the entry.
        position: u64,
        /// What is wrong.
        #[source]
        source: base64::DecodeError,
    },
    /// The bytes are no event.
    #[error("entry {position} is no event")]
    Event {
        /// Place of the entry.
        position: u64,
        /// What is wrong.
        #[source]
        source: outcry_events::OpenError,
    },
}

/// Where a user's journal ends, with the version of that row.
///
/// # Errors
/// The store does not answer.
pub async fn head(store: &dyn Store, user_id: &str) -> Result<(Head, u64), StoreError> {
    head_of(store.view(HEADS, user_id).await?)
}

/// What a row of [`HEADS`] says.
pub(crate) fn head_of(row: Option<ViewRow>) -> Result<(Head, u64), StoreError> {
    match row {
        None => Ok((Head::default(), 0)),
        Some(row) => Ok((row.decode()?, row.version)),
    }
}

/// The entry at a position.
///
/// # Errors
/// The store does not answer.
pub async fn entry(
    store: &dyn Store,
    user_id: &str,
    position: u64,
) -> Result<Option<Entry>, StoreError> {
    match store.view(JOURNAL, &key(user_id, position)).await? {
        None => Ok(None),
        Some(row) => row.decode().map(Some),
    }
}

/// What is written to keep an event for one user, behind `head`; none for an event without a
/// proper time.
pub(crate) fn keep(
    event: &SealedEvent,
    user_id: &str,
    (head, version): (Head, u64),
) -> Result<Option<[ViewWrite; 2]>, StoreError> {
    let occurred_at_ns = nanos(event.occurred_at()).filter(|at| *at >= 0);
    let Some(occurred_at_ns) = occurred_at_ns else {
        return Ok(None);
    };
    let position = head.position + 1;
    let latest_ns = head.latest_ns.max(occurred_at_ns);
    let entry = Entry {
        position,
        event_id: event.id().to_string(),
        topic: event.topic().to_owned(),
        occurred_at_ns,
        latest_ns,
        bytes: BASE64_STANDARD.encode(event.bytes()),
    };
    let time = format!("{user_id}/{occurred_at_ns:020}/{}", entry.event_id);
    let kept = ViewWrite::put(JOURNAL, key(user_id, position), &entry)?
        .index(BY_TIME, time)
        .expect(0);
    let head = Head {
        position,
        latest_ns,
    };
    let head = ViewWrite::put(HEADS, user_id, &head)?.expect(version);
    Ok(Some([kept, head]))
}

/// Entries of a user in order of occurrence, from behind a cursor, and the cursor behind them;
/// none at the end.
pub(crate) async fn page(
    store: &dyn Store,
    user_id: &str,
    after: Option<String>,
) -> Result<(Vec<Entry>, Option<String>), StoreError> {
    let scan = Scan::new(JOURNAL)
        .index(BY_TIME)
        .prefix(format!("{user_id}/"))
        .after(after)
        .limit(BATCH);
    let rows = store.scan(&scan).await?;
    let entries = rows
        .iter()
        .map(ViewRow::decode)
        .collect::<Result<_, StoreError>>()?;
    let full = rows.len() >= BATCH;
    let next = rows.into_iter().next_back().map(|row| row.cursor);
    Ok((entries, next.filter(|_| full)))
}

fn key(user_id: &str, position: u64) -> String {
    format!("{user_id}/{position:020}")
}

// === impl Entry ===

impl Entry {
    /// The event.
    ///
    /// # Errors
    /// [`Damaged`].
    pub fn event(&self) -> Result<SealedEvent, Damaged> {
        let position = self.position;
        let bytes = BASE64_STANDARD
            .decode(&self.bytes)
            .map_err(|source| Damaged::Text { position, source })?;
        SealedEvent::open(bytes.into()).map_err(|source| Damaged::Event { position, source })
    }
}
