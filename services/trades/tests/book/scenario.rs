//! Given, when, then for one book, with events as short sentences.

use std::time::{Duration, SystemTime};

use outcry_trades::book::{
    Book, BookEvent, Command, FeeSchedule, Pricing, Rejection, Rules, SelfTrade, Session, Side,
    Terms, TimeInForce,
};
use uuid::Uuid;

/// One cent, in ten-thousandths: the tick of the test symbol.
pub const CENT: i64 = 100;

pub const RULES: Rules = Rules {
    tick: CENT,
    lot: 1,
    band_bps: None,
    listing_price: None,
    max_order_value: 1_000_000 * 10_000,
    max_order_quantity: 1_000_000_000,
    fees: FeeSchedule {
        maker_bps: 5,
        taker_bps: 10,
    },
    step: 100,
};

pub fn at(second: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(second)
}

pub fn id(number: u64) -> Uuid {
    Uuid::from_u128(u128::from(number))
}

pub fn number(id: Uuid) -> u128 {
    id.as_u128()
}

/// A good-till-cancel limit order of the owner with the order's own number, priced in cents.
pub fn order(number: u64, side: Side, quantity: i64, cents: i64) -> Terms {
    Terms {
        order_id: id(number),
        owner: id(number),
        side,
        pricing: Pricing::Limit(cents * CENT),
        stop: None,
        quantity,
        time_in_force: TimeInForce::GoodTillCancel,
        post_only: false,
        self_trade: SelfTrade::CancelNewest,
    }
}

pub fn buy(number: u64, quantity: i64, cents: i64) -> Terms {
    order(number, Side::Buy, quantity, cents)
}

pub fn sell(number: u64, quantity: i64, cents: i64) -> Terms {
    order(number, Side::Sell, quantity, cents)
}

pub trait With: Sized {
    fn tif(self, time_in_force: TimeInForce) -> Self;
    fn until(self, second: u64) -> Self;
    fn market(self) -> Self;
    fn post_only(self) -> Self;
    fn owned_by(self, owner: u64) -> Self;
    fn stop(self, cents: i64) -> Self;
    fn prevents(self, self_trade: SelfTrade) -> Self;
}

impl With for Terms {
    fn tif(self, time_in_force: TimeInForce) -> Terms {
        Terms {
            time_in_force,
            ..self
        }
    }
    fn until(self, second: u64) -> Terms {
        self.tif(TimeInForce::GoodUntil(at(second)))
    }
    fn market(self) -> Terms {
        Terms {
            pricing: Pricing::Market {
                collar: self.limit(),
            },
            ..self
        }
    }
    fn post_only(self) -> Terms {
        Terms {
            post_only: true,
            ..self
        }
    }
    fn stop(self, cents: i64) -> Terms {
        Terms {
            stop: Some(cents * CENT),
            ..self
        }
    }
    fn prevents(self, self_trade: SelfTrade) -> Terms {
        Terms { self_trade, ..self }
    }
    fn owned_by(self, owner: u64) -> Terms {
        Terms {
            owner: id(owner),
            ..self
        }
    }
}

pub fn submit(terms: Terms) -> Command {
    Command::Submit(terms)
}

pub fn cancel(order: u64) -> Command {
    Command::Cancel {
        order_id: id(order),
    }
}

pub fn replace(order: u64, quantity: i64, cents: i64) -> Command {
    Command::Replace {
        order_id: id(order),
        quantity,
        price: cents * CENT,
        stop: None,
    }
}

/// New terms of a stop order that waits.
pub fn replace_stop(order: u64, quantity: i64, cents: i64, stop_cents: i64) -> Command {
    Command::Replace {
        order_id: id(order),
        quantity,
        price: cents * CENT,
        stop: Some(stop_cents * CENT),
    }
}

pub fn session(session: Session) -> Command {
    Command::SetSession(session)
}

/// The event in a few words; fees are checked by their own tests.
pub fn say(event: &BookEvent) -> String {
    match event {
        BookEvent::Placed(terms) => format!("placed {}", number(terms.order_id)),
        BookEvent::Triggered { order_id, price } => {
            format!("triggered {} @ {}", number(*order_id), price / CENT)
        }
        BookEvent::Refused { order_id, refusal } => {
            format!("refused {}: {refusal:?}", number(*order_id))
        }
        BookEvent::Matched(m) => format!(
            "match: {} takes {} @ {} from {} (taker {}+{}, maker {}+{})",
            number(m.taker.order_id),
            m.quantity,
            m.price / CENT,
            number(m.maker.order_id),
            m.taker.executed,
            m.taker.leaves,
            m.maker.executed,
            m.maker.leaves,
        ),
        BookEvent::Replaced(r) => format!(
            "replaced {}: {} @ {}{}{}",
            number(r.order_id),
            r.quantity,
            r.price / CENT,
            r.stop
                .map_or(String::new(), |stop| format!(" stop {}", stop / CENT)),
            if r.keeps_priority {
                ", keeps its place"
            } else {
                ""
            },
        ),
        BookEvent::Cancelled {
            order_id,
            leaves,
            reason,
        } => {
            format!("cancelled {}: {leaves} {reason:?}", number(*order_id))
        }
        BookEvent::SessionChanged(session) => format!("session {session:?}"),
    }
}

pub struct Given(pub Book);

pub struct When {
    pub book: Book,
    pub said: Vec<String>,
    pub events: Vec<BookEvent>,
}

/// Carries a command out at a second, with the backlog before and after it.
pub fn run(book: &mut Book, second: u64, command: &Command) -> (Vec<BookEvent>, Option<Rejection>) {
    let (steps, rejection) = run_stepwise(book, second, command);
    (steps.concat(), rejection)
}

/// The same, with the events of each decision by themselves.
pub fn run_stepwise(
    book: &mut Book,
    second: u64,
    command: &Command,
) -> (Vec<Vec<BookEvent>>, Option<Rejection>) {
    let mut steps = Vec::new();
    work_off(book, second, &mut steps);
    let decided = book.decide(at(second), command);
    let rejection = decided.as_ref().err().copied();
    evolve(book, decided.unwrap_or_default(), &mut steps);
    work_off(book, second, &mut steps);
    (steps, rejection)
}

fn work_off(book: &mut Book, second: u64, steps: &mut Vec<Vec<BookEvent>>) {
    while let Some(command) = book.backlog(at(second)) {
        let step = book.decide(at(second), &command).unwrap();
        assert!(!step.is_empty(), "a backlog that does not shrink");
        evolve(book, step, steps);
    }
}

fn evolve(book: &mut Book, step: Vec<BookEvent>, steps: &mut Vec<Vec<BookEvent>>) {
    for event in &step {
        book.evolve(event);
    }
    steps.push(step);
}

/// Events and a rejection in words.
pub fn say_all(events: &[BookEvent], rejection: Option<Rejection>) -> Vec<String> {
    let rejected = rejection.map(|why| format!("rejected: {why:?}"));
    events.iter().map(say).chain(rejected).collect()
}

/// A book after these commands, all at second 0.
pub fn given(commands: impl IntoIterator<Item = Command>) -> Given {
    given_under(RULES, commands)
}

pub fn given_under(rules: Rules, commands: impl IntoIterator<Item = Command>) -> Given {
    let mut book = Book::new(rules);
    for command in commands {
        let (_, rejection) = run(&mut book, 0, &command);
        assert_eq!(rejection, None);
    }
    Given(book)
}

impl Given {
    pub fn when(self, command: Command) -> When {
        self.when_at(0, command)
    }

    pub fn when_at(self, second: u64, command: Command) -> When {
        let mut book = self.0;
        let (events, rejection) = run(&mut book, second, &command);
        let said = say_all(&events, rejection);
        When { book, said, events }
    }
}

impl When {
    #[track_caller]
    pub fn then(self, expected: impl IntoIterator<Item = &'static str>) -> When {
        assert_eq!(self.said, expected.into_iter().collect::<Vec<_>>());
        self
    }

    #[track_caller]
    pub fn then_book(self, bids: &[(i64, i64)], asks: &[(i64, i64)]) -> When {
        for (side, expected) in [(Side::Buy, bids), (Side::Sell, asks)] {
            let levels: Vec<_> = self
                .book
                .depth(side, 100)
                .iter()
                .map(|l| (l.price / CENT, l.quantity))
                .collect();
            assert_eq!(levels, expected, "{side:?}");
        }
        self
    }
}
