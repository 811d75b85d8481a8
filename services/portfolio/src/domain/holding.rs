//! One user's holding of one symbol: the position, its lots, and which of them sales took.
//!
//! Lots and sales are in the order of the ids of the events that tell of them. Sale by sale, in that
//! order, each takes
//!
//! 1. the lot of the deposit that it takes back, if it does,
//! 2. the oldest lots of its own portfolio,
//! 3. the oldest lots of the others,
//! 4. and when that is not enough, the first lots that come after it: it was told of too early.
//!
//! So a holding depends on which movements there were and not on the order they became known in.
//! A movement that comes late, behind others with greater ids, undoes what later sales took, and they
//! take again.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::lot::Lot;
use super::movement::{Movement, TooLarge};
use super::position::{Difference, Position};
use super::sale::{Sale, Take};

/// A position with its lots, sales and takes: all of them, or as many as movements change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// The position.
    pub position: Position,
    /// Lots, the oldest first; also those that are sold completely.
    pub lots: BTreeMap<Uuid, Lot>,
    /// Sales, the oldest first.
    pub sales: BTreeMap<Uuid, Sale>,
    /// What sales took, by sale and lot.
    pub takes: BTreeMap<(Uuid, Uuid), Take>,
}

// === impl Holding ===

impl Holding {
    /// Nothing yet.
    #[must_use]
    pub fn empty(user_id: &str, symbol: &str) -> Holding {
        Holding::of(Position::empty(user_id, symbol))
    }

    /// A position, of which nothing else is known here.
    #[must_use]
    pub fn of(position: Position) -> Holding {
        Holding {
            position,
            lots: BTreeMap::new(),
            sales: BTreeMap::new(),
            takes: BTreeMap::new(),
        }
    }

    /// Takes `movement` into the sums. Which lots give the shares that were sold is for
    /// [`cover`](Holding::cover) to say.
    ///
    /// When it comes late, the [`rewind`](Position::rewind) says from which sale on lots must be
    /// chosen again: from the movement's own place on, or from `first_early` on, the first sale
    /// that took a lot later than itself.
    ///
    /// # Errors
    /// [`TooLarge`], and nothing has changed.
    pub fn count(
        &mut self,
        movement: &Movement,
        first_early: Option<Uuid>,
    ) -> Result<(), TooLarge> {
        let (event_id, portfolio_id, by) = match movement {
            Movement::Acquired { lot, paid, fee } => {
                let by = Difference {
                    quantity: lot.quantity,
                    cost: lot.cost.raw(),
                    bought: paid.raw(),
                    fees: fee.raw(),
                    ..Difference::default()
                };
                (lot.opened_by, lot.portfolio_id, by)
            }
            Movement::Disposed {
                sale,
                received,
                fee,
            } => {
                let by = Difference {
                    uncovered: sale.quantity,
                    sold: received.raw(),
                    fees: fee.raw(),
                    // Both are amounts: far from the bounds of the number.
                    realised_profit: received.raw() - fee.raw(),
                    ..Difference::default()
                };
                (sale.event_id, sale.portfolio_id, by)
            }
        };
        let added = self.position.add(portfolio_id, &by);
        added.ok_or_else(|| self.too_large())?;
        match movement {
            Movement::Acquired { lot, .. } => {
                self.lots.insert(event_id, lot.clone());
            }
            Movement::Disposed { sale, .. } => {
                self.sales.insert(event_id, sale.clone());
            }
        }
        let position = &mut self.position;
        if position.newest.is_some_and(|newest| event_id <= newest) {
            let from = [Some(event_id), first_early, position.rewind];
            position.rewind = from.into_iter().flatten().min();
        }
        position.newest = position.newest.max(Some(event_id));
        Ok(())
    }

    /// Gives back what a sale took of a lot. Later sales come first.
    ///
    /// # Errors
    /// [`TooLarge`], and the holding is of no use any more.
    pub fn undo(&mut self, sale: Uuid, lot: Uuid) -> Result<(), TooLarge> {
        let Some(take) = self.takes.remove(&(sale, lot)) else {
            return Ok(());
        };
        self.shift(&take, -1)
    }

    /// Lets these lots give to a sale, one after the other, until it has all its shares.
    ///
    /// # Errors
    /// [`TooLarge`], and the holding is of no use any more.
    pub fn cover(
        &mut self,
        sale: Uuid,
        lots: impl IntoIterator<Item = Uuid>,
    ) -> Result<(), TooLarge> {
        for lot in lots {
            let wants = self.sales.get(&sale).map_or(0, |sale| sale.uncovered);
            if wants == 0 {
                break;
            }
            let Some(gives) = self.lots.get(&lot).filter(|lot| lot.is_open()) else {
                continue;
            };
            let quantity = wants.min(gives.quantity);
            let mut rest = gives.clone();
            rest.leave(gives.quantity - quantity);
            let cost = gives.cost.checked_sub(rest.cost);
            let take = Take {
                sale,
                lot,
                quantity,
                cost: cost.ok_or_else(|| self.too_large())?,
            };
            self.shift(&take, 1)?;
            // It takes all the lot has, or all it wants: it never comes to the same lot again.
            self.takes.insert((sale, lot), take);
        }
        Ok(())
    }

    /// Undoes and covers all there is to, with everything at hand.
    ///
    /// # Errors
    /// [`TooLarge`], and the holding is of no use any more.
    pub fn arrange(&mut self) -> Result<(), TooLarge> {
        if let Some(from) = self.position.rewind.take() {
            let later = self.takes.range((from, Uuid::nil())..).rev();
            let later: Vec<(Uuid, Uuid)> = later.map(|(place, _)| *place).collect();
            for (sale, lot) in later {
                self.undo(sale, lot)?;
            }
        }
        let waiting = self.sales.values().filter(|sale| sale.uncovered > 0);
        let waiting: Vec<Sale> = waiting.cloned().collect();
        for sale in waiting {
            let own = self
                .lots
                .values()
                .filter(|lot| lot.portfolio_id == sale.portfolio_id);
            let own: Vec<Uuid> = own.map(|lot| lot.opened_by).collect();
            self.cover(sale.event_id, sale.first(own))?;
            let all: Vec<Uuid> = self.lots.keys().copied().collect();
            self.cover(sale.event_id, all)?;
        }
        Ok(())
    }

    /// The first sale that took a lot later than itself.
    #[must_use]
    pub fn first_early(&self) -> Option<Uuid> {
        let early = self.takes.values().filter(|take| take.is_early());
        early.map(|take| take.sale).min()
    }

    /// Moves the shares of a take from its lot to its sale, or back.
    fn shift(&mut self, take: &Take, sign: i64) -> Result<(), TooLarge> {
        let (quantity, cost) = (sign * take.quantity, sign * take.cost.raw());
        let mut portfolios = (None, None);
        if let Some(lot) = self.lots.get_mut(&take.lot) {
            lot.leave(lot.quantity - quantity);
            portfolios.0 = Some(lot.portfolio_id);
        }
        if let Some(sale) = self.sales.get_mut(&take.sale) {
            sale.uncovered -= quantity;
            portfolios.1 = Some(sale.portfolio_id);
        }
        let gives = Difference {
            quantity: -quantity,
            cost: -cost,
            ..Difference::default()
        };
        let gets = Difference {
            uncovered: -quantity,
            realised_profit: -cost,
            ..Difference::default()
        };
        for (portfolio, by) in [(portfolios.0, gives), (portfolios.1, gets)] {
            if let Some(portfolio_id) = portfolio {
                let added = self.position.add(portfolio_id, &by);
                added.ok_or_else(|| self.too_large())?;
            }
        }
        Ok(())
    }

    fn too_large(&self) -> TooLarge {
        TooLarge {
            symbol: self.position.symbol.clone(),
        }
    }
}

// === impl Sale ===

impl Sale {
    /// The lots that give first: that of the deposit taken back, then those of its own portfolio
    /// that there were.
    pub fn first(&self, own: Vec<Uuid>) -> impl Iterator<Item = Uuid> + use<> {
        let event_id = self.event_id;
        let of_lot = self.of_lot.into_iter();
        of_lot.chain(own).filter(move |lot| *lot <= event_id)
    }
}
