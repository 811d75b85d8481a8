//! The prices symbols were settled at, as they came: what holdings are worth at any time.
//!
//! The settlements of one symbol come in their order, so the price as of a time does not change any
//! more once one after that time has come. What a report was valued at is kept all the same, by
//! user, time and place in the journal: the same report asked for again is valued the same.

use std::collections::BTreeMap;

use outcry_contracts::funds::v1::FundsSettledEvent;
use outcry_events::SealedEvent;
use outcry_events::money::Amount;
use outcry_service::Fault;
use outcry_store::timer::nanos;
use outcry_store::{Ahead, Store, StoreError, ViewRow, ViewWrite};
use serde::{Deserialize, Serialize};

use crate::content::documents::Prices;
use crate::domain::Terms;

/// View of [`Priced`] rows by symbol and number, the latter in twenty digits from 1.
pub const PRICES: &str = "prices";

/// View of [`LastPrice`] rows by symbol.
pub const LAST_PRICES: &str = "last_prices";

/// View of [`Valuation`] rows by user, time and position.
pub const VALUATIONS: &str = "valuations";

/// A price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Priced {
    /// Of one share.
    pub price: Amount,
    /// Since when, in nanoseconds since 1970: not before the price before.
    pub since_ns: i64,
}

/// The newest price of a symbol, and how many there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastPrice {
    /// Its number.
    pub number: u64,
    /// The price.
    pub priced: Priced,
}

/// What symbols were worth in a report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Valuation {
    /// By symbol; those without a price are not there.
    pub prices: BTreeMap<String, Amount>,
}

/// What is written to keep the price a settlement tells; nothing for other events.
pub(crate) async fn keep(ahead: &Ahead<'_>, event: &SealedEvent) -> Result<Vec<ViewWrite>, Fault> {
    if !event.is::<FundsSettledEvent>() {
        return Ok(Vec::new());
    }
    let settled: FundsSettledEvent = event.payload().map_err(Fault::park)?;
    let price = Amount::from_required(settled.price.as_ref()).map_err(Fault::park)?;
    let at_ns = nanos(event.occurred_at()).ok_or_else(|| Fault::park("its time is no time"))?;
    let (last, version) = last_of(ahead.view(LAST_PRICES, &settled.symbol).await?)?;
    let priced = Priced {
        price,
        since_ns: last.map_or(at_ns, |last| last.priced.since_ns.max(at_ns)),
    };
    let number = last.map_or(0, |last| last.number) + 1;
    let newest = LastPrice { number, priced };
    Ok(vec![
        ViewWrite::put(PRICES, key(&settled.symbol, number), &priced)?.expect(0),
        ViewWrite::put(LAST_PRICES, settled.symbol, &newest)?.expect(version),
    ])
}

/// What a report values holdings at, and what is written so that it stays so.
pub(crate) async fn valuation<'a>(
    store: &dyn Store,
    terms: &Terms,
    position: u64,
    symbols: impl Iterator<Item = &'a String>,
) -> Result<(Prices, Option<ViewWrite>), StoreError> {
    let key = format!("{}/{:020}/{position:020}", terms.user_id, terms.as_of_ns);
    if let Some(row) = store.view(VALUATIONS, &key).await? {
        return Ok((row.decode::<Valuation>()?.prices, None));
    }
    let mut valuation = Valuation::default();
    for symbol in symbols {
        if let Some(price) = as_of(store, symbol, terms.as_of_ns).await? {
            valuation.prices.insert(symbol.clone(), price);
        }
    }
    if valuation.prices.is_empty() {
        return Ok((valuation.prices, None));
    }
    // Somebody faster with the same report: this one is made again, with what that one wrote.
    let write = ViewWrite::put(VALUATIONS, key, &valuation)?.expect(0);
    Ok((valuation.prices, Some(write)))
}

/// The price of a symbol as of a time: that of the last settlement up to it.
async fn as_of(store: &dyn Store, symbol: &str, at_ns: i64) -> Result<Option<Amount>, StoreError> {
    let (Some(last), _) = last_of(store.view(LAST_PRICES, symbol).await?)? else {
        return Ok(None);
    };
    if last.priced.since_ns <= at_ns {
        return Ok(Some(last.priced.price));
    }
    // The prices up to `low` are not later, those from `high` on are.
    let (mut low, mut high, mut found) = (0, last.number, None);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        let row = store.view(PRICES, &key(symbol, middle)).await?;
        match row.map(|row| row.decode::<Priced>()).transpose()? {
            Some(priced) if priced.since_ns <= at_ns => (low, found) = (middle, Some(priced.price)),
            _ => high = middle,
        }
    }
    Ok(found)
}

/// What a row of [`LAST_PRICES`] says, with its version.
fn last_of(row: Option<ViewRow>) -> Result<(Option<LastPrice>, u64), StoreError> {
    match row {
        None => Ok((None, 0)),
        Some(row) => Ok((Some(row.decode()?), row.version)),
    }
}

fn key(symbol: &str, number: u64) -> String {
    format!("{symbol}/{number:020}")
}
