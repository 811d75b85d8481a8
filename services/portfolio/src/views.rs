//! What is kept: a row per position, per open lot, per last price and per user.

use std::collections::BTreeMap;

use outcry_store::{Scan, Store, StoreError, ViewRow, ViewWrite};
use serde::{Deserialize, Serialize};

use crate::domain::{Holding, Lot, Position, Price};

/// [`Position`]s by `<user>/<symbol>`.
pub const POSITIONS: &str = "positions";

/// [`Lot`]s by `<user>/<symbol>/<event that opened it>`: the oldest first.
pub const LOTS: &str = "lots";

/// [`Price`]s by symbol.
pub const PRICES: &str = "prices";

/// [`Portfolio`]s by user.
pub const PORTFOLIOS: &str = "portfolios";

/// Rows of one listing at most: what fits into one answer.
pub(crate) const ROWS_MAX: usize = 10_000;

/// Lots read at a time when a sale looks for its shares: mostly the first is enough.
const LOTS_PAGE: usize = 64;

/// Lots one sale may take: what fits into one commit, with room for the rest of it.
pub(crate) const SALE_LOTS_MAX: usize = 9_000;

/// That a user has a portfolio, even while there is nothing in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Portfolio {
    /// Whose.
    pub user_id: String,
    /// Since when, in nanoseconds since 1970.
    pub opened_at_ns: i64,
}

/// A holding as read: with the oldest of its lots, as many as were asked for.
pub(crate) struct Kept {
    pub holding: Holding,
    /// Version of the position's row; 0 when there is none.
    pub version: u64,
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

/// A position and the oldest of its lots, until they hold `shares`.
///
/// The lots belong to the position only if the position's version still holds when the commit is
/// made: whoever changes a lot writes the position too.
pub(crate) async fn holding(
    store: &dyn Store,
    user_id: &str,
    symbol: &str,
    shares: i64,
) -> Result<Kept, StoreError> {
    let row = store
        .view(POSITIONS, &position_key(user_id, symbol))
        .await?;
    let (position, version) = match &row {
        Some(row) => (row.decode()?, row.version),
        None => (Position::empty(user_id, symbol), 0),
    };
    let mut lots = BTreeMap::new();
    let mut found = 0_i64;
    let mut after = None;
    while found < shares && lots.len() <= SALE_LOTS_MAX {
        let page = store
            .scan(&lots_of(user_id, symbol).after(after).limit(LOTS_PAGE))
            .await?;
        let full = page.len() == LOTS_PAGE;
        for row in &page {
            let lot: Lot = row.decode()?;
            found = found.saturating_add(lot.quantity);
            lots.insert(lot.opened_by, lot);
        }
        after = page.last().map(|row| row.cursor.clone());
        if !full {
            break;
        }
    }
    Ok(Kept {
        holding: Holding { position, lots },
        version,
    })
}

/// The writes that make what is kept from `before` into `after`.
pub(crate) fn changes(before: &Kept, after: &Holding) -> Result<Vec<ViewWrite>, StoreError> {
    let Position {
        user_id, symbol, ..
    } = &after.position;
    let key = position_key(user_id, symbol);
    let mut writes = vec![ViewWrite::put(POSITIONS, key, &after.position)?.expect(before.version)];
    for (id, lot) in &after.lots {
        if before.holding.lots.get(id) != Some(lot) {
            writes.push(ViewWrite::put(LOTS, lot_key(user_id, symbol, lot), lot)?);
        }
    }
    let gone = before.holding.lots.iter();
    for (_, lot) in gone.filter(|(id, _)| !after.lots.contains_key(*id)) {
        writes.push(ViewWrite::delete(LOTS, lot_key(user_id, symbol, lot)));
    }
    Ok(writes)
}

/// The open lots of a position, the oldest first.
pub(crate) fn lots_of(user_id: &str, symbol: &str) -> Scan {
    Scan::new(LOTS).prefix(format!("{user_id}/{symbol}/"))
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
