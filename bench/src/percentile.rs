//! Order statistics of what was measured.

use std::time::Duration;

/// The value that so many of a hundred do not exceed; not a number when there is none.
pub fn percentile(sorted: &[f64], hundredth: usize) -> f64 {
    let place = (sorted.len() * hundredth).div_ceil(100).saturating_sub(1);
    sorted.get(place).copied().unwrap_or(f64::NAN)
}

/// The middle one of some values.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    percentile(&sorted, 50)
}

/// A time in milliseconds.
pub fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let sorted = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(percentile(&sorted, 50), 2.0);
        assert_eq!(percentile(&sorted, 99), 4.0);
        assert_eq!(percentile(&sorted, 100), 4.0);
        assert_eq!(percentile(&sorted[..1], 50), 1.0);
        assert!(percentile(&[], 50).is_nan());
    }

    #[test]
    fn a_median_does_not_ask_for_an_order() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
    }
}
