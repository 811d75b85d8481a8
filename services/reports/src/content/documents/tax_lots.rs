//! Every sale matched with the purchases it disposed of.

use std::collections::BTreeMap;

use super::super::Unmade;
use super::super::document::{Cell, Column, Kind, Section};
use super::super::lots::Matched;
use super::{LOTS_NOTE, cells, disposals, raw};

/// Columns of tax lots.
pub const COLUMNS: &[Column] = &[
    Column::new("symbol", "Symbol", Kind::Text),
    Column::new("quantity", "Quantity", Kind::Count),
    Column::new("acquired_at", "Acquired (UTC)", Kind::Time),
    Column::new("acquired_by", "Match or issue", Kind::Text),
    Column::new("sold_at", "Sold (UTC)", Kind::Time),
    Column::new("sold_by", "Match", Kind::Text),
    Column::new("portfolio_id", "Portfolio", Kind::Text).hidden(),
    Column::new("days_held", "Days", Kind::Count),
    Column::new("proceeds", "Proceeds", Kind::Money),
    Column::new("cost", "Cost", Kind::Money),
    Column::new("gain", "Gain", Kind::Money),
];

/// Nanoseconds of a day.
const DAY_NS: i64 = 24 * 3_600 * 1_000_000_000;

/// The table: the sales of the period by symbol, in the order of their events.
///
/// # Errors
/// [`Unmade::TooLarge`].
pub fn section(
    lots: &BTreeMap<String, Matched>,
    in_period: impl Fn(i64) -> bool + Copy,
) -> Result<Section, Unmade> {
    let (mut rows, mut sums) = (Vec::new(), [0; 3]);
    for (symbol, matched) in lots {
        for (sale, disposal) in disposals(matched, in_period) {
            let lot = disposal.lot.and_then(|lot| matched.lots.get(&lot));
            let gain = raw(disposal.proceeds) - raw(disposal.cost);
            let amounts = [raw(disposal.proceeds), raw(disposal.cost), gain];
            for (sum, amount) in sums.iter_mut().zip(amounts) {
                *sum += amount;
            }
            let days = lot.map(|lot| sale.at_ns.saturating_sub(lot.at_ns) / DAY_NS);
            rows.push(vec![
                Cell::text(symbol),
                Cell::Count(disposal.quantity),
                lot.map_or(Cell::Empty, |lot| Cell::Time(lot.at_ns)),
                lot.map_or(Cell::Empty, |lot| Cell::text(&lot.reference)),
                Cell::Time(sale.at_ns),
                Cell::text(&sale.reference),
                Cell::text(&sale.portfolio),
                days.map_or(Cell::Empty, Cell::Count),
                Cell::Money(disposal.proceeds),
                Cell::Money(disposal.cost),
                Cell::raw(gain)?,
            ]);
        }
    }
    let mut totals = vec![Cell::text("Total")];
    totals.resize(8, Cell::Empty);
    totals.extend(cells(sums)?);
    Ok(Section {
        key: "disposals",
        title: "Disposals",
        columns: COLUMNS,
        rows,
        totals: Some(totals),
    })
}

/// What is said about it.
#[must_use]
pub fn notes() -> Vec<String> {
    vec![
        LOTS_NOTE.to_owned(),
        "Days are whole days of 24 hours. A line without a purchase is a sale whose shares the \
         journal does not tell of; its cost counts as nothing."
            .to_owned(),
    ]
}
