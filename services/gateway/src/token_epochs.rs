//! Whose tokens were revoked, as the store has it: one row per user, written with the event.
//!
//! Any process may have written it, so every process reads what is new: a token that was revoked
//! anywhere stops counting everywhere within [`LOOK_EVERY`] and the time of one read. While the
//! store cannot be read, what was revoked before counts, and nothing newer is known.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use outcry_contracts::users::v1::{
    UserPasswordChangedEvent, UserRoleChangedEvent, UserStatusChangedEvent,
};
use outcry_events::{PayloadError, SealedEvent};
use outcry_store::{Scan, Store, StoreError, ViewRow, ViewWrite};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::revocation::{Revocations, remembered_for};

/// View of the users whose tokens were revoked, with the epoch that counts.
const EPOCHS: &str = "token_epochs";
/// Its order by the time of the revocation.
const BY_TIME: &str = "since";
/// Its order by the event's place in the archive: rows only ever appear at the end of it.
const BY_POSITION: &str = "position";
/// Rows read at once.
const PAGE: usize = 500;

/// How often rows of other processes are looked for: half of the second that may pass before a
/// revoked token stops counting at every edge.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Tokens of an earlier epoch are void.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TokenEpoch {
    user_id: String,
    epoch: u64,
    /// Milliseconds since 1970.
    since_ms: u64,
}

/// Learns what other processes have revoked.
pub(crate) struct Watch {
    store: Arc<dyn Store>,
    revocations: Revocations,
    /// Cursor of the newest row seen.
    seen: Option<String>,
}

impl TokenEpoch {
    /// The epoch an event begins, if it does.
    pub(crate) fn of(event: &SealedEvent) -> Result<Option<TokenEpoch>, PayloadError> {
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
        Ok(Some(TokenEpoch {
            user_id,
            epoch,
            since_ms,
        }))
    }

    /// The row's write; `position` is the event's key in the archive.
    pub(crate) fn write(&self, position: &str) -> Result<ViewWrite, StoreError> {
        Ok(ViewWrite::put(EPOCHS, self.user_id.clone(), self)?
            .index(BY_TIME, format!("{:020}", self.since_ms))
            .index(BY_POSITION, position))
    }

    /// From now on this process goes by it.
    pub(crate) fn note(&self, revocations: &Revocations) {
        revocations.note(&self.user_id, self.epoch, self.since());
    }

    fn since(&self) -> SystemTime {
        UNIX_EPOCH
            .checked_add(Duration::from_millis(self.since_ms))
            .unwrap_or(UNIX_EPOCH)
    }
}

impl Watch {
    /// Loads the revocations that can still matter.
    pub(crate) async fn open(store: Arc<dyn Store>, now: SystemTime) -> Result<Watch, StoreError> {
        // First the place: what is written meanwhile is found twice rather than never.
        let newest = Scan::new(EPOCHS).index(BY_POSITION).reverse().limit(1);
        let seen = store.scan(&newest).await?.pop().map(|row| row.cursor);
        let watch = Watch {
            store,
            revocations: Revocations::new(),
            seen,
        };
        watch.load(now).await?;
        Ok(watch)
    }

    /// What is known; kept up to date by [`Watch::run`].
    pub(crate) fn revocations(&self) -> Revocations {
        self.revocations.clone()
    }

    /// Looks for new rows until `stop`.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut commits = self.store.commits();
        let mut failing = false;
        while !stop.is_cancelled() {
            // Seen before looking: a commit during the look wakes the next one.
            commits.mark_unchanged();
            let outcome = self.look().await;
            if let (Err(error), false) = (&outcome, failing) {
                let error = error as &dyn std::error::Error;
                tracing::error!(error, "revoked tokens are not heard of for now");
            }
            failing = outcome.is_err();
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                _ = commits.changed() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    async fn look(&mut self) -> Result<(), StoreError> {
        loop {
            let scan = Scan::new(EPOCHS)
                .index(BY_POSITION)
                .limit(PAGE)
                .after(self.seen.clone());
            let rows = self.store.scan(&scan).await?;
            for row in &rows {
                row.decode::<TokenEpoch>()?.note(&self.revocations);
            }
            let Some(ViewRow { cursor, .. }) = rows.into_iter().next_back() else {
                return Ok(());
            };
            self.seen = Some(cursor);
        }
    }

    async fn load(&self, now: SystemTime) -> Result<(), StoreError> {
        let oldest = now.checked_sub(remembered_for()).unwrap_or(UNIX_EPOCH);
        let mut cursor = None;
        loop {
            let scan = Scan::new(EPOCHS)
                .index(BY_TIME)
                .reverse()
                .limit(PAGE)
                .after(cursor);
            let rows = self.store.scan(&scan).await?;
            for row in &rows {
                let epoch: TokenEpoch = row.decode()?;
                if epoch.since() < oldest {
                    return Ok(());
                }
                epoch.note(&self.revocations);
            }
            match rows.last() {
                Some(last) if rows.len() == PAGE => cursor = Some(last.cursor.clone()),
                _ => return Ok(()),
            }
        }
    }
}
