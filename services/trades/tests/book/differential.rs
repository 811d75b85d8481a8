//! A million random commands: after each of them the book and the slow reference must have said
//! the same and be the same. Seeds are fixed; a failure names its seed and step.

use std::collections::BTreeMap;
use std::fmt::Debug;

use outcry_trades::book::{
    Book, BookEvent, Command, FeeSchedule, Order, Pricing, Rejection, Rules, SelfTrade, Session,
    Side, Terms, TimeInForce,
};

use crate::reference::{Known, Reference};
use crate::scenario::{CENT, RULES, at, id, run};

/// Commands of one seed: 4 seeds a test, 4 tests.
const COMMANDS: u64 = 62_500;

/// Commands of one book; then rules are drawn anew.
const EPISODE: u64 = 2_500;

/// How often each kind of outcome must come up in a test, lest the commands test nothing.
const EACH_MIN: u64 = 20;

/// What must come up.
const OUTCOMES: &str = "Placed Waiting Triggered Matched Replaced ReplacedWaiting Decremented \
    Requested Expired ImmediateOrCancel FillOrKill NoLiquidity SelfTrade PostOnly Session \
    r.Halted r.CancelOnly r.Closed r.RestingOnly r.PriceOffTick r.PriceOutsideBand \
    r.QuantityOffLot r.QuantityTooLarge r.ValueTooLarge r.PostOnlyCannotRest \
    r.PostOnlyWouldTake r.AlreadyExpired r.NoLiquidity NotInBook Terms";

/// Few ids, so that orders meet again after they have left.
const ORDERS: u64 = 40;
const OWNERS: u64 = 5;

#[test]
fn book_and_reference_agree_seeds_1_to_4() {
    compare_all(1..=4);
}

#[test]
fn book_and_reference_agree_seeds_5_to_8() {
    compare_all(5..=8);
}

#[test]
fn book_and_reference_agree_seeds_9_to_12() {
    compare_all(9..=12);
}

#[test]
fn book_and_reference_agree_seeds_13_to_16() {
    compare_all(13..=16);
}

fn compare_all(seeds: impl Iterator<Item = u64>) {
    let mut tally = Tally::default();
    for seed in seeds {
        let mut dice = Dice(seed);
        for episode in 0..COMMANDS / EPISODE {
            compare(seed, episode * EPISODE, &mut dice, &mut tally);
        }
    }
    for outcome in OUTCOMES.split_whitespace() {
        let times = tally.0.get(outcome).copied().unwrap_or_default();
        assert!(times >= EACH_MIN, "{outcome} came up {times} times");
    }
}

fn compare(seed: u64, first_step: u64, dice: &mut Dice, tally: &mut Tally) {
    let rules = rules(dice);
    let (mut book, mut reference) = (Book::new(rules), Reference::new(rules));
    let mut second = 0;
    for step in first_step..first_step + EPISODE {
        let told = || format!("seed {seed}, step {step}");
        if dice.one_in(4) {
            second += dice.below(3);
        }
        let command = command(dice, second, reference.session);
        let (said, rejection) = run(&mut book, second, &command);
        let expected = reference.apply(at(second), &command);
        tally.note(&command, &said, rejection);
        assert_eq!(
            (said, rejection),
            expected,
            "{}: {command:?} under {rules:?}",
            told()
        );
        same_book(&book, &reference, &told);
        if dice.one_in(300) {
            let (head, orders) = book.image();
            let restored = Book::restore(rules, head, orders);
            assert_eq!(restored.digest(), book.digest(), "{}", told());
            book = restored;
        }
    }
}

fn same_book(book: &Book, reference: &Reference, told: &impl Fn() -> String) {
    for side in [Side::Buy, Side::Sell] {
        same(book.orders(side), reference.side(side), told);
        let waiting = reference.waiting_of(side);
        same(book.waiting(side), waiting.iter(), told);
    }
    same(book.woken(), reference.woken.iter(), told);
    let ours = (book.last_price(), book.session());
    assert_eq!(ours, (reference.last, reference.session), "{}", told());
}

fn same<'a>(
    ours: impl Iterator<Item = &'a Order>,
    theirs: impl IntoIterator<Item = &'a Known>,
    told: &impl Fn() -> String,
) {
    let mut theirs = theirs.into_iter();
    for order in ours {
        let known = theirs.next();
        let same = known.is_some_and(|known| {
            (known.id, known.price, known.stop) == (order.order_id, order.price, order.stop)
                && (known.quantity, known.executed) == (order.quantity, order.executed)
                && known.expires_at() == order.expires_at
        });
        assert!(same, "{}: {order:?} is not in its place", told());
    }
    let missing = theirs.next().map(|known| known.id);
    assert_eq!(missing, None, "{}: an order is missing", told());
}

/// How often what came up.
#[derive(Default)]
struct Tally(BTreeMap<String, u64>);

impl Tally {
    fn note(&mut self, command: &Command, said: &[BookEvent], rejection: Option<Rejection>) {
        let replaced = match command {
            Command::Replace { order_id, .. } => Some(*order_id),
            _ => None,
        };
        for event in said {
            let outcome = match event {
                BookEvent::Placed(terms) if terms.stop.is_some() => "Waiting".to_owned(),
                BookEvent::Placed(_) => "Placed".to_owned(),
                BookEvent::Triggered { .. } => "Triggered".to_owned(),
                BookEvent::Matched(_) => "Matched".to_owned(),
                BookEvent::Replaced(r) if Some(r.order_id) != replaced => "Decremented".to_owned(),
                BookEvent::Replaced(r) if r.stop.is_some() => "ReplacedWaiting".to_owned(),
                BookEvent::Replaced(_) => "Replaced".to_owned(),
                BookEvent::Cancelled { reason, .. } => format!("{reason:?}"),
                BookEvent::Refused { refusal, .. } => format!("r.{refusal:?}"),
                BookEvent::SessionChanged(_) => "Session".to_owned(),
            };
            *self.0.entry(outcome).or_default() += 1;
        }
        let outcome = match rejection {
            None => return,
            Some(Rejection::NotInBook) => "NotInBook",
            Some(Rejection::Terms(_)) => "Terms",
        };
        *self.0.entry(outcome.to_owned()).or_default() += 1;
    }
}

// === Chance ===

/// Random numbers from a seed (SplitMix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }

    fn between(&mut self, low: i64, high: i64) -> i64 {
        low + i64::try_from(self.below((high - low).unsigned_abs() + 1)).unwrap()
    }

    fn pick<T: Copy + Debug>(&mut self, choices: &[T]) -> T {
        choices[usize::try_from(self.below(choices.len() as u64)).unwrap()]
    }
}

fn rules(dice: &mut Dice) -> Rules {
    Rules {
        lot: dice.pick(&[1, 1, 1, 5]),
        band_bps: dice.pick(&[None, None, Some(300), Some(900)]),
        listing_price: dice.pick(&[None, Some(100 * CENT)]),
        max_order_value: 55 * 105 * CENT,
        max_order_quantity: dice.pick(&[58, 1_000]),
        fees: FeeSchedule {
            maker_bps: dice.pick(&[0, 3, 17]),
            taker_bps: dice.pick(&[0, 9, 40]),
        },
        step: dice.pick(&[1, 2, 3, 100]),
        ..RULES
    }
}

fn price(dice: &mut Dice) -> i64 {
    match dice.below(60) {
        0 => 10_050,
        1 => 0,
        _ => dice.between(95, 105) * CENT,
    }
}

fn quantity(dice: &mut Dice) -> i64 {
    match dice.below(25) {
        0 => 0,
        1..=12 => dice.between(1, 12) * 5,
        _ => dice.between(1, 60),
    }
}

fn terms(dice: &mut Dice, second: u64) -> Terms {
    let price = price(dice);
    Terms {
        order_id: id(dice.below(ORDERS)),
        owner: id(dice.below(OWNERS)),
        side: dice.pick(&[Side::Buy, Side::Sell]),
        pricing: match dice.one_in(5) {
            true => Pricing::Market { collar: price },
            false => Pricing::Limit(price),
        },
        stop: match dice.one_in(4) {
            true => Some(self::price(dice)),
            false => None,
        },
        quantity: quantity(dice),
        time_in_force: match dice.below(12) {
            0 => TimeInForce::ImmediateOrCancel,
            1 => TimeInForce::FillOrKill,
            2..=5 => TimeInForce::GoodUntil(at(second + dice.below(12))),
            _ => TimeInForce::GoodTillCancel,
        },
        post_only: dice.one_in(10),
        self_trade: dice.pick(&[
            SelfTrade::CancelNewest,
            SelfTrade::CancelOldest,
            SelfTrade::CancelBoth,
            SelfTrade::Decrement,
        ]),
    }
}

fn command(dice: &mut Dice, second: u64, now: Session) -> Command {
    // Markets are mostly open.
    if now != Session::Open && dice.one_in(8) {
        return Command::SetSession(Session::Open);
    }
    let order_id = id(dice.below(ORDERS));
    match dice.below(100) {
        0 => Command::SetSession(dice.pick(&[
            Session::Halted,
            Session::CancelOnly,
            Session::PostOnly,
            Session::PostOnly,
            Session::Closed,
        ])),
        1..=3 => Command::Expire,
        4..=13 => Command::Cancel { order_id },
        14..=35 => Command::Replace {
            order_id,
            quantity: quantity(dice),
            price: price(dice),
            stop: match dice.one_in(3) {
                true => Some(price(dice)),
                false => None,
            },
        },
        _ => Command::Submit(terms(dice, second)),
    }
}
