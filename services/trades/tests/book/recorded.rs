//! A recorded market day against the book, where such a recording is at hand.
//!
//! The recording is a LOBSTER message file with its order book file (10 levels), in `shared/data`
//! beside the project. It starts in the middle of a day: what rested before is seeded, one nameless
//! order per level, and orders below the ten levels are unknown until they are touched. Where it is
//! not at hand, the reference matcher and the platform's own recordings are the test.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use outcry_trades::book::{Book, BookEvent, Command, FeeSchedule, Rules, Side, Terms, TimeInForce};
use uuid::Uuid;

use crate::scenario::{With, id, order, run};

const LEVELS: usize = 10;

/// Ids of the nameless orders and of the aggressors start here; recorded ids are far below.
const NAMELESS: u64 = 1 << 40;
const AGGRESSORS: u64 = 1 << 41;

/// The least share of recorded executions whose resting order must be the head of our queue.
const EXACT_PERCENT_MIN: usize = 95;

/// The least share of moments at which our best prices must be the recorded ones. Orders that
/// rested below the recorded levels at the start are missing, so it cannot be all.
const TOP_PERCENT_MIN: usize = 95;

struct Message {
    time: String,
    kind: u8,
    order: u64,
    size: i64,
    price: i64,
    side: Side,
}

type Level = (i64, i64);

#[test]
fn recorded_executions_hit_the_head_of_our_queue() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/lobster");
    if !folder.is_dir() {
        println!("no recording at hand");
        return;
    }
    let messages = messages(&file(&folder, "_message_"));
    let books = books(&file(&folder, "_orderbook_"));
    let mut market = Market::seeded(&books[0]);
    let (mut top_right, mut top_seen) = (0, 0);
    let mut next = 1;
    while next < messages.len() {
        let first = &messages[next];
        let mut last = next;
        if first.kind == 4 {
            let same = |m: &Message| m.kind == 4 && m.time == first.time && m.side == first.side;
            while messages.get(last + 1).is_some_and(same) {
                last += 1;
            }
        }
        market.apply(&messages[next..=last]);
        top_seen += 1;
        top_right += usize::from(market.is_top(&books[last]));
        next = last + 1;
    }
    eprintln!(
        "{} of {} executions exact, {} unknown; best prices right {top_right} of {top_seen} times",
        market.exact, market.executions, market.unknown,
    );
    assert!(market.exact * 100 >= market.executions * EXACT_PERCENT_MIN);
    assert_eq!(
        market.exact + market.unknown,
        market.executions,
        "only unknown orders may differ"
    );
    assert!(top_right * 100 >= top_seen * TOP_PERCENT_MIN);
}

/// Up to ten levels of asks, then of bids, best first.
type Recorded = [Vec<Level>; 2];

struct Market {
    book: Book,
    /// The nameless order of each level that was there at the start.
    nameless: HashMap<(Side, i64), Uuid>,
    known: HashSet<u64>,
    aggressors: u64,
    executions: usize,
    exact: usize,
    unknown: usize,
}

impl Market {
    fn seeded(start: &Recorded) -> Market {
        let rules = Rules {
            tick: 100,
            lot: 1,
            band_bps: None,
            listing_price: None,
            max_order_value: i64::MAX,
            max_order_quantity: i64::MAX,
            fees: FeeSchedule::default(),
            step: 1_000,
        };
        let mut market = Market {
            book: Book::new(rules),
            nameless: HashMap::new(),
            known: HashSet::new(),
            aggressors: AGGRESSORS,
            executions: 0,
            exact: 0,
            unknown: 0,
        };
        let mut number = NAMELESS;
        for (side, levels) in [Side::Sell, Side::Buy].into_iter().zip(start) {
            for (price, quantity) in levels {
                number += 1;
                market.submit(order(number, side, *quantity, price / 100));
                market.nameless.insert((side, *price), id(number));
            }
        }
        market
    }

    /// One message, or the executions of one aggressor.
    fn apply(&mut self, messages: &[Message]) {
        let message = &messages[0];
        match message.kind {
            1 => {
                self.known.insert(message.order);
                self.submit(order(
                    message.order,
                    message.side,
                    message.size,
                    message.price / 100,
                ));
            }
            2 | 3 => self.shrink(message),
            4 => self.execute(messages),
            _ => {}
        }
    }

    fn submit(&mut self, terms: Terms) -> Vec<BookEvent> {
        self.run(&Command::Submit(terms))
    }

    fn run(&mut self, command: &Command) -> Vec<BookEvent> {
        let (events, rejection) = run(&mut self.book, 0, command);
        assert_eq!(rejection, None);
        events
    }

    /// The order of a message in our book, if we have it.
    fn ours(&self, message: &Message) -> Option<Uuid> {
        if self.known.contains(&message.order) {
            return Some(id(message.order));
        }
        self.nameless.get(&(message.side, message.price)).copied()
    }

    fn shrink(&mut self, message: &Message) {
        let Some(resting) = self.ours(message).and_then(|id| self.book.order(id)) else {
            return;
        };
        let (order_id, price) = (resting.order_id, resting.price);
        let quantity = resting.quantity - message.size;
        if quantity > resting.executed {
            self.run(&Command::Replace {
                order_id,
                quantity,
                price,
                stop: None,
            });
        } else {
            self.run(&Command::Cancel { order_id });
        }
    }

    fn execute(&mut self, messages: &[Message]) {
        self.executions += messages.len();
        let here: Vec<(&Message, Uuid)> = messages
            .iter()
            .filter_map(|m| Some((m, self.ours(m).filter(|id| self.book.order(*id).is_some())?)))
            .collect();
        self.unknown += messages.len() - here.len();
        let prices = here.iter().map(|(m, _)| m.price);
        let side = messages[0].side;
        let Some(worst) = (match side {
            Side::Sell => prices.max(),
            Side::Buy => prices.min(),
        }) else {
            return;
        };
        self.aggressors += 1;
        let quantity = here.iter().map(|(m, _)| m.size).sum();
        let aggressor = order(self.aggressors, side.opposite(), quantity, worst / 100);
        let events = self.submit(aggressor.tif(TimeInForce::ImmediateOrCancel));
        let makers: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                BookEvent::Matched(m) => Some((m.maker.order_id, m.price, m.quantity)),
                _ => None,
            })
            .collect();
        let recorded: Vec<_> = here.iter().map(|(m, id)| (*id, m.price, m.size)).collect();
        self.exact += recorded
            .iter()
            .filter(|execution| makers.contains(execution))
            .count();
    }

    fn is_top(&self, recorded: &Recorded) -> bool {
        [Side::Sell, Side::Buy]
            .into_iter()
            .zip(recorded)
            .all(|(side, levels)| {
                let ours = self.book.depth(side, 1);
                ours.first().map(|level| (level.price, level.quantity)) == levels.first().copied()
            })
    }
}

fn file(folder: &Path, part: &str) -> String {
    let found = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_string_lossy().contains(part))
        .unwrap();
    std::fs::read_to_string(found).unwrap()
}

fn messages(text: &str) -> Vec<Message> {
    text.lines()
        .map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            Message {
                time: fields[0].to_owned(),
                kind: fields[1].parse().unwrap(),
                order: fields[2].parse().unwrap(),
                size: fields[3].parse().unwrap(),
                price: fields[4].parse().unwrap(),
                side: if fields[5].trim() == "1" {
                    Side::Buy
                } else {
                    Side::Sell
                },
            }
        })
        .collect()
}

fn books(text: &str) -> Vec<Recorded> {
    text.lines()
        .map(|line| {
            let numbers: Vec<i64> = line.split(',').map(|n| n.trim().parse().unwrap()).collect();
            let side = |offset: usize| {
                (0..LEVELS)
                    .map(|n| (numbers[4 * n + offset], numbers[4 * n + offset + 1]))
                    .collect()
            };
            [side(0), side(2)]
        })
        .collect()
}
