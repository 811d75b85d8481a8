//! The order book of one symbol: price-time priority, pure and deterministic.
//!
//! [`Book::decide`] looks and says what happens; [`Book::evolve`] makes it so. Neither reads a
//! clock, draws a random number or waits, so the same commands give the same events and the same
//! events give the same book ([`Book::digest`]).
//!
//! One decision holds a bounded number of events. What does not fit is [`Book::backlog`], and
//! whoever drives the book works that off before anything else.
//!
//! Prices are integers, ten-thousandths of a currency unit; quantities are whole shares.
//!
//! Invariants, by the numbers the tests use:
//! - I8: an order's quantity is what it executed plus what it leaves; what it executed only grows.
//! - I9: nobody buys above or sells below their limit; every match is at the resting order's price.
//! - I10: a better price goes first, then the earlier arrival; after a command the book is not crossed.
//! - I11: market, immediate-or-cancel and fill-or-kill orders never rest; a failed fill-or-kill
//!   touches nobody; a post-only order never takes; nothing fills once its expiry has come.
//! - I12: nobody trades with themselves.
//! - I13: replaying the events gives the same book.

mod command;
mod decide;
mod digest;
mod event;
mod fees;
mod instrument;
mod ladder;
mod order;

use std::collections::{BTreeSet, HashMap};
use std::time::SystemTime;

use uuid::Uuid;

pub use command::{Command, Pricing, Side, Terms, TimeInForce};
pub use event::{BookEvent, CancelReason, Execution, Match, Refusal, Rejection, Replacement};
pub use fees::FeeSchedule;
pub use instrument::Rules;
pub use ladder::DepthLevel;
pub use order::Order;

use ladder::{Ladder, Place};

/// All orders of one symbol that can still trade, and what the next match needs to know.
#[derive(Clone, Debug)]
pub struct Book {
    rules: Rules,
    bids: Ladder,
    asks: Ladder,
    /// Where each order stands; never iterated, so its order does not matter.
    places: HashMap<Uuid, (Side, Place)>,
    /// Orders with an expiry, soonest first.
    expiries: BTreeSet<(SystemTime, Uuid)>,
    /// Numbers arrivals; only the order of the numbers has a meaning.
    arrivals: u64,
    venue_seq: u64,
    last_price: Option<i64>,
    halted: bool,
    /// The order that came in or was moved last: the only one that can have more to match.
    incoming: Option<Uuid>,
}

impl Book {
    /// An empty book under these rules.
    pub fn new(rules: Rules) -> Book {
        Book {
            rules,
            bids: Ladder::new(Side::Buy),
            asks: Ladder::new(Side::Sell),
            places: HashMap::new(),
            expiries: BTreeSet::new(),
            arrivals: 0,
            venue_seq: 0,
            last_price: None,
            halted: false,
            incoming: None,
        }
    }

    /// Number of the last decision; 0 before the first. Every order placed, matched, replaced or
    /// cancelled takes the next number ([`BookEvent::is_numbered`]), so there are no gaps.
    pub fn venue_seq(&self) -> u64 {
        self.venue_seq
    }

    /// Price of the last match, in ten-thousandths.
    pub fn last_price(&self) -> Option<i64> {
        self.last_price
    }

    /// Whether trading is halted: orders may leave, none may come.
    pub fn is_halted(&self) -> bool {
        self.halted
    }

    /// How many orders rest in the book.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether no order rests in the book.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The resting order with this id.
    pub fn order(&self, order_id: Uuid) -> Option<&Order> {
        let (side, place) = self.places.get(&order_id)?;
        self.ladder(*side).get(*place)
    }

    /// The resting orders of one side in the order in which they would trade.
    pub fn orders(&self, side: Side) -> impl Iterator<Item = &Order> {
        self.ladder(side).iter()
    }

    /// The best `levels` price levels of one side, best first.
    pub fn depth(&self, side: Side, levels: usize) -> Vec<DepthLevel> {
        self.ladder(side).depth(levels)
    }

    /// Price of the best resting order of one side, in ten-thousandths.
    pub fn best_price(&self, side: Side) -> Option<i64> {
        self.ladder(side).best_price()
    }

    /// When the next resting order expires.
    pub fn next_expiry(&self) -> Option<SystemTime> {
        self.expiries.first().map(|(at, _)| *at)
    }

    /// Applies one event. Events of an order the book does not hold change nothing but the
    /// counters: history is not argued with.
    pub fn evolve(&mut self, event: &BookEvent) {
        if event.is_numbered() {
            self.venue_seq += 1;
        }
        match event {
            BookEvent::Placed(terms) => {
                self.incoming = Some(terms.order_id);
                self.insert(Order::placed(terms));
            }
            BookEvent::Refused { .. } => {}
            BookEvent::Matched(matched) => {
                self.last_price = Some(matched.price);
                self.execute(&matched.taker, self.rules.fees.taker_bps);
                self.execute(&matched.maker, self.rules.fees.maker_bps);
            }
            BookEvent::Replaced(replacement) => self.replace(replacement),
            BookEvent::Cancelled { order_id, .. } => {
                self.remove(*order_id);
            }
            BookEvent::Halted => self.halted = true,
            BookEvent::Resumed => self.halted = false,
        }
    }

    fn ladder(&self, side: Side) -> &Ladder {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }

    fn ladder_mut(&mut self, side: Side) -> &mut Ladder {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }

    /// Puts an order at the end of the queue of its price.
    fn insert(&mut self, order: Order) {
        self.arrivals += 1;
        let (order_id, side) = (order.order_id, order.side);
        if let Some(at) = order.expires_at {
            self.expiries.insert((at, order_id));
        }
        let arrival = self.arrivals;
        let place = self.ladder_mut(side).insert(order, arrival);
        self.places.insert(order_id, (side, place));
    }

    fn remove(&mut self, order_id: Uuid) -> Option<Order> {
        let (side, place) = self.places.remove(&order_id)?;
        let order = self.ladder_mut(side).remove(place)?;
        if let Some(at) = order.expires_at {
            self.expiries.remove(&(at, order_id));
        }
        Some(order)
    }

    fn execute(&mut self, execution: &Execution, fee_bps: u32) {
        let Some((side, place)) = self.places.get(&execution.order_id).copied() else {
            return;
        };
        let leaves = self
            .ladder_mut(side)
            .update(place, |order| order.execute(execution, fee_bps));
        if leaves == Some(0) {
            self.remove(execution.order_id);
        }
    }

    fn replace(&mut self, replacement: &Replacement) {
        let Some((side, place)) = self.places.get(&replacement.order_id).copied() else {
            return;
        };
        if replacement.keeps_priority {
            let leaves = self
                .ladder_mut(side)
                .update(place, |order| order.quantity = replacement.quantity);
            if leaves == Some(0) {
                self.remove(replacement.order_id);
            }
        } else if let Some(mut order) = self.remove(replacement.order_id) {
            order.quantity = replacement.quantity;
            order.price = replacement.price;
            self.incoming = Some(order.order_id);
            self.insert(order);
        }
    }
}
