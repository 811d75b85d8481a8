//! Listings: movements of an account, and its open locks.

use outcry_contracts::funds::v1 as wire;
use outcry_contracts::types::v1::{PageInfo, PageRequest};
use outcry_events::SealedEvent;
use outcry_mesh::refusal;
use outcry_store::timer::{nanos, time_of};
use outcry_store::{Scan, Store, StoreError, ViewRow, ViewWrite};
use serde::{Deserialize, Serialize};
use tonic::{Code, Status};

use crate::documents::{LOCKS, OPEN_LOCKS};
use crate::domain::movement::Movement;
use crate::domain::{Asset, Slot};

/// View of [`Listed`] rows.
const TRANSACTIONS: &str = "transactions";

/// Order of [`TRANSACTIONS`] by user and time.
const BY_USER: &str = "user";

/// Rows of a page unless another number is asked for.
const PAGE_USUAL: usize = 50;

/// Rows of a page at most: what fits well into one answer.
const PAGE_MAX: usize = 500;

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
    let (rows, page) = scan_page(store, scan, page).await?;
    let transactions = rows
        .iter()
        .map(|row| Ok(row.decode::<Listed>()?.to_message()))
        .collect::<Result<_, StoreError>>()
        .map_err(failed)?;
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
    let (rows, page) = scan_page(store, scan, page).await?;
    let mut locks = Vec::with_capacity(rows.len());
    for row in rows {
        if let Slot::Lock(lock) = row.decode::<Slot>().map_err(failed)? {
            locks.push(lock.to_message());
        }
    }
    Ok(wire::ListLocksResponse {
        locks,
        page: Some(page),
    })
}

/// One page of a scan, and where the next begins.
async fn scan_page(
    store: &dyn Store,
    scan: Scan,
    page: Option<PageRequest>,
) -> Result<(Vec<ViewRow>, PageInfo), Status> {
    let page = page.unwrap_or_default();
    let size = match usize::try_from(page.size) {
        Ok(0) | Err(_) => PAGE_USUAL,
        Ok(size) => size.min(PAGE_MAX),
    };
    let after = (!page.token.is_empty()).then_some(page.token);
    // One more than wanted tells whether there is a next page.
    let scan = scan.after(after).limit(size + 1);
    let mut rows = store.scan(&scan).await.map_err(failed)?;
    let more = rows.len() > size;
    rows.truncate(size);
    let next_token = match rows.last() {
        Some(last) if more => last.cursor.clone(),
        _ => String::new(),
    };
    Ok((rows, PageInfo { next_token }))
}

/// The status for a store that failed; its cause is for the log only.
pub(crate) fn failed(error: StoreError) -> Status {
    if matches!(error, StoreError::BadCursor) {
        return refusal::invalid("page.token", "is not the token of a page of this listing");
    }
    tracing::error!(error = &error as &dyn std::error::Error, "reading failed");
    refusal::with_reason(
        Code::Unavailable,
        "STORE_UNAVAILABLE",
        "the service cannot reach its store; try again",
    )
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
