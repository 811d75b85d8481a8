//! A user's messages, numbered from 1, and what they mute.

use std::collections::BTreeSet;

use outcry_contracts::notifications::v1 as contract;
use outcry_contracts::types::v1::PageInfo;
use outcry_service::Page;
use outcry_store::{Scan, Store, StoreError, ViewRow, ViewWrite, timer};
use serde::{Deserialize, Serialize};

use crate::templates::UNMUTABLE;

/// Messages by user and number: rows are [`Message`].
pub const MESSAGES: &str = "messages";
/// How far each user's messages are: rows are [`Counter`].
pub const COUNTERS: &str = "counters";
/// What each user mutes: rows are [`Preferences`].
pub const PREFERENCES: &str = "preferences";
/// Ids of messages that were deleted, by user and id: their events make no new ones.
pub const DELETED: &str = "deleted";

/// Messages of a user that are not archived.
const CURRENT: &str = "current";
/// Messages of a user that are not read.
const UNREAD: &str = "unread";
/// Messages by user and id.
const BY_ID: &str = "id";

/// A message as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Whose it is.
    pub user_id: String,
    /// Place among the user's messages, from 1.
    pub sequence: u64,
    /// Its id.
    pub notification_id: String,
    /// The event it tells of.
    #[serde(default)]
    pub event_id: String,
    /// Topic of that event.
    pub topic: String,
    /// The contract's number of how much it matters.
    pub priority: i32,
    /// One line.
    pub title: String,
    /// A sentence or two.
    pub body: String,
    /// Order, payment or report it is about.
    pub reference: String,
    /// The user has seen it.
    pub read: bool,
    /// The user has put it away; then it is read, too.
    #[serde(default)]
    pub archived: bool,
    /// When the event happened, in nanoseconds since 1970.
    pub at_ns: i64,
}

/// How far a user's messages are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counter {
    /// Number of the last message.
    pub sequence: u64,
    /// Messages not read.
    pub unread: u64,
}

/// What a user mutes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preferences {
    /// Topics that make no messages.
    pub muted: BTreeSet<String>,
    /// No topic makes messages that can be muted.
    #[serde(default)]
    pub mute_all: bool,
}

/// Which messages are listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Listing {
    /// Unread ones only; archived ones are read.
    pub unread_only: bool,
    /// Archived ones, too.
    pub include_archived: bool,
}

// === impl Message ===

impl Message {
    /// Where the row is.
    pub fn key(&self) -> String {
        key(&self.user_id, self.sequence)
    }

    /// The write of this message, with its places in the listings.
    ///
    /// # Errors
    /// It does not serialise.
    pub fn write(&self) -> Result<ViewWrite, StoreError> {
        let id = id_key(&self.user_id, &self.notification_id);
        let mut write = ViewWrite::put(MESSAGES, self.key(), self)?.index(BY_ID, id);
        if !self.archived {
            write = write.index(CURRENT, self.key());
        }
        if !self.read {
            write = write.index(UNREAD, self.key());
        }
        Ok(write)
    }

    /// The writes that delete this message and remember that it was there.
    ///
    /// # Errors
    /// They do not serialise.
    pub fn delete(&self) -> Result<[ViewWrite; 2], StoreError> {
        let id = id_key(&self.user_id, &self.notification_id);
        Ok([
            ViewWrite::delete(MESSAGES, self.key()),
            ViewWrite::put(DELETED, id, &self.sequence)?,
        ])
    }

    /// For callers.
    pub fn shown(&self) -> contract::Notification {
        contract::Notification {
            notification_id: self.notification_id.clone(),
            topic: self.topic.clone(),
            priority: self.priority,
            title: self.title.clone(),
            body: self.body.clone(),
            reference: self.reference.clone(),
            read: self.read,
            at: Some(timer::time_of(self.at_ns).into()),
            sequence: self.sequence,
            archived: self.archived,
        }
    }
}

// === impl Counter ===

impl Counter {
    /// The write of this counter, provided nobody has written it meanwhile.
    ///
    /// # Errors
    /// It does not serialise.
    pub fn write(&self, user_id: &str, version: u64) -> Result<ViewWrite, StoreError> {
        Ok(ViewWrite::put(COUNTERS, user_id, self)?.expect(version))
    }
}

// === impl Preferences ===

impl Preferences {
    /// Whether a topic makes no messages.
    #[must_use]
    pub fn mutes(&self, topic: &str) -> bool {
        !UNMUTABLE.contains(&topic) && (self.mute_all || self.muted.contains(topic))
    }
}

fn key(user_id: &str, sequence: u64) -> String {
    format!("{user_id}/{sequence:020}")
}

fn id_key(user_id: &str, notification_id: &str) -> String {
    format!("{user_id}/{notification_id}")
}

/// How far a user's messages are, and how often that was written.
///
/// # Errors
/// The store cannot be read.
pub async fn counter(store: &dyn Store, user_id: &str) -> Result<(Counter, u64), StoreError> {
    counter_of(store.view(COUNTERS, user_id).await?)
}

/// What a row of [`COUNTERS`] says.
///
/// # Errors
/// It cannot be read.
pub fn counter_of(row: Option<ViewRow>) -> Result<(Counter, u64), StoreError> {
    match row {
        Some(row) => Ok((row.decode()?, row.version)),
        None => Ok((Counter::default(), 0)),
    }
}

/// What a user mutes.
///
/// # Errors
/// The store cannot be read.
pub async fn preferences(store: &dyn Store, user_id: &str) -> Result<Preferences, StoreError> {
    match store.view(PREFERENCES, user_id).await? {
        Some(row) => row.decode(),
        None => Ok(Preferences::default()),
    }
}

/// A user's messages, newest first, and where the next page begins.
///
/// # Errors
/// The store cannot be read, or the cursor is none.
pub async fn newest(
    store: &dyn Store,
    user_id: &str,
    listing: Listing,
    page: Page,
) -> Result<(Vec<Message>, PageInfo), StoreError> {
    let scan = Scan::new(MESSAGES).prefix(format!("{user_id}/")).reverse();
    let scan = match listing {
        Listing {
            unread_only: true, ..
        } => scan.index(UNREAD),
        Listing {
            include_archived: false,
            ..
        } => scan.index(CURRENT),
        Listing { .. } => scan,
    };
    let (rows, page) = page.read(store, scan).await?;
    let messages = rows.iter().map(ViewRow::decode).collect::<Result<_, _>>()?;
    Ok((messages, page))
}

/// A user's message by number; none for one that was deleted.
///
/// # Errors
/// The store cannot be read.
pub async fn message(
    store: &dyn Store,
    user_id: &str,
    sequence: u64,
) -> Result<Option<Message>, StoreError> {
    let row = store.view(MESSAGES, &key(user_id, sequence)).await?;
    row.map(|row| row.decode()).transpose()
}

/// A user's message by id.
///
/// # Errors
/// The store cannot be read.
pub async fn by_id(
    store: &dyn Store,
    user_id: &str,
    id: &str,
) -> Result<Option<Message>, StoreError> {
    let scan = Scan::new(MESSAGES)
        .index(BY_ID)
        .prefix(id_key(user_id, id))
        .limit(1);
    let rows = store.scan(&scan).await?;
    rows.first().map(ViewRow::decode).transpose()
}

/// Whether an id is that of a message of the user, or of one that was deleted.
///
/// # Errors
/// The store cannot be read.
pub async fn was_told(store: &dyn Store, user_id: &str, id: &str) -> Result<bool, StoreError> {
    if by_id(store, user_id, id).await?.is_some() {
        return Ok(true);
    }
    Ok(store.view(DELETED, &id_key(user_id, id)).await?.is_some())
}
