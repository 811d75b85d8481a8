//! A matcher anybody can check by reading: one list in order of arrival, searched from the start
//! every time.

use std::time::SystemTime;

use outcry_trades::book::{Command, Pricing, Rules, Side, Terms, TimeInForce};
use uuid::Uuid;

use crate::scenario::{CENT, number};

#[derive(Clone)]
pub struct Resting {
    pub id: Uuid,
    pub owner: Uuid,
    pub side: Side,
    pub price: i64,
    pub quantity: i64,
    pub executed: i64,
    pub expires_at: Option<SystemTime>,
    pub post_only: bool,
}

#[derive(Clone)]
pub struct Reference {
    rules: Rules,
    pub orders: Vec<Resting>,
    last: Option<i64>,
    halted: bool,
}

impl Reference {
    pub fn new(rules: Rules) -> Reference {
        Reference {
            rules,
            orders: Vec::new(),
            last: None,
            halted: false,
        }
    }

    pub fn apply(&mut self, at: SystemTime, command: &Command) -> Vec<String> {
        let mut said = Vec::new();
        self.expire(at, &mut said);
        let before = (self.clone(), said.clone());
        let refused = match command {
            Command::Submit(terms) if self.find(terms.order_id).is_some() => None,
            Command::Submit(terms) => self
                .submit(at, terms, &mut said)
                .err()
                .map(|why| format!("refused {}: {why}", number(terms.order_id))),
            Command::Cancel { order_id } => match self.find(*order_id) {
                None => Some("rejected: NotInBook".into()),
                Some(index) => {
                    let gone = self.orders.remove(index);
                    said.push(format!(
                        "cancelled {}: {} Requested",
                        number(gone.id),
                        gone.leaves()
                    ));
                    None
                }
            },
            Command::Replace {
                order_id,
                quantity,
                price,
            } => self
                .replace(*order_id, *quantity, *price, &mut said)
                .err()
                .map(|why| format!("rejected: {why}")),
            Command::Expire | Command::Continue { .. } => None,
            Command::Halt => {
                if !std::mem::replace(&mut self.halted, true) {
                    said.push("halted".into());
                }
                None
            }
            Command::Resume => {
                if std::mem::replace(&mut self.halted, false) {
                    said.push("resumed".into());
                }
                None
            }
        };
        if let Some(refused) = refused {
            (*self, said) = before;
            said.push(refused);
        }
        said
    }

    fn submit(
        &mut self,
        at: SystemTime,
        terms: &Terms,
        said: &mut Vec<String>,
    ) -> Result<(), String> {
        if self.halted {
            return Err("Halted".into());
        }
        self.check(terms.limit(), terms.quantity)?;
        let expires_at = match terms.time_in_force {
            TimeInForce::GoodUntil(expires_at) if expires_at <= at => {
                return Err("AlreadyExpired".into());
            }
            TimeInForce::GoodUntil(expires_at) => Some(expires_at),
            _ => None,
        };
        let market = matches!(terms.pricing, Pricing::Market { .. });
        let immediate = matches!(
            terms.time_in_force,
            TimeInForce::ImmediateOrCancel | TimeInForce::FillOrKill
        );
        if terms.post_only && (market || immediate) {
            return Err("PostOnlyCannotRest".into());
        }
        let mut price = terms.limit();
        if let Some((low, high)) = self.band() {
            if market {
                price = price.max(low).min(high);
            } else if price < low || price > high {
                return Err("PriceOutsideBand".into());
            }
        }
        said.push(format!("placed {}", number(terms.order_id)));
        self.orders.push(Resting {
            id: terms.order_id,
            owner: terms.owner,
            side: terms.side,
            price,
            quantity: terms.quantity,
            executed: 0,
            expires_at,
            post_only: terms.post_only,
        });
        // Match on a copy first, to see how it would end.
        let mut trial = self.clone();
        let mut lines = Vec::new();
        let met_own = trial.take_all(terms.order_id, &mut lines);
        let leaves = trial
            .find(terms.order_id)
            .map_or(0, |index| trial.orders[index].leaves());
        if terms.post_only && (met_own || !lines.is_empty()) {
            return Err("PostOnlyWouldTake".into());
        }
        if market && !met_own && lines.is_empty() {
            return Err("NoLiquidity".into());
        }
        let killed = terms.time_in_force == TimeInForce::FillOrKill && leaves > 0;
        if !killed {
            *self = trial;
            said.append(&mut lines);
        }
        if leaves > 0 {
            let reason = if met_own {
                "SelfTrade"
            } else if killed {
                "FillOrKill"
            } else if market {
                "NoLiquidity"
            } else if immediate {
                "ImmediateOrCancel"
            } else {
                return Ok(());
            };
            let index = self.find(terms.order_id).unwrap();
            let gone = self.orders.remove(index);
            said.push(format!(
                "cancelled {}: {} {reason}",
                number(gone.id),
                gone.leaves()
            ));
        }
        Ok(())
    }

    fn replace(
        &mut self,
        id: Uuid,
        quantity: i64,
        price: i64,
        said: &mut Vec<String>,
    ) -> Result<(), String> {
        let Some(index) = self.find(id) else {
            return Err("NotInBook".into());
        };
        let old = self.orders[index].clone();
        if old.quantity == quantity && old.price == price {
            return Ok(());
        }
        if self.halted {
            return Err("Terms(Halted)".into());
        }
        if old.executed > 0 && quantity <= old.executed {
            said.push(format!(
                "replaced {}: {} @ {}, keeps its place",
                number(id),
                old.executed,
                old.price / CENT
            ));
            self.orders.remove(index);
            return Ok(());
        }
        self.check(price, quantity)
            .map_err(|why| format!("Terms({why})"))?;
        let band = self.band().filter(|_| price != old.price);
        if band.is_some_and(|(low, high)| price < low || price > high) {
            return Err("Terms(PriceOutsideBand)".into());
        }
        if price == old.price && quantity < old.quantity {
            said.push(format!(
                "replaced {}: {quantity} @ {}, keeps its place",
                number(id),
                price / CENT
            ));
            self.orders[index].quantity = quantity;
            return Ok(());
        }
        said.push(format!(
            "replaced {}: {quantity} @ {}",
            number(id),
            price / CENT
        ));
        self.orders.remove(index);
        self.orders.push(Resting {
            quantity,
            price,
            ..old.clone()
        });
        let mut lines = Vec::new();
        let met_own = self.take_all(id, &mut lines);
        if old.post_only && (met_own || !lines.is_empty()) {
            return Err("Terms(PostOnlyWouldTake)".into());
        }
        said.append(&mut lines);
        if met_own {
            let index = self.find(id).unwrap();
            let gone = self.orders.remove(index);
            said.push(format!(
                "cancelled {}: {} SelfTrade",
                number(gone.id),
                gone.leaves()
            ));
        }
        Ok(())
    }

    /// Trades the order with the best of the other side until it can no more; says whether an
    /// order of the same owner is in its way.
    fn take_all(&mut self, id: Uuid, said: &mut Vec<String>) -> bool {
        loop {
            let Some(taker) = self.find(id) else {
                return false;
            };
            let Some(maker) = self.best_against(taker) else {
                return false;
            };
            if self.orders[maker].owner == self.orders[taker].owner {
                return true;
            }
            let quantity = self.orders[taker].leaves().min(self.orders[maker].leaves());
            let price = self.orders[maker].price;
            self.orders[taker].executed += quantity;
            self.orders[maker].executed += quantity;
            self.last = Some(price);
            let (t, m) = (&self.orders[taker], &self.orders[maker]);
            said.push(format!(
                "match: {} takes {quantity} @ {} from {} (taker {}+{}, maker {}+{})",
                number(t.id),
                price / CENT,
                number(m.id),
                t.executed,
                t.leaves(),
                m.executed,
                m.leaves(),
            ));
            self.orders.retain(|order| order.leaves() > 0);
        }
    }

    /// The first to arrive among those with the best price the order accepts.
    fn best_against(&self, taker: usize) -> Option<usize> {
        let taker = &self.orders[taker];
        let mut best: Option<usize> = None;
        for (index, order) in self.orders.iter().enumerate() {
            if order.side == taker.side {
                continue;
            }
            let (acceptable, better) = match taker.side {
                Side::Buy => (
                    order.price <= taker.price,
                    best.is_none_or(|b| order.price < self.orders[b].price),
                ),
                Side::Sell => (
                    order.price >= taker.price,
                    best.is_none_or(|b| order.price > self.orders[b].price),
                ),
            };
            if acceptable && better {
                best = Some(index);
            }
        }
        best
    }

    fn expire(&mut self, at: SystemTime, said: &mut Vec<String>) {
        let mut due: Vec<Resting> = self
            .orders
            .iter()
            .filter(|order| order.expires_at.is_some_and(|expires_at| expires_at <= at))
            .cloned()
            .collect();
        due.sort_by_key(|order| (order.expires_at, order.id));
        for order in due {
            self.orders.retain(|other| other.id != order.id);
            said.push(format!(
                "cancelled {}: {} Expired",
                number(order.id),
                order.leaves()
            ));
        }
    }

    fn check(&self, price: i64, quantity: i64) -> Result<(), String> {
        if price <= 0 || price % self.rules.tick != 0 {
            return Err("PriceOffTick".into());
        }
        if quantity <= 0 || quantity % self.rules.lot != 0 {
            return Err("QuantityOffLot".into());
        }
        if i128::from(price) * i128::from(quantity) > i128::from(self.rules.max_order_value) {
            return Err("ValueTooLarge".into());
        }
        Ok(())
    }

    fn band(&self) -> Option<(i64, i64)> {
        let width = self.last? * i64::from(self.rules.band_bps?) / 10_000;
        Some((self.last? - width, self.last? + width))
    }

    fn find(&self, id: Uuid) -> Option<usize> {
        self.orders.iter().position(|order| order.id == id)
    }

    /// Orders of one side in the order in which they trade.
    pub fn side(&self, side: Side) -> Vec<&Resting> {
        let mut orders: Vec<_> = self
            .orders
            .iter()
            .filter(|order| order.side == side)
            .collect();
        orders.sort_by_key(|order| match side {
            Side::Buy => -order.price,
            Side::Sell => order.price,
        });
        orders
    }
}

impl Resting {
    pub fn leaves(&self) -> i64 {
        self.quantity - self.executed
    }
}
