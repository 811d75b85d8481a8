//! Listings: movements of an account, its open locks and payouts, suspense, accounts.

use outcry_contracts::funds::v1 as wire;
use outcry_contracts::types::v1::{PageInfo, PageRequest};
use outcry_events::SealedEvent;
use outcry_service::{Page, store_failure};
use outcry_store::timer::{nanos, time_of};
use outcry_store::{Scan, Store, StoreError, ViewRow, ViewWrite};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tonic::Status;

use crate::documents::{
    ACCOUNTS, ALL_SUSPENSE, LOCKS, OPEN_LOCKS, OPEN_SUSPENSE, SUSPENSE, USERS_WITHDRAWALS,
    WITHDRAWALS,
};
use crate::domain::movement::Movement;
use crate::domain::{Account, Asset, Slot, SuspenseItem, Withdrawal};
use crate::shown;

/// View of [`Listed`] rows.
const TRANSACTIONS: &str = "transactions";

/// Order of [`TRANSACTIONS`] by user and time.
const BY_USER: &str = "user";

/// Order of [`TRANSACTIONS`] by user, reference and time.
const BY_REFERENCE: &str = "reference";

/// Order of [`TRANSACTIONS`] by event.
const BY_EVENT: &str = "event";

/// What one event changed for one user.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Listed {
    pub(crate) event_id: String,
    pub(crate) user_id: String,
    pub(crate) topic: String,
    /// Place in the event's stream.
    pub(crate) sequence: u64,
    /// Changes of what is available, signed.
    changes: Vec<(Asset, i64)>,
    pub(crate) reference: String,
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
    let row = Listed::of(event, &first.user_id, movements, reference);
    // Ids grow with time, so they order the rows. No reference holds a slash.
    let (user_id, event_id) = (&row.user_id, &row.event_id);
    let write = ViewWrite::put(TRANSACTIONS, format!("{user_id}/{event_id}"), &row)?
        .index(BY_USER, format!("{user_id}/{event_id}"))
        .index(BY_REFERENCE, format!("{user_id}/{reference}/{event_id}"))
        .index(BY_EVENT, format!("{event_id}/{user_id}"));
    Ok(Some(write))
}

/// Movements of a user's account, newest first: all, or those with a reference.
pub(crate) async fn transactions(
    store: &dyn Store,
    user_id: &str,
    reference: &str,
    page: Option<PageRequest>,
) -> Result<wire::ListTransactionsResponse, Status> {
    let (transactions, page) = read(store, listing(user_id, reference).reverse(), page).await?;
    Ok(wire::ListTransactionsResponse {
        transactions: transactions.iter().map(Listed::to_message).collect(),
        page: Some(page),
    })
}

/// Movements of a user, oldest first: a batch behind a cursor, and the cursor behind it; none at
/// the end.
pub(crate) async fn movements(
    store: &dyn Store,
    user_id: &str,
    after: Option<String>,
    limit: usize,
) -> Result<(Vec<Listed>, Option<String>), StoreError> {
    let scan = listing(user_id, "").after(after).limit(limit);
    let rows = store.scan(&scan).await?;
    let next = match rows.last() {
        Some(last) if rows.len() == limit => Some(last.cursor.clone()),
        _ => None,
    };
    let listed = rows.iter().map(ViewRow::decode).collect::<Result<_, _>>();
    Ok((listed?, next))
}

fn listing(user_id: &str, reference: &str) -> Scan {
    let scan = Scan::new(TRANSACTIONS);
    match reference {
        "" => scan.index(BY_USER).prefix(format!("{user_id}/")),
        reference => scan
            .index(BY_REFERENCE)
            .prefix(format!("{user_id}/{reference}/")),
    }
}

/// What an event changed, for the first of those it changed something for.
pub(crate) async fn movement(
    store: &dyn Store,
    event_id: &str,
) -> Result<Option<Listed>, StoreError> {
    let scan = Scan::new(TRANSACTIONS)
        .index(BY_EVENT)
        .prefix(format!("{event_id}/"))
        .limit(1);
    let rows = store.scan(&scan).await?;
    rows.first().map(|row| row.decode()).transpose()
}

/// Payouts of a user, newest first.
pub(crate) async fn withdrawals(
    store: &dyn Store,
    user_id: &str,
    page: Option<PageRequest>,
) -> Result<wire::ListWithdrawalsResponse, Status> {
    let scan = Scan::new(WITHDRAWALS)
        .index(USERS_WITHDRAWALS)
        .prefix(format!("{user_id}/"))
        .reverse();
    let (withdrawals, page) = read::<Withdrawal>(store, scan, page).await?;
    Ok(wire::ListWithdrawalsResponse {
        withdrawals: withdrawals.iter().map(shown::withdrawal).collect(),
        page: Some(page),
    })
}

/// Money in suspense, oldest first.
pub(crate) async fn suspense(
    store: &dyn Store,
    open_only: bool,
    page: Option<PageRequest>,
) -> Result<wire::ListSuspenseResponse, Status> {
    let order = if open_only {
        OPEN_SUSPENSE
    } else {
        ALL_SUSPENSE
    };
    let (items, page) = read::<SuspenseItem>(store, Scan::new(SUSPENSE).index(order), page).await?;
    Ok(wire::ListSuspenseResponse {
        items: items.iter().map(shown::suspense).collect(),
        page: Some(page),
    })
}

/// Accounts, by user id.
pub(crate) async fn accounts(
    store: &dyn Store,
    page: Option<PageRequest>,
) -> Result<wire::ListAccountsResponse, Status> {
    let (accounts, page) = read::<Account>(store, Scan::new(ACCOUNTS), page).await?;
    Ok(wire::ListAccountsResponse {
        accounts: accounts.iter().map(shown::account).collect(),
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
    let (slots, page) = read(store, scan, page).await?;
    let locks = slots.into_iter().filter_map(|slot| match slot {
        Slot::Lock(lock) => Some(lock.to_message()),
        Slot::Barred { .. } => None,
    });
    Ok(wire::ListLocksResponse {
        locks: locks.collect(),
        page: Some(page),
    })
}

/// One page of documents.
async fn read<T: DeserializeOwned>(
    store: &dyn Store,
    scan: Scan,
    page: Option<PageRequest>,
) -> Result<(Vec<T>, PageInfo), Status> {
    let read = Page::of(page).read(store, scan).await;
    let (rows, page) = read.map_err(store_failure)?;
    let documents = rows.iter().map(ViewRow::decode).collect::<Result<_, _>>();
    Ok((documents.map_err(store_failure)?, page))
}

// === impl Listed ===

impl Listed {
    /// What an event changed for one user.
    pub(crate) fn of(
        event: &SealedEvent,
        user_id: &str,
        movements: &[Movement],
        reference: &str,
    ) -> Listed {
        Listed {
            event_id: event.id().to_string(),
            user_id: user_id.to_owned(),
            topic: event.topic().to_owned(),
            sequence: event.sequence(),
            changes: movements
                .iter()
                .filter(|movement| movement.available != 0)
                .map(|movement| (movement.asset.clone(), movement.available))
                .collect(),
            reference: reference.to_owned(),
            at_ns: nanos(event.occurred_at()).unwrap_or_default(),
        }
    }

    /// The movement as callers see it.
    pub(crate) fn to_message(&self) -> wire::Transaction {
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
