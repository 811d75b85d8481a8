//! The order book of one symbol: price-time priority, pure and deterministic.
//!
//! [`Book::decide`] looks and says what happens; [`Book::evolve`] makes it so. Neither reads a
//! clock, draws a random number or waits, so the same commands give the same events and the same
//! events give the same book ([`Book::digest`]).
//!
//! A stop order waits beside the book, unseen, until somebody trades at its stop price or beyond:
//! a buy at that price or above, a sell at that price or below. Whoever waits for the nearer price
//! goes first, then the earlier arrival. Each goes as soon as the order that reached its price is
//! done, and may itself reach the price of others; all of it happens before the next command.
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
mod image;
mod instrument;
mod ladder;
mod order;
mod triggers;
mod walk;

use std::collections::{BTreeSet, HashMap};
use std::time::SystemTime;

use uuid::Uuid;

pub use command::{Command, Pricing, SelfTrade, Session, Side, Terms, TimeInForce};
pub use event::{BookEvent, CancelReason, Execution, Match, Refusal, Rejection, Replacement};
pub use fees::FeeSchedule;
pub use image::{BookHead, Standing};
pub use instrument::Rules;
pub use ladder::DepthLevel;
pub use order::Order;

use ladder::{Ladder, Place};
use triggers::Triggers;

/// All orders of one symbol that can still trade, and what the next match needs to know.
#[derive(Clone, Debug)]
pub struct Book {
    rules: Rules,
    bids: Ladder,
    asks: Ladder,
    /// Where each order stands; never iterated, so its order does not matter.
    places: HashMap<Uuid, (Side, Place)>,
    /// Orders that wait for their stop price.
    triggers: Triggers,
    /// Orders with an expiry, soonest first.
    expiries: BTreeSet<(SystemTime, Uuid)>,
    /// Numbers arrivals; only the order of the numbers has a meaning.
    arrivals: u64,
    venue_seq: u64,
    last_price: Option<i64>,
    session: Session,
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
            triggers: Triggers::default(),
            expiries: BTreeSet::new(),
            arrivals: 0,
            venue_seq: 0,
            last_price: None,
            session: Session::Open,
            incoming: None,
        }
    }

    /// Number of the last decision; 0 before the first. Every order placed, triggered, matched,
    /// replaced or cancelled takes the next number ([`BookEvent::is_numbered`]), so there are no gaps.
    pub fn venue_seq(&self) -> u64 {
        self.venue_seq
    }

    /// Price of the last match, in ten-thousandths.
    pub fn last_price(&self) -> Option<i64> {
        self.last_price
    }

    /// What the band is measured from, in ten-thousandths: the last price, or the listing price
    /// before the first match.
    pub fn reference_price(&self) -> Option<i64> {
        self.last_price.or(self.rules.listing_price)
    }

    /// What the market allows.
    pub fn session(&self) -> Session {
        self.session
    }

    /// How many orders rest in the book or wait beside it.
    pub fn len(&self) -> usize {
        self.places.len() + self.triggers.len()
    }

    /// Whether no order rests in the book or waits beside it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The order with this id; one with a stop price still waits.
    pub fn order(&self, order_id: Uuid) -> Option<&Order> {
        self.resting(order_id)
            .or_else(|| self.triggers.get(order_id))
    }

    fn resting(&self, order_id: Uuid) -> Option<&Order> {
        let (side, place) = self.places.get(&order_id)?;
        self.ladder(*side).get(*place)
    }

    /// The resting orders of one side in the order in which they would trade.
    pub fn orders(&self, side: Side) -> impl Iterator<Item = &Order> {
        self.ladder(side).iter()
    }

    /// The waiting orders of one side whose stop price was not reached, in the order in which a
    /// moving price would reach them.
    pub fn waiting(&self, side: Side) -> impl Iterator<Item = &Order> {
        self.triggers.asleep(side)
    }

    /// The waiting orders whose stop price was reached, in the order in which they go. There are
    /// some only in the middle of a command, or while the market is not open.
    pub fn woken(&self) -> impl Iterator<Item = &Order> {
        self.triggers.woken().map(|(_, order)| order)
    }

    /// The best `levels` price levels of one side, best first.
    pub fn depth(&self, side: Side, levels: usize) -> Vec<DepthLevel> {
        self.ladder(side).depth(levels)
    }

    /// Price of the best resting order of one side, in ten-thousandths.
    pub fn best_price(&self, side: Side) -> Option<i64> {
        self.ladder(side).best_price()
    }

    /// When the next order expires.
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
                if terms.stop.is_none() {
                    self.incoming = Some(terms.order_id);
                }
                self.insert(Order::placed(terms));
            }
            BookEvent::Triggered { order_id, price } => {
                if let Some(mut order) = self.remove(*order_id) {
                    (order.price, order.stop) = (*price, None);
                    self.incoming = Some(*order_id);
                    self.insert(order);
                }
            }
            BookEvent::Refused { .. } => {}
            BookEvent::Matched(matched) => {
                self.last_price = Some(matched.price);
                self.execute(&matched.taker, self.rules.fees.taker_bps);
                self.execute(&matched.maker, self.rules.fees.maker_bps);
                self.triggers.reach(matched.price);
            }
            BookEvent::Replaced(replacement) => self.replace(replacement),
            BookEvent::Cancelled { order_id, .. } => {
                self.remove(*order_id);
            }
            BookEvent::SessionChanged(session) => self.session = *session,
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

    /// Puts an order at the end of the queue of its price, or of its stop price.
    fn insert(&mut self, order: Order) {
        self.arrivals += 1;
        self.note_expiry(&order);
        let arrival = self.arrivals;
        match order.stop {
            Some(_) => self.triggers.insert(order, arrival, self.last_price),
            None => self.stand(order, arrival),
        }
    }

    fn note_expiry(&mut self, order: &Order) {
        if let Some(at) = order.expires_at {
            self.expiries.insert((at, order.order_id));
        }
    }

    fn stand(&mut self, order: Order, arrival: u64) {
        let (order_id, side) = (order.order_id, order.side);
        let place = self.ladder_mut(side).insert(order, arrival);
        self.places.insert(order_id, (side, place));
    }

    fn remove(&mut self, order_id: Uuid) -> Option<Order> {
        let order = match self.places.remove(&order_id) {
            Some((side, place)) => self.ladder_mut(side).remove(place)?,
            None => self.triggers.remove(order_id)?,
        };
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
        let order_id = replacement.order_id;
        let change = |order: &mut Order| {
            order.quantity = replacement.quantity;
            order.price = replacement.price;
            order.stop = replacement.stop;
        };
        match self.places.get(&order_id).copied() {
            Some((side, place)) if replacement.keeps_priority => {
                let quantity = replacement.quantity;
                let leaves = self
                    .ladder_mut(side)
                    .update(place, |order| order.quantity = quantity);
                if leaves == Some(0) {
                    self.remove(order_id);
                }
            }
            None if replacement.keeps_priority => self.triggers.update(order_id, change),
            Some(_) | None => {
                if let Some(mut order) = self.remove(order_id) {
                    change(&mut order);
                    if order.stop.is_none() {
                        self.incoming = Some(order_id);
                    }
                    self.insert(order);
                }
            }
        }
    }
}
