//! Realised and unrealised profit by symbol.

use std::collections::BTreeMap;

use super::super::Unmade;
use super::super::document::{Cell, Column, Kind, Section};
use super::super::lots::Matched;
use super::{LOTS_NOTE, PRICES_NOTE, Prices, Value, cells, disposals, raw};

/// Columns of profit and loss.
pub const COLUMNS: &[Column] = &[
    Column::new("symbol", "Symbol", Kind::Text),
    Column::new("sold_quantity", "Sold", Kind::Count),
    Column::new("proceeds", "Proceeds", Kind::Money),
    Column::new("cost_of_sold", "Cost of sold", Kind::Money),
    Column::new("realised_profit", "Realised", Kind::Money),
    Column::new("open_quantity", "Held", Kind::Count),
    Column::new("open_cost", "Cost of held", Kind::Money),
    Column::new("open_value", "Value of held", Kind::Money),
    Column::new("unrealised_profit", "Unrealised", Kind::Money),
];

/// The table: what was sold in the period, and what is held at its end.
///
/// # Errors
/// [`Unmade::TooLarge`].
pub fn section(
    lots: &BTreeMap<String, Matched>,
    prices: &Prices,
    in_period: impl Fn(i64) -> bool + Copy,
) -> Result<Section, Unmade> {
    let (mut rows, mut sums) = (Vec::new(), [0; 6]);
    for (symbol, matched) in lots {
        let (mut sold, mut proceeds, mut cost) = (0_i64, 0, 0);
        for (_, disposal) in disposals(matched, in_period) {
            sold = sold
                .checked_add(disposal.quantity)
                .ok_or(Unmade::TooLarge)?;
            proceeds += raw(disposal.proceeds);
            cost += raw(disposal.cost);
        }
        let held = Value::of(symbol, matched, prices);
        if (sold, held.quantity) == (0, 0) {
            continue;
        }
        let realised = proceeds - cost;
        let amounts = [proceeds, cost, realised, held.cost];
        let valued = [held.value, held.unrealised()];
        let all = amounts.into_iter().map(Some).chain(valued);
        for (sum, amount) in sums.iter_mut().zip(all) {
            *sum += amount.unwrap_or_default();
        }
        let optional = |raw: Option<i128>| raw.map_or(Ok(Cell::Empty), Cell::raw);
        rows.push(vec![
            Cell::text(symbol),
            Cell::Count(sold),
            Cell::raw(proceeds)?,
            Cell::raw(cost)?,
            Cell::raw(realised)?,
            Cell::Count(held.quantity),
            Cell::raw(held.cost)?,
            optional(valued[0])?,
            optional(valued[1])?,
        ]);
    }
    let [proceeds, cost, realised, open_cost, value, unrealised] = cells(sums)?;
    let totals = vec![
        Cell::text("Total"),
        Cell::Empty,
        proceeds,
        cost,
        realised,
        Cell::Empty,
        open_cost,
        value,
        unrealised,
    ];
    Ok(Section {
        key: "profit",
        title: "Profit and loss",
        columns: COLUMNS,
        rows,
        totals: Some(totals),
    })
}

/// What is said about it.
#[must_use]
pub fn notes() -> Vec<String> {
    vec![
        "Realised profit is what the sales of the period brought less what the shares had cost; \
         unrealised profit is what is held at the end of the period at its value less its cost."
            .to_owned(),
        PRICES_NOTE.to_owned(),
        LOTS_NOTE.to_owned(),
    ]
}
