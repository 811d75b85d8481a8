//! The trigger book: stop orders that wait for their price beside the book.

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

use super::command::Side;
use super::order::Order;

/// Where a waiting order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seat {
    /// Its price has not been reached.
    Asleep(Rank),
    /// Its price has been reached, as so manieth.
    Woken(u64),
}

/// Sorting ranks sorts the orders of one side by whom a moving price reaches first, then by
/// arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    /// The stop price, negated for sells: a falling price reaches the highest first.
    stop: i64,
    arrival: u64,
}

/// An order with its seat and the number of its arrival.
#[derive(Clone, Debug)]
struct Waiting {
    order: Order,
    arrival: u64,
    seat: Seat,
}

/// All waiting orders of a symbol.
#[derive(Clone, Debug, Default)]
pub(super) struct Triggers {
    /// Never iterated, so its order does not matter.
    waiting: HashMap<Uuid, Waiting>,
    buys: BTreeMap<Rank, Uuid>,
    sells: BTreeMap<Rank, Uuid>,
    /// Whose price has been reached, the first first.
    woken: BTreeMap<u64, Uuid>,
    /// Numbers the woken; only the order of the numbers has a meaning.
    wakes: u64,
}

impl Triggers {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn get(&self, order_id: Uuid) -> Option<&Order> {
        Some(&self.waiting.get(&order_id)?.order)
    }

    /// Orders whose price has not been reached: of one side, first whom a moving price reaches
    /// first.
    pub(super) fn asleep(&self, side: Side) -> impl Iterator<Item = &Order> {
        self.standings(side).map(|(_, order)| order)
    }

    /// The same, each with the number of its arrival.
    pub(super) fn standings(&self, side: Side) -> impl Iterator<Item = (u64, &Order)> {
        self.seats(side).values().filter_map(|id| self.standing(id))
    }

    /// Orders whose price has been reached, in the order in which they go, each with the number
    /// of its arrival.
    pub(super) fn woken(&self) -> impl Iterator<Item = (u64, &Order)> {
        self.woken.values().filter_map(|id| self.standing(id))
    }

    fn standing(&self, order_id: &Uuid) -> Option<(u64, &Order)> {
        let waiting = self.waiting.get(order_id)?;
        Some((waiting.arrival, &waiting.order))
    }

    /// Lets an order wait; it is woken at once if the last price is there already.
    pub(super) fn insert(&mut self, order: Order, arrival: u64, last: Option<i64>) {
        let stop = order.stop.unwrap_or_default();
        let reached = last.is_some_and(|last| order.side.wakes(stop, last));
        let order_id = order.order_id;
        let seat = if reached {
            Seat::Woken(self.number_woken(order_id))
        } else {
            let stop = match order.side {
                Side::Buy => stop,
                Side::Sell => -stop,
            };
            let rank = Rank { stop, arrival };
            self.seats_mut(order.side).insert(rank, order_id);
            Seat::Asleep(rank)
        };
        let waiting = Waiting {
            order,
            arrival,
            seat,
        };
        self.waiting.insert(order_id, waiting);
    }

    /// Adds an order that was woken before, behind all others that were.
    pub(super) fn insert_woken(&mut self, order: Order, arrival: u64) {
        let order_id = order.order_id;
        let seat = Seat::Woken(self.number_woken(order_id));
        let waiting = Waiting {
            order,
            arrival,
            seat,
        };
        self.waiting.insert(order_id, waiting);
    }

    pub(super) fn remove(&mut self, order_id: Uuid) -> Option<Order> {
        let waiting = self.waiting.remove(&order_id)?;
        match waiting.seat {
            Seat::Asleep(rank) => self.seats_mut(waiting.order.side).remove(&rank),
            Seat::Woken(number) => self.woken.remove(&number),
        };
        Some(waiting.order)
    }

    /// Changes an order where it waits; never its stop price.
    pub(super) fn update(&mut self, order_id: Uuid, change: impl FnOnce(&mut Order)) {
        if let Some(waiting) = self.waiting.get_mut(&order_id) {
            change(&mut waiting.order);
        }
    }

    /// Somebody traded at this price: wakes whoever waits for it.
    pub(super) fn reach(&mut self, price: i64) {
        for side in [Side::Buy, Side::Sell] {
            while let Some(order_id) = self.pop_reached(side, price) {
                let seat = Seat::Woken(self.number_woken(order_id));
                if let Some(waiting) = self.waiting.get_mut(&order_id) {
                    waiting.seat = seat;
                }
            }
        }
    }

    fn pop_reached(&mut self, side: Side, price: i64) -> Option<Uuid> {
        let first = self.seats_mut(side).first_entry()?;
        let stop = match side {
            Side::Buy => first.key().stop,
            Side::Sell => -first.key().stop,
        };
        side.wakes(stop, price).then(|| first.remove())
    }

    fn number_woken(&mut self, order_id: Uuid) -> u64 {
        self.wakes += 1;
        self.woken.insert(self.wakes, order_id);
        self.wakes
    }

    fn seats(&self, side: Side) -> &BTreeMap<Rank, Uuid> {
        match side {
            Side::Buy => &self.buys,
            Side::Sell => &self.sells,
        }
    }

    fn seats_mut(&mut self, side: Side) -> &mut BTreeMap<Rank, Uuid> {
        match side {
            Side::Buy => &mut self.buys,
            Side::Sell => &mut self.sells,
        }
    }
}
