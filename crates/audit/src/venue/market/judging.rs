//! What a decision must find in the book, and leave in it.

use std::time::SystemTime;

use outcry_contracts::orders::v1::Side;
use outcry_contracts::trades::v1::{SessionState, TradeExecutedEvent, TradePlacedEvent};

use super::Market;
use crate::finding::Findings;
use crate::venue::checkpoint::Kept;
use crate::venue::order::{Order, Post};

// === impl Market ===

impl<'a> Market<'a> {
    /// The book that was kept after this decision is this one.
    pub(super) fn check_kept(&mut self, subject: &str, findings: &mut Findings) {
        let now = self.sequence;
        let Some(checkpoint) = self.checkpoint.take_if(|kept| kept.venue_seq == now) else {
            return;
        };
        let sides = [&self.bids, &self.asks].map(|side| self.keep(side.iter()));
        findings.expect("I13", checkpoint.sides == sides, subject, || {
            format!("the book kept of decision {now} is not what its events lead to")
        });
        let waiting = self.orders.iter();
        let waiting = waiting.filter(|(_, order)| order.post == Post::Waits);
        let waiting = self.keep(waiting.map(|(trade, _)| *trade)).into_iter();
        let waiting = waiting.map(|kept| (kept.order_id.clone(), kept)).collect();
        findings.expect("I13", checkpoint.waiting == waiting, subject, || {
            format!("other orders wait after decision {now} than its events lead to")
        });
    }

    /// Orders as a kept book has them.
    fn keep(&self, trades: impl Iterator<Item = &'a str>) -> Vec<Kept> {
        let orders = trades.filter_map(|trade| self.orders.get(trade));
        let kept = orders.map(|order| Kept {
            order_id: order.order_id.to_owned(),
            price: i64::try_from(order.price).unwrap_or_default(),
            quantity: order.quantity,
            executed: order.executed,
        });
        kept.collect()
    }

    /// What must hold before anybody else comes in: the book is not crossed, and who must not rest
    /// does not.
    pub(super) fn at_rest(&mut self, subject: &str, findings: &mut Findings) {
        let crossed = self.is_crossed();
        findings.expect("I10", !crossed, subject, || {
            "the book was left crossed before".to_owned()
        });
        let must_leave = self.must_leave();
        let Some(incoming) = self.incoming.take() else {
            return;
        };
        findings.expect("I11", !must_leave, incoming, || {
            "it rests and must not".to_owned()
        });
    }

    /// New terms keep the place in the queue if they ask for less at the same price, and only then.
    pub(super) fn check_priority(
        &self,
        placed: &TradePlacedEvent,
        price: i128,
        findings: &mut Findings,
    ) {
        let Some(order) = self.orders.get(placed.trade_id.as_str()) else {
            return;
        };
        let keeps = price == order.price && placed.quantity < order.quantity;
        let subject = &placed.trade_id;
        findings.expect("I10", placed.kept_priority == keeps, subject, || {
            let (before, now) = (order.quantity, placed.quantity);
            format!(
                "{before} at {} became {now} at {price}, priority kept: {}",
                order.price, placed.kept_priority
            )
        });
    }

    /// Whether an order may come into the book now.
    pub(super) fn check_entry(
        &self,
        placed: &TradePlacedEvent,
        post: Post,
        findings: &mut Findings,
    ) {
        let trade = &placed.trade_id;
        let open = [SessionState::Open, SessionState::PostOnly];
        let may_enter = self.session.is_none_or(|state| open.contains(&state));
        findings.expect("I11", may_enter, trade, || {
            format!("it came into a market that is {:?}", self.session)
        });
        if post == Post::Waits {
            let order = self.orders.get(trade.as_str());
            let is_reached = order.is_some_and(|order| order.is_reached);
            findings.expect("I10", is_reached, trade, || {
                "it was woken although nobody traded at its stop price".to_owned()
            });
        }
    }

    pub(super) fn check_taker(
        &self,
        taker: &TradeExecutedEvent,
        at: SystemTime,
        findings: &mut Findings,
    ) {
        let trade = taker.trade_id.as_str();
        let came_last = self.incoming == Some(trade);
        findings.expect("I10", came_last, trade, || {
            format!("it takes, but {:?} came in last", self.incoming)
        });
        let Some(order) = self.orders.get(trade) else {
            return;
        };
        findings.expect("I11", !order.post_only, trade, || {
            "it takes and must only rest".to_owned()
        });
        findings.expect("I11", order.may_take, trade, || {
            "it takes, although the market did not allow it".to_owned()
        });
        check_in_time(order, trade, at, findings);
    }

    /// The maker is the first whom the taker may trade with, and its price is the price.
    pub(super) fn check_maker(
        &self,
        taker: &TradeExecutedEvent,
        maker: &TradeExecutedEvent,
        price: i128,
        at: SystemTime,
        findings: &mut Findings,
    ) {
        let trade = maker.trade_id.as_str();
        let ladder = match maker.side() {
            Side::Buy => &self.bids,
            _ => &self.asks,
        };
        // Orders of the same owner and orders that are due never trade; they leave.
        let first = ladder.iter().find(|id| {
            let order = self.orders.get(id);
            order.is_some_and(|order| order.owner != taker.user_id && !order.is_due(at))
        });
        findings.expect("I10", first == Some(trade), trade, || match first {
            Some(first) => format!("it was filled before {first}, which was first"),
            None => "it was filled, but stands in no book".to_owned(),
        });
        let Some(order) = self.orders.get(trade) else {
            return;
        };
        findings.expect("I9", order.price == price, trade, || {
            format!("it rested at {} and was filled at {price}", order.price)
        });
        check_in_time(order, trade, at, findings);
    }
}

fn check_in_time(order: &Order<'_>, trade: &str, at: SystemTime, findings: &mut Findings) {
    findings.expect("I11", !order.is_due(at), trade, || {
        "it was filled when its time had run out".to_owned()
    });
}
