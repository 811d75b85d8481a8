//! Balances at both ends of a period, what moved between them, and what is held.

use std::collections::BTreeMap;

use outcry_contracts::orders::v1::Side;

use super::super::Unmade;
use super::super::account::{Account, Booked};
use super::super::document::{Cell, Column, Kind, Section};
use super::super::movement::{Asset, Kind as Moved};
use super::trades::cash_change;
use super::{LOTS_NOTE, PRICES_NOTE, cells, raw};

/// Columns of the summary.
pub const SUMMARY: &[Column] = &[
    Column::new("item", "Cash", Kind::Text),
    Column::new("amount", "Amount", Kind::Money),
];

/// Columns of the movements of cash.
pub const CASH: &[Column] = &[
    Column::new("occurred_at", "Time (UTC)", Kind::Time),
    Column::new("movement", "Movement", Kind::Text),
    Column::new("reference", "Reference", Kind::Text),
    Column::new("description", "Description", Kind::Text),
    Column::new("fee", "Fee", Kind::Money),
    Column::new("amount", "Amount", Kind::Money),
    Column::new("balance", "Balance", Kind::Money),
];

/// Columns of the movements of shares.
pub const SHARES: &[Column] = &[
    Column::new("symbol", "Symbol", Kind::Text),
    Column::new("opening", "Opening", Kind::Count),
    Column::new("issued", "In", Kind::Count),
    Column::new("withdrawn", "Out", Kind::Count),
    Column::new("bought", "Bought", Kind::Count),
    Column::new("sold", "Sold", Kind::Count),
    Column::new("closing", "Closing", Kind::Count),
    Column::new("bought_value", "Paid", Kind::Money),
    Column::new("sold_value", "Received", Kind::Money),
    Column::new("fees", "Fees", Kind::Money),
];

/// Cash of a period, in ten-thousandths.
#[derive(Default)]
struct Cash {
    opening: i128,
    deposits: i128,
    withdrawals: i128,
    purchases: i128,
    sales: i128,
    fees: i128,
    closing: i128,
}

/// Shares of one symbol in a period, and what they cost and brought in ten-thousandths.
#[derive(Default)]
struct Shares {
    opening: i64,
    issued: i64,
    withdrawn: i64,
    bought: i64,
    sold: i64,
    closing: i64,
    paid: i128,
    received: i128,
    fees: i128,
}

/// The tables of cash: the summary, and the movements.
///
/// # Errors
/// [`Unmade::TooLarge`].
pub fn cash_sections(
    account: &Account,
    in_period: impl Fn(i64) -> bool,
) -> Result<[Section; 2], Unmade> {
    let mut cash = Cash::default();
    let mut rows = Vec::new();
    for Booked { place, movement } in account.booked() {
        let of_cash = movement.changes.iter().find(|one| one.asset == Asset::Cash);
        let Some(change) = of_cash else { continue };
        let change = i128::from(change.available) + i128::from(change.locked);
        cash.closing += change;
        if !in_period(place.0) {
            cash.opening += change;
            continue;
        }
        let (name, fee) = match &movement.kind {
            Moved::Fill(fill) => {
                cash.fees += raw(fill.fee);
                let (sum, name) = match fill.side {
                    Side::Sell => (&mut cash.sales, "Sale"),
                    Side::Buy | Side::Unspecified => (&mut cash.purchases, "Purchase"),
                };
                *sum += cash_change(fill) + raw(fill.fee);
                (name, Cell::Money(fill.fee))
            }
            Moved::Deposit => {
                cash.deposits += change;
                ("Deposit", Cell::Empty)
            }
            Moved::Withdrawal(_) | Moved::Lock => {
                cash.withdrawals += change;
                ("Withdrawal", Cell::Empty)
            }
        };
        rows.push(vec![
            Cell::Time(place.0),
            Cell::text(name),
            Cell::text(&movement.reference),
            Cell::text(describe(movement)),
            fee,
            Cell::raw(change)?,
            Cell::raw(cash.closing)?,
        ]);
    }
    let [fees, moved, closing] = cells([cash.fees, cash.closing - cash.opening, cash.closing])?;
    let mut totals = vec![Cell::text("Total")];
    totals.resize(4, Cell::Empty);
    totals.extend([fees, moved, closing]);
    let movements = Section {
        key: "cash_movements",
        title: "Cash movements",
        columns: CASH,
        rows,
        totals: Some(totals),
    };
    Ok([cash.summary(account)?, movements])
}

/// In words what a movement was.
fn describe(movement: &super::super::movement::Movement) -> String {
    match &movement.kind {
        Moved::Fill(fill) => {
            format!("{} {} at {}", fill.quantity, fill.symbol, fill.price)
        }
        Moved::Deposit | Moved::Withdrawal(_) | Moved::Lock => movement.detail.clone(),
    }
}

/// The table of the movements of shares.
///
/// # Errors
/// [`Unmade::TooLarge`].
pub fn shares_section(
    account: &Account,
    in_period: impl Fn(i64) -> bool,
) -> Result<Section, Unmade> {
    let mut symbols: BTreeMap<&str, Shares> = BTreeMap::new();
    for Booked { place, movement } in account.booked() {
        for change in &movement.changes {
            let Asset::Shares(symbol) = &change.asset else {
                continue;
            };
            let shares = symbols.entry(symbol.as_str()).or_default();
            let change = sum(change.available, change.locked)?;
            shares.closing = sum(shares.closing, change)?;
            if !in_period(place.0) {
                shares.opening = sum(shares.opening, change)?;
                continue;
            }
            let of = match &movement.kind {
                Moved::Deposit => &mut shares.issued,
                Moved::Withdrawal(_) | Moved::Lock => &mut shares.withdrawn,
                Moved::Fill(fill) => {
                    shares.fees += raw(fill.fee);
                    if fill.side == Side::Sell {
                        shares.received += raw(fill.notional);
                        &mut shares.sold
                    } else {
                        shares.paid += raw(fill.notional);
                        &mut shares.bought
                    }
                }
            };
            *of = sum(*of, change.checked_abs().ok_or(Unmade::TooLarge)?)?;
        }
    }
    let (mut rows, mut sums) = (Vec::new(), [0; 3]);
    for (symbol, shares) in symbols {
        let amounts = [shares.paid, shares.received, shares.fees];
        for (sum, amount) in sums.iter_mut().zip(amounts) {
            *sum += amount;
        }
        let counts = [
            shares.opening,
            shares.issued,
            shares.withdrawn,
            shares.bought,
            shares.sold,
            shares.closing,
        ];
        let mut row = vec![Cell::text(symbol)];
        row.extend(counts.map(Cell::Count));
        row.extend(cells(amounts)?);
        rows.push(row);
    }
    let mut totals = vec![Cell::text("Total")];
    totals.resize(7, Cell::Empty);
    totals.extend(cells(sums)?);
    Ok(Section {
        key: "share_movements",
        title: "Share movements",
        columns: SHARES,
        rows,
        totals: Some(totals),
    })
}

/// What is said about it.
#[must_use]
pub fn notes() -> Vec<String> {
    vec![
        "Closing balance = opening balance + deposits + withdrawals + purchases + sales + fees, \
         each with its sign. Reserved is what open orders and withdrawals under way have set \
         aside."
            .to_owned(),
        PRICES_NOTE.to_owned(),
        LOTS_NOTE.to_owned(),
    ]
}

fn sum(one: i64, other: i64) -> Result<i64, Unmade> {
    one.checked_add(other).ok_or(Unmade::TooLarge)
}

// === impl Cash ===

impl Cash {
    fn summary(&self, account: &Account) -> Result<Section, Unmade> {
        let held = account.holding(&Asset::Cash);
        let items = [
            ("Opening balance", self.opening),
            ("Deposits", self.deposits),
            ("Withdrawals", self.withdrawals),
            ("Purchases", self.purchases),
            ("Sales", self.sales),
            ("Fees", -self.fees),
            ("Closing balance", self.closing),
            ("of which available", i128::from(held.available)),
            ("of which reserved", i128::from(held.locked)),
        ];
        let row = |(item, amount)| Ok(vec![Cell::text(item), Cell::raw(amount)?]);
        Ok(Section {
            key: "summary",
            title: "Summary",
            columns: SUMMARY,
            rows: items.into_iter().map(row).collect::<Result<_, Unmade>>()?,
            totals: None,
        })
    }
}
