//! The average price of an order's fills.

use outcry_events::Amount;

/// `notional ÷ quantity` to the ten-thousandth, halves to the even neighbour; none without shares.
///
/// Always computed from the sums, never from an earlier average, so roundings do not add up.
pub fn average(notional: i128, quantity: i64) -> Option<Amount> {
    if quantity <= 0 {
        return None;
    }
    let quantity = i128::from(quantity);
    let floor = notional.div_euclid(quantity);
    let rest = notional.rem_euclid(quantity) * 2;
    let up = rest > quantity || (rest == quantity && floor.rem_euclid(2) == 1);
    Amount::from_raw(i64::try_from(floor + i128::from(up)).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(notional: i128, quantity: i64) -> Option<i64> {
        average(notional, quantity).map(Amount::raw)
    }

    #[test]
    fn averages_round_to_the_nearest_and_halves_to_even() {
        assert_eq!(raw(30, 3), Some(10));
        assert_eq!(raw(31, 3), Some(10));
        assert_eq!(raw(32, 3), Some(11));
        assert_eq!(raw(5, 2), Some(2));
        assert_eq!(raw(7, 2), Some(4));
    }

    #[test]
    fn nothing_filled_has_no_average() {
        assert_eq!(raw(0, 0), None);
    }

    #[test]
    fn a_sum_beyond_an_amount_still_has_an_average() {
        let price = i128::from(Amount::MAX.raw());
        assert_eq!(
            raw(price * 1_000_000_000, 1_000_000_000),
            Some(Amount::MAX.raw())
        );
    }
}
