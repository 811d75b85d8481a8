//! I14: every event had its effect in every consumer once, or is still on its way.

use std::collections::{BTreeMap, HashMap};

use outcry_contracts::funds::v1::{DepositMethod, FundsDepositedEvent, FundsSettledEvent};
use outcry_contracts::orders::v1::{
    OrderCancelledEvent, OrderExpiredEvent, OrderFilledEvent, OrderRejectedEvent,
    OrderValidatedEvent,
};
use outcry_contracts::payments::v1::PaymentSuccessEvent;
use outcry_contracts::reports::v1::{ReportCompletedEvent, ReportFailedEvent};
use outcry_contracts::reports::v2::ReportRequestedEvent;
use outcry_contracts::trades::v1::{
    TradeCancelledEvent, TradeClosedEvent, TradeCreatedEvent, TradeExecutedEvent, TradeFailedEvent,
};
use outcry_contracts::users::v1::UserCreatedEvent;
use outcry_events::SealedEvent;

use crate::error::Outcome;
use crate::fact::{Fact, Told};
use crate::finding::Findings;
use crate::history::History;
use crate::stores::{Rows, Stores};

/// Something that must follow from events, once.
struct Effect<'a> {
    /// Who brings it about.
    consumer: &'static str,
    /// What.
    what: &'static str,
    /// For which order, match or payment.
    subject: &'a str,
    /// The events it follows from: all of them must have been handled.
    causes: Vec<&'a SealedEvent>,
    /// How often it is there.
    times: usize,
}

pub async fn check(history: &History, stores: &Stores, findings: &mut Findings) -> Outcome<()> {
    let mut effects = effects(history);
    let views = [
        ("funds", "accounts", "an account"),
        ("orders", "users", "a user"),
        ("portfolio", "portfolios", "a portfolio"),
    ];
    for (consumer, view, what) in views {
        let Some(rows) = stores.view(consumer, view).await? else {
            continue;
        };
        effects.extend(for_users(history, consumer, what, &rows));
    }
    for effect in effects {
        let handled = effect.times > 0 || effect.all_handled(stores).await?;
        effect.judge(handled, findings);
    }
    Ok(())
}

// === impl Effect ===

impl Effect<'_> {
    async fn all_handled(&self, stores: &Stores) -> Outcome<bool> {
        for cause in &self.causes {
            if !stores.handled(self.consumer, cause).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// An effect that is not there yet is a breach only if its consumer says that it is done.
    fn judge(self, handled: bool, findings: &mut Findings) {
        if self.times == 0 && !handled {
            findings.wait_for(self.consumer);
            return;
        }
        findings.expect("I14", self.times == 1, self.subject, || match self.times {
            0 => format!(
                "{} handled its events, but there is no {}",
                self.consumer, self.what
            ),
            times => format!("{} made {} {times} times", self.consumer, self.what),
        });
    }
}

/// Effects that are events themselves.
fn effects(history: &History) -> Vec<Effect<'_>> {
    let mut effects = fills(history);
    effects.extend(order_ends(history));
    effects.extend(deposits(history));
    effects.extend(settlements(history));
    effects.extend(submissions(history));
    effects.extend(closings(history));
    effects.extend(reports(history));
    effects
}

/// Every fill reaches its order.
fn fills(history: &History) -> Vec<Effect<'_>> {
    let filled = count(history, |filled: &OrderFilledEvent| &filled.execution_id);
    each(
        history,
        "orders",
        "order.filled",
        |executed: &TradeExecutedEvent| {
            let execution = &executed.execution_id;
            Some((execution.as_str(), times(&filled, execution)))
        },
    )
}

/// An order ends when its trade does.
fn order_ends(history: &History) -> Vec<Effect<'_>> {
    let mut ends = count(history, |end: &OrderCancelledEvent| &end.order_id);
    let expired = count(history, |end: &OrderExpiredEvent| &end.order_id);
    let rejected = count(history, |end: &OrderRejectedEvent| &end.order_id);
    for (order, times) in expired.into_iter().chain(rejected) {
        *ends.entry(order).or_default() += times;
    }
    let what = "end of the order";
    let mut effects = each(history, "orders", what, |end: &TradeCancelledEvent| {
        Some((end.order_id.as_str(), times(&ends, &end.order_id)))
    });
    effects.extend(each(history, "orders", what, |end: &TradeFailedEvent| {
        Some((end.order_id.as_str(), times(&ends, &end.order_id)))
    }));
    effects
}

/// Every captured payment is credited.
fn deposits(history: &History) -> Vec<Effect<'_>> {
    let mut credited: HashMap<&str, usize> = HashMap::new();
    for (_, deposited) in history.all::<FundsDepositedEvent>() {
        if deposited.method() == DepositMethod::Payment {
            *credited.entry(&deposited.reference).or_default() += 1;
        }
    }
    each(
        history,
        "funds",
        "funds.deposited",
        |success: &PaymentSuccessEvent| {
            let payment = &success.payment_id;
            Some((payment.as_str(), times(&credited, payment)))
        },
    )
}

/// Every match is settled once both sides are known.
fn settlements(history: &History) -> Vec<Effect<'_>> {
    let settled = count(history, |settled: &FundsSettledEvent| &settled.match_id);
    let mut sides: BTreeMap<&str, Vec<&SealedEvent>> = BTreeMap::new();
    for (event, executed) in history.all::<TradeExecutedEvent>() {
        sides.entry(&executed.match_id).or_default().push(event);
    }
    sides
        .into_iter()
        .map(|(match_id, causes)| Effect {
            consumer: "funds",
            what: "funds.settled",
            times: times(&settled, match_id),
            subject: match_id,
            causes,
        })
        .collect()
}

/// Every validated order reaches the venue.
fn submissions(history: &History) -> Vec<Effect<'_>> {
    let created = count(history, |created: &TradeCreatedEvent| &created.order_id);
    each(
        history,
        "trades",
        "trade.created",
        |validated: &OrderValidatedEvent| {
            let order = &validated.order_id;
            Some((order.as_str(), times(&created, order)))
        },
    )
}

/// A trade that is filled is closed once all of it is settled, and not before.
fn closings(history: &History) -> Vec<Effect<'_>> {
    let closed = count(history, |closed: &TradeClosedEvent| &closed.order_id);
    let mut settled: HashMap<&str, (i64, Vec<&SealedEvent>)> = HashMap::new();
    for (event, match_) in history.all::<FundsSettledEvent>() {
        for order in [&match_.buyer_order_id, &match_.seller_order_id] {
            let (quantity, events) = settled.entry(order).or_default();
            *quantity += match_.quantity;
            events.push(event);
        }
    }
    let mut effects = Vec::new();
    for (order, filled) in filled(history) {
        let (quantity, causes) = settled.remove(order).unwrap_or_default();
        let times = times(&closed, order);
        // Not all settled: a closing would be too early, which is one too many.
        if quantity >= filled || times > 0 {
            effects.push(Effect {
                consumer: "trades",
                what: "trade.closed",
                subject: order,
                times: if quantity < filled { times + 1 } else { times },
                causes,
            });
        }
    }
    effects
}

/// Shares traded of each order whose trade is filled.
fn filled(history: &History) -> BTreeMap<&str, i64> {
    let mut filled = BTreeMap::new();
    let mut executed: HashMap<&str, i64> = HashMap::new();
    for recorded in history.of("trades") {
        match &recorded.fact {
            Fact::TradeExecuted(fill) => {
                if fill.leaves_quantity == 0 {
                    filled.insert(fill.order_id.as_str(), fill.cumulative_quantity);
                }
                executed.insert(&fill.order_id, fill.cumulative_quantity);
            }
            // New terms of what is traded already.
            Fact::TradePlaced(placed) if placed.leaves_quantity == 0 => {
                if let Some(quantity) = executed.get(placed.order_id.as_str()) {
                    filled.insert(&placed.order_id, *quantity);
                }
            }
            _ => {}
        }
    }
    filled
}

/// Reports are made after their request was handled, so a missing one is only still to come.
fn reports(history: &History) -> Vec<Effect<'_>> {
    let mut done = count(history, |done: &ReportCompletedEvent| &done.report_id);
    let failed = count(history, |done: &ReportFailedEvent| &done.report_id);
    for (report, times) in failed {
        *done.entry(report).or_default() += times;
    }
    each(
        history,
        "reports",
        "report",
        |requested: &ReportRequestedEvent| {
            let times = times(&done, &requested.report_id);
            (times > 0).then_some((requested.report_id.as_str(), times))
        },
    )
}

/// Every user is known to a consumer.
fn for_users<'a>(
    history: &'a History,
    consumer: &'static str,
    what: &'static str,
    rows: &Rows,
) -> Vec<Effect<'a>> {
    each(history, consumer, what, |created: &UserCreatedEvent| {
        let times = usize::from(rows.contains_key(&created.user_id));
        Some((created.user_id.as_str(), times))
    })
}

/// An effect for each event of a type: its subject, and how often it is there.
fn each<'a, E: Told>(
    history: &'a History,
    consumer: &'static str,
    what: &'static str,
    of: impl Fn(&'a E) -> Option<(&'a str, usize)>,
) -> Vec<Effect<'a>> {
    history
        .all::<E>()
        .filter_map(|(event, payload)| {
            let (subject, times) = of(payload)?;
            Some(Effect {
                consumer,
                what,
                subject,
                causes: vec![event],
                times,
            })
        })
        .collect()
}

/// How many events of a type have each key.
fn count<'a, E: Told>(
    history: &'a History,
    key: impl Fn(&'a E) -> &'a String,
) -> HashMap<&'a str, usize> {
    let mut counts = HashMap::new();
    for (_, event) in history.all::<E>() {
        *counts.entry(key(event).as_str()).or_default() += 1;
    }
    counts
}

fn times(counts: &HashMap<&str, usize>, key: &str) -> usize {
    counts.get(key).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
