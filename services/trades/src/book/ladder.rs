//! One side of a book: its orders in the order in which they trade, and the totals per price.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::command::Side;
use super::order::Order;

/// Where an order stands. Sorting places sorts orders by price-time priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// The price, negated for bids so that the best comes first on both sides.
    rank: i64,
    /// Number of the arrival.
    arrival: u64,
}

/// All orders at one price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DepthLevel {
    /// The price, in ten-thousandths.
    pub price: i64,
    /// Shares on offer.
    pub quantity: i64,
    /// How many orders.
    pub orders: u32,
}

/// One side of a book.
#[derive(Clone, Debug)]
pub(super) struct Ladder {
    side: Side,
    orders: BTreeMap<Place, Order>,
    levels: BTreeMap<i64, DepthLevel>,
}

impl Ladder {
    pub(super) fn new(side: Side) -> Ladder {
        Ladder {
            side,
            orders: BTreeMap::new(),
            levels: BTreeMap::new(),
        }
    }

    pub(super) fn get(&self, place: Place) -> Option<&Order> {
        self.orders.get(&place)
    }

    /// First the order that trades first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Order> {
        self.orders.values()
    }

    /// The same, each with the number of its arrival.
    pub(super) fn standings(&self) -> impl Iterator<Item = (u64, &Order)> {
        self.orders
            .iter()
            .map(|(place, order)| (place.arrival, order))
    }

    pub(super) fn best_price(&self) -> Option<i64> {
        self.levels.values().next().map(|level| level.price)
    }

    pub(super) fn depth(&self, levels: usize) -> Vec<DepthLevel> {
        self.levels.values().take(levels).copied().collect()
    }

    pub(super) fn insert(&mut self, order: Order, arrival: u64) -> Place {
        let place = Place {
            rank: self.rank(order.price),
            arrival,
        };
        let level = self.levels.entry(place.rank).or_insert(DepthLevel {
            price: order.price,
            quantity: 0,
            orders: 0,
        });
        level.quantity += order.leaves();
        level.orders += 1;
        self.orders.insert(place, order);
        place
    }

    pub(super) fn remove(&mut self, place: Place) -> Option<Order> {
        let order = self.orders.remove(&place)?;
        if let Entry::Occupied(mut level) = self.levels.entry(place.rank) {
            if level.get().orders == 1 {
                level.remove();
            } else {
                level.get_mut().orders -= 1;
                level.get_mut().quantity -= order.leaves();
            }
        }
        Some(order)
    }

    /// Changes an order where it stands (never its price) and answers what it leaves.
    pub(super) fn update(&mut self, place: Place, change: impl FnOnce(&mut Order)) -> Option<i64> {
        let order = self.orders.get_mut(&place)?;
        let before = order.leaves();
        change(order);
        let after = order.leaves();
        if let Some(level) = self.levels.get_mut(&place.rank) {
            level.quantity += after - before;
        }
        Some(after)
    }

    fn rank(&self, price: i64) -> i64 {
        match self.side {
            Side::Buy => -price,
            Side::Sell => price,
        }
    }
}
