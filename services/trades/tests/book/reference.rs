//! A matcher anybody can check by reading: lists in order of arrival, searched from the start
//! every time. What cannot be known beforehand is tried on a copy.

mod rules;
mod trading;

use std::time::SystemTime;

use outcry_trades::book::{
    BookEvent, CancelReason, Command, Execution, Pricing, Refusal, Rejection, Replacement, Rules,
    SelfTrade, Session, Side, Terms, TimeInForce,
};
use uuid::Uuid;

#[derive(Clone)]
pub struct Known {
    pub id: Uuid,
    pub terms: Terms,
    pub price: i64,
    pub stop: Option<i64>,
    pub quantity: i64,
    pub executed: i64,
    notional: i128,
    /// Basis points × notional.
    due: i128,
    charged: i128,
}

#[derive(Clone)]
pub struct Reference {
    rules: Rules,
    /// In the book, in order of arrival.
    pub orders: Vec<Known>,
    /// Waiting for their stop price, in order of arrival.
    pub waiting: Vec<Known>,
    /// Their stop price was reached, in the order in which that happened.
    pub woken: Vec<Known>,
    pub last: Option<i64>,
    pub session: Session,
    said: Vec<BookEvent>,
}

impl Reference {
    pub fn new(rules: Rules) -> Reference {
        Reference {
            rules,
            orders: Vec::new(),
            waiting: Vec::new(),
            woken: Vec::new(),
            last: None,
            session: Session::Open,
            said: Vec::new(),
        }
    }

    pub fn apply(
        &mut self,
        at: SystemTime,
        command: &Command,
    ) -> (Vec<BookEvent>, Option<Rejection>) {
        self.expire(at);
        self.release();
        let rejection = match command {
            Command::Submit(terms) => {
                self.submit(at, terms);
                None
            }
            Command::Cancel { order_id } => match self.take_out(*order_id) {
                None => Some(Rejection::NotInBook),
                Some(known) => {
                    self.say_cancelled(&known, CancelReason::Requested);
                    None
                }
            },
            Command::Replace {
                order_id,
                quantity,
                price,
                stop,
            } => self.replace(*order_id, *quantity, *price, *stop).err(),
            Command::SetSession(session) => {
                if self.session != *session {
                    self.session = *session;
                    self.said.push(BookEvent::SessionChanged(*session));
                }
                None
            }
            Command::Expire | Command::Continue { .. } | Command::Trigger => None,
        };
        self.release();
        (std::mem::take(&mut self.said), rejection)
    }

    // === What comes in ===

    fn submit(&mut self, at: SystemTime, terms: &Terms) {
        if self.find(terms.order_id).is_some() {
            return;
        }
        let terms = match self.accept(at, terms) {
            Ok(terms) => terms,
            Err(refusal) => {
                let order_id = terms.order_id;
                self.said.push(BookEvent::Refused { order_id, refusal });
                return;
            }
        };
        self.said.push(BookEvent::Placed(terms.clone()));
        let known = Known {
            id: terms.order_id,
            price: price_of(&terms),
            stop: terms.stop,
            quantity: terms.quantity,
            executed: 0,
            notional: 0,
            due: 0,
            charged: 0,
            terms,
        };
        if known.stop.is_some() {
            self.wait(known);
        } else {
            self.enter(known);
        }
    }

    fn accept(&self, at: SystemTime, terms: &Terms) -> Result<Terms, Refusal> {
        self.check_session()?;
        self.check(price_of(terms), terms.quantity)?;
        if let TimeInForce::GoodUntil(end) = terms.time_in_force
            && end <= at
        {
            return Err(Refusal::AlreadyExpired);
        }
        let rests = can_rest(terms);
        if terms.post_only && !rests {
            return Err(Refusal::PostOnlyCannotRest);
        }
        let around = match terms.stop {
            Some(stop) if stop <= 0 || stop % self.rules.tick != 0 => {
                return Err(Refusal::PriceOffTick);
            }
            Some(stop) => Some(stop),
            None => self.last.or(self.rules.listing_price),
        };
        let mut terms = terms.clone();
        match terms.pricing {
            Pricing::Limit(price) => {
                if !self.is_near(price, around) {
                    return Err(Refusal::PriceOutsideBand);
                }
            }
            Pricing::Market { collar } => {
                let collar = self.drawn_in(terms.side, collar, around);
                terms.pricing = Pricing::Market { collar };
            }
        }
        if terms.stop.is_some() {
            return Ok(terms);
        }
        let meets = self.meets(terms.side, price_of(&terms));
        if terms.post_only && meets {
            return Err(Refusal::PostOnlyWouldTake);
        }
        if self.session == Session::PostOnly && (meets || !rests) {
            return Err(Refusal::RestingOnly);
        }
        if matches!(terms.pricing, Pricing::Market { .. }) && !meets {
            return Err(Refusal::NoLiquidity);
        }
        Ok(terms)
    }

    /// Puts an order into the book and lets it trade.
    fn enter(&mut self, known: Known) {
        let id = known.id;
        if known.terms.time_in_force == TimeInForce::FillOrKill {
            let mut trial = self.clone();
            trial.said.clear();
            trial.orders.push(known.clone());
            let met_own = trial.take_all(id);
            let is_filled = trial.find(id).is_none();
            let gives_way = met_own && known.terms.self_trade != SelfTrade::CancelOldest;
            if gives_way || !is_filled {
                let reason = match gives_way {
                    true => CancelReason::SelfTrade,
                    false => CancelReason::FillOrKill,
                };
                self.say_cancelled(&known, reason);
                return;
            }
        }
        let rest = match (known.terms.pricing, known.terms.time_in_force) {
            (Pricing::Market { .. }, _) => Some(CancelReason::NoLiquidity),
            (_, TimeInForce::ImmediateOrCancel) => Some(CancelReason::ImmediateOrCancel),
            _ => None,
        };
        self.orders.push(known);
        self.take_all(id);
        if let Some(reason) = rest
            && let Some(known) = self.take_out(id)
        {
            self.say_cancelled(&known, reason);
        }
    }

    // === What changes ===

    fn replace(
        &mut self,
        id: Uuid,
        quantity: i64,
        price: i64,
        stop: Option<i64>,
    ) -> Result<(), Rejection> {
        let Some((_, old)) = self.find(id) else {
            return Err(Rejection::NotInBook);
        };
        let old = old.clone();
        if stop.is_some() && old.stop.is_none() {
            return Err(Refusal::NotWaiting.into());
        }
        let stop = stop.or(old.stop);
        if quantity == old.quantity && price == old.price && stop == old.stop {
            return Ok(());
        }
        self.check_session()?;
        match stop {
            Some(stop) => self.replace_waiting(old, quantity, price, stop)?,
            None => self.replace_resting(old, quantity, price)?,
        }
        Ok(())
    }

    fn replace_waiting(
        &mut self,
        old: Known,
        quantity: i64,
        mut price: i64,
        stop: i64,
    ) -> Result<(), Refusal> {
        self.check(price, quantity)?;
        if stop <= 0 || stop % self.rules.tick != 0 {
            return Err(Refusal::PriceOffTick);
        }
        if matches!(old.terms.pricing, Pricing::Market { .. }) {
            price = self.drawn_in(old.terms.side, price, Some(stop));
        } else if !self.is_near(price, Some(stop)) {
            return Err(Refusal::PriceOutsideBand);
        }
        let id = old.id;
        let keeps_priority = old.stop == Some(stop) && quantity <= old.quantity;
        self.say_replaced(&old, quantity, price, Some(stop), keeps_priority);
        let new = Known {
            quantity,
            price,
            stop: Some(stop),
            ..old
        };
        if keeps_priority {
            *self.find(id).unwrap().1 = new;
        } else {
            self.take_out(id);
            self.wait(new);
        }
        Ok(())
    }

    fn replace_resting(&mut self, old: Known, quantity: i64, price: i64) -> Result<(), Refusal> {
        if old.executed > 0 && quantity <= old.executed {
            self.say_replaced(&old, old.executed, old.price, None, true);
            self.take_out(old.id);
            return Ok(());
        }
        self.check(price, quantity)?;
        let around = self.last.or(self.rules.listing_price);
        if price != old.price && !self.is_near(price, around) {
            return Err(Refusal::PriceOutsideBand);
        }
        if self.meets(old.terms.side, price) {
            if old.terms.post_only {
                return Err(Refusal::PostOnlyWouldTake);
            }
            if self.session == Session::PostOnly {
                return Err(Refusal::RestingOnly);
            }
        }
        let keeps_priority = price == old.price && quantity < old.quantity;
        self.say_replaced(&old, quantity, price, None, keeps_priority);
        if keeps_priority {
            self.find(old.id).unwrap().1.quantity = quantity;
        } else {
            self.take_out(old.id);
            let new = Known {
                quantity,
                price,
                ..old
            };
            self.enter(new);
        }
        Ok(())
    }

    fn expire(&mut self, at: SystemTime) {
        let all = self.orders.iter().chain(&self.waiting).chain(&self.woken);
        let mut due: Vec<Known> = all
            .filter(|order| order.expires_at().is_some_and(|end| end <= at))
            .cloned()
            .collect();
        due.sort_by_key(|order| (order.expires_at(), order.id));
        for order in due {
            self.take_out(order.id);
            self.say_cancelled(&order, CancelReason::Expired);
        }
    }

    // === Words ===

    fn say_cancelled(&mut self, known: &Known, reason: CancelReason) {
        self.said.push(BookEvent::Cancelled {
            order_id: known.id,
            leaves: known.leaves(),
            reason,
        });
    }

    fn say_replaced(
        &mut self,
        known: &Known,
        quantity: i64,
        price: i64,
        stop: Option<i64>,
        keeps_priority: bool,
    ) {
        self.said.push(BookEvent::Replaced(Replacement {
            order_id: known.id,
            quantity,
            price,
            stop,
            keeps_priority,
        }));
    }

    // === Lists ===

    fn lists(&mut self) -> [&mut Vec<Known>; 3] {
        [&mut self.orders, &mut self.waiting, &mut self.woken]
    }

    /// The order with this id, and its place in its list.
    fn find(&mut self, id: Uuid) -> Option<(usize, &mut Known)> {
        self.lists().into_iter().find_map(|list| {
            let index = list.iter().position(|order| order.id == id)?;
            Some((index, &mut list[index]))
        })
    }

    fn take_out(&mut self, id: Uuid) -> Option<Known> {
        self.lists().into_iter().find_map(|list| {
            let index = list.iter().position(|order| order.id == id)?;
            Some(list.remove(index))
        })
    }

    /// Orders of one side in the order in which they trade.
    pub fn side(&self, side: Side) -> Vec<&Known> {
        let mut orders: Vec<_> = self
            .orders
            .iter()
            .filter(|order| order.terms.side == side)
            .collect();
        orders.sort_by_key(|order| match side {
            Side::Buy => -order.price,
            Side::Sell => order.price,
        });
        orders
    }

    /// Waiting orders of one side in the order in which a moving price reaches them.
    pub fn waiting_of(&self, side: Side) -> Vec<Known> {
        let mut orders: Vec<_> = self
            .waiting
            .iter()
            .filter(|order| order.terms.side == side)
            .cloned()
            .collect();
        orders.sort_by_key(|order| match side {
            Side::Buy => order.stop,
            Side::Sell => order.stop.map(|stop| -stop),
        });
        orders
    }
}

impl Known {
    pub fn leaves(&self) -> i64 {
        self.quantity - self.executed
    }

    pub fn expires_at(&self) -> Option<SystemTime> {
        match self.terms.time_in_force {
            TimeInForce::GoodUntil(end) => Some(end),
            _ => None,
        }
    }

    fn fill(&mut self, price: i64, quantity: i64, bps: u32) -> Execution {
        let notional = i128::from(price) * i128::from(quantity);
        self.executed += quantity;
        self.notional += notional;
        self.due += notional * i128::from(bps);
        // All fees of an order are what it owes, rounded up once.
        let fee = ((self.due + 9_999) / 10_000 - self.charged).max(0);
        self.charged += fee;
        Execution {
            order_id: self.id,
            executed: self.executed,
            leaves: self.leaves(),
            notional: self.notional,
            fee: i64::try_from(fee).unwrap(),
        }
    }
}

fn price_of(terms: &Terms) -> i64 {
    match terms.pricing {
        Pricing::Limit(price) => price,
        Pricing::Market { collar } => collar,
    }
}

fn can_rest(terms: &Terms) -> bool {
    matches!(terms.pricing, Pricing::Limit(_))
        && !matches!(
            terms.time_in_force,
            TimeInForce::ImmediateOrCancel | TimeInForce::FillOrKill
        )
}
