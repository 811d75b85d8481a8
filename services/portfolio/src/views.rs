//! What is kept: a row per position, per lot, per sale, per take, per last price and per user.

use std::collections::BTreeMap;

use outcry_store::{Scan, Store, StoreError, ViewRow, ViewWrite};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::domain::{Holding, Lot, Portfolios, Position, Price, Sale, Take};

/// [`Position`]s by `<user>/<symbol>`.
pub const POSITIONS: &str = "positions";

/// [`Lot`]s by `<user>/<symbol>/<event that opened it>`: the oldest first. They stay when all of
/// their shares are sold, because a movement that comes late gives some of them back.
pub const LOTS: &str = "lots";

/// [`Sale`]s by `<user>/<symbol>/<event>`.
pub const SALES: &str = "sales";

/// [`Take`]s by `<user>/<symbol>/<event of the sale>/<event that opened the lot>`.
pub const TAKES: &str = "takes";

/// [`Price`]s by symbol.
pub const PRICES: &str = "prices";

/// [`Portfolios`] by user.
pub const PORTFOLIOS: &str = "portfolios";

/// Order of the lots shares are left of, by their keys.
const OPEN: &str = "open";

/// The same by `<user>/<symbol>/<portfolio>/<event that opened it>`.
const OPEN_OWN: &str = "open_own";

/// Order of the sales that wait for shares, by their keys.
const WAITING: &str = "waiting";

/// Order of the takes that were earlier than their lots, by their keys.
const EARLY: &str = "early";

/// Order of [`PORTFOLIOS`] by the ids of portfolios.
const BY_PORTFOLIO: &str = "portfolio";

/// Rows of one listing at most: what fits into one answer.
pub(crate) const ROWS_MAX: usize = 10_000;

/// Key of a position.
#[must_use]
pub fn position_key(user_id: &str, symbol: &str) -> String {
    format!("{user_id}/{symbol}")
}

/// A position and the version of its row; 0 when there is none.
///
/// Lots, sales and takes belong to the position only if this version still holds when a commit is
/// made: whoever changes one of them writes the position too.
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
/// `after` at this time; none when nothing is different.
pub(crate) fn changes(
    before: &Holding,
    version: u64,
    after: &Holding,
    now_ns: i64,
) -> Result<Vec<ViewWrite>, StoreError> {
    if before == after {
        return Ok(Vec::new());
    }
    let mut position = after.position.clone();
    position.changed_ns = now_ns.max(position.changed_ns.saturating_add(1));
    let key = position_key(&position.user_id, &position.symbol);
    let mut writes = vec![ViewWrite::put(POSITIONS, key.clone(), &position)?.expect(version)];
    for (id, lot) in changed(&before.lots, &after.lots) {
        let place = format!("{key}/{id}");
        let mut write = ViewWrite::put(LOTS, place.clone(), lot)?;
        if lot.is_open() {
            let own = format!("{key}/{}/{id}", lot.portfolio_id);
            write = write.index(OPEN, place).index(OPEN_OWN, own);
        }
        writes.push(write);
    }
    for (id, sale) in changed(&before.sales, &after.sales) {
        let place = format!("{key}/{id}");
        let mut write = ViewWrite::put(SALES, place.clone(), sale)?;
        if sale.uncovered > 0 {
            write = write.index(WAITING, place);
        }
        writes.push(write);
    }
    for ((sale, lot), take) in changed(&before.takes, &after.takes) {
        let place = format!("{key}/{sale}/{lot}");
        let mut write = ViewWrite::put(TAKES, place.clone(), take)?;
        if take.is_early() {
            write = write.index(EARLY, place);
        }
        writes.push(write);
    }
    let gone = before
        .takes
        .keys()
        .filter(|place| !after.takes.contains_key(place));
    for (sale, lot) in gone {
        writes.push(ViewWrite::delete(TAKES, format!("{key}/{sale}/{lot}")));
    }
    Ok(writes)
}

fn changed<'a, K: Ord, V: PartialEq>(
    before: &'a BTreeMap<K, V>,
    after: &'a BTreeMap<K, V>,
) -> impl Iterator<Item = (&'a K, &'a V)> {
    after
        .iter()
        .filter(|(key, value)| before.get(key) != Some(value))
}

/// The lots of a position, or of one portfolio in it, that shares are left of, the oldest first.
pub(crate) fn open_lots(user_id: &str, symbol: &str, portfolio_id: Option<Uuid>) -> Scan {
    match portfolio_id {
        None => Scan::new(LOTS)
            .index(OPEN)
            .prefix(format!("{user_id}/{symbol}/")),
        Some(portfolio_id) => Scan::new(LOTS)
            .index(OPEN_OWN)
            .prefix(format!("{user_id}/{symbol}/{portfolio_id}/")),
    }
}

/// The sales of a position that wait for shares, the oldest first.
pub(crate) fn waiting_sales(key: &str) -> Scan {
    Scan::new(SALES).index(WAITING).prefix(format!("{key}/"))
}

/// The takes of a position, those of the newest sales first.
pub(crate) fn takes(key: &str) -> Scan {
    Scan::new(TAKES).prefix(format!("{key}/")).reverse()
}

/// The first sale of a position that took a lot later than itself.
pub(crate) async fn first_early(store: &dyn Store, key: &str) -> Result<Option<Uuid>, StoreError> {
    let scan = Scan::new(TAKES).index(EARLY).prefix(format!("{key}/"));
    let first: Vec<Take> = read(store, &scan.limit(1)).await?;
    Ok(first.first().map(|take| take.sale))
}

/// A lot.
pub(crate) async fn lot(store: &dyn Store, key: &str, id: Uuid) -> Result<Option<Lot>, StoreError> {
    let row = store.view(LOTS, &format!("{key}/{id}")).await?;
    row.map(|row| row.decode()).transpose()
}

/// A sale.
pub(crate) async fn sale(
    store: &dyn Store,
    key: &str,
    id: Uuid,
) -> Result<Option<Sale>, StoreError> {
    let row = store.view(SALES, &format!("{key}/{id}")).await?;
    row.map(|row| row.decode()).transpose()
}

/// The rows of a scan.
pub(crate) async fn read<Row: DeserializeOwned>(
    store: &dyn Store,
    scan: &Scan,
) -> Result<Vec<Row>, StoreError> {
    let rows = store.scan(scan).await?;
    rows.iter().map(ViewRow::decode).collect()
}

/// All positions of a user by symbol.
pub(crate) async fn positions(
    store: &dyn Store,
    user_id: &str,
) -> Result<Vec<Position>, StoreError> {
    let scan = Scan::new(POSITIONS)
        .prefix(format!("{user_id}/"))
        .limit(ROWS_MAX);
    read(store, &scan).await
}

/// The last prices of all symbols.
pub(crate) async fn prices(store: &dyn Store) -> Result<BTreeMap<String, Price>, StoreError> {
    let prices: Vec<Price> = read(store, &Scan::new(PRICES).limit(ROWS_MAX)).await?;
    let prices = prices.into_iter();
    Ok(prices.map(|price| (price.symbol.clone(), price)).collect())
}

/// The write that makes `price` the last one of its symbol, unless a later one is known.
pub(crate) async fn price_change(
    store: &dyn Store,
    price: Price,
    now_ns: i64,
) -> Result<Option<ViewWrite>, StoreError> {
    let row = store.view(PRICES, &price.symbol).await?;
    let (version, changed_ns) = match &row {
        Some(row) => {
            let last: Price = row.decode()?;
            if !price.is_after(&last) {
                return Ok(None);
            }
            (row.version, now_ns.max(last.changed_ns.saturating_add(1)))
        }
        None => (0, now_ns),
    };
    let price = Price {
        changed_ns,
        ..price
    };
    let write = ViewWrite::put(PRICES, price.symbol.clone(), &price)?;
    Ok(Some(write.expect(version)))
}

/// The portfolios of a user, with the version of their row; those of one nothing is known of are
/// there all the same.
pub(crate) async fn portfolios(
    store: &dyn Store,
    user_id: &str,
) -> Result<(Portfolios, u64), StoreError> {
    match store.view(PORTFOLIOS, user_id).await? {
        Some(row) => Ok((row.decode()?, row.version)),
        None => Ok((Portfolios::new(user_id), 0)),
    }
}

/// The portfolios one of which is this.
pub(crate) async fn with_portfolio(
    store: &dyn Store,
    portfolio_id: Uuid,
) -> Result<Option<Portfolios>, StoreError> {
    let scan = Scan::new(PORTFOLIOS)
        .index(BY_PORTFOLIO)
        .prefix(portfolio_id.to_string())
        .limit(1);
    let found: Vec<Portfolios> = read(store, &scan).await?;
    Ok(found.into_iter().next())
}

/// The write of the portfolios of a user in place of those of a version.
pub(crate) fn portfolios_change(
    portfolios: &Portfolios,
    version: u64,
) -> Result<ViewWrite, StoreError> {
    let key = portfolios.user_id.clone();
    let mut write = ViewWrite::put(PORTFOLIOS, key, portfolios)?.expect(version);
    for one in &portfolios.portfolios {
        write = write.index(BY_PORTFOLIO, one.portfolio_id.to_string());
    }
    Ok(write)
}
