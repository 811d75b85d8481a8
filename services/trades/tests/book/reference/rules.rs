//! What is allowed.

use outcry_trades::book::{Refusal, Session, Side};

use super::Reference;

impl Reference {
    pub(super) fn check_session(&self) -> Result<(), Refusal> {
        match self.session {
            Session::Open | Session::PostOnly => Ok(()),
            Session::Halted => Err(Refusal::Halted),
            Session::CancelOnly => Err(Refusal::CancelOnly),
            Session::Closed => Err(Refusal::Closed),
        }
    }

    pub(super) fn check(&self, price: i64, quantity: i64) -> Result<(), Refusal> {
        if price <= 0 || price % self.rules.tick != 0 {
            return Err(Refusal::PriceOffTick);
        }
        if quantity <= 0 || quantity % self.rules.lot != 0 {
            return Err(Refusal::QuantityOffLot);
        }
        if quantity > self.rules.max_order_quantity {
            return Err(Refusal::QuantityTooLarge);
        }
        if i128::from(price) * i128::from(quantity) > i128::from(self.rules.max_order_value) {
            return Err(Refusal::ValueTooLarge);
        }
        Ok(())
    }

    fn band(&self, around: Option<i64>) -> Option<(i64, i64)> {
        let (around, bps) = (around?, self.rules.band_bps?);
        let width = around * i64::from(bps) / 10_000;
        Some((around - width, around + width))
    }

    pub(super) fn is_near(&self, price: i64, around: Option<i64>) -> bool {
        self.band(around)
            .is_none_or(|(low, high)| low <= price && price <= high)
    }

    pub(super) fn drawn_in(&self, side: Side, collar: i64, around: Option<i64>) -> i64 {
        match (self.band(around), side) {
            (None, _) => collar,
            (Some((_, high)), Side::Buy) => collar.min(high),
            (Some((low, _)), Side::Sell) => collar.max(low),
        }
    }
}
