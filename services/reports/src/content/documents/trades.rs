//! Every settled fill with its price, value and fee.

use outcry_contracts::orders::v1::Side;

use super::super::Unmade;
use super::super::account::{Account, Booked};
use super::super::document::{Cell, Column, Kind, Section};
use super::super::movement::{Fill, Kind as Moved};
use super::{cells, raw, side};

/// Columns of the history of trades.
pub const COLUMNS: &[Column] = &[
    Column::new("settled_at", "Settled (UTC)", Kind::Time),
    Column::new("match_id", "Match", Kind::Text),
    Column::new("order_id", "Order", Kind::Text),
    Column::new("portfolio_id", "Portfolio", Kind::Text).hidden(),
    Column::new("symbol", "Symbol", Kind::Text),
    Column::new("side", "Side", Kind::Text),
    Column::new("quantity", "Quantity", Kind::Count),
    Column::new("price", "Price", Kind::Money),
    Column::new("value", "Value", Kind::Money),
    Column::new("fee", "Fee", Kind::Money),
    Column::new("cash_change", "Cash change", Kind::Money),
];

/// The table.
///
/// # Errors
/// [`Unmade::TooLarge`].
pub fn section(account: &Account, in_period: impl Fn(i64) -> bool) -> Result<Section, Unmade> {
    let mut rows = Vec::new();
    let mut sums = [0; 3];
    for Booked { place, movement } in account.booked() {
        let Moved::Fill(fill) = &movement.kind else {
            continue;
        };
        if !in_period(place.0) {
            continue;
        }
        let change = cash_change(fill);
        let amounts = [raw(fill.notional), raw(fill.fee), change];
        for (sum, amount) in sums.iter_mut().zip(amounts) {
            *sum += amount;
        }
        rows.push(vec![
            Cell::Time(place.0),
            Cell::text(&fill.match_id),
            Cell::text(&movement.reference),
            Cell::text(&fill.portfolio),
            Cell::text(&fill.symbol),
            Cell::text(side(fill.side)),
            Cell::Count(fill.quantity),
            Cell::Money(fill.price),
            Cell::Money(fill.notional),
            Cell::Money(fill.fee),
            Cell::raw(change)?,
        ]);
    }
    let mut totals = vec![Cell::text("Total")];
    totals.resize(8, Cell::Empty);
    totals.extend(cells(sums)?);
    Ok(Section {
        key: "trades",
        title: "Trades",
        columns: COLUMNS,
        rows,
        totals: Some(totals),
    })
}

/// What a fill does to cash, in ten-thousandths.
pub(super) fn cash_change(fill: &Fill) -> i128 {
    let value = raw(fill.notional);
    let value = if fill.side == Side::Sell {
        value
    } else {
        -value
    };
    value - raw(fill.fee)
}

/// What is said about it.
#[must_use]
pub fn notes() -> Vec<String> {
    vec![
        "Each line is one settled fill of one side. The change of cash is the value of a sale, or \
         less the value of a purchase, less the fee."
            .to_owned(),
    ]
}
