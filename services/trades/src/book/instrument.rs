//! What a symbol allows.

use super::event::Refusal;
use super::fees::FeeSchedule;

/// Basis points in one.
const BASIS_POINTS: i128 = 10_000;

/// The rules of one symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Prices are multiples of this, in ten-thousandths.
    pub tick: i64,
    /// Quantities are multiples of this, in shares.
    pub lot: i64,
    /// How far from the last price an order may be, in basis points of it.
    pub band_bps: Option<u32>,
    /// What one order may be worth at its limit, in ten-thousandths.
    pub max_order_value: i64,
    /// What the venue charges.
    pub fees: FeeSchedule,
    /// How many matches, or expiries, one decision may hold; what is beyond becomes backlog.
    pub step: usize,
}

impl Rules {
    /// Whether an order of this price and quantity is acceptable at all.
    pub(super) fn check(&self, price: i64, quantity: i64) -> Result<(), Refusal> {
        if price <= 0 || price % self.tick != 0 {
            return Err(Refusal::PriceOffTick);
        }
        if quantity <= 0 || quantity % self.lot != 0 {
            return Err(Refusal::QuantityOffLot);
        }
        match price.checked_mul(quantity) {
            Some(value) if value <= self.max_order_value => Ok(()),
            _ => Err(Refusal::ValueTooLarge),
        }
    }

    /// The lowest and the highest acceptable price when the last one was `last`.
    pub(super) fn band(&self, last: Option<i64>) -> Option<(i64, i64)> {
        let last = i128::from(last?);
        let width = last * i128::from(self.band_bps?) / BASIS_POINTS;
        let edge = |price: i128| i64::try_from(price).unwrap_or(i64::MAX);
        Some((edge(last - width), edge(last + width)))
    }
}
