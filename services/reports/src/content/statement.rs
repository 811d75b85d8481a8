//! What an account holds, and the totals of a period, one line per asset.

use std::collections::BTreeMap;

use outcry_contracts::orders::v1::Side;
use outcry_events::money::Amount;
use serde::Serialize;

use super::Unmade;
use super::movement::{Asset, Fill, Kind, Movement};

/// Columns of a statement, the fields of [`Line`].
pub const COLUMNS: &[&str] = &[
    "asset",
    "available",
    "locked",
    "total",
    "deposited",
    "withdrawn",
    "bought_quantity",
    "bought_value",
    "sold_quantity",
    "sold_value",
    "fees",
];

/// An account in numbers. Sums do not depend on the order in which movements are added.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Statement {
    /// Cash is always there.
    assets: BTreeMap<Asset, Numbers>,
}

/// What is known of one asset, in its unit unless told otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Numbers {
    available: i64,
    locked: i64,
    deposited: i64,
    withdrawn: i64,
    bought: Traded,
    sold: Traded,
    /// Ten-thousandths of a currency unit.
    fees: i64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Traded {
    /// Whole shares.
    quantity: i64,
    /// Ten-thousandths of a currency unit, without fees.
    value: i64,
}

/// A line of a statement. On the line of cash, values and fees are those of all symbols; numbers of
/// shares are on the lines of their symbols only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Currency or symbol.
    pub asset: String,
    /// What can be used.
    pub available: String,
    /// What is set aside.
    pub locked: String,
    /// Both together.
    pub total: String,
    /// What came in from outside in the period.
    pub deposited: String,
    /// What went out in the period.
    pub withdrawn: String,
    /// Shares bought in the period.
    pub bought_quantity: Option<i64>,
    /// What was paid for them, without fees.
    pub bought_value: Amount,
    /// Shares sold in the period.
    pub sold_quantity: Option<i64>,
    /// What was got for them, before fees.
    pub sold_value: Amount,
    /// Fees in the period.
    pub fees: Amount,
}

// === impl Statement ===

impl Statement {
    /// Lines so far.
    pub(super) fn rows(&self) -> usize {
        self.assets.len() + usize::from(!self.assets.contains_key(&Asset::Cash))
    }

    /// Adds a movement: to what is held, and in the period to the totals too.
    pub(super) fn add(&mut self, movement: &Movement, in_period: bool) -> Result<(), Unmade> {
        for change in &movement.changes {
            let numbers = self.assets.entry(change.asset.clone()).or_default();
            add(&mut numbers.available, change.available)?;
            add(&mut numbers.locked, change.locked)?;
            if in_period {
                match movement.kind {
                    Kind::Deposit => add(&mut numbers.deposited, change.available)?,
                    Kind::Withdrawal => sub(&mut numbers.withdrawn, change.locked)?,
                    Kind::Lock | Kind::Fill(_) => {}
                }
            }
        }
        match &movement.kind {
            Kind::Fill(fill) if in_period => self.add_fill(fill),
            _ => Ok(()),
        }
    }

    fn add_fill(&mut self, fill: &Fill) -> Result<(), Unmade> {
        for asset in [Asset::Cash, Asset::Shares(fill.symbol.clone())] {
            let numbers = self.assets.entry(asset).or_default();
            let traded = match fill.side {
                Side::Sell => &mut numbers.sold,
                Side::Buy | Side::Unspecified => &mut numbers.bought,
            };
            add(&mut traded.quantity, fill.quantity)?;
            add(&mut traded.value, fill.notional.raw())?;
            add(&mut numbers.fees, fill.fee.raw())?;
        }
        Ok(())
    }

    /// The lines: cash, then shares by symbol.
    pub(super) fn into_lines(mut self) -> Result<Vec<Line>, Unmade> {
        self.assets.entry(Asset::Cash).or_default();
        let assets = self.assets.iter();
        assets.map(|(asset, numbers)| numbers.line(asset)).collect()
    }
}

// === impl Numbers ===

impl Numbers {
    fn line(&self, asset: &Asset) -> Result<Line, Unmade> {
        let mut total = self.available;
        add(&mut total, self.locked)?;
        let shares = |quantity| (*asset != Asset::Cash).then_some(quantity);
        Ok(Line {
            asset: asset.to_string(),
            available: asset.text(self.available)?,
            locked: asset.text(self.locked)?,
            total: asset.text(total)?,
            deposited: asset.text(self.deposited)?,
            withdrawn: asset.text(self.withdrawn)?,
            bought_quantity: shares(self.bought.quantity),
            bought_value: money(self.bought.value)?,
            sold_quantity: shares(self.sold.quantity),
            sold_value: money(self.sold.value)?,
            fees: money(self.fees)?,
        })
    }
}

fn money(raw: i64) -> Result<Amount, Unmade> {
    Amount::from_raw(raw).map_err(|_| Unmade::TooLarge)
}

fn add(sum: &mut i64, number: i64) -> Result<(), Unmade> {
    *sum = sum.checked_add(number).ok_or(Unmade::TooLarge)?;
    Ok(())
}

fn sub(sum: &mut i64, number: i64) -> Result<(), Unmade> {
    *sum = sum.checked_sub(number).ok_or(Unmade::TooLarge)?;
    Ok(())
}
