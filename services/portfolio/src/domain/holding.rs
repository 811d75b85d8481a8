//! One user's holding of one symbol: the position and its lots.
//!
//! Lots are ordered by the ids of the events that opened them, and the n-th share sold is the n-th
//! share that came in. So a holding depends on which movements there were and not on the order they
//! became known in. Where funds says that shares go out only after they came in – and it does – this
//! is the same as letting every sale take the oldest shares there were.
//!
//! Shares can be sold here before the event that brings them is known, because events are in order
//! per key only. They are [`uncovered`](Position::uncovered), and the next lots cover them.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::lot::Lot;
use super::movement::{Movement, TooLarge};
use super::position::Position;

/// A position with its lots: all of them, or as many as movements change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// The position.
    pub position: Position,
    /// Lots, the oldest first; also those that are sold completely.
    pub lots: BTreeMap<Uuid, Lot>,
}

// === impl Holding ===

impl Holding {
    /// Nothing yet.
    #[must_use]
    pub fn empty(user_id: &str, symbol: &str) -> Holding {
        Holding {
            position: Position::empty(user_id, symbol),
            lots: BTreeMap::new(),
        }
    }

    /// Takes `movement` into the sums. Which lots gave the shares that were sold is for
    /// [`arrange`](Holding::arrange) to say, after any number of movements.
    ///
    /// # Errors
    /// [`TooLarge`], and nothing has changed.
    pub fn count(&mut self, movement: &Movement) -> Result<(), TooLarge> {
        let counted = self.position.counting(movement);
        self.position = counted.ok_or_else(|| self.too_large())?;
        if let Movement::Acquired { lot, .. } = movement {
            self.lots.insert(lot.opened_by, lot.clone());
        }
        Ok(())
    }

    /// Lets the oldest lots give the shares that were sold: those that were given before, by
    /// whichever lots, and those that are uncovered.
    ///
    /// Lots that are not here stay as they are. With only some of them the answer is right when
    /// the others need not change: when all lots that are older than the newest one that gives
    /// are sold completely.
    ///
    /// # Errors
    /// [`TooLarge`], and the holding is of no use any more.
    pub fn arrange(&mut self) -> Result<(), TooLarge> {
        let before = self.lots_total();
        let given: i128 = self.lots.values().map(|lot| i128::from(lot.sold())).sum();
        let mut left = given + i128::from(self.position.uncovered);
        for lot in self.lots.values_mut() {
            let gives = i64::try_from(left).map_or(lot.acquired, |left| left.min(lot.acquired));
            if gives != lot.sold() {
                lot.sell(gives);
            }
            left -= i128::from(gives);
        }
        let after = self.lots_total();
        let mut position = self.position.clone();
        position.uncovered = i64::try_from(left).map_err(|_| self.too_large())?;
        position.quantity += after.shares - before.shares;
        position.sold_into = self.sold_into();
        let cost = i128::from(position.cost.raw()) + after.cost - before.cost;
        self.position = position.realised(cost).ok_or_else(|| self.too_large())?;
        Ok(())
    }

    /// The newest lot that gave shares. One that is not here can be newer, unless the one that was
    /// the newest is.
    fn sold_into(&self) -> Option<Uuid> {
        let mut newest_first = self.lots.values().rev();
        let newest = newest_first.find(|lot| lot.sold() > 0);
        let newest = newest.map(|lot| lot.opened_by);
        match self.position.sold_into {
            Some(before) if !self.lots.contains_key(&before) => newest.max(Some(before)),
            _ => newest,
        }
    }

    fn lots_total(&self) -> Total {
        let mut total = Total { shares: 0, cost: 0 };
        for lot in self.lots.values() {
            total.shares += lot.quantity;
            total.cost += i128::from(lot.cost.raw());
        }
        total
    }

    fn too_large(&self) -> TooLarge {
        TooLarge {
            symbol: self.position.symbol.clone(),
        }
    }
}

/// What is left in some lots: shares, and their cost in ten-thousandths. The shares cannot
/// overflow: they are part of the position's.
struct Total {
    shares: i64,
    cost: i128,
}
