//! Along the other side of the book: whom an order meets, and what comes of it.

use std::time::SystemTime;

use super::command::SelfTrade;
use super::event::{BookEvent, CancelReason, Match, Replacement};
use super::{Book, Order};

/// What an order meets on the other side.
pub(super) struct Walk {
    events: Vec<BookEvent>,
    /// Shares it still has after that.
    leaves: i64,
    end: End,
}

/// Why a walk ended.
enum End {
    /// Nothing more to get, or to want.
    Through,
    /// An order of the same owner was met, and this one gives way.
    OwnOrder,
    /// One decision holds no more; the walk goes on in the next.
    Step,
    /// It was not gone at all.
    Never(CancelReason),
}

// === impl Book ===

impl Book {
    /// The orders this one may trade with, first those it would trade with first. Orders that are
    /// due trade no more, even if they have not left yet.
    fn counterparts(&self, at: SystemTime, order: &Order) -> impl Iterator<Item = &Order> {
        let (side, limit) = (order.side, order.price);
        self.orders(side.opposite())
            .take_while(move |resting| side.accepts(limit, resting.price))
            .filter(move |resting| !resting.is_due(at))
    }

    /// Whether there is anybody, be it an order of the same owner, that this one would meet.
    pub(super) fn meets_somebody(&self, at: SystemTime, order: &Order) -> bool {
        self.counterparts(at, order).next().is_some()
    }

    /// Why not everything the order wants can be had at once; `None` if it can. Orders of its
    /// owner do not count, and where they would take something from it, it cannot be had.
    pub(super) fn shortfall(&self, at: SystemTime, order: &Order) -> Option<CancelReason> {
        let mut missing = order.leaves();
        for resting in self.counterparts(at, order) {
            if resting.owner == order.owner {
                match order.self_trade {
                    SelfTrade::CancelOldest => continue,
                    SelfTrade::CancelNewest | SelfTrade::CancelBoth | SelfTrade::Decrement => {
                        return Some(CancelReason::SelfTrade);
                    }
                }
            }
            missing -= resting.leaves();
            if missing <= 0 {
                return None;
            }
        }
        Some(CancelReason::FillOrKill)
    }

    /// Goes along the other side, best order first, as far as the order's limit and quantity
    /// reach and one decision holds.
    pub(super) fn walk(&self, at: SystemTime, order: &Order) -> Walk {
        let mut incoming = order.clone();
        let mut events = Vec::new();
        let mut end = End::Through;
        for (met, resting) in self.counterparts(at, order).enumerate() {
            if incoming.leaves() == 0 {
                break;
            }
            if met == self.rules.step {
                end = End::Step;
                break;
            }
            if resting.owner != order.owner {
                events.push(self.trade(&mut incoming, resting));
                continue;
            }
            if !prevent(&mut incoming, resting, &mut events) {
                end = End::OwnOrder;
                break;
            }
        }
        Walk {
            events,
            leaves: incoming.leaves(),
            end,
        }
    }

    fn trade(&self, incoming: &mut Order, resting: &Order) -> BookEvent {
        let fees = self.rules.fees;
        let quantity = incoming.leaves().min(resting.leaves());
        let taker = incoming.execution(resting.price, quantity, fees.taker_bps);
        let maker = resting.execution(resting.price, quantity, fees.maker_bps);
        incoming.execute(&taker, fees.taker_bps);
        BookEvent::Matched(Match {
            price: resting.price,
            quantity,
            taker,
            maker,
        })
    }
}

/// What happens instead of a trade of an owner with themselves; whether the incoming order goes
/// on.
fn prevent(incoming: &mut Order, resting: &Order, events: &mut Vec<BookEvent>) -> bool {
    match incoming.self_trade {
        SelfTrade::CancelNewest => false,
        SelfTrade::CancelOldest => {
            events.push(cancelled(resting, CancelReason::SelfTrade));
            true
        }
        SelfTrade::CancelBoth => {
            events.push(cancelled(resting, CancelReason::SelfTrade));
            false
        }
        SelfTrade::Decrement => {
            let lost = incoming.leaves().min(resting.leaves());
            events.push(match resting.leaves() == lost {
                true => cancelled(resting, CancelReason::SelfTrade),
                false => decremented(resting, lost),
            });
            // One that is used up is cancelled with all it leaves.
            if incoming.leaves() == lost {
                return false;
            }
            events.push(decremented(incoming, lost));
            incoming.quantity -= lost;
            true
        }
    }
}

fn decremented(order: &Order, lost: i64) -> BookEvent {
    BookEvent::Replaced(Replacement {
        order_id: order.order_id,
        quantity: order.quantity - lost,
        price: order.price,
        stop: None,
        keeps_priority: true,
    })
}

/// An order leaves with all it has not traded.
pub(super) fn cancelled(order: &Order, reason: CancelReason) -> BookEvent {
    BookEvent::Cancelled {
        order_id: order.order_id,
        leaves: order.leaves(),
        reason,
    }
}

// === impl Walk ===

impl Walk {
    /// The walk of an order that must not go: it leaves.
    pub(super) fn never(order: &Order, reason: CancelReason) -> Walk {
        Walk {
            events: Vec::new(),
            leaves: order.leaves(),
            end: End::Never(reason),
        }
    }

    /// What happened on the way, and what becomes of the rest.
    pub(super) fn into_events(self, order: &Order) -> Vec<BookEvent> {
        let reason = match self.end {
            End::OwnOrder => Some(CancelReason::SelfTrade),
            End::Through => order.immediate,
            End::Step => None,
            End::Never(reason) => Some(reason),
        };
        let mut events = self.events;
        if let Some(reason) = reason.filter(|_| self.leaves > 0) {
            events.push(BookEvent::Cancelled {
                order_id: order.order_id,
                leaves: self.leaves,
                reason,
            });
        }
        events
    }
}
