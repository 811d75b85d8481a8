//! Listings: movements of an account, and its open locks.

use outcry_contracts::funds::v1 as wire;
use outcry_contracts::types::v1::PageRequest;
use outcry_events::SealedEvent;
use outcry_service::{Page, store_failure};
use outcry_store::timer::{nanos, time_of};
use outcry_store::{Scan, Store, StoreError, ViewWrite};
use serde::{Deserialize, Serialize};
use tonic::Status;

use crate::documents::{LOCKS, OPEN_LOCKS};
use crate::domain::movement::Movement;
use crate::domain::{Asset, Slot};

/// View of [`Listed`] rows.
const TRANSACTIONS: &str = "transactions";

/// Order of [`TRANSACTIONS`] by user and time.
const BY_USER: &str = "user";

/// What one event changed for one user.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Listed {
    event_id: String,
    topic: String,
    /// Changes of what is available, signed.
    changes: Vec<(Asset, i64)>,
    reference: String,
    at_ns: i64,
}

/// The row that lists what an event changed for one user; none if the event moves nothing.
pub(crate) fn listed(
    event: &SealedEvent,
    movements: &[Movement],
    reference: &str,
) -> Result<Option<ViewWrite>, StoreError> {
    let Some(first) = movements.first() else {
        return Ok(None);
    };
    let row = Listed {
        event_id: event.id().to_string(),
        topic: event.topic().to_owned(),
        changes: movements
            .iter()
            .filter(|movement| movement.available != 0)
            .map(|movement| (movement.asset.clone(), movement.available))
            .collect(),
        reference: reference.to_owned(),
        at_ns: nanos(event.occurred_at()).unwrap_or_default(),
    };
    // Ids grow with time, so they order the rows.
    let place = format!("{}/{}", first.user_id, event.id());
    let write = ViewWrite::put(TRANSACTIONS, place.clone(), &row)?;
    Ok(Some(write.index(BY_USER, place)))
}

/// Movements of a user's account, newest first.
pub(crate) async fn transactions(
    store: &dyn Store,
    user_id: &str,
    page: Option<PageRequest>,
) -> Result<wire::ListTransactionsResponse, Status> {
    let scan = Scan::new(TRANSACTIONS)
        .index(BY_USER)
        .prefix(format!("{user_id}/"))
        .reverse();
    let (rows, page) = Page::of(page)
        .read(store, scan)
        .await
        .map_err(store_failure)?;
    let transactions = rows
        .iter()
        .map(|row| Ok(row.decode::<Listed>()?.to_message()))
        .collect::<Result<_, StoreError>>()
        .map_err(store_failure)?;
    Ok(wire::ListTransactionsResponse {
        transactions,
        page: Some(page),
    })
}

/// Locks of a user that are not over.
pub(crate) async fn open_locks(
    store: &dyn Store,
    user_id: &str,
    page: Option<PageRequest>,
) -> Result<wire::ListLocksResponse, Status> {
    let scan = Scan::new(LOCKS)
        .index(OPEN_LOCKS)
        .prefix(format!("{user_id}/"));
    let (rows, page) = Page::of(page)
        .read(store, scan)
        .await
        .map_err(store_failure)?;
    let mut locks = Vec::with_capacity(rows.len());
    for row in rows {
        if let Slot::Lock(lock) = row.decode::<Slot>().map_err(store_failure)? {
            locks.push(lock.to_message());
        }
    }
    Ok(wire::ListLocksResponse {
        locks,
        page: Some(page),
    })
}

// === impl Listed ===

impl Listed {
    fn to_message(&self) -> wire::Transaction {
        wire::Transaction {
            event_id: self.event_id.clone(),
            r#type: self.topic.clone(),
            changes: self
                .changes
                .iter()
                .filter_map(|(asset, amount)| asset.value(*amount).ok())
                .map(|value| value.to_message())
                .collect(),
            reference: self.reference.clone(),
            at: Some(time_of(self.at_ns).into()),
        }
    }
}
