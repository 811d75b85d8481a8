//! Trades: their transitions, and their numbers from the venue's fills.

use std::collections::BTreeMap;

use outcry_contracts::trades::v1::{
    TradeCancelledEvent, TradeClosedEvent, TradeCreatedEvent, TradeExecutedEvent, TradeFailedEvent,
    TradePlacedEvent, TradeStatus,
};
use outcry_events::{Amount, SealedEvent};
use serde_json::Value;

use super::{average, check_fields, check_no_more, step};
use crate::error::Outcome;
use crate::finding::Findings;
use crate::history::History;

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
    let mut trades: BTreeMap<String, Trade> = BTreeMap::new();
    for recorded in &history.events {
        let event = &recorded.event;
        if event.topic().starts_with("trade.") {
            let trade = trades.entry(event.aggregate_id().to_owned()).or_default();
            trade.follow(event, findings)?;
        }
    }
    Ok(trades)
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

    fn follow(&mut self, event: &SealedEvent, findings: &mut Findings) -> Outcome<()> {
        let id = event.aggregate_id();
        if event.is::<TradeCreatedEvent>() {
            let created: TradeCreatedEvent = event.payload()?;
            self.quantity = created.terms.map_or(0, |terms| terms.quantity);
        } else if event.is::<TradePlacedEvent>() {
            let placed: TradePlacedEvent = event.payload()?;
            self.quantity = placed.quantity;
            self.check_leaves(id, placed.leaves_quantity, findings);
        } else if event.is::<TradeExecutedEvent>() {
            self.executed(id, &event.payload()?, findings)?;
        } else if event.is::<TradeCancelledEvent>() {
            let cancelled: TradeCancelledEvent = event.payload()?;
            self.check_executed(id, cancelled.cumulative_quantity, findings);
            self.check_leaves(id, cancelled.cancelled_quantity, findings);
        } else if event.is::<TradeClosedEvent>() {
            let closed: TradeClosedEvent = event.payload()?;
            self.check_executed(id, closed.cumulative_quantity, findings);
            let said = Amount::from_required(closed.average_price.as_ref())?;
            let average = average(self.notional, self.executed);
            findings.expect("I8", average == Some(said), id, || {
                format!("it closed with an average of {said}, the fills make {average:?}")
            });
        }
        let next = self.next(event);
        let ended = self.status.is_some_and(is_final);
        self.status = step(id, event.topic(), self.status, next, ended, findings);
        Ok(())
    }

    /// Where an event leads; none if it must not happen now.
    fn next(&self, event: &SealedEvent) -> Option<TradeStatus> {
        use TradeStatus::{Cancelled, Closed, Created, Failed, Filled, PartiallyFilled, Placed};
        let now = self.status;
        let in_book = matches!(now, Some(Placed | PartiallyFilled));
        let stands = match (self.executed, self.quantity - self.executed) {
            (_, 0) => Filled,
            (0, _) => Placed,
            _ => PartiallyFilled,
        };
        if event.is::<TradeCreatedEvent>() {
            now.is_none().then_some(Created)
        } else if event.is::<TradePlacedEvent>() {
            (now == Some(Created) || in_book).then_some(stands)
        } else if event.is::<TradeExecutedEvent>() {
            in_book.then_some(stands)
        } else if event.is::<TradeCancelledEvent>() {
            in_book.then_some(Cancelled)
        } else if event.is::<TradeFailedEvent>() {
            (now == Some(Created)).then_some(Failed)
        } else if event.is::<TradeClosedEvent>() {
            (now == Some(Filled)).then_some(Closed)
        } else {
            now
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
