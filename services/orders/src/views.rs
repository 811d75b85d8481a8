//! Read models: orders, the users' own ids for them, and what is known of users.
//!
//! A row of an order is [`Document`], a pure fold of the order's events that an auditor can
//! recompute with [`refold`], and [`Progress`], what is under way and no fact yet. The row is
//! written in the same commit as the events, so whoever got an answer reads it back.
//!
//! Orders of a user are listed by order id: ids are made in the order of time.

mod document;
mod progress;
mod shown;
mod users;

use outcry_store::{Scan, Store, StoreError, ViewRow, ViewWrite};
use serde::{Deserialize, Serialize};

pub use document::{Document, refold};
pub use progress::{Cancelling, Progress, Replacing, RequestKey, Surplus, VenueState};
pub use shown::shown;
pub(crate) use shown::{settled_status, status};
pub use users::{BARRED, USERS, UserRow};
pub(crate) use users::{known_user, not_barred, write_user};

/// Orders by id: rows are [`OrderRow`].
pub const ORDERS: &str = "orders";
/// Order ids by user and the user's own id: rows are [`ClientOrderRow`].
pub const CLIENT_ORDERS: &str = "client_orders";

/// Orders of a user.
const BY_USER: &str = "user";
/// Orders of a user in one symbol.
const BY_USER_SYMBOL: &str = "user_symbol";
/// Orders of a user that are not final.
const OPEN_BY_USER: &str = "open_user";
/// Orders of a user in one symbol that are not final.
const OPEN_BY_USER_SYMBOL: &str = "open_user_symbol";

/// An order as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderRow {
    /// What its events say.
    pub order: Document,
    /// What is under way.
    pub progress: Progress,
}

/// Which order a user's own id belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientOrderRow {
    /// The order.
    pub order_id: String,
}

/// A row and how often it was written; 0 is for a row that is not there yet.
#[derive(Clone, Debug)]
pub(crate) struct Versioned<T> {
    pub(crate) row: T,
    pub(crate) version: u64,
}

/// Which orders are wanted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter<'a> {
    /// Whose.
    pub(crate) user_id: &'a str,
    /// Only those in this symbol; empty means all.
    pub(crate) symbol: &'a str,
    /// Only those that are not final.
    pub(crate) open_only: bool,
}

// === Orders ===

/// The order with this id.
pub(crate) async fn order(
    store: &dyn Store,
    order_id: &str,
) -> Result<Option<Versioned<OrderRow>>, StoreError> {
    let Some(row) = store.view(ORDERS, order_id).await? else {
        return Ok(None);
    };
    Ok(Some(Versioned {
        row: row.decode()?,
        version: row.version,
    }))
}

/// The row of an order with its places in the listings, provided nobody has written it meanwhile.
pub(crate) fn write_order(order: &Versioned<OrderRow>) -> Result<ViewWrite, StoreError> {
    let document = &order.row.order;
    let (id, user, symbol) = (&document.order_id, &document.user_id, &document.symbol);
    let by_user = format!("{user}/{id}");
    let by_symbol = format!("{user}/{symbol}/{id}");
    let write = ViewWrite::put(ORDERS, id, &order.row)?
        .expect(order.version)
        .index(BY_USER, by_user.clone())
        .index(BY_USER_SYMBOL, by_symbol.clone());
    Ok(if document.is_final() {
        write
    } else {
        write
            .index(OPEN_BY_USER, by_user)
            .index(OPEN_BY_USER_SYMBOL, by_symbol)
    })
}

/// Orders of a user, newest first; each with the cursor behind it.
pub(crate) async fn orders(
    store: &dyn Store,
    filter: &Filter<'_>,
    after: Option<String>,
    limit: usize,
) -> Result<Vec<(OrderRow, String)>, StoreError> {
    let rows = store.scan(&filter.scan(after, limit)).await?;
    rows.into_iter()
        .map(|row: ViewRow| Ok((row.decode()?, row.cursor)))
        .collect()
}

// === Client order ids ===

/// The order with a user's own id.
pub(crate) async fn by_client_order_id(
    store: &dyn Store,
    user_id: &str,
    client_order_id: &str,
) -> Result<Option<String>, StoreError> {
    let key = client_key(user_id, client_order_id);
    match store.view(CLIENT_ORDERS, &key).await? {
        Some(row) => Ok(Some(row.decode::<ClientOrderRow>()?.order_id)),
        None => Ok(None),
    }
}

/// Takes a user's own id for an order, provided it is free.
pub(crate) fn take_client_order_id(
    user_id: &str,
    client_order_id: &str,
    order_id: &str,
) -> Result<ViewWrite, StoreError> {
    let row = ClientOrderRow {
        order_id: order_id.to_owned(),
    };
    let key = client_key(user_id, client_order_id);
    Ok(ViewWrite::put(CLIENT_ORDERS, key, &row)?.expect(0))
}

/// User ids hold no slash, so two pairs never share a key.
fn client_key(user_id: &str, client_order_id: &str) -> String {
    format!("{user_id}/{client_order_id}")
}

// === impl Filter ===

impl Filter<'_> {
    fn scan(&self, after: Option<String>, limit: usize) -> Scan {
        let user = self.user_id;
        let (index, prefix) = match (self.open_only, self.symbol) {
            (false, "") => (BY_USER, format!("{user}/")),
            (false, symbol) => (BY_USER_SYMBOL, format!("{user}/{symbol}/")),
            (true, "") => (OPEN_BY_USER, format!("{user}/")),
            (true, symbol) => (OPEN_BY_USER_SYMBOL, format!("{user}/{symbol}/")),
        };
        Scan::new(ORDERS)
            .index(index)
            .prefix(prefix)
            .after(after)
            .limit(limit)
            .reverse()
    }
}

#[cfg(test)]
mod model;
