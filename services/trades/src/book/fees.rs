//! Fees on cumulative notional: the total never depends on how an order was sliced.

use serde::{Deserialize, Serialize};

/// Basis points in one.
const BASIS_POINTS: i128 = 10_000;

/// What the venue charges, in basis points of the notional.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeeSchedule {
    /// For the order that was resting.
    pub maker_bps: u32,
    /// For the order that came in.
    pub taker_bps: u32,
}

/// What one order owes and has paid.
///
/// `due` is kept unrounded, so that the sum of all fees of an order is its exact fee rounded up
/// once; rounding each fill up could charge more than was reserved for the order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FeeAccount {
    /// Σ basis points × notional.
    due: i128,
    /// Ten-thousandths charged so far.
    charged: i128,
}

impl FeeAccount {
    /// The fee for one more execution, in ten-thousandths; 0 if earlier fees cover it.
    pub(super) fn next_fee(&self, bps: u32, notional: i128) -> i128 {
        let due = self.due + i128::from(bps) * notional;
        let rounded_up = (due + BASIS_POINTS - 1) / BASIS_POINTS;
        (rounded_up - self.charged).max(0)
    }

    /// Takes over an execution that was charged `fee`.
    ///
    /// Past executions may have been charged at other rates. What was charged then stands: only
    /// the part of the last ten-thousandth that rounding up added is left as credit.
    pub(super) fn charge(&mut self, bps: u32, notional: i128, fee: i64) {
        self.charged += i128::from(fee);
        let due = self.due + i128::from(bps) * notional;
        let most = self.charged * BASIS_POINTS;
        self.due = due.clamp((most - BASIS_POINTS + 1).max(0), most);
    }

    /// Σ basis points × notional.
    pub(super) fn due(&self) -> i128 {
        self.due
    }

    /// Ten-thousandths charged so far.
    pub(super) fn charged(&self) -> i128 {
        self.charged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn charge_all(bps: u32, notionals: &[i128]) -> i128 {
        let mut account = FeeAccount::default();
        for notional in notionals {
            let fee = account.next_fee(bps, *notional);
            account.charge(bps, *notional, i64::try_from(fee).unwrap());
        }
        account.charged()
    }

    #[test]
    fn slicing_an_order_does_not_change_its_fee() {
        assert_eq!(charge_all(7, &[100_001]), 71);
        assert_eq!(charge_all(7, &[1; 100_001]), 71);
        assert_eq!(charge_all(7, &[33_333, 33_333, 33_335]), 71);
    }

    #[test]
    fn what_was_charged_at_another_rate_stands() {
        for rate_now in [0, 3, 50] {
            let mut account = FeeAccount::default();
            account.charge(rate_now, 1_000_000, 1_000);
            let fee = account.next_fee(rate_now, 1_000_000);
            let at_the_rate_now = i128::from(rate_now) * 100;
            assert!((at_the_rate_now - fee).abs() <= 1, "{rate_now}: {fee}");
        }
    }

    #[test]
    fn no_rate_no_fee() {
        assert_eq!(charge_all(0, &[1_000_000]), 0);
    }

    #[test]
    fn maker_and_taker_parts_are_added_before_rounding() {
        let mut account = FeeAccount::default();
        let fee = account.next_fee(10, 500);
        assert_eq!(fee, 1);
        account.charge(10, 500, 1);
        // 10 × 500 + 5 × 900 = 9,500, less than one ten-thousandth: paid already.
        assert_eq!(account.next_fee(5, 900), 0);
    }
}
