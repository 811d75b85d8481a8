//! What came of a replay, beside what was recorded.

use std::time::Duration;

use serde_json::{Value, json};

use super::script::Taken;
use crate::percentile::{milliseconds, percentile};

/// Counts and latencies of a replay.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Orders placed, the start included.
    pub sent: u64,
    pub accepted: u64,
    pub rejected: u64,
    /// Cancels and changes asked for.
    pub changes: u64,
    /// Matches made.
    pub fills: u64,
    /// Recorded executions of hidden orders, which have no effect on a book.
    pub hidden: u64,
    /// Recorded executions of visible orders.
    pub executions: u64,
    /// Those that hit the same resting order here.
    pub same_order: u64,
    /// Those that did not.
    pub other_order: Vec<Taken>,
    /// Best prices and sizes compared with the recorded ones …
    pub tops_compared: u64,
    /// … and equal.
    pub tops_equal: u64,
    /// Time for all steps, without hiring.
    pub took: Duration,
    /// Time from placing an order to the venue's answer, one an order.
    pub latencies: Vec<Duration>,
}

// === impl Outcome ===

impl Outcome {
    fn per_second(&self) -> f64 {
        let seconds = self.took.as_secs_f64();
        if seconds > 0.0 {
            self.sent as f64 / seconds
        } else {
            0.0
        }
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let others: Vec<Value> = self
            .other_order
            .iter()
            .map(|taken| json!({ "line": taken.line, "order": taken.recorded, "price": taken.price }))
            .collect();
        json!({
            "orders": {
                "sent": self.sent,
                "accepted": self.accepted,
                "rejected": self.rejected,
                "changes": self.changes,
            },
            "fills": self.fills,
            "recordedExecutions": {
                "visible": self.executions,
                "sameRestingOrder": self.same_order,
                "otherRestingOrder": others,
                "hidden": self.hidden,
            },
            "topOfBook": { "compared": self.tops_compared, "equal": self.tops_equal },
            "seconds": self.took.as_secs_f64(),
            "ordersPerSecond": self.per_second(),
            "placeToAcknowledgedMs": {
                "p50": milliseconds(percentile(&self.latencies, 50)),
                "p99": milliseconds(percentile(&self.latencies, 99)),
            },
        })
    }

    /// For people.
    pub fn lines(&self) -> String {
        let mut text = format!(
            "orders sent         {}\n\
             accepted            {}\n\
             rejected            {}\n\
             cancels and changes {}\n\
             fills               {}\n\
             recorded executions {} visible, {} hidden\n\
             same resting order  {} of {}\n\
             top of book equal   {} of {}\n\
             orders per second   {:.0}\n\
             place → acknowledged  p50 {:.1} ms, p99 {:.1} ms\n",
            self.sent,
            self.accepted,
            self.rejected,
            self.changes,
            self.fills,
            self.executions,
            self.hidden,
            self.same_order,
            self.executions,
            self.tops_equal,
            self.tops_compared,
            self.per_second(),
            milliseconds(percentile(&self.latencies, 50)),
            milliseconds(percentile(&self.latencies, 99)),
        );
        for taken in &self.other_order {
            text.push_str(&format!(
                "  line {}: order {} was not first at its price here\n",
                taken.line, taken.recorded
            ));
        }
        text
    }
}
