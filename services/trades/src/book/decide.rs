//! What a command leads to.

use std::time::SystemTime;

use uuid::Uuid;

use super::command::{Command, Pricing, Terms, TimeInForce};
use super::event::{BookEvent, CancelReason, Match, Refusal, Rejection, Replacement};
use super::{Book, Order};

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
            } => self.change(at, *order_id, *quantity, *price),
            Command::Expire => Ok(self.expire(at)),
            Command::Continue { order_id } => self.resume_matching(at, *order_id),
            Command::Halt if self.halted => Ok(Vec::new()),
            Command::Halt => Ok(vec![BookEvent::Halted]),
            Command::Resume if self.halted => Ok(vec![BookEvent::Resumed]),
            Command::Resume => Ok(Vec::new()),
        }
    }

    /// What is left to do at time `at` before the book takes the next command: orders that are
    /// due leave, and an order that has more to match goes on. Deciding and evolving it, again
    /// and again, comes to an end.
    pub fn backlog(&self, at: SystemTime) -> Option<Command> {
        if self.next_expiry().is_some_and(|due| due <= at) {
            return Some(Command::Expire);
        }
        let order = self.order(self.incoming?)?;
        let best = self.best_price(order.side.opposite());
        let crosses = best.is_some_and(|best| order.side.accepts(order.price, best));
        (crosses || order.immediate.is_some()).then_some(Command::Continue {
            order_id: order.order_id,
        })
    }

    fn submit(&self, at: SystemTime, terms: &Terms) -> Vec<BookEvent> {
        let order_id = terms.order_id;
        if self.places.contains_key(&order_id) {
            return Vec::new();
        }
        match self.admit(at, terms) {
            Err(refusal) => vec![BookEvent::Refused { order_id, refusal }],
            Ok((terms, walk)) => {
                let mut events = vec![BookEvent::Placed(terms.clone())];
                events.extend(walk.into_events(&Order::placed(&terms)));
                events
            }
        }
    }

    /// The terms as accepted, and the matches they lead to.
    fn admit(&self, at: SystemTime, terms: &Terms) -> Result<(Terms, Walk), Refusal> {
        if self.halted {
            return Err(Refusal::Halted);
        }
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
        let terms = Terms {
            pricing: self.within_band(terms)?,
            ..terms.clone()
        };
        let order = Order::placed(&terms);
        let mut walk = self.walk(at, &order);
        if terms.post_only && walk.meets_somebody() {
            return Err(Refusal::PostOnlyWouldTake);
        }
        if matches!(terms.pricing, Pricing::Market { .. }) && !walk.meets_somebody() {
            return Err(Refusal::NoLiquidity);
        }
        if terms.time_in_force == TimeInForce::FillOrKill
            && let Some(reason) = self.shortfall(at, &order)
        {
            walk = Walk {
                matches: Vec::new(),
                leaves: order.quantity,
                end: End::Killed(reason),
            };
        }
        Ok((terms, walk))
    }

    /// A limit outside the band is refused; a market order's collar is drawn in to the band.
    fn within_band(&self, terms: &Terms) -> Result<Pricing, Refusal> {
        let Some((lowest, highest)) = self.rules.band(self.last_price) else {
            return Ok(terms.pricing);
        };
        match terms.pricing {
            Pricing::Limit(price) if price < lowest || price > highest => {
                Err(Refusal::PriceOutsideBand)
            }
            Pricing::Limit(price) => Ok(Pricing::Limit(price)),
            Pricing::Market { collar } => Ok(Pricing::Market {
                collar: collar.clamp(lowest, highest),
            }),
        }
    }

    fn cancel(&self, order_id: Uuid) -> Result<Vec<BookEvent>, Rejection> {
        let order = self.order(order_id).ok_or(Rejection::NotInBook)?;
        Ok(vec![cancelled(order, CancelReason::Requested)])
    }

    fn change(
        &self,
        at: SystemTime,
        order_id: Uuid,
        quantity: i64,
        price: i64,
    ) -> Result<Vec<BookEvent>, Rejection> {
        let order = self.order(order_id).ok_or(Rejection::NotInBook)?;
        if (quantity, price) == (order.quantity, order.price) {
            return Ok(Vec::new());
        }
        if self.halted {
            return Err(Refusal::Halted.into());
        }
        if order.executed > 0 && quantity <= order.executed {
            return Ok(vec![BookEvent::Replaced(Replacement {
                order_id,
                quantity: order.executed,
                price: order.price,
                keeps_priority: true,
            })]);
        }
        self.rules.check(price, quantity)?;
        let band = self.rules.band(self.last_price);
        if price != order.price && band.is_some_and(|(low, high)| price < low || price > high) {
            return Err(Refusal::PriceOutsideBand.into());
        }
        let moved = Order {
            price,
            quantity,
            ..order.clone()
        };
        let walk = self.walk(at, &moved);
        if order.post_only && walk.meets_somebody() {
            return Err(Refusal::PostOnlyWouldTake.into());
        }
        let mut events = vec![BookEvent::Replaced(Replacement {
            order_id,
            quantity,
            price,
            keeps_priority: price == order.price && quantity < order.quantity,
        })];
        events.extend(walk.into_events(&moved));
        Ok(events)
    }

    fn resume_matching(&self, at: SystemTime, order_id: Uuid) -> Result<Vec<BookEvent>, Rejection> {
        let order = self.order(order_id).ok_or(Rejection::NotInBook)?;
        Ok(self.walk(at, order).into_events(order))
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

    /// The orders this one may trade with, first those it would trade with first. Orders that are
    /// due trade no more, even if they have not left yet.
    fn counterparts(&self, at: SystemTime, order: &Order) -> impl Iterator<Item = &Order> {
        let (side, limit) = (order.side, order.price);
        self.orders(side.opposite())
            .take_while(move |resting| side.accepts(limit, resting.price))
            .filter(move |resting| !resting.is_due(at))
    }

    /// Why not everything the order wants can be had at once; `None` if it can.
    fn shortfall(&self, at: SystemTime, order: &Order) -> Option<CancelReason> {
        let mut missing = order.leaves();
        for resting in self.counterparts(at, order) {
            if resting.owner == order.owner {
                return Some(CancelReason::SelfTrade);
            }
            missing -= resting.leaves();
            if missing <= 0 {
                return None;
            }
        }
        Some(CancelReason::FillOrKill)
    }

    /// Goes along the other side, best order first, as far as the order's limit and quantity
    /// reach and one decision holds. An order of the same owner ends the way: what is beyond it
    /// has no right to trade before it.
    fn walk(&self, at: SystemTime, order: &Order) -> Walk {
        let mut incoming = order.clone();
        let mut walk = Walk {
            matches: Vec::new(),
            leaves: incoming.leaves(),
            end: End::Through,
        };
        for resting in self.counterparts(at, order) {
            if walk.leaves == 0 {
                break;
            }
            if resting.owner == order.owner {
                walk.end = End::OwnOrder;
                break;
            }
            if walk.matches.len() == self.rules.step {
                walk.end = End::Step;
                break;
            }
            let quantity = walk.leaves.min(resting.leaves());
            let fees = self.rules.fees;
            let taker = incoming.execution(resting.price, quantity, fees.taker_bps);
            let maker = resting.execution(resting.price, quantity, fees.maker_bps);
            incoming.execute(&taker, fees.taker_bps);
            walk.leaves = taker.leaves;
            walk.matches.push(Match {
                price: resting.price,
                quantity,
                taker,
                maker,
            });
        }
        walk
    }
}

fn cancelled(order: &Order, reason: CancelReason) -> BookEvent {
    BookEvent::Cancelled {
        order_id: order.order_id,
        leaves: order.leaves(),
        reason,
    }
}

/// What an order meets on the other side.
struct Walk {
    matches: Vec<Match>,
    /// Shares it still has after the matches.
    leaves: i64,
    end: End,
}

/// Why a walk ended.
#[derive(PartialEq, Eq)]
enum End {
    /// Nothing more to get, or to want.
    Through,
    /// An order of the same owner is next.
    OwnOrder,
    /// One decision holds no more; the walk goes on in the next.
    Step,
    /// It must fill completely and cannot, so it was not gone at all.
    Killed(CancelReason),
}

impl Walk {
    fn meets_somebody(&self) -> bool {
        self.end == End::OwnOrder || !self.matches.is_empty()
    }

    /// The matches, and what becomes of the rest.
    fn into_events(self, order: &Order) -> Vec<BookEvent> {
        let reason = match self.end {
            End::OwnOrder => Some(CancelReason::SelfTrade),
            End::Through => order.immediate,
            End::Step => None,
            End::Killed(reason) => Some(reason),
        };
        let mut events: Vec<_> = self.matches.into_iter().map(BookEvent::Matched).collect();
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
