//! What a command leads to.

use std::time::SystemTime;

use uuid::Uuid;

use super::command::{Command, Pricing, Terms, TimeInForce};
use super::event::{BookEvent, CancelReason, Match, Refusal, Rejection, Replacement};
use super::{Book, Order};

impl Book {
    /// What happens at time `at` when this is asked, in order; nothing when it is so already.
    ///
    /// Orders that are due leave before anybody trades, so time never has to be told separately.
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
            Command::Expire => Ok(self.due(at)),
            Command::Halt if self.halted => Ok(Vec::new()),
            Command::Halt => Ok(vec![BookEvent::Halted]),
            Command::Resume if self.halted => Ok(vec![BookEvent::Resumed]),
            Command::Resume => Ok(Vec::new()),
        }
    }

    fn submit(&self, at: SystemTime, terms: &Terms) -> Vec<BookEvent> {
        if self.places.contains_key(&terms.order_id) {
            return Vec::new();
        }
        let mut events = self.due(at);
        match self.admit(at, terms) {
            Err(refusal) => events.push(BookEvent::Refused {
                order_id: terms.order_id,
                refusal,
            }),
            Ok((terms, walk)) => {
                let order_id = terms.order_id;
                let remainder = terms.remainder(&walk);
                events.push(BookEvent::Placed(terms));
                events.extend(walk.matches.into_iter().map(BookEvent::Matched));
                if let Some(reason) = remainder {
                    events.push(BookEvent::Cancelled {
                        order_id,
                        leaves: walk.leaves,
                        reason,
                    });
                }
            }
        }
        events
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
        if terms.post_only && !terms.may_rest() {
            return Err(Refusal::PostOnlyCannotRest);
        }
        let terms = Terms {
            pricing: self.within_band(terms)?,
            ..terms.clone()
        };
        let mut walk = self.walk(at, &Order::placed(&terms));
        if terms.post_only && walk.meets_somebody() {
            return Err(Refusal::PostOnlyWouldTake);
        }
        if matches!(terms.pricing, Pricing::Market { .. }) && !walk.meets_somebody() {
            return Err(Refusal::NoLiquidity);
        }
        if terms.time_in_force == TimeInForce::FillOrKill && walk.leaves > 0 {
            walk.matches.clear();
            walk.leaves = terms.quantity;
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
        let leaves = order.leaves();
        Ok(vec![BookEvent::Cancelled {
            order_id,
            leaves,
            reason: CancelReason::Requested,
        }])
    }

    fn change(
        &self,
        at: SystemTime,
        order_id: Uuid,
        quantity: i64,
        price: i64,
    ) -> Result<Vec<BookEvent>, Rejection> {
        let order = self
            .order(order_id)
            .filter(|order| !order.is_due(at))
            .ok_or(Rejection::NotInBook)?;
        if (quantity, price) == (order.quantity, order.price) {
            return Ok(Vec::new());
        }
        if self.halted {
            return Err(Refusal::Halted.into());
        }
        let mut events = self.due(at);
        if order.executed > 0 && quantity <= order.executed {
            let (quantity, price) = (order.executed, order.price);
            let replacement = Replacement {
                order_id,
                quantity,
                price,
                keeps_priority: true,
            };
            events.push(BookEvent::Replaced(replacement));
            return Ok(events);
        }
        self.rules.check(price, quantity)?;
        if price != order.price {
            if let Some((lowest, highest)) = self.rules.band(self.last_price) {
                if price < lowest || price > highest {
                    return Err(Refusal::PriceOutsideBand.into());
                }
            }
        }
        let keeps_priority = price == order.price && quantity < order.quantity;
        let walk = self.walk(
            at,
            &Order {
                price,
                quantity,
                ..order.clone()
            },
        );
        if order.post_only && walk.meets_somebody() {
            return Err(Refusal::PostOnlyWouldTake.into());
        }
        events.push(BookEvent::Replaced(Replacement {
            order_id,
            quantity,
            price,
            keeps_priority,
        }));
        let stopped = walk.own_order_ahead;
        events.extend(walk.matches.into_iter().map(BookEvent::Matched));
        if stopped {
            let reason = CancelReason::SelfTrade;
            events.push(BookEvent::Cancelled {
                order_id,
                leaves: walk.leaves,
                reason,
            });
        }
        Ok(events)
    }

    /// The orders whose time has come, soonest first.
    fn due(&self, at: SystemTime) -> Vec<BookEvent> {
        let due = self
            .expiries
            .iter()
            .take_while(|(expires_at, _)| *expires_at <= at);
        due.filter_map(|(_, order_id)| {
            let leaves = self.order(*order_id)?.leaves();
            Some(BookEvent::Cancelled {
                order_id: *order_id,
                leaves,
                reason: CancelReason::Expired,
            })
        })
        .collect()
    }

    /// Goes along the other side, best order first, as far as the order's limit and quantity
    /// reach. An order of the same owner ends the way: what is beyond it has no right to trade
    /// before it.
    fn walk(&self, at: SystemTime, order: &Order) -> Walk {
        let mut incoming = order.clone();
        let mut walk = Walk {
            matches: Vec::new(),
            leaves: incoming.leaves(),
            own_order_ahead: false,
        };
        for resting in self
            .orders(order.side.opposite())
            .filter(|resting| !resting.is_due(at))
        {
            if walk.leaves == 0 || !order.side.accepts(order.price, resting.price) {
                break;
            }
            if resting.owner == order.owner {
                walk.own_order_ahead = true;
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

/// What an order meets on the other side.
struct Walk {
    matches: Vec<Match>,
    /// Shares it still has after the matches.
    leaves: i64,
    /// It stopped before an order of its own owner.
    own_order_ahead: bool,
}

impl Walk {
    fn meets_somebody(&self) -> bool {
        self.own_order_ahead || !self.matches.is_empty()
    }
}

impl Terms {
    /// Why what is left of this order after its matches cannot stay; `None` if it can, or if
    /// nothing is left.
    fn remainder(&self, walk: &Walk) -> Option<CancelReason> {
        if walk.leaves == 0 {
            return None;
        }
        if walk.own_order_ahead {
            return Some(CancelReason::SelfTrade);
        }
        match (self.pricing, self.time_in_force) {
            (_, TimeInForce::FillOrKill) => Some(CancelReason::FillOrKill),
            (Pricing::Market { .. }, _) => Some(CancelReason::NoLiquidity),
            (_, TimeInForce::ImmediateOrCancel) => Some(CancelReason::ImmediateOrCancel),
            (_, TimeInForce::GoodTillCancel | TimeInForce::GoodUntil(_)) => None,
        }
    }
}
