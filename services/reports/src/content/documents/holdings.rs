//! What is held, with cost and value at the last price, and the lots of it.

use std::collections::BTreeMap;

use super::super::Unmade;
use super::super::account::Account;
use super::super::document::{Cell, Column, Kind, Section};
use super::super::lots::Matched;
use super::super::movement::Asset;
use super::{LOTS_NOTE, PRICES_NOTE, Prices, Value, cells};

/// Columns of holdings.
pub const HOLDINGS: &[Column] = &[
    Column::new("symbol", "Symbol", Kind::Text),
    Column::new("available", "Available", Kind::Count),
    Column::new("locked", "Reserved", Kind::Count),
    Column::new("quantity", "Quantity", Kind::Count),
    Column::new("cost", "Cost", Kind::Money),
    Column::new("last_price", "Last price", Kind::Money),
    Column::new("value", "Value", Kind::Money),
    Column::new("unrealised_profit", "Unrealised", Kind::Money),
];

/// Columns of lots.
pub const LOTS: &[Column] = &[
    Column::new("symbol", "Symbol", Kind::Text),
    Column::new("acquired_at", "Acquired (UTC)", Kind::Time),
    Column::new("reference", "Match or issue", Kind::Text),
    Column::new("portfolio_id", "Portfolio", Kind::Text).hidden(),
    Column::new("quantity", "Quantity", Kind::Count),
    Column::new("cost", "Cost", Kind::Money),
];

/// The table of what is held at the end.
///
/// # Errors
/// [`Unmade::TooLarge`].
pub fn section(
    account: &Account,
    lots: &BTreeMap<String, Matched>,
    prices: &Prices,
) -> Result<Section, Unmade> {
    let nothing = Matched::default();
    let (mut rows, mut sums) = (Vec::new(), [0; 3]);
    for symbol in account.symbols() {
        let held = account.holding(&Asset::Shares(symbol.clone()));
        let value = Value::of(symbol, lots.get(symbol).unwrap_or(&nothing), prices);
        let quantity = held.available.checked_add(held.locked);
        let quantity = quantity.ok_or(Unmade::TooLarge)?;
        if (held.available, held.locked, value.quantity) == (0, 0, 0) {
            continue;
        }
        let valued = [value.value, value.unrealised()];
        sums[0] += value.cost;
        for (sum, amount) in sums[1..].iter_mut().zip(valued) {
            *sum += amount.unwrap_or_default();
        }
        let optional = |raw: Option<i128>| raw.map_or(Ok(Cell::Empty), Cell::raw);
        rows.push(vec![
            Cell::text(symbol),
            Cell::Count(held.available),
            Cell::Count(held.locked),
            Cell::Count(quantity),
            Cell::raw(value.cost)?,
            Cell::money(value.price),
            optional(valued[0])?,
            optional(valued[1])?,
        ]);
    }
    let [cost, value, unrealised] = cells(sums)?;
    let mut totals = vec![Cell::text("Total")];
    totals.resize(4, Cell::Empty);
    totals.extend([cost, Cell::Empty, value, unrealised]);
    Ok(Section {
        key: "holdings",
        title: "Holdings",
        columns: HOLDINGS,
        rows,
        totals: Some(totals),
    })
}

/// The table of open lots, by symbol and then the oldest first.
///
/// # Errors
/// [`Unmade::TooLarge`].
pub fn lots_section(lots: &BTreeMap<String, Matched>) -> Result<Section, Unmade> {
    let (mut rows, mut cost) = (Vec::new(), 0);
    for (symbol, matched) in lots {
        for lot in matched.open() {
            cost += super::raw(lot.cost());
            rows.push(vec![
                Cell::text(symbol),
                Cell::Time(lot.at_ns),
                Cell::text(&lot.reference),
                Cell::text(&lot.portfolio),
                Cell::Count(lot.left),
                Cell::Money(lot.cost()),
            ]);
        }
    }
    let mut totals = vec![Cell::text("Total")];
    totals.resize(5, Cell::Empty);
    totals.push(Cell::raw(cost)?);
    Ok(Section {
        key: "lots",
        title: "Open lots",
        columns: LOTS,
        rows,
        totals: Some(totals),
    })
}

/// What is said about it.
#[must_use]
pub fn notes() -> Vec<String> {
    vec![PRICES_NOTE.to_owned(), LOTS_NOTE.to_owned()]
}
