//! Read models: trades, the tape, settlements, symbols, and orders that may never come in.

mod tape;

use std::time::SystemTime;

use outcry_contracts::trades::v1 as contract;
use outcry_contracts::types::v1::PageInfo;
use outcry_events::Amount;
use outcry_service::Page;
use outcry_store::{Scan, Store, StoreError, ViewWrite, timer};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::book::Session;
use crate::calendar::Phase;
use crate::trade::{Trade, amount, trade_id};

pub(crate) use tape::{TapeRow, match_id, tape_after, tape_latest};

/// Trades by id.
pub(crate) const TRADES: &str = "trades";
/// Settled shares by trade id.
const SETTLED: &str = "settled";
/// Symbols the venue has written for; written anew with every commit of their desks.
const SYMBOLS: &str = "symbols";
/// Requests to change sessions that were carried out, by request id.
const SESSION_REQUESTS: &str = "session_requests";
/// Orders that were cancelled before they came, by order id.
const BARRED: &str = "barred";

/// Trades of a user, oldest first.
const BY_USER: &str = "user";
/// The same, only those in the book.
const OPEN_BY_USER: &str = "open";
/// Barred orders of a symbol.
const BY_SYMBOL: &str = "symbol";

/// How much of a trade is settled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Settled {
    /// Shares.
    pub(crate) quantity: i64,
    /// How often the row was written; 0 when there is none.
    #[serde(skip)]
    pub(crate) version: u64,
}

/// A symbol the venue knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SymbolRow {
    /// Whether trading is halted.
    pub(crate) halted: bool,
    /// Why, in words.
    pub(crate) reason: String,
    /// The contract's session state; unspecified in rows of before there were sessions.
    #[serde(default)]
    pub(crate) session: i32,
    /// Price of the last match, in ten-thousandths.
    #[serde(default)]
    pub(crate) last_price: Option<i64>,
    /// What the trading hours made of it last.
    #[serde(default)]
    pub(crate) phase: Option<PhaseRow>,
}

/// Opened or closed by trading hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PhaseRow {
    open: bool,
    /// Nanoseconds since 1970.
    since_ns: i64,
}

/// A request to change a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SessionRequest {
    pub(crate) symbol: String,
    /// The contract's session state.
    pub(crate) state: i32,
    pub(crate) reason: String,
}

/// An order that may never come in.
#[derive(Debug, Serialize, Deserialize)]
struct BarredRow {
    symbol: String,
}

// === Trades ===

/// The row of a trade, with its places in the listings.
pub(crate) fn write_trade(trade: &Trade) -> Result<ViewWrite, StoreError> {
    let created = timer::nanos(trade.created_at()).unwrap_or_default();
    let place = format!("{}/{created:020}", trade.user_id);
    let write = ViewWrite::put(TRADES, trade.trade_id, trade)?.index(BY_USER, place.clone());
    Ok(match trade.is_open() {
        true => write.index(OPEN_BY_USER, place),
        false => write,
    })
}

/// The trade with this id.
pub(crate) async fn trade(store: &dyn Store, trade_id: Uuid) -> Result<Option<Trade>, StoreError> {
    let row = store.view(TRADES, &trade_id.to_string()).await?;
    row.map(|row| row.decode()).transpose()
}

/// The trade of an order.
pub(crate) async fn trade_of(
    store: &dyn Store,
    order_id: Uuid,
) -> Result<Option<Trade>, StoreError> {
    trade(store, trade_id(order_id)).await
}

/// Trades of a user, newest first, and where the next page begins.
pub(crate) async fn trades_of(
    store: &dyn Store,
    user_id: &str,
    open_only: bool,
    page: Page,
) -> Result<(Vec<Trade>, PageInfo), StoreError> {
    let index = if open_only { OPEN_BY_USER } else { BY_USER };
    let scan = Scan::new(TRADES)
        .index(index)
        .prefix(format!("{user_id}/"))
        .reverse();
    let (rows, page) = page.read(store, scan).await?;
    let trades = rows
        .iter()
        .map(|row| row.decode())
        .collect::<Result<_, _>>()?;
    Ok((trades, page))
}

/// A trade for callers, with what is settled of it.
pub(crate) async fn shown(store: &dyn Store, trade: &Trade) -> Result<contract::Trade, StoreError> {
    let settled_quantity = match (trade.executed, trade.status()) {
        (0, _) => 0,
        (executed, contract::TradeStatus::Closed) => executed,
        _ => settled(store, trade.trade_id).await?.quantity,
    };
    Ok(contract::Trade {
        trade_id: trade.trade_id.to_string(),
        order_id: trade.order_id.to_string(),
        user_id: trade.user_id.to_string(),
        terms: Some(trade.terms()),
        status: trade.status().into(),
        cumulative_quantity: trade.executed,
        leaves_quantity: trade.leaves,
        average_price: trade.average_price().map(Amount::to_money),
        fees: Some(amount(trade.fees).to_money()),
        settled_quantity,
        cancel_reason: trade.cancel_reason,
        failure_reason: trade.failure_reason,
        message: trade.message.clone(),
        revision: trade.revision,
        created_at: Some(trade.created_at().into()),
    })
}

// === Settlements ===

/// What is settled of a trade.
pub(crate) async fn settled(store: &dyn Store, trade_id: Uuid) -> Result<Settled, StoreError> {
    match store.view(SETTLED, &trade_id.to_string()).await? {
        None => Ok(Settled::default()),
        Some(row) => Ok(Settled {
            version: row.version,
            ..row.decode()?
        }),
    }
}

/// So many shares are settled, provided nobody said otherwise since `settled` was read.
pub(crate) fn write_settled(trade_id: Uuid, settled: &Settled) -> Result<ViewWrite, StoreError> {
    Ok(ViewWrite::put(SETTLED, trade_id, settled)?.expect(settled.version))
}

// === Symbols ===

/// All symbols the venue has ever written for.
pub(crate) async fn symbols(store: &dyn Store) -> Result<Vec<String>, StoreError> {
    let mut symbols = Vec::new();
    let mut after = None;
    loop {
        let rows = store.scan(&Scan::new(SYMBOLS).after(after)).await?;
        let Some(last) = rows.last() else {
            return Ok(symbols);
        };
        after = Some(last.cursor.clone());
        symbols.extend(rows.into_iter().map(|row| row.key));
    }
}

/// A symbol as it stands, and how often its row was written.
pub(crate) async fn symbol(
    store: &dyn Store,
    symbol: &str,
) -> Result<(SymbolRow, u64), StoreError> {
    match store.view(SYMBOLS, symbol).await? {
        None => Ok((SymbolRow::default(), 0)),
        Some(row) => Ok((row.decode()?, row.version)),
    }
}

/// Whether the venue has ever written for a symbol.
pub(crate) async fn is_known(store: &dyn Store, symbol: &str) -> Result<bool, StoreError> {
    Ok(store.view(SYMBOLS, symbol).await?.is_some())
}

/// The row of a symbol.
pub(crate) fn write_symbol(symbol: &str, row: &SymbolRow) -> Result<ViewWrite, StoreError> {
    ViewWrite::put(SYMBOLS, symbol, row)
}

impl SymbolRow {
    /// What its market allows.
    pub(crate) fn state(&self) -> contract::SessionState {
        match contract::SessionState::try_from(self.session).unwrap_or_default() {
            contract::SessionState::Unspecified if self.halted => contract::SessionState::Halted,
            contract::SessionState::Unspecified => contract::SessionState::Open,
            state => state,
        }
    }
}

impl From<Phase> for PhaseRow {
    fn from(phase: Phase) -> PhaseRow {
        PhaseRow {
            open: phase.session == Session::Open,
            since_ns: timer::nanos(phase.since).unwrap_or_default(),
        }
    }
}

impl PhaseRow {
    /// Since when.
    pub(crate) fn since(self) -> SystemTime {
        timer::time_of(self.since_ns)
    }

    /// What the market is by it.
    pub(crate) fn session(self) -> Session {
        match self.open {
            true => Session::Open,
            false => Session::Closed,
        }
    }
}

impl SessionRequest {
    pub(crate) fn write(&self, request_id: Uuid) -> Result<ViewWrite, StoreError> {
        ViewWrite::put(SESSION_REQUESTS, request_id, self)
    }
}

/// What was asked for under a request id, if it was carried out.
pub(crate) async fn session_request(
    store: &dyn Store,
    request_id: Uuid,
) -> Result<Option<SessionRequest>, StoreError> {
    let row = store
        .view(SESSION_REQUESTS, &request_id.to_string())
        .await?;
    row.map(|row| row.decode()).transpose()
}

// === Barred orders ===

/// The order may not come in any more.
pub(crate) fn bar(symbol: &str, order_id: Uuid) -> Result<ViewWrite, StoreError> {
    let symbol = symbol.to_owned();
    let place = format!("{symbol}/");
    Ok(ViewWrite::put(BARRED, order_id, &BarredRow { symbol })?.index(BY_SYMBOL, place))
}

/// The order has come and was refused.
pub(crate) fn unbar(order_id: Uuid) -> ViewWrite {
    ViewWrite::delete(BARRED, order_id)
}

/// All barred orders of a symbol.
pub(crate) async fn barred(store: &dyn Store, symbol: &str) -> Result<Vec<Uuid>, StoreError> {
    let mut barred = Vec::new();
    let mut after = None;
    loop {
        let scan = Scan::new(BARRED)
            .index(BY_SYMBOL)
            .prefix(format!("{symbol}/"))
            .after(after);
        let rows = store.scan(&scan).await?;
        let Some(last) = rows.last() else {
            return Ok(barred);
        };
        after = Some(last.cursor.clone());
        barred.extend(rows.iter().filter_map(|row| Uuid::try_parse(&row.key).ok()));
    }
}
