//! I14: every event had its effect in every consumer once, or is still on its way.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use outcry_contracts::funds::v1::{DepositMethod, FundsDepositedEvent, FundsSettledEvent};
use outcry_contracts::orders::v1::{
    OrderCancelledEvent, OrderExpiredEvent, OrderFilledEvent, OrderRejectedEvent,
    OrderValidatedEvent,
};
use outcry_contracts::payments::v1::PaymentSuccessEvent;
use outcry_contracts::reports::v1::{
    ReportCompletedEvent, ReportFailedEvent, ReportRequestedEvent,
};
use outcry_contracts::trades::v1::{
    TradeCancelledEvent, TradeClosedEvent, TradeCreatedEvent, TradeExecutedEvent, TradeFailedEvent,
    TradePlacedEvent,
};
use outcry_contracts::users::v1::{UserCreatedEvent, UserStatus, UserStatusChangedEvent};
use outcry_events::{Event, SealedEvent};
use serde_json::Value;

use crate::error::Outcome;
use crate::finding::Findings;
use crate::history::History;
use crate::stores::Stores;

/// Something that must follow from events, once.
struct Effect<'a> {
    /// Who brings it about.
    consumer: &'static str,
    /// What.
    what: &'static str,
    /// For which order, match or payment.
    subject: String,
    /// The events it follows from: all of them must have been handled.
    causes: Vec<&'a SealedEvent>,
    /// How often it is there.
    times: usize,
}

pub async fn check(history: &History, stores: &Stores, findings: &mut Findings) -> Outcome<()> {
    let mut effects = effects(history)?;
    let accounts = stores.view("funds", "accounts").await?;
    effects.extend(for_users(history, "funds", "an account", &accounts)?);
    let users = stores.view("orders", "users").await?;
    effects.extend(for_users(history, "orders", "a user", &users)?);
    let portfolios = stores.view("portfolio", "portfolios").await?;
    effects.extend(for_users(history, "portfolio", "a portfolio", &portfolios)?);
    for effect in effects {
        let handled = effect.times > 0 || effect.all_handled(stores).await?;
        effect.judge(handled, findings);
    }
    for (user, (event, status)) in standings(history)? {
        let kept = accounts.get(&user).map(|row| &row["standing"]);
        if kept.and_then(Value::as_str) == Some(standing(status)) {
            findings.expect("I14", true, user, String::new);
        } else if stores.handled("funds", event).await? {
            findings.expect("I14", false, user, || {
                format!("the user is {status:?}, the account is kept as {kept:?}")
            });
        } else {
            findings.wait_for("funds");
        }
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
        findings.expect("I14", self.times == 1, &self.subject, || match self.times {
            0 => format!(
                "{} handled its events, but there is no {}",
                self.consumer, self.what
            ),
            times => format!("{} made {} {times} times", self.consumer, self.what),
        });
    }
}

/// Effects that are events themselves.
fn effects(history: &History) -> Outcome<Vec<Effect<'_>>> {
    let mut effects = fills(history)?;
    effects.extend(order_ends(history)?);
    effects.extend(deposits(history)?);
    effects.extend(settlements(history)?);
    effects.extend(submissions(history)?);
    effects.extend(closings(history)?);
    effects.extend(reports(history)?);
    Ok(effects)
}

/// Every fill reaches its order.
fn fills(history: &History) -> Outcome<Vec<Effect<'_>>> {
    let filled = count::<OrderFilledEvent, _>(history, |filled| Some(filled.execution_id))?;
    each::<TradeExecutedEvent>(history, "orders", "order.filled", |executed| {
        let times = times(&filled, &executed.execution_id);
        Some((executed.execution_id, times))
    })
}

/// An order ends when its trade does.
fn order_ends(history: &History) -> Outcome<Vec<Effect<'_>>> {
    let mut ends = count::<OrderCancelledEvent, _>(history, |end| Some(end.order_id))?;
    for (order, times) in count::<OrderExpiredEvent, _>(history, |end| Some(end.order_id))?
        .into_iter()
        .chain(count::<OrderRejectedEvent, _>(history, |end| {
            Some(end.order_id)
        })?)
    {
        *ends.entry(order).or_default() += times;
    }
    let times = |order: String| {
        let times = times(&ends, &order);
        Some((order, times))
    };
    let what = "end of the order";
    let mut effects =
        each::<TradeCancelledEvent>(history, "orders", what, |end| times(end.order_id))?;
    effects.extend(each::<TradeFailedEvent>(history, "orders", what, |end| {
        times(end.order_id)
    })?);
    Ok(effects)
}

/// Every captured payment is credited.
fn deposits(history: &History) -> Outcome<Vec<Effect<'_>>> {
    let credited = count::<FundsDepositedEvent, _>(history, |deposited| {
        (deposited.method() == DepositMethod::Payment).then_some(deposited.reference)
    })?;
    each::<PaymentSuccessEvent>(history, "funds", "funds.deposited", |success| {
        let times = times(&credited, &success.payment_id);
        Some((success.payment_id, times))
    })
}

/// Every match is settled once both sides are known.
fn settlements(history: &History) -> Outcome<Vec<Effect<'_>>> {
    let settled = count::<FundsSettledEvent, _>(history, |settled| Some(settled.match_id))?;
    let mut sides: BTreeMap<String, Vec<&SealedEvent>> = BTreeMap::new();
    for (event, executed) in history.all::<TradeExecutedEvent>()? {
        sides.entry(executed.match_id).or_default().push(event);
    }
    Ok(sides
        .into_iter()
        .map(|(match_id, causes)| Effect {
            consumer: "funds",
            what: "funds.settled",
            times: times(&settled, &match_id),
            subject: match_id,
            causes,
        })
        .collect())
}

/// Every validated order reaches the venue.
fn submissions(history: &History) -> Outcome<Vec<Effect<'_>>> {
    let created = count::<TradeCreatedEvent, _>(history, |created| Some(created.order_id))?;
    each::<OrderValidatedEvent>(history, "trades", "trade.created", |validated| {
        let times = times(&created, &validated.order_id);
        Some((validated.order_id, times))
    })
}

/// A trade that is filled is closed once all of it is settled, and not before.
fn closings(history: &History) -> Outcome<Vec<Effect<'_>>> {
    let closed = count::<TradeClosedEvent, _>(history, |closed| Some(closed.order_id))?;
    let mut settled: HashMap<String, (i64, Vec<&SealedEvent>)> = HashMap::new();
    for (event, match_) in history.all::<FundsSettledEvent>()? {
        for order in [match_.buyer_order_id, match_.seller_order_id] {
            let (quantity, events) = settled.entry(order).or_default();
            *quantity += match_.quantity;
            events.push(event);
        }
    }
    let mut effects = Vec::new();
    for (order, filled) in filled(history)? {
        let (quantity, causes) = settled.remove(&order).unwrap_or_default();
        let times = times(&closed, &order);
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
    Ok(effects)
}

/// Shares traded of each order whose trade is filled.
fn filled(history: &History) -> Outcome<BTreeMap<String, i64>> {
    let mut filled = BTreeMap::new();
    let mut executed: HashMap<String, i64> = HashMap::new();
    for recorded in &history.events {
        let event = &recorded.event;
        if event.is::<TradeExecutedEvent>() {
            let fill: TradeExecutedEvent = event.payload()?;
            if fill.leaves_quantity == 0 {
                filled.insert(fill.order_id.clone(), fill.cumulative_quantity);
            }
            executed.insert(fill.order_id, fill.cumulative_quantity);
        } else if event.is::<TradePlacedEvent>() {
            // New terms of what is traded already.
            let placed: TradePlacedEvent = event.payload()?;
            if let (0, Some(quantity)) = (placed.leaves_quantity, executed.get(&placed.order_id)) {
                filled.insert(placed.order_id, *quantity);
            }
        }
    }
    Ok(filled)
}

/// Reports are made after their request was handled, so a missing one is only still to come.
fn reports(history: &History) -> Outcome<Vec<Effect<'_>>> {
    let mut done = count::<ReportCompletedEvent, _>(history, |done| Some(done.report_id))?;
    for (report, times) in count::<ReportFailedEvent, _>(history, |done| Some(done.report_id))? {
        *done.entry(report).or_default() += times;
    }
    each::<ReportRequestedEvent>(history, "reports", "report", |requested| {
        let times = times(&done, &requested.report_id);
        (times > 0).then_some((requested.report_id, times))
    })
}

/// Every user is known to a consumer.
fn for_users<'a>(
    history: &'a History,
    consumer: &'static str,
    what: &'static str,
    rows: &BTreeMap<String, Value>,
) -> Outcome<Vec<Effect<'a>>> {
    each::<UserCreatedEvent>(history, consumer, what, |created| {
        let times = usize::from(rows.contains_key(&created.user_id));
        Some((created.user_id, times))
    })
}

/// The newest status of each user whose status ever changed, with the event that tells it.
fn standings(history: &History) -> Outcome<BTreeMap<String, (&SealedEvent, UserStatus)>> {
    let changes = history.all::<UserStatusChangedEvent>()?;
    Ok(changes
        .into_iter()
        .map(|(event, changed)| {
            let status = changed.new_status();
            (changed.user_id, (event, status))
        })
        .collect())
}

/// What funds calls a status.
fn standing(status: UserStatus) -> &'static str {
    match status {
        UserStatus::Unspecified => "",
        UserStatus::Active => "active",
        UserStatus::Suspended => "suspended",
        UserStatus::Closed => "closed",
    }
}

/// An effect for each event of a type: its subject, and how often it is there.
fn each<'a, E: Event>(
    history: &'a History,
    consumer: &'static str,
    what: &'static str,
    of: impl Fn(E) -> Option<(String, usize)>,
) -> Outcome<Vec<Effect<'a>>> {
    let events = history.all::<E>()?;
    Ok(events
        .into_iter()
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
        .collect())
}

/// How many events of a type have each key.
fn count<E: Event, K: Eq + Hash>(
    history: &History,
    key: impl Fn(E) -> Option<K>,
) -> Outcome<HashMap<K, usize>> {
    let mut counts = HashMap::new();
    for (_, event) in history.all::<E>()? {
        if let Some(key) = key(event) {
            *counts.entry(key).or_default() += 1;
        }
    }
    Ok(counts)
}

fn times(counts: &HashMap<String, usize>, key: &str) -> usize {
    counts.get(key).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
