//! One symbol: the book, and what each decision must find in it.
//!
//! An order that comes in, is woken or is repriced may stand across the other side until the
//! decisions that follow resolve it. So what must hold of a book at rest is looked at when the next
//! order comes in, and at the end.
//!
//! - [`judging`] – what a decision must find in the book, and leave in it

mod judging;

use std::collections::HashMap;
use std::time::SystemTime;

use outcry_contracts::orders::v1::{CancelReason, Side};
use outcry_contracts::trades::v1::{
    Liquidity, SessionChangedEvent, SessionState, TradeCancelledEvent, TradeCreatedEvent,
    TradeExecutedEvent, TradePlacedEvent, TradeStatus,
};

use super::checkpoint::Checkpoint;
use super::ladder::Ladder;
use super::order::{Order, Post};
use crate::error::Outcome;
use crate::fact::raw;
use crate::finding::Findings;

/// One symbol's market as the venue's events tell it.
#[derive(Default)]
pub(super) struct Market<'a> {
    /// All that were ever received, by trade id.
    orders: HashMap<&'a str, Order<'a>>,
    bids: Ladder<'a>,
    asks: Ladder<'a>,
    /// Buys that wait for a rising price, the first to be reached first.
    rising: Ladder<'a>,
    /// Sells that wait for a falling price.
    falling: Ladder<'a>,
    arrivals: u64,
    /// The order that came in last.
    incoming: Option<&'a str>,
    /// The side of a match that was told first.
    half: Option<&'a TradeExecutedEvent>,
    /// Number of the last decision.
    sequence: u64,
    /// In ten-thousandths.
    last_price: Option<i128>,
    /// None until it is told.
    session: Option<SessionState>,
    /// The book as it was kept, until it was looked at.
    checkpoint: Option<Checkpoint>,
}

// === impl Market ===

impl<'a> Market<'a> {
    /// A market whose book was kept once.
    pub(super) fn kept(checkpoint: Option<Checkpoint>) -> Self {
        Self {
            checkpoint,
            ..Self::default()
        }
    }

    pub(super) fn created(&mut self, created: &'a TradeCreatedEvent) -> Outcome<()> {
        let mut order = Order::created(created);
        if let Some(stop) = created
            .terms
            .as_ref()
            .and_then(|terms| terms.stop_price.as_ref())
        {
            order.stop = raw(Some(stop))?;
        }
        self.orders.insert(&created.trade_id, order);
        Ok(())
    }

    pub(super) fn session_changed(
        &mut self,
        changed: &'a SessionChangedEvent,
        findings: &mut Findings,
    ) {
        let (old, new) = (changed.old_state(), changed.new_state());
        let goes_on = self.session.is_none_or(|session| session == old) && old != new;
        findings.expect("I15", goes_on, &changed.symbol, || {
            format!("{old:?} became {new:?} when it was {:?}", self.session)
        });
        let (found, expected) = (changed.venue_sequence, self.sequence);
        findings.expect("I10", found == expected, &changed.symbol, || {
            format!("it became {new:?} after decision {found}, the last was {expected}")
        });
        self.session = Some(new);
    }

    pub(super) fn placed(
        &mut self,
        placed: &'a TradePlacedEvent,
        findings: &mut Findings,
    ) -> Outcome<()> {
        let trade = placed.trade_id.as_str();
        self.decided(placed.venue_sequence, trade, findings);
        let price = match &placed.limit_price {
            Some(price) => raw(Some(price))?,
            None => self.orders.get(trade).map_or(0, |order| order.price),
        };
        let waits = placed.status() == TradeStatus::TriggerPending;
        let post = self
            .orders
            .get(trade)
            .map_or(Post::Nowhere, |order| order.post);
        if waits {
            return self.waiting(placed, price);
        }
        if post == Post::Book {
            self.check_priority(placed, price, findings);
            if placed.kept_priority {
                self.resize(trade, placed.quantity);
                return Ok(());
            }
        }
        self.at_rest(trade, findings);
        self.check_entry(placed, post, findings);
        self.leave(trade);
        let may_take = self.session.is_none_or(|state| state == SessionState::Open);
        self.arrivals += 1;
        let order = self.orders.entry(trade).or_default();
        order.order_id = &placed.order_id;
        order.side = placed.side();
        order.price = price;
        order.quantity = placed.quantity;
        order.arrival = self.arrivals;
        order.may_take = may_take;
        if order.leaves() > 0 {
            order.post = Post::Book;
            let (side, arrival) = (order.side, order.arrival);
            self.side(side).insert(side, price, arrival, trade);
        }
        self.incoming = Some(trade);
        Ok(())
    }

    /// A stop order begins to wait, or waits with new terms.
    fn waiting(&mut self, placed: &'a TradePlacedEvent, price: i128) -> Outcome<()> {
        let trade = placed.trade_id.as_str();
        let last = self.last_price;
        let kept = placed.kept_priority;
        if !kept {
            self.leave(trade);
            self.arrivals += 1;
        }
        let arrival = self.arrivals;
        let order = self.orders.entry(trade).or_default();
        order.order_id = &placed.order_id;
        order.side = placed.side();
        order.price = price;
        order.quantity = placed.quantity;
        if kept {
            return Ok(());
        }
        if let Some(stop) = &placed.stop_price {
            order.stop = raw(Some(stop))?;
        }
        order.arrival = arrival;
        order.post = Post::Waits;
        order.is_reached = last.is_some_and(|last| match order.side {
            Side::Buy => last >= order.stop,
            _ => last <= order.stop,
        });
        if !order.is_reached {
            let (side, stop) = (order.side, order.stop);
            let (ladder, rank) = self.triggers(side);
            ladder.insert(rank, stop, arrival, trade);
        }
        Ok(())
    }

    /// One side of a match; with the other one, what it must have found.
    pub(super) fn executed(
        &mut self,
        executed: &'a TradeExecutedEvent,
        at: SystemTime,
        findings: &mut Findings,
    ) -> Outcome<()> {
        let first = self
            .half
            .filter(|first| first.match_id == executed.match_id);
        let Some(first) = first else {
            self.decided(executed.venue_sequence, &executed.trade_id, findings);
            self.half = Some(executed);
            return Ok(());
        };
        self.half = None;
        let (taker, maker) = match executed.liquidity() {
            Liquidity::Taker => (executed, first),
            _ => (first, executed),
        };
        let price = raw(maker.last_price.as_ref())?;
        self.check_taker(taker, at, findings);
        self.check_maker(taker, maker, price, at, findings);
        for side in [taker, maker] {
            let trade = side.trade_id.as_str();
            let order = self.orders.entry(trade).or_default();
            order.executed += side.last_quantity;
            if order.leaves() <= 0 {
                self.leave(trade);
            }
        }
        self.last_price = Some(price);
        self.reach(price);
        Ok(())
    }

    pub(super) fn cancelled(
        &mut self,
        cancelled: &'a TradeCancelledEvent,
        at: SystemTime,
        findings: &mut Findings,
    ) {
        let trade = cancelled.trade_id.as_str();
        self.decided(cancelled.venue_sequence, trade, findings);
        if let Some(order) = self.orders.get(trade) {
            findings.expect("I11", !order.is_whole || order.executed == 0, trade, || {
                format!("all or nothing, and {} were filled", order.executed)
            });
            let ran_out = cancelled.reason() == CancelReason::Expired;
            let early = ran_out && order.expires_at.is_some() && !order.is_due(at);
            findings.expect("I11", !early, trade, || {
                "it expired before its time".to_owned()
            });
        }
        self.leave(trade);
    }

    /// Nothing more is known.
    pub(super) fn end(&mut self, symbol: &str, findings: &mut Findings) {
        self.check_kept(symbol, findings);
        if let Some(checkpoint) = &self.checkpoint {
            findings.expect("I13", false, symbol, || {
                format!(
                    "a book was kept of decision {}, the last is {}",
                    checkpoint.venue_seq, self.sequence
                )
            });
        }
        // The last order may still be matching: one step of that is one commit.
        let is_matching = self.must_leave() || self.incoming_crosses();
        if is_matching {
            findings.wait_for("an order that still matches");
        } else {
            self.at_rest(symbol, findings);
        }
    }

    /// Decisions are numbered 1, 2, 3 …
    fn decided(&mut self, sequence: u64, trade: &str, findings: &mut Findings) {
        self.check_kept(trade, findings);
        let expected = self.sequence + 1;
        findings.expect("I10", sequence == expected, trade, || {
            format!("decision {sequence} of its symbol stands where {expected} should")
        });
        self.sequence = sequence;
        self.half = None;
    }

    fn is_crossed(&self) -> bool {
        let best = self.best(&self.bids).zip(self.best(&self.asks));
        best.is_some_and(|(bid, ask)| bid >= ask)
    }

    /// Whether the order that came in last stands in the book, across the other side.
    fn incoming_crosses(&self) -> bool {
        let incoming = self.incoming.and_then(|trade| self.orders.get(trade));
        incoming.is_some_and(|order| {
            let other = match order.side {
                Side::Buy => self.best(&self.asks).is_some_and(|ask| ask <= order.price),
                _ => self.best(&self.bids).is_some_and(|bid| bid >= order.price),
            };
            order.post == Post::Book && other
        })
    }

    fn best(&self, ladder: &Ladder<'a>) -> Option<i128> {
        let best = ladder.iter().next()?;
        self.orders.get(best).map(|order| order.price)
    }

    /// Whether the order that came in last still stands in the book and must not.
    fn must_leave(&self) -> bool {
        let incoming = self.incoming.and_then(|trade| self.orders.get(trade));
        incoming.is_some_and(|order| order.is_immediate && order.post == Post::Book)
    }

    /// An order wants another number of shares where it stands.
    fn resize(&mut self, trade: &'a str, quantity: i64) {
        let order = self.orders.entry(trade).or_default();
        order.quantity = quantity;
        if order.leaves() <= 0 {
            self.leave(trade);
        }
    }

    /// An order is gone from wherever it stands.
    fn leave(&mut self, trade: &str) {
        let Some(order) = self.orders.get_mut(trade) else {
            return;
        };
        let (side, arrival) = (order.side, order.arrival);
        let (price, stop) = (order.price, order.stop);
        match std::mem::take(&mut order.post) {
            Post::Nowhere => {}
            Post::Book => self.side(side).remove(side, price, arrival),
            Post::Waits => {
                let (ladder, rank) = self.triggers(side);
                ladder.remove(rank, stop, arrival);
            }
        }
    }

    /// Somebody traded at this price: marks who waits for it.
    fn reach(&mut self, price: i128) {
        for side in [Side::Buy, Side::Sell] {
            loop {
                let (ladder, rank) = self.triggers(side);
                let Some(trade) = ladder.pop_to(rank, price) else {
                    break;
                };
                if let Some(order) = self.orders.get_mut(trade) {
                    order.is_reached = true;
                }
            }
        }
    }

    fn side(&mut self, side: Side) -> &mut Ladder<'a> {
        match side {
            Side::Buy => &mut self.bids,
            _ => &mut self.asks,
        }
    }

    /// Those of a side that wait, and the side whose order theirs is: a rising price reaches the
    /// lowest stop of a buy first, as a buyer reaches the lowest offer.
    fn triggers(&mut self, side: Side) -> (&mut Ladder<'a>, Side) {
        match side {
            Side::Buy => (&mut self.rising, Side::Sell),
            _ => (&mut self.falling, Side::Buy),
        }
    }
}
