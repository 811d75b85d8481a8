//! A recording in LOBSTER's form, made here: a plain first-in-first-out book under random messages.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Levels written a side.
const LEVELS: usize = 10;

/// Price in the middle, in ten-thousandths.
const MIDDLE: i64 = 1_000_000;

/// Prices are multiples of a cent.
const TICK: i64 = 100;

/// Numbers in a fixed random order (xorshift).
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.max(1))
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Orders by price, then arrival: id and shares left.
type Side = BTreeMap<i64, VecDeque<(i64, i64)>>;

/// The market that is recorded.
struct Market {
    dice: Dice,
    bids: Side,
    asks: Side,
    messages: String,
    books: String,
    clock: u64,
    next_id: i64,
}

/// Writes a recording of `count` messages and returns its message file.
pub fn write(folder: &Path, seed: u64, count: usize) -> PathBuf {
    let mut market = Market {
        dice: Dice::new(seed),
        bids: Side::new(),
        asks: Side::new(),
        messages: String::new(),
        books: String::new(),
        clock: 0,
        next_id: 1,
    };
    for _ in 0..count {
        market.step();
    }
    let messages = folder.join("AAPL_2000-01-03_0_0_message_10.csv");
    let books = folder.join("AAPL_2000-01-03_0_0_orderbook_10.csv");
    std::fs::write(&messages, market.messages).unwrap();
    std::fs::write(books, market.books).unwrap();
    messages
}

impl Market {
    fn step(&mut self) {
        self.clock += 1;
        match self.dice.below(10) {
            0..=5 => self.add(),
            6 | 7 => self.remove(),
            _ => self.execute(),
        }
    }

    /// A new order on its own side of the middle, so that it rests.
    fn add(&mut self) {
        let distance = i64::try_from(self.dice.below(15)).unwrap() * TICK + TICK;
        let size = i64::try_from(self.dice.below(20)).unwrap() * 5 + 5;
        let id = self.next_id;
        self.next_id += 1;
        let (side, price, direction) = if self.dice.below(2) == 0 {
            (&mut self.bids, MIDDLE - distance, 1)
        } else {
            (&mut self.asks, MIDDLE + distance, -1)
        };
        side.entry(price).or_default().push_back((id, size));
        self.write(1, id, size, price, direction);
    }

    /// The last order at a random side's best price is reduced or deleted.
    fn remove(&mut self) {
        let buy = self.dice.below(2) == 0;
        let reduce = self.dice.below(2) == 0;
        let Some((price, direction)) = self.best(buy) else {
            return self.add();
        };
        let side = if buy { &mut self.bids } else { &mut self.asks };
        let queue = side.get_mut(&price).unwrap();
        let last = queue.back_mut().unwrap();
        let (id, size) = *last;
        if reduce && size > 5 {
            last.1 -= 5;
            return self.write(2, id, 5, price, direction);
        }
        queue.pop_back();
        if queue.is_empty() {
            side.remove(&price);
        }
        self.write(3, id, size, price, direction);
    }

    /// The first order at a random side's best price is executed, in part or whole.
    fn execute(&mut self) {
        let buy = self.dice.below(2) == 0;
        let part = self.dice.below(2) == 0;
        let Some((price, direction)) = self.best(buy) else {
            return self.add();
        };
        let side = if buy { &mut self.bids } else { &mut self.asks };
        let queue = side.get_mut(&price).unwrap();
        let first = queue.front_mut().unwrap();
        let (id, left) = *first;
        let size = if part && left > 5 { 5 } else { left };
        first.1 -= size;
        if first.1 == 0 {
            queue.pop_front();
        }
        if queue.is_empty() {
            side.remove(&price);
        }
        self.write(4, id, size, price, direction);
    }

    fn best(&self, buy: bool) -> Option<(i64, i64)> {
        if buy {
            self.bids.keys().next_back().map(|price| (*price, 1))
        } else {
            self.asks.keys().next().map(|price| (*price, -1))
        }
    }

    fn write(&mut self, kind: u8, id: i64, size: i64, price: i64, direction: i64) {
        let seconds = self.clock;
        writeln!(
            self.messages,
            "{seconds}.5,{kind},{id},{size},{price},{direction}"
        )
        .unwrap();
        let total = |queue: &VecDeque<(i64, i64)>| queue.iter().map(|one| one.1).sum::<i64>();
        let mut asks = self.asks.iter();
        let mut bids = self.bids.iter().rev();
        let levels: Vec<String> = (0..LEVELS)
            .map(|_| {
                let ask = asks
                    .next()
                    .map_or((9_999_999_999, 0), |one| (*one.0, total(one.1)));
                let bid = bids
                    .next()
                    .map_or((-9_999_999_999, 0), |one| (*one.0, total(one.1)));
                format!("{},{},{},{}", ask.0, ask.1, bid.0, bid.1)
            })
            .collect();
        writeln!(self.books, "{}", levels.join(",")).unwrap();
    }
}
