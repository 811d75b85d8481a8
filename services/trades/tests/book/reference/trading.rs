//! Orders meeting, and orders that are woken by that.

use outcry_trades::book::{
    BookEvent, CancelReason, Match, Pricing, Replacement, SelfTrade, Session, Side,
};
use uuid::Uuid;

use super::{Known, Reference};

impl Reference {
    /// Trades an order of the book with the best of the other side until it can no more; whether
    /// it met an order of its owner.
    pub(super) fn take_all(&mut self, id: Uuid) -> bool {
        let mut met_own = false;
        loop {
            let Some(taker) = self.orders.iter().position(|order| order.id == id) else {
                return met_own;
            };
            let (side, price) = (self.orders[taker].terms.side, self.orders[taker].price);
            let Some(maker) = self.best_against(side, price) else {
                return met_own;
            };
            if self.orders[maker].terms.owner == self.orders[taker].terms.owner {
                met_own = true;
                self.keep_apart(taker, maker);
            } else {
                self.trade(taker, maker);
            }
        }
    }

    fn trade(&mut self, taker: usize, maker: usize) {
        let quantity = self.orders[taker].leaves().min(self.orders[maker].leaves());
        let price = self.orders[maker].price;
        let fees = self.rules.fees;
        let taker = self.orders[taker].fill(price, quantity, fees.taker_bps);
        let maker = self.orders[maker].fill(price, quantity, fees.maker_bps);
        self.said.push(BookEvent::Matched(Match {
            price,
            quantity,
            taker,
            maker,
        }));
        self.orders.retain(|order| order.leaves() > 0);
        self.last = Some(price);
        self.wake(price);
    }

    fn keep_apart(&mut self, taker: usize, maker: usize) {
        let (taker, maker) = (self.orders[taker].clone(), self.orders[maker].clone());
        let lost = taker.leaves().min(maker.leaves());
        match taker.terms.self_trade {
            SelfTrade::CancelNewest => self.leave_for_own(&taker),
            SelfTrade::CancelOldest => self.leave_for_own(&maker),
            SelfTrade::CancelBoth => {
                self.leave_for_own(&maker);
                self.leave_for_own(&taker);
            }
            SelfTrade::Decrement => {
                for order in [maker, taker] {
                    if order.leaves() == lost {
                        self.leave_for_own(&order);
                    } else {
                        let (_, order) = self.find(order.id).unwrap();
                        order.quantity -= lost;
                        let (order_id, quantity, price) = (order.id, order.quantity, order.price);
                        self.said.push(BookEvent::Replaced(Replacement {
                            order_id,
                            quantity,
                            price,
                            stop: None,
                            keeps_priority: true,
                        }));
                    }
                }
            }
        }
    }

    fn leave_for_own(&mut self, order: &Known) {
        self.take_out(order.id);
        self.say_cancelled(order, CancelReason::SelfTrade);
    }

    /// The first to arrive among those with the best price of the other side that is accepted.
    fn best_against(&self, side: Side, limit: i64) -> Option<usize> {
        let mut best: Option<usize> = None;
        for (index, order) in self.orders.iter().enumerate() {
            if order.terms.side == side {
                continue;
            }
            let (acceptable, better) = match side {
                Side::Buy => (
                    order.price <= limit,
                    best.is_none_or(|b| order.price < self.orders[b].price),
                ),
                Side::Sell => (
                    order.price >= limit,
                    best.is_none_or(|b| order.price > self.orders[b].price),
                ),
            };
            if acceptable && better {
                best = Some(index);
            }
        }
        best
    }

    pub(super) fn meets(&self, side: Side, limit: i64) -> bool {
        self.best_against(side, limit).is_some()
    }

    /// Lets an order wait, if its price is not there already.
    pub(super) fn wait(&mut self, known: Known) {
        let stop = known.stop.unwrap();
        let reached = match (self.last, known.terms.side) {
            (None, _) => false,
            (Some(last), Side::Buy) => last >= stop,
            (Some(last), Side::Sell) => last <= stop,
        };
        match reached {
            true => self.woken.push(known),
            false => self.waiting.push(known),
        }
    }

    fn wake(&mut self, price: i64) {
        for side in [Side::Buy, Side::Sell] {
            for next in self.waiting_of(side) {
                let stop = next.stop.unwrap();
                let reached = match side {
                    Side::Buy => price >= stop,
                    Side::Sell => price <= stop,
                };
                if reached {
                    self.waiting.retain(|order| order.id != next.id);
                    self.woken.push(next);
                }
            }
        }
    }

    /// Lets those go whose price was reached, one after the other, and those they wake.
    pub(super) fn release(&mut self) {
        while self.session == Session::Open && !self.woken.is_empty() {
            let mut known = self.woken.remove(0);
            known.stop = None;
            if matches!(known.terms.pricing, Pricing::Market { .. }) {
                known.price = self.drawn_in(known.terms.side, known.price, self.last);
            }
            self.said.push(BookEvent::Triggered {
                order_id: known.id,
                price: known.price,
            });
            if known.terms.post_only && self.meets(known.terms.side, known.price) {
                self.say_cancelled(&known, CancelReason::PostOnly);
            } else {
                self.enter(known);
            }
        }
    }
}
