//! What users do with their messages: read, archive, delete. Each is one change of the messages
//! and of the number of unread ones, so that the two never differ.

use std::collections::BTreeSet;

use outcry_mesh::refusal;
use outcry_service::{Page, store_failure};
use outcry_store::{Commit, CommitError, Store, StoreError, ViewWrite};
use tonic::{Code, Status};

use crate::channels::KINDS;
use crate::deliveries::{self, DELIVERIES};
use crate::inbox::{self, Listing, Message};

/// Messages changed at once: what is well within a commit.
const BATCH_MAX: usize = 500;

/// Tries of a change that meets a new message each time.
const ATTEMPTS: usize = 20;

/// What becomes of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Read,
    Archived,
    Deleted,
}

/// Changes the messages of a user that have these ids; how many were not so already.
pub(crate) async fn sort(
    store: &dyn Store,
    user_id: &str,
    ids: &[String],
    fate: Fate,
) -> Result<u64, Status> {
    let distinct: BTreeSet<&String> = ids.iter().collect();
    for _ in 0..ATTEMPTS {
        // Before the messages: what comes in between makes the commit a conflict.
        let counter = inbox::counter(store, user_id)
            .await
            .map_err(store_failure)?;
        let mut messages = Vec::new();
        for id in &distinct {
            let found = inbox::by_id(store, user_id, id).await;
            messages.extend(found.map_err(store_failure)?);
        }
        if let Some(changed) = change(store, user_id, counter, messages, fate).await? {
            return Ok(changed);
        }
    }
    Err(conflict())
}

/// Marks all messages of a user as read, batch by batch; how many were not.
pub(crate) async fn read_all(store: &dyn Store, user_id: &str) -> Result<u64, Status> {
    let listing = Listing {
        unread_only: true,
        ..Listing::default()
    };
    let mut total = 0;
    let mut conflicts = 0;
    while conflicts < ATTEMPTS {
        let counter = inbox::counter(store, user_id)
            .await
            .map_err(store_failure)?;
        let first = Page {
            size: BATCH_MAX,
            after: None,
        };
        let (messages, _) = inbox::newest(store, user_id, listing, first)
            .await
            .map_err(store_failure)?;
        let is_last = messages.len() < BATCH_MAX;
        match change(store, user_id, counter, messages, Fate::Read).await? {
            Some(changed) => {
                total += changed;
                if is_last {
                    return Ok(total);
                }
            }
            None => conflicts += 1,
        }
    }
    Err(conflict())
}

/// Changes messages; how many, or none when the user's messages changed in between.
async fn change(
    store: &dyn Store,
    user_id: &str,
    (mut counter, version): (inbox::Counter, u64),
    messages: Vec<Message>,
    fate: Fate,
) -> Result<Option<u64>, Status> {
    let mut views = Vec::new();
    let mut changed = 0;
    for mut message in messages {
        let is_unread = !message.read;
        match fate {
            Fate::Read if message.read => continue,
            Fate::Archived if message.archived => continue,
            Fate::Read => message.read = true,
            Fate::Archived => (message.read, message.archived) = (true, true),
            Fate::Deleted => {}
        }
        changed += 1;
        counter.unread = counter.unread.saturating_sub(u64::from(is_unread));
        let writes = match fate {
            Fate::Deleted => deleted(&message),
            Fate::Read | Fate::Archived => message.write().map(|write| vec![write]),
        };
        views.extend(writes.map_err(store_failure)?);
    }
    if changed == 0 {
        return Ok(Some(0));
    }
    views.push(counter.write(user_id, version).map_err(store_failure)?);
    let commit = Commit {
        views,
        ..Commit::default()
    };
    match store.commit(commit).await {
        Ok(()) => Ok(Some(changed)),
        Err(CommitError::Conflict(_)) => Ok(None),
        Err(error) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "changing messages failed"
            );
            Err(unavailable())
        }
    }
}

/// A message goes with everything that was made of it.
fn deleted(message: &Message) -> Result<Vec<ViewWrite>, StoreError> {
    let mut writes = message.delete()?.to_vec();
    for kind in KINDS {
        let id = deliveries::id_of(&message.notification_id, kind);
        writes.push(ViewWrite::delete(DELIVERIES, id));
    }
    Ok(writes)
}

/// The status of a change that others keep getting in the way of.
pub(crate) fn conflict() -> Status {
    let message = "your messages keep changing in between; try again";
    refusal::with_reason(Code::Aborted, "CONFLICT", message)
}

/// The status while the store does not answer.
pub(crate) fn unavailable() -> Status {
    let message = "the service cannot reach its store; try again";
    refusal::with_reason(Code::Unavailable, "STORE_UNAVAILABLE", message)
}
