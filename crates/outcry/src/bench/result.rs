//! What came of it, for people and for programs.

use std::time::{Duration, Instant};

use outcry_contracts::orders::v1::Side;
use serde_json::{Value, json};

use super::closings::Closings;
use super::pair::Answered;
use crate::percentile::{milliseconds, percentile};

/// Rates and latencies.
#[derive(Debug, Default)]
pub struct Outcome {
    pub orders: usize,
    /// From the first order to the last answer.
    acknowledged: Duration,
    /// From the first order to the last settlement.
    settled: Duration,
    /// From placing an order to the venue's answer, one an order.
    to_acknowledged: Vec<Duration>,
    /// From placing a purchase to its settlement: sales wait for their purchase first.
    to_settled: Vec<Duration>,
    /// Orders that were not settled in time.
    pub unsettled: usize,
}

// === impl Outcome ===

impl Outcome {
    /// Puts answers and settlements together.
    pub fn of(
        answered: &[Answered],
        closings: &Closings,
        begun: Instant,
        acknowledged: Duration,
    ) -> Self {
        let mut outcome = Self {
            orders: answered.len(),
            acknowledged,
            ..Self::default()
        };
        for one in answered {
            outcome.to_acknowledged.push(one.answered - one.sent);
            let Some(closed) = closings.at(&one.order_id) else {
                outcome.unsettled += 1;
                continue;
            };
            outcome.settled = outcome.settled.max(closed - begun);
            if one.side == Side::Buy {
                let settled = closed.saturating_duration_since(one.sent);
                outcome.to_settled.push(settled);
            }
        }
        outcome
    }

    /// Orders a second, all of them acknowledged, and all of them settled.
    fn rates(&self) -> [f64; 2] {
        [
            rate(self.orders, self.acknowledged),
            rate(self.orders - self.unsettled, self.settled),
        ]
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let [acknowledged, settled] = self.rates();
        let halves = |durations: &[Duration]| {
            json!({
                "p50": milliseconds(percentile(durations, 50)),
                "p99": milliseconds(percentile(durations, 99)),
            })
        };
        json!({
            "orders": self.orders,
            "unsettled": self.unsettled,
            "acknowledgedPerSecond": acknowledged,
            "settledPerSecond": settled,
            "placeToAcknowledgedMs": halves(&self.to_acknowledged),
            "placeToSettledMs": halves(&self.to_settled),
        })
    }

    /// For people.
    pub fn lines(&self) -> String {
        let [acknowledged, settled] = self.rates();
        let halves = |durations: &[Duration]| {
            format!(
                "p50 {:.1} ms, p99 {:.1} ms",
                milliseconds(percentile(durations, 50)),
                milliseconds(percentile(durations, 99))
            )
        };
        format!(
            "orders                {}, of which {} were not settled\n\
             acknowledged          {acknowledged:.1} a second\n\
             settled               {settled:.1} a second\n\
             place → acknowledged  {}\n\
             place → settled       {}\n",
            self.orders,
            self.unsettled,
            halves(&self.to_acknowledged),
            halves(&self.to_settled),
        )
    }
}

fn rate(orders: usize, took: Duration) -> f64 {
    let seconds = took.as_secs_f64();
    if seconds > 0.0 {
        orders as f64 / seconds
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_settled_is_in_no_rate_of_settlements() {
        let outcome = Outcome {
            orders: 30,
            acknowledged: Duration::from_secs(2),
            settled: Duration::from_secs(4),
            unsettled: 10,
            ..Outcome::default()
        };
        assert_eq!(outcome.rates(), [15.0, 5.0]);
        assert_eq!(Outcome::default().rates(), [0.0, 0.0]);
    }
}
