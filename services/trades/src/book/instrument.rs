//! What a symbol allows.

use serde::{Deserialize, Serialize};

use super::command::Side;
use super::event::Refusal;
use super::fees::FeeSchedule;

/// Basis points in one.
const BASIS_POINTS: i128 = 10_000;

/// The rules of one symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// Prices are multiples of this, in ten-thousandths.
    pub tick: i64,
    /// Quantities are multiples of this, in shares.
    pub lot: i64,
    /// How far from the last price an order may be, in basis points of it.
    pub band_bps: Option<u32>,
    /// What the band is measured from before the first match, in ten-thousandths.
    pub listing_price: Option<i64>,
    /// What one order may be worth at its limit, in ten-thousandths.
    pub max_order_value: i64,
    /// How many shares one order may have.
    pub max_order_quantity: i64,
    /// What the venue charges.
    pub fees: FeeSchedule,
    /// How many matches, or expiries, one decision may hold; what is beyond becomes backlog.
    pub step: usize,
}

/// The prices that are acceptable, in ten-thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Band {
    lowest: i64,
    highest: i64,
}

// === impl Rules ===

impl Rules {
    /// Whether a price can be one of this symbol.
    pub(super) fn check_price(&self, price: i64) -> Result<(), Refusal> {
        match price > 0 && price % self.tick == 0 {
            true => Ok(()),
            false => Err(Refusal::PriceOffTick),
        }
    }

    /// Whether an order of this price and quantity is acceptable at all.
    pub(super) fn check(&self, price: i64, quantity: i64) -> Result<(), Refusal> {
        self.check_price(price)?;
        if quantity <= 0 || quantity % self.lot != 0 {
            return Err(Refusal::QuantityOffLot);
        }
        if quantity > self.max_order_quantity {
            return Err(Refusal::QuantityTooLarge);
        }
        match price.checked_mul(quantity) {
            Some(value) if value <= self.max_order_value => Ok(()),
            _ => Err(Refusal::ValueTooLarge),
        }
    }

    /// The acceptable prices around one; `None` where there is no price or no band.
    pub(super) fn band(&self, around: Option<i64>) -> Option<Band> {
        let around = i128::from(around?);
        let width = around * i128::from(self.band_bps?) / BASIS_POINTS;
        let edge = |price: i128| i64::try_from(price).unwrap_or(i64::MAX);
        Some(Band {
            lowest: edge(around - width),
            highest: edge(around + width),
        })
    }
}

// === impl Band ===

impl Band {
    pub(super) fn holds(self, price: i64) -> bool {
        (self.lowest..=self.highest).contains(&price)
    }

    /// The collar, no worse for the owner than the band's edge. It never becomes worse than it was.
    pub(super) fn draw_in(self, side: Side, collar: i64) -> i64 {
        match side {
            Side::Buy => collar.min(self.highest),
            Side::Sell => collar.max(self.lowest),
        }
    }
}
