//! The order book by itself: operations a second and their slowest hundredth, however many orders rest.

use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, ensure};
use fastrand::Rng;
use outcry_trades::book::{
    Book, Command, FeeSchedule, Pricing, Rules, SelfTrade, Side, Terms, TimeInForce,
};
use uuid::Uuid;

use crate::percentile::percentile;
use crate::report::{Report, Target};

/// Orders that rest in the book while it is measured.
const RESTING: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];

/// Operations timed on each book, of which so many come before as a warm-up.
const OPERATIONS: usize = 400_000;
const OPERATIONS_QUICK: usize = 100_000;
const WARM_UP_PART: usize = 10;

/// Prices on each side that have orders: a deep book of a liquid share.
const LEVELS: i64 = 500;

/// The price both sides are around, and the step between prices, in ten-thousandths.
const MIDDLE: i64 = 1_000_000;
const TICK: i64 = 100;

/// Shares of one order at most.
const QUANTITY_MAX: i64 = 100;

/// Where the dice begin: every run does the same.
const SEED: u64 = 7;

/// What one operation is allowed to be: fees as the platform charges them, no band.
const RULES: Rules = Rules {
    tick: TICK,
    lot: 1,
    band_bps: None,
    listing_price: None,
    max_order_value: i64::MAX,
    max_order_quantity: 1_000_000,
    fees: FeeSchedule {
        maker_bps: 5,
        taker_bps: 10,
    },
    step: 100,
};

/// A book and who trades on it.
struct Venue {
    book: Book,
    dice: Rng,
    /// Orders that came to rest; some have been traded since.
    resting: Vec<Uuid>,
    orders: u64,
    now: SystemTime,
}

/// Measures books of all sizes.
pub async fn measure(quick: bool, report: &mut Report) -> anyhow::Result<()> {
    report.chapter("Order book, in memory");
    report.note(
        "of four operations one rests, one takes a resting order whole, one rests again and one cancels; deciding, \
         applying and looking for what is left to do are timed together",
    );
    let operations = match quick {
        true => OPERATIONS_QUICK,
        false => OPERATIONS,
    };
    for size in RESTING {
        // A book is pure: nothing in it waits.
        let mut times = tokio::task::block_in_place(|| times(size, operations))?;
        times.sort_by(f64::total_cmp);
        let total: f64 = times.iter().sum();
        let per_second = times.len() as f64 / total * 1e6;
        let name = |what: &str| format!("{size} resting orders: {what}");
        report.measure(name("operations"), per_second, "1/s", Target::None);
        for hundredth in [50, 99] {
            let time = percentile(&times, hundredth);
            report.measure(name(&format!("p{hundredth}")), time, "us", Target::None);
        }
    }
    Ok(())
}

/// How long operations took, in microseconds.
fn times(size: usize, operations: usize) -> anyhow::Result<Vec<f64>> {
    let mut venue = Venue::with(size)?;
    let warm_up = operations / WARM_UP_PART;
    let mut times = Vec::with_capacity(operations);
    for number in 0..warm_up + operations {
        let command = venue.command(number)?;
        let taken = venue.run(&command)?;
        if number >= warm_up {
            times.push(taken.as_secs_f64() * 1e6);
        }
    }
    let left = venue.book.len();
    ensure!(left.abs_diff(size) <= 1, "{left} orders are left of {size}");
    Ok(times)
}

// === impl Venue ===

impl Venue {
    /// A book with so many orders.
    fn with(size: usize) -> anyhow::Result<Self> {
        let mut venue = Self {
            book: Book::new(RULES),
            dice: Rng::with_seed(SEED),
            resting: Vec::with_capacity(size),
            orders: 0,
            now: SystemTime::now(),
        };
        for _ in 0..size {
            let command = venue.rests();
            venue.run(&command)?;
        }
        Ok(venue)
    }

    /// Four operations leave as many orders as there were.
    fn command(&mut self, number: usize) -> anyhow::Result<Command> {
        match number % 4 {
            0 | 2 => Ok(self.rests()),
            1 => self.takes(),
            _ => self.cancels(),
        }
    }

    /// An order that meets nobody.
    fn rests(&mut self) -> Command {
        let side = self.side();
        let away = self.dice.i64(1..=LEVELS) * TICK;
        let price = match side {
            Side::Buy => MIDDLE - away,
            Side::Sell => MIDDLE + away,
        };
        let quantity = self.dice.i64(1..=QUANTITY_MAX);
        let command = self.submit(side, price, quantity);
        if let Command::Submit(terms) = &command {
            self.resting.push(terms.order_id);
        }
        command
    }

    /// An order that takes the first one of the other side.
    fn takes(&mut self) -> anyhow::Result<Command> {
        let side = self.side();
        let first = self.book.orders(side.opposite()).next();
        let first = first.context("a side of the book is empty")?;
        let (price, quantity) = (first.price, first.leaves());
        Ok(self.submit(side, price, quantity))
    }

    /// Takes back any order that still rests.
    fn cancels(&mut self) -> anyhow::Result<Command> {
        loop {
            ensure!(!self.resting.is_empty(), "no order is left");
            let place = self.dice.usize(..self.resting.len());
            let order_id = self.resting.swap_remove(place);
            if self.book.order(order_id).is_some() {
                return Ok(Command::Cancel { order_id });
            }
        }
    }

    fn side(&mut self) -> Side {
        match self.dice.bool() {
            true => Side::Buy,
            false => Side::Sell,
        }
    }

    fn submit(&mut self, side: Side, price: i64, quantity: i64) -> Command {
        self.orders += 1;
        let owner = match side {
            Side::Buy => 1,
            Side::Sell => 2,
        };
        Command::Submit(Terms {
            // Spread as real ids are: the order of arrival says nothing about where they are kept.
            order_id: Uuid::from_u64_pair(self.dice.u64(..), self.orders),
            owner: Uuid::from_u64_pair(0, owner),
            side,
            pricing: Pricing::Limit(price),
            stop: None,
            quantity,
            time_in_force: TimeInForce::GoodTillCancel,
            post_only: false,
            self_trade: SelfTrade::default(),
        })
    }

    /// What the desk does with a command, timed.
    fn run(&mut self, command: &Command) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        let mut upcoming = self.book.decide(self.now, command)?;
        loop {
            for event in &upcoming {
                self.book.evolve(event);
            }
            let Some(command) = self.book.backlog(self.now) else {
                return Ok(begun.elapsed());
            };
            upcoming = self.book.decide(self.now, &command)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_book_keeps_its_size_while_it_is_measured() {
        assert_eq!(times(100, 400).unwrap().len(), 400);
    }
}
