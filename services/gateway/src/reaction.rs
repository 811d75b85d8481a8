//! The one consumer of all events: archives each, and notes whose tokens are void.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use outcry_contracts::users::v1::{
    UserPasswordChangedEvent, UserRoleChangedEvent, UserStatusChangedEvent,
};
use outcry_events::{PayloadError, SealedEvent};
use outcry_service::{Fault, GroupSpec, Reaction, Unknown};
use outcry_store::{Commit, Scan, Store, StoreError, ViewWrite};
use serde::{Deserialize, Serialize};

use crate::archive::Archive;
use crate::revocation::{Revocations, remembered_for};
use crate::{CONSUMES, SERVICE};

/// View of the users whose tokens were revoked, with the epoch that counts.
const EPOCHS: &str = "token_epochs";
/// Its order by the time of the revocation.
const BY_TIME: &str = "since";
/// Rows read at once when the epochs are loaded.
const PAGE: usize = 500;

/// Archives events and keeps the token epochs.
pub(crate) struct Recorder {
    pub(crate) archive: Archive,
    pub(crate) revocations: Revocations,
}

/// Tokens of an earlier epoch are void.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Epoch {
    user_id: String,
    epoch: u64,
    /// Milliseconds since 1970.
    since_ms: u64,
}

#[async_trait]
impl Reaction for Recorder {
    fn group(&self) -> GroupSpec {
        GroupSpec::new(SERVICE, CONSUMES, Unknown::Handle)
    }

    async fn react(&self, event: &SealedEvent) -> Result<Commit, Fault> {
        let epoch = epoch_of(event).map_err(Fault::park)?;
        let mut views = match self.archive.write(event).await.map_err(Fault::retry)? {
            Some(write) => vec![write],
            None => return Err(Fault::discard("it is in the archive already")),
        };
        if let Some(epoch) = epoch {
            let write =
                ViewWrite::put(EPOCHS, epoch.user_id.clone(), &epoch).map_err(Fault::park)?;
            views.push(write.index(BY_TIME, sort_key(epoch.since_ms)));
        }
        Ok(Commit {
            views,
            ..Commit::default()
        })
    }

    async fn committed(&self, event: &SealedEvent) {
        self.archive.written(event);
        if let Ok(Some(epoch)) = epoch_of(event) {
            self.revocations
                .note(&epoch.user_id, epoch.epoch, epoch.since());
        }
    }
}

/// The revocations that can still matter, as the store has them.
pub(crate) async fn load_revocations(
    store: &dyn Store,
    now: SystemTime,
) -> Result<Revocations, StoreError> {
    let revocations = Revocations::new();
    let oldest = now.checked_sub(remembered_for()).unwrap_or(UNIX_EPOCH);
    let mut cursor = None;
    loop {
        let scan = Scan::new(EPOCHS)
            .index(BY_TIME)
            .reverse()
            .limit(PAGE)
            .after(cursor);
        let rows = store.scan(&scan).await?;
        for row in &rows {
            let epoch: Epoch = row.decode()?;
            if epoch.since() < oldest {
                return Ok(revocations);
            }
            revocations.note(&epoch.user_id, epoch.epoch, epoch.since());
        }
        match rows.last() {
            Some(last) if rows.len() == PAGE => cursor = Some(last.cursor.clone()),
            _ => return Ok(revocations),
        }
    }
}

impl Epoch {
    fn since(&self) -> SystemTime {
        UNIX_EPOCH
            .checked_add(Duration::from_millis(self.since_ms))
            .unwrap_or(UNIX_EPOCH)
    }
}

/// The epoch an event begins, if it does.
fn epoch_of(event: &SealedEvent) -> Result<Option<Epoch>, PayloadError> {
    let (user_id, epoch) = if event.is::<UserStatusChangedEvent>() {
        let changed: UserStatusChangedEvent = event.payload()?;
        (changed.user_id, changed.token_epoch)
    } else if event.is::<UserRoleChangedEvent>() {
        let changed: UserRoleChangedEvent = event.payload()?;
        (changed.user_id, changed.token_epoch)
    } else if event.is::<UserPasswordChangedEvent>() {
        let changed: UserPasswordChangedEvent = event.payload()?;
        (changed.user_id, changed.token_epoch)
    } else {
        return Ok(None);
    };
    let since = event
        .occurred_at()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let since_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    Ok(Some(Epoch {
        user_id,
        epoch,
        since_ms,
    }))
}

fn sort_key(milliseconds: u64) -> String {
    format!("{milliseconds:020}")
}
