//! What is kept: a row per position, per lot, per last price and per user.

use std::collections::BTreeMap;

use outcry_store::{Scan, Store, StoreError, ViewRow, ViewWrite};
use serde::{Deserialize, Serialize};

use crate::domain::{Holding, Lot, Position, Price};

mod window;

pub(crate) use self::window::{Sides, Window};

/// [`Position`]s by `<user>/<symbol>`.
pub const POSITIONS: &str = "positions";

/// [`Lot`]s by `<user>/<symbol>/<event that opened it>`: the oldest first. They stay when all of
/// their shares are sold, because a lot that comes late takes the place of newer ones.
pub const LOTS: &str = "lots";

/// [`Price`]s by symbol.
pub const PRICES: &str = "prices";

/// [`Portfolio`]s by user.
pub const PORTFOLIOS: &str = "portfolios";

/// Order of the lots shares are left of, by their keys.
const OPEN: &str = "open";

/// Order of the lots shares were sold of, by their keys.
const SOLD: &str = "sold";

/// Rows of one listing at most: what fits into one answer.
pub(crate) const ROWS_MAX: usize = 10_000;

/// That a user has a portfolio, even while there is nothing in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Portfolio {
    /// Whose.
    pub user_id: String,
    /// Since when, in nanoseconds since 1970.
    pub opened_at_ns: i64,
}

/// Key of a position.
#[must_use]
pub fn position_key(user_id: &str, symbol: &str) -> String {
    format!("{user_id}/{symbol}")
}

/// Key of a lot.
#[must_use]
pub fn lot_key(user_id: &str, symbol: &str, lot: &Lot) -> String {
    format!("{user_id}/{symbol}/{}", lot.opened_by)
}

/// A position and the version of its row; 0 when there is none.
///
/// Lots belong to the position only if this version still holds when a commit is made: whoever
/// changes a lot writes the position too.
pub(crate) async fn position(
    store: &dyn Store,
    user_id: &str,
    symbol: &str,
) -> Result<(Position, u64), StoreError> {
    let row = store
        .view(POSITIONS, &position_key(user_id, symbol))
        .await?;
    match row {
        Some(row) => Ok((row.decode()?, row.version)),
        None => Ok((Position::empty(user_id, symbol), 0)),
    }
}

/// The writes that make the kept rows, of which those in `before` are some at `version`, into
/// `after`.
pub(crate) fn changes(
    before: &Holding,
    version: u64,
    after: &Holding,
) -> Result<Vec<ViewWrite>, StoreError> {
    let Position {
        user_id, symbol, ..
    } = &after.position;
    let key = position_key(user_id, symbol);
    let mut writes = vec![ViewWrite::put(POSITIONS, key, &after.position)?.expect(version)];
    for (id, lot) in &after.lots {
        if before.lots.get(id) == Some(lot) {
            continue;
        }
        let key = lot_key(user_id, symbol, lot);
        let mut write = ViewWrite::put(LOTS, key.clone(), lot)?;
        if lot.is_open() {
            write = write.index(OPEN, key.clone());
        }
        if lot.sold() > 0 {
            write = write.index(SOLD, key);
        }
        writes.push(write);
    }
    Ok(writes)
}

/// The lots of a position that shares are left of, the oldest first.
pub(crate) fn open_lots(user_id: &str, symbol: &str) -> Scan {
    Scan::new(LOTS)
        .index(OPEN)
        .prefix(format!("{user_id}/{symbol}/"))
}

/// The lots of a position that shares were sold of, the newest first.
fn sold_lots(user_id: &str, symbol: &str) -> Scan {
    Scan::new(LOTS)
        .index(SOLD)
        .prefix(format!("{user_id}/{symbol}/"))
        .reverse()
}

/// All positions of a user by symbol.
pub(crate) async fn positions(
    store: &dyn Store,
    user_id: &str,
) -> Result<Vec<Position>, StoreError> {
    let scan = Scan::new(POSITIONS)
        .prefix(format!("{user_id}/"))
        .limit(ROWS_MAX);
    let rows = store.scan(&scan).await?;
    rows.iter().map(ViewRow::decode).collect()
}

/// The last prices of all symbols.
pub(crate) async fn prices(store: &dyn Store) -> Result<BTreeMap<String, Price>, StoreError> {
    let rows = store.scan(&Scan::new(PRICES).limit(ROWS_MAX)).await?;
    rows.iter()
        .map(|row| Ok((row.key.clone(), row.decode()?)))
        .collect()
}

/// The write that makes `price` the last one of its symbol, unless a later one is known.
pub(crate) async fn price_change(
    store: &dyn Store,
    price: &Price,
) -> Result<Option<ViewWrite>, StoreError> {
    let row = store.view(PRICES, &price.symbol).await?;
    let version = match &row {
        Some(row) if !price.is_after(&row.decode()?) => return Ok(None),
        Some(row) => row.version,
        None => 0,
    };
    let write = ViewWrite::put(PRICES, price.symbol.clone(), price)?;
    Ok(Some(write.expect(version)))
}
