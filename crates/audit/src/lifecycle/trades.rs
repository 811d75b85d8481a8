//! Trades: their transitions, and their numbers from the venue's fills.

use std::collections::{BTreeMap, HashMap};

use outcry_contracts::trades::v1::{TradeExecutedEvent, TradeStatus};
use outcry_events::Amount;
use serde_json::Value;

use super::{average, check_fields, check_no_more, step};
use crate::error::Outcome;
use crate::fact::Fact;
use crate::finding::Findings;
use crate::history::{History, Recorded};

/// A trade as its events tell it.
#[derive(Default)]
pub(super) struct Trade {
    status: Option<TradeStatus>,
    quantity: i64,
    executed: i64,
    /// Sum of price × shares, in ten-thousandths.
    notional: i128,
    fees: i128,
}

pub(super) fn follow(
    history: &History,
    findings: &mut Findings,
) -> Outcome<BTreeMap<String, Trade>> {
    let mut trades: HashMap<&str, Trade> = HashMap::new();
    for recorded in history.of("trades") {
        if recorded.event.topic().starts_with("trade.") {
            let trade = trades.entry(recorded.event.aggregate_id()).or_default();
            trade.follow(recorded, findings)?;
        }
    }
    let named = |(id, trade): (&str, Trade)| (id.to_owned(), trade);
    Ok(trades.into_iter().map(named).collect())
}

pub(super) fn check_rows(
    told: &BTreeMap<String, Trade>,
    rows: &BTreeMap<String, Value>,
    findings: &mut Findings,
) {
    for (id, trade) in told {
        let status = trade.status.unwrap_or_default();
        let fields = [
            ("status", i128::from(i32::from(status))),
            ("quantity", trade.quantity.into()),
            ("executed", trade.executed.into()),
            ("leaves", trade.leaves().into()),
            ("notional", trade.notional),
            ("fees", trade.fees),
        ];
        check_fields(id, rows.get(id), &fields, findings);
    }
    check_no_more(|id| told.contains_key(id), rows, findings);
}

/// A filled trade is not at its end: it is closed once it is settled.
fn is_final(status: TradeStatus) -> bool {
    use TradeStatus::{Cancelled, Closed, Failed};
    matches!(status, Closed | Cancelled | Failed)
}

// === impl Trade ===

impl Trade {
    fn leaves(&self) -> i64 {
        match self.status.is_some_and(is_final) {
            true => 0,
            false => self.quantity - self.executed,
        }
    }

    fn follow(&mut self, recorded: &Recorded, findings: &mut Findings) -> Outcome<()> {
        let (event, fact) = (&recorded.event, &recorded.fact);
        let id = event.aggregate_id();
        match fact {
            Fact::TradeCreated(created) => {
                self.quantity = created.terms.as_ref().map_or(0, |terms| terms.quantity);
            }
            Fact::TradePlaced(placed) => {
                self.quantity = placed.quantity;
                self.check_leaves(id, placed.leaves_quantity, findings);
            }
            Fact::TradeExecuted(executed) => self.executed(id, executed, findings)?,
            Fact::TradeCancelled(cancelled) => {
                self.check_executed(id, cancelled.cumulative_quantity, findings);
                self.check_leaves(id, cancelled.cancelled_quantity, findings);
            }
            Fact::TradeClosed(closed) => {
                self.check_executed(id, closed.cumulative_quantity, findings);
                let said = Amount::from_required(closed.average_price.as_ref())?;
                let average = average(self.notional, self.executed);
                findings.expect("I8", average == Some(said), id, || {
                    format!("it closed with an average of {said}, the fills make {average:?}")
                });
            }
            _ => {}
        }
        let next = self.next(fact);
        let ended = self.status.is_some_and(is_final);
        self.status = step(id, event.topic(), self.status, next, ended, findings);
        Ok(())
    }

    /// Where an event leads; none if it must not happen now.
    fn next(&self, fact: &Fact) -> Option<TradeStatus> {
        use TradeStatus::{
            Cancelled, Closed, Created, Failed, Filled, PartiallyFilled, Placed, TriggerPending,
        };
        let now = self.status;
        let in_book = matches!(now, Some(Placed | PartiallyFilled));
        let waits = now == Some(TriggerPending);
        let stands = match (self.executed, self.quantity - self.executed) {
            (_, 0) => Filled,
            (0, _) => Placed,
            _ => PartiallyFilled,
        };
        match fact {
            Fact::TradeCreated(_) => now.is_none().then_some(Created),
            // Waits for its price, or still does with new terms; once woken it never waits again.
            Fact::TradePlaced(placed) if placed.status() == TriggerPending => {
                (now == Some(Created) || waits).then_some(TriggerPending)
            }
            Fact::TradePlaced(_) => (now == Some(Created) || waits || in_book).then_some(stands),
            Fact::TradeExecuted(_) => in_book.then_some(stands),
            Fact::TradeCancelled(_) => (in_book || waits).then_some(Cancelled),
            Fact::TradeFailed(_) => (now == Some(Created)).then_some(Failed),
            Fact::TradeClosed(_) => (now == Some(Filled)).then_some(Closed),
            _ => now,
        }
    }

    fn executed(
        &mut self,
        id: &str,
        executed: &TradeExecutedEvent,
        findings: &mut Findings,
    ) -> Outcome<()> {
        let price = Amount::from_required(executed.last_price.as_ref())?;
        let fee = Amount::from_required(executed.fee.as_ref())?;
        self.executed += executed.last_quantity;
        self.notional += i128::from(price.raw()) * i128::from(executed.last_quantity);
        self.fees += i128::from(fee.raw());
        self.check_executed(id, executed.cumulative_quantity, findings);
        self.check_leaves(id, executed.leaves_quantity, findings);
        Ok(())
    }

    fn check_executed(&self, id: &str, said: i64, findings: &mut Findings) {
        findings.expect("I8", said == self.executed, id, || {
            format!(
                "an event says {said} are filled, the fills make {}",
                self.executed
            )
        });
    }

    fn check_leaves(&self, id: &str, said: i64, findings: &mut Findings) {
        let leaves = self.quantity - self.executed;
        findings.expect("I8", said == leaves && leaves >= 0, id, || {
            format!("an event says {said} are left, there are {leaves}")
        });
    }
}
