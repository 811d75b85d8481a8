//! From an account to the tables of each type of report.

pub mod holdings;
pub mod profit;
pub mod statement;
pub mod tax_lots;
pub mod trades;

use std::collections::BTreeMap;

use outcry_contracts::orders::v1::Side;
use outcry_events::money::Amount;

use super::Unmade;
use super::lots::{Disposal, Matched, Sale};
use super::movement::word;

/// Prices of one share by symbol: the last ones up to the time of the report.
pub type Prices = BTreeMap<String, Amount>;

/// How lots are matched, for the notes.
const LOTS_NOTE: &str = "Lots are disposed of first in, first out, in the order of the events that opened them: a sale \
     takes the lots of its own portfolio first, then the oldest of the others. Cost includes the \
     fees of purchases, proceeds are less the fees of sales, and shares that were issued cost \
     nothing.";

/// How holdings are valued, for the notes.
const PRICES_NOTE: &str = "Values are at the last price each symbol was settled at on this platform up to the end of the \
     period.";

/// What is on hand of one symbol, valued.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Value {
    quantity: i64,
    /// Ten-thousandths.
    cost: i128,
    /// Of one share.
    price: Option<Amount>,
    /// Ten-thousandths; none without a price.
    value: Option<i128>,
}

// === impl Value ===

impl Value {
    fn of(symbol: &str, matched: &Matched, prices: &Prices) -> Value {
        let mut on_hand = Value::default();
        for lot in matched.open() {
            on_hand.quantity = on_hand.quantity.saturating_add(lot.left);
            on_hand.cost += i128::from(lot.cost().raw());
        }
        on_hand.price = prices.get(symbol).copied();
        let value = |price: Amount| i128::from(price.raw()) * i128::from(on_hand.quantity);
        on_hand.value = on_hand.price.map(value);
        on_hand
    }

    fn unrealised(&self) -> Option<i128> {
        self.value.map(|value| value - self.cost)
    }
}

/// The disposals of a symbol with their sales, of those that occurred in the period.
fn disposals<'a>(
    matched: &'a Matched,
    in_period: impl Fn(i64) -> bool + 'a,
) -> impl Iterator<Item = (&'a Sale, &'a Disposal)> {
    matched.disposals.iter().filter_map(move |disposal| {
        let sale = matched.sales.get(disposal.sale)?;
        in_period(sale.at_ns).then_some((sale, disposal))
    })
}

fn side(side: Side) -> String {
    word(side.as_str_name(), "SIDE_")
}

/// A sum in ten-thousandths, which cannot overflow: no report has that many lines.
fn raw(amount: Amount) -> i128 {
    i128::from(amount.raw())
}

/// Sums of columns.
type Sums<const N: usize> = [i128; N];

/// Whether any amount of the sums is too large is told when they are written.
fn cells<const N: usize>(sums: Sums<N>) -> Result<[super::document::Cell; N], Unmade> {
    let mut cells = [const { super::document::Cell::Empty }; N];
    for (cell, sum) in cells.iter_mut().zip(sums) {
        *cell = super::document::Cell::raw(sum)?;
    }
    Ok(cells)
}
