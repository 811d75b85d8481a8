//! Orders: their transitions, and their numbers from the fills of orders and of the venue.

use std::collections::{BTreeMap, HashMap};

use outcry_contracts::orders::v1::{OrderFilledEvent, OrderStatus};
use outcry_contracts::trades::v1::TradeExecutedEvent;
use outcry_events::Amount;
use serde_json::Value;

use super::{average, check_fields, check_no_more, step};
use crate::error::Outcome;
use crate::fact::Fact;
use crate::finding::Findings;
use crate::history::{History, Recorded};

/// An order as its events tell it.
#[derive(Default)]
pub(super) struct Order {
    status: Option<OrderStatus>,
    quantity: i64,
    cumulative: i64,
    /// Sum of price × shares, in ten-thousandths.
    notional: i128,
}

/// Fills as the venue told them, by execution id.
type Executions<'a> = HashMap<&'a str, &'a TradeExecutedEvent>;

pub(super) fn follow(
    history: &History,
    findings: &mut Findings,
) -> Outcome<BTreeMap<String, Order>> {
    let executions: Executions<'_> = history
        .all::<TradeExecutedEvent>()
        .map(|(_, executed)| (executed.execution_id.as_str(), executed))
        .collect();
    let mut orders: HashMap<&str, Order> = HashMap::new();
    for recorded in history.of("orders") {
        if recorded.event.topic().starts_with("order.") {
            let order = orders.entry(recorded.event.aggregate_id()).or_default();
            order.follow(recorded, &executions, findings)?;
        }
    }
    let named = |(id, order): (&str, Order)| (id.to_owned(), order);
    Ok(orders.into_iter().map(named).collect())
}

pub(super) fn check_rows(
    told: &BTreeMap<String, Order>,
    rows: &BTreeMap<String, Value>,
    findings: &mut Findings,
) {
    for (id, order) in told {
        let row = rows.get(id).map(|row| &row["order"]);
        let status = order.status.unwrap_or_default();
        let mut fields = vec![
            ("status", i128::from(i32::from(status))),
            ("quantity", order.quantity.into()),
            ("cumulative_quantity", order.cumulative.into()),
            ("leaves_quantity", order.leaves().into()),
        ];
        if let Some(average) = average(order.notional, order.cumulative) {
            fields.push(("average_price", average.raw().into()));
        }
        check_fields(id, row, &fields, findings);
    }
    check_no_more(|id| told.contains_key(id), rows, findings);
}

fn is_final(status: OrderStatus) -> bool {
    use OrderStatus::{Cancelled, Expired, Filled, Rejected};
    matches!(status, Filled | Cancelled | Expired | Rejected)
}

/// Where an event leads an order; none if it must not happen there. Being open at the venue or
/// being asked to change is no fact of the order's own, so it does not show here.
fn next(now: Option<OrderStatus>, fact: &Fact, leaves: i64) -> Option<OrderStatus> {
    use OrderStatus::{Cancelled, Expired, Filled, New, PartiallyFilled, Rejected, Validated};
    let at_venue = matches!(now, Some(Validated | PartiallyFilled));
    let not_filled = matches!(now, Some(New | Validated));
    match fact {
        Fact::OrderCreated(_) => now.is_none().then_some(New),
        Fact::OrderValidated(_) => (now == Some(New)).then_some(Validated),
        Fact::OrderFilled(_) if leaves == 0 => at_venue.then_some(Filled),
        Fact::OrderFilled(_) => at_venue.then_some(PartiallyFilled),
        Fact::OrderReplaced(_) => now.filter(|_| at_venue),
        // The end of an order whose new terms ask for no more than is filled.
        Fact::OrderCancelled(end) if end.cancelled_quantity == 0 => at_venue.then_some(Filled),
        Fact::OrderCancelled(_) => (at_venue || not_filled).then_some(Cancelled),
        Fact::OrderExpired(_) => at_venue.then_some(Expired),
        Fact::OrderRejected(_) => not_filled.then_some(Rejected),
        _ => now,
    }
}

// === impl Order ===

impl Order {
    fn leaves(&self) -> i64 {
        match self.status.is_some_and(is_final) {
            true => 0,
            false => self.quantity - self.cumulative,
        }
    }

    fn follow(
        &mut self,
        recorded: &Recorded,
        executions: &Executions<'_>,
        findings: &mut Findings,
    ) -> Outcome<()> {
        let (event, fact) = (&recorded.event, &recorded.fact);
        let id = event.aggregate_id();
        match fact {
            Fact::OrderCreated(created) => {
                self.quantity = created.terms.as_ref().map_or(0, |terms| terms.quantity);
            }
            Fact::OrderReplaced(replaced) => {
                self.quantity = replaced.quantity;
                self.check_cumulative(id, replaced.cumulative_quantity, findings);
            }
            Fact::OrderFilled(filled) => {
                self.filled(id, filled, findings)?;
                check_execution(id, filled, executions, findings);
            }
            Fact::OrderCancelled(cancelled) => {
                self.check_cumulative(id, cancelled.cumulative_quantity, findings);
                self.check_unfilled(id, cancelled.cancelled_quantity, findings);
            }
            Fact::OrderExpired(expired) => {
                self.check_cumulative(id, expired.cumulative_quantity, findings);
                self.check_unfilled(id, expired.expired_quantity, findings);
            }
            _ => {}
        }
        let next = next(self.status, fact, self.quantity - self.cumulative);
        let ended = self.status.is_some_and(is_final);
        self.status = step(id, event.topic(), self.status, next, ended, findings);
        Ok(())
    }

    fn filled(
        &mut self,
        id: &str,
        filled: &OrderFilledEvent,
        findings: &mut Findings,
    ) -> Outcome<()> {
        let price = Amount::from_required(filled.last_price.as_ref())?;
        self.cumulative += filled.last_quantity;
        self.notional += i128::from(price.raw()) * i128::from(filled.last_quantity);
        self.check_cumulative(id, filled.cumulative_quantity, findings);
        let leaves = self.quantity - self.cumulative;
        findings.expect(
            "I8",
            filled.leaves_quantity == leaves && leaves >= 0,
            id,
            || {
                format!(
                    "a fill leaves {} of {} with {} filled",
                    filled.leaves_quantity, self.quantity, self.cumulative
                )
            },
        );
        let said = Amount::from_required(filled.average_price.as_ref())?;
        let average = average(self.notional, self.cumulative);
        findings.expect("I8", average == Some(said), id, || {
            format!("a fill says the average is {said}, the fills make {average:?}")
        });
        let is_filled = filled.status() == OrderStatus::Filled;
        findings.expect("I8", is_filled == (leaves == 0), id, || {
            format!("a fill that leaves {leaves} says {:?}", filled.status())
        });
        Ok(())
    }

    fn check_cumulative(&self, id: &str, said: i64, findings: &mut Findings) {
        findings.expect("I8", said == self.cumulative, id, || {
            format!(
                "an event says {said} are filled, the fills make {}",
                self.cumulative
            )
        });
    }

    fn check_unfilled(&self, id: &str, said: i64, findings: &mut Findings) {
        let unfilled = self.quantity - self.cumulative;
        findings.expect("I8", said == unfilled, id, || {
            format!("its end leaves {said} unfilled, there were {unfilled}")
        });
    }
}

/// The order took a fill as the venue told it.
fn check_execution(
    id: &str,
    filled: &OrderFilledEvent,
    executions: &Executions<'_>,
    findings: &mut Findings,
) {
    let same = executions
        .get(filled.execution_id.as_str())
        .is_some_and(|told| {
            (&told.order_id, &told.user_id) == (&filled.order_id, &filled.user_id)
                && (&told.symbol, told.side) == (&filled.symbol, filled.side)
                && (told.last_quantity, told.cumulative_quantity)
                    == (filled.last_quantity, filled.cumulative_quantity)
                && told.last_price == filled.last_price
        });
    findings.expect("I8", same, id, || {
        format!("fill {} is not one the venue told so", filled.execution_id)
    });
}
