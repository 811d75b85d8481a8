//! The ways by which messages reach a user outside the application.

pub(crate) mod setting;

use std::fmt;

use outcry_contracts::notifications::v1::{Channel, ChannelKind, Priority};
use outcry_store::{Scan, Store, StoreError, ViewRow, ViewWrite, timer};
use serde::{Deserialize, Serialize};

/// Channels by user and kind: rows are [`ChannelRow`].
pub const CHANNELS: &str = "channels";

/// Every kind of channel there is. A user has one of each at most.
pub const KINDS: [ChannelKind; 2] = [ChannelKind::Email, ChannelKind::Webhook];

/// A channel as it is kept.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelRow {
    /// Whose it is.
    pub user_id: String,
    /// The contract's number of its kind.
    pub kind: i32,
    /// Address or URL.
    pub target: String,
    /// Whether it is used.
    pub enabled: bool,
    /// The contract's number of how much a message must matter to use it.
    pub minimum_priority: i32,
    /// What webhooks are signed with; empty for other kinds.
    pub secret: String,
    /// The request that made the secret: a repetition of it is shown the secret again.
    pub request_id: String,
    /// When it was set, in nanoseconds since 1970.
    pub updated_ns: i64,
}

/// Without address, URL and secret.
impl fmt::Debug for ChannelRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelRow")
            .field("user_id", &self.user_id)
            .field("kind", &self.kind)
            .field("enabled", &self.enabled)
            .finish_non_exhaustive()
    }
}

// === impl ChannelRow ===

impl ChannelRow {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> ChannelKind {
        ChannelKind::try_from(self.kind).unwrap_or_default()
    }

    /// Whether a message that matters this much uses the channel.
    #[must_use]
    pub fn takes(&self, priority: Priority) -> bool {
        self.enabled && i32::from(priority) >= self.minimum_priority
    }

    /// The write of this row, provided nobody has written it meanwhile.
    ///
    /// # Errors
    /// It does not serialise.
    pub fn write(&self, version: u64) -> Result<ViewWrite, StoreError> {
        Ok(ViewWrite::put(CHANNELS, key(&self.user_id, self.kind()), self)?.expect(version))
    }

    /// For callers: without the secret.
    #[must_use]
    pub fn shown(&self) -> Channel {
        Channel {
            kind: self.kind,
            target: self.target.clone(),
            enabled: self.enabled,
            minimum_priority: self.minimum_priority,
            updated_at: Some(timer::time_of(self.updated_ns).into()),
        }
    }
}

/// Where a user's channel of a kind is.
#[must_use]
pub fn key(user_id: &str, kind: ChannelKind) -> String {
    format!("{user_id}/{}", i32::from(kind))
}

/// A user's channel of a kind, and how often it was written.
///
/// # Errors
/// The store cannot be read.
pub async fn channel(
    store: &dyn Store,
    user_id: &str,
    kind: ChannelKind,
) -> Result<Option<(ChannelRow, u64)>, StoreError> {
    match store.view(CHANNELS, &key(user_id, kind)).await? {
        Some(row) => Ok(Some((row.decode()?, row.version))),
        None => Ok(None),
    }
}

/// A user's channels by kind.
///
/// # Errors
/// The store cannot be read.
pub async fn of_user(store: &dyn Store, user_id: &str) -> Result<Vec<ChannelRow>, StoreError> {
    let scan = Scan::new(CHANNELS)
        .prefix(format!("{user_id}/"))
        .limit(KINDS.len());
    let rows = store.scan(&scan).await?;
    rows.iter().map(ViewRow::decode).collect()
}
