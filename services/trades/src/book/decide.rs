//! What a command leads to.

use std::time::SystemTime;

use uuid::Uuid;

use super::command::{Command, Pricing, Session, Terms};
use super::event::{BookEvent, CancelReason, Refusal, Rejection, Replacement};
use super::walk::{Walk, cancelled};
use super::{Book, Order};

/// New terms of an order the book holds.
#[derive(Clone, Copy)]
struct Change {
    order_id: Uuid,
    quantity: i64,
    price: i64,
    stop: Option<i64>,
}

impl Book {
    /// What happens at time `at` when this is asked, in order; nothing when it is so already.
    /// Meant for a book without [`Book::backlog`].
    ///
    /// # Errors
    /// A request about an existing order that changes nothing says why. A refused *new* order is
    /// a fact of its own: [`BookEvent::Refused`].
    pub fn decide(&self, at: SystemTime, command: &Command) -> Result<Vec<BookEvent>, Rejection> {
        match command {
            Command::Submit(terms) => Ok(self.submit(at, terms)),
            Command::Cancel { order_id } => self.cancel(*order_id),
            Command::Replace {
                order_id,
                quantity,
                price,
                stop,
            } => {
                let change = Change {
                    order_id: *order_id,
                    quantity: *quantity,
                    price: *price,
                    stop: *stop,
                };
                self.change(at, change)
            }
            Command::Expire => Ok(self.expire(at)),
            Command::Continue { order_id } => self.resume_matching(at, *order_id),
            Command::Trigger => Ok(self.trigger(at)),
            Command::SetSession(session) if *session == self.session => Ok(Vec::new()),
            Command::SetSession(session) => Ok(vec![BookEvent::SessionChanged(*session)]),
        }
    }

    /// What is left to do at time `at` before the book takes the next command: orders that are
    /// due leave, an order that has more to match goes on, and then stop orders whose price was
    /// reached go, one after the other. Deciding and evolving it, again and again, comes to an
    /// end.
    pub fn backlog(&self, at: SystemTime) -> Option<Command> {
        if self.next_expiry().is_some_and(|due| due <= at) {
            return Some(Command::Expire);
        }
        if let Some(order) = self.incoming.and_then(|order_id| self.resting(order_id)) {
            let best = self.best_price(order.side.opposite());
            let crosses = best.is_some_and(|best| order.side.accepts(order.price, best));
            if crosses || order.immediate.is_some() {
                return Some(Command::Continue {
                    order_id: order.order_id,
                });
            }
        }
        let is_woken = self.triggers.woken().next().is_some();
        (self.session == Session::Open && is_woken).then_some(Command::Trigger)
    }

    fn submit(&self, at: SystemTime, terms: &Terms) -> Vec<BookEvent> {
        let order_id = terms.order_id;
        if self.order(order_id).is_some() {
            return Vec::new();
        }
        match self.admit(at, terms) {
            Err(refusal) => vec![BookEvent::Refused { order_id, refusal }],
            Ok(terms) => {
                let order = Order::placed(&terms);
                let mut events = vec![BookEvent::Placed(terms)];
                if order.stop.is_none() {
                    events.extend(self.enter(at, &order).into_events(&order));
                }
                events
            }
        }
    }

    /// The terms as accepted.
    fn admit(&self, at: SystemTime, terms: &Terms) -> Result<Terms, Refusal> {
        self.check_session()?;
        self.rules.check(terms.limit(), terms.quantity)?;
        if terms
            .expires_at()
            .is_some_and(|expires_at| expires_at <= at)
        {
            return Err(Refusal::AlreadyExpired);
        }
        if terms.post_only && terms.immediate().is_some() {
            return Err(Refusal::PostOnlyCannotRest);
        }
        // A waiting order trades around its stop price, wherever the last price is now.
        if let Some(stop) = terms.stop {
            self.rules.check_price(stop)?;
            return self.within_band(terms, Some(stop));
        }
        let terms = self.within_band(terms, self.reference_price())?;
        let meets_somebody = self.meets_somebody(at, &Order::placed(&terms));
        if terms.post_only && meets_somebody {
            return Err(Refusal::PostOnlyWouldTake);
        }
        if self.session == Session::PostOnly && (meets_somebody || terms.immediate().is_some()) {
            return Err(Refusal::RestingOnly);
        }
        if matches!(terms.pricing, Pricing::Market { .. }) && !meets_somebody {
            return Err(Refusal::NoLiquidity);
        }
        Ok(terms)
    }

    /// What an accepted order does when it comes into the book.
    fn enter(&self, at: SystemTime, order: &Order) -> Walk {
        if order.immediate == Some(CancelReason::FillOrKill)
            && let Some(reason) = self.shortfall(at, order)
        {
            return Walk::never(order, reason);
        }
        self.walk(at, order)
    }

    fn check_session(&self) -> Result<(), Refusal> {
        match self.session {
            Session::Open | Session::PostOnly => Ok(()),
            Session::Halted => Err(Refusal::Halted),
            Session::CancelOnly => Err(Refusal::CancelOnly),
            Session::Closed => Err(Refusal::Closed),
        }
    }

    /// A limit outside the band is refused; a market order's collar is drawn in to it.
    fn within_band(&self, terms: &Terms, around: Option<i64>) -> Result<Terms, Refusal> {
        let mut terms = terms.clone();
        if let Some(band) = self.rules.band(around) {
            match terms.pricing {
                Pricing::Limit(price) if !band.holds(price) => {
                    return Err(Refusal::PriceOutsideBand);
                }
                Pricing::Limit(_) => {}
                Pricing::Market { collar } => {
                    let collar = band.draw_in(terms.side, collar);
                    terms.pricing = Pricing::Market { collar };
                }
            }
        }
        Ok(terms)
    }

    fn cancel(&self, order_id: Uuid) -> Result<Vec<BookEvent>, Rejection> {
        let order = self.order(order_id).ok_or(Rejection::NotInBook)?;
        Ok(vec![cancelled(order, CancelReason::Requested)])
    }

    fn change(&self, at: SystemTime, change: Change) -> Result<Vec<BookEvent>, Rejection> {
        let order = self.order(change.order_id).ok_or(Rejection::NotInBook)?;
        if change.stop.is_some() && order.stop.is_none() {
            return Err(Refusal::NotWaiting.into());
        }
        let stop = change.stop.or(order.stop);
        if (change.quantity, change.price, stop) == (order.quantity, order.price, order.stop) {
            return Ok(Vec::new());
        }
        self.check_session()?;
        if let Some(stop) = stop {
            return Ok(self.change_waiting(order, stop, change)?);
        }
        Ok(self.change_resting(at, order, change)?)
    }

    fn change_waiting(
        &self,
        order: &Order,
        stop: i64,
        change: Change,
    ) -> Result<Vec<BookEvent>, Refusal> {
        self.rules.check(change.price, change.quantity)?;
        self.rules.check_price(stop)?;
        let mut price = change.price;
        if let Some(band) = self.rules.band(Some(stop)) {
            if order.collared {
                price = band.draw_in(order.side, price);
            } else if !band.holds(price) {
                return Err(Refusal::PriceOutsideBand);
            }
        }
        Ok(vec![BookEvent::Replaced(Replacement {
            order_id: order.order_id,
            quantity: change.quantity,
            price,
            stop: Some(stop),
            keeps_priority: order.stop == Some(stop) && change.quantity <= order.quantity,
        })])
    }

    fn change_resting(
        &self,
        at: SystemTime,
        order: &Order,
        change: Change,
    ) -> Result<Vec<BookEvent>, Refusal> {
        let Change {
            order_id,
            quantity,
            price,
            ..
        } = change;
        if order.executed > 0 && quantity <= order.executed {
            return Ok(vec![BookEvent::Replaced(Replacement {
                order_id,
                quantity: order.executed,
                price: order.price,
                stop: None,
                keeps_priority: true,
            })]);
        }
        self.rules.check(price, quantity)?;
        let band = self.rules.band(self.reference_price());
        if price != order.price && band.is_some_and(|band| !band.holds(price)) {
            return Err(Refusal::PriceOutsideBand);
        }
        let moved = Order {
            price,
            quantity,
            ..order.clone()
        };
        if self.meets_somebody(at, &moved) {
            if order.post_only {
                return Err(Refusal::PostOnlyWouldTake);
            }
            if self.session == Session::PostOnly {
                return Err(Refusal::RestingOnly);
            }
        }
        let mut events = vec![BookEvent::Replaced(Replacement {
            order_id,
            quantity,
            price,
            stop: None,
            keeps_priority: price == order.price && quantity < order.quantity,
        })];
        events.extend(self.walk(at, &moved).into_events(&moved));
        Ok(events)
    }

    fn resume_matching(&self, at: SystemTime, order_id: Uuid) -> Result<Vec<BookEvent>, Rejection> {
        let order = self.resting(order_id).ok_or(Rejection::NotInBook)?;
        Ok(self.walk(at, order).into_events(order))
    }

    /// The first order whose stop price was reached comes into the book.
    fn trigger(&self, at: SystemTime) -> Vec<BookEvent> {
        let Some((_, waiting)) = self.triggers.woken().next() else {
            return Vec::new();
        };
        let band = self.rules.band(self.last_price);
        let price = match band.filter(|_| waiting.collared) {
            Some(band) => band.draw_in(waiting.side, waiting.price),
            None => waiting.price,
        };
        let order = Order {
            price,
            stop: None,
            ..waiting.clone()
        };
        let walk = match order.post_only && self.meets_somebody(at, &order) {
            true => Walk::never(&order, CancelReason::PostOnly),
            false => self.enter(at, &order),
        };
        let mut events = vec![BookEvent::Triggered {
            order_id: order.order_id,
            price,
        }];
        events.extend(walk.into_events(&order));
        events
    }

    /// The orders whose time has come, soonest first, as many as one decision holds.
    fn expire(&self, at: SystemTime) -> Vec<BookEvent> {
        self.expiries
            .iter()
            .take_while(|(expires_at, _)| *expires_at <= at)
            .take(self.rules.step)
            .filter_map(|(_, order_id)| self.order(*order_id))
            .map(|order| cancelled(order, CancelReason::Expired))
            .collect()
    }
}
