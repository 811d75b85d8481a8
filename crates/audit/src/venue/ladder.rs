//! One side of a book, in the order in which it trades.

use std::collections::BTreeMap;

use outcry_contracts::orders::v1::Side;

/// Where an order stands: better prices first, then earlier arrivals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    /// The price, negated for bids.
    rank: i128,
    arrival: u64,
}

/// The orders of one side, by trade id.
#[derive(Default)]
pub(super) struct Ladder<'a> {
    orders: BTreeMap<Place, &'a str>,
}

// === impl Ladder ===

impl<'a> Ladder<'a> {
    pub(super) fn insert(&mut self, side: Side, price: i128, arrival: u64, trade: &'a str) {
        self.orders.insert(place(side, price, arrival), trade);
    }

    pub(super) fn remove(&mut self, side: Side, price: i128, arrival: u64) {
        self.orders.remove(&place(side, price, arrival));
    }

    /// First the order that trades first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &'a str> {
        self.orders.values().copied()
    }

    /// Takes out the first order if its place is at `price` or before.
    pub(super) fn pop_to(&mut self, side: Side, price: i128) -> Option<&'a str> {
        let first = self.orders.first_entry()?;
        let reached = first.key().rank <= place(side, price, 0).rank;
        reached.then(|| first.remove())
    }
}

fn place(side: Side, price: i128, arrival: u64) -> Place {
    let rank = match side {
        Side::Buy => -price,
        _ => price,
    };
    Place { rank, arrival }
}
