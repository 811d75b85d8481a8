//! Random commands: the invariants after every command, and books that are rebuilt or kept.

use std::collections::HashMap;

use outcry_trades::book::{
    Book, BookEvent, BookHead, CancelReason, Command, FeeSchedule, Match, Pricing, Rules,
    SelfTrade, Session, Side, Standing, Terms, TimeInForce,
};
use proptest::prelude::*;
use uuid::Uuid;

use crate::scenario::{CENT, RULES, at, id, run, run_stepwise};

const OWNERS: u64 = 4;
const ORDERS: u64 = 40;
const SECONDS: u64 = 12;

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Buy), Just(Side::Sell)]
}

/// Prices close together so that orders meet, now and then off the tick.
fn price() -> impl Strategy<Value = i64> {
    prop_oneof![30 => (95..106i64).prop_map(|cents| cents * CENT), 1 => Just(10_050), 1 => Just(0)]
}

fn quantity() -> impl Strategy<Value = i64> {
    prop_oneof![20 => 1..60i64, 1 => Just(0), 1 => Just(2_000_000)]
}

fn time_in_force() -> impl Strategy<Value = TimeInForce> {
    prop_oneof![
        6 => Just(TimeInForce::GoodTillCancel),
        3 => (0..SECONDS + 2).prop_map(|second| TimeInForce::GoodUntil(at(second))),
        2 => Just(TimeInForce::ImmediateOrCancel),
        2 => Just(TimeInForce::FillOrKill),
    ]
}

fn self_trade() -> impl Strategy<Value = SelfTrade> {
    prop_oneof![
        Just(SelfTrade::CancelNewest),
        Just(SelfTrade::CancelOldest),
        Just(SelfTrade::CancelBoth),
        Just(SelfTrade::Decrement),
    ]
}

fn session() -> impl Strategy<Value = Session> {
    prop_oneof![
        6 => Just(Session::Open),
        1 => Just(Session::Halted),
        1 => Just(Session::CancelOnly),
        2 => Just(Session::PostOnly),
        1 => Just(Session::Closed),
    ]
}

fn stop() -> impl Strategy<Value = Option<i64>> {
    prop_oneof![3 => Just(None), 1 => price().prop_map(Some)]
}

fn terms() -> impl Strategy<Value = Terms> {
    (
        (0..ORDERS, 0..OWNERS),
        side(),
        (price(), stop()),
        prop::bool::weighted(0.15),
        quantity(),
        time_in_force(),
        prop::bool::weighted(0.15),
        self_trade(),
    )
        .prop_map(
            |(
                (order, owner),
                side,
                (price, stop),
                market,
                quantity,
                time_in_force,
                post_only,
                self_trade,
            )| Terms {
                order_id: id(order),
                owner: id(owner),
                side,
                pricing: if market {
                    Pricing::Market { collar: price }
                } else {
                    Pricing::Limit(price)
                },
                stop,
                quantity,
                time_in_force,
                post_only,
                self_trade,
            },
        )
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        20 => terms().prop_map(Command::Submit),
        5 => (0..ORDERS).prop_map(|order| Command::Cancel { order_id: id(order) }),
        8 => (0..ORDERS, quantity(), price(), stop()).prop_map(|(order, quantity, price, stop)| {
            Command::Replace { order_id: id(order), quantity, price, stop }
        }),
        2 => Just(Command::Expire),
        2 => session().prop_map(Command::SetSession),
    ]
}

fn rules() -> impl Strategy<Value = Rules> {
    (
        prop::option::of(50..1_000u32),
        0..40u32,
        0..40u32,
        prop_oneof![1..4usize, Just(100)],
    )
        .prop_map(|(band_bps, maker_bps, taker_bps, step)| Rules {
            band_bps,
            step,
            fees: FeeSchedule {
                maker_bps,
                taker_bps,
            },
            ..RULES
        })
}

/// Commands with the second at which each arrives; time never goes back.
fn journal() -> impl Strategy<Value = Vec<(u64, Command)>> {
    prop::collection::vec((0..SECONDS, command()), 1..120).prop_map(|mut journal| {
        let mut seconds: Vec<u64> = journal.iter().map(|(second, _)| *second).collect();
        seconds.sort_unstable();
        for (entry, second) in journal.iter_mut().zip(seconds) {
            entry.0 = second;
        }
        journal
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn invariants_hold_after_every_command(rules in rules(), journal in journal()) {
        let mut book = Book::new(rules);
        let mut history = History { fees: rules.fees, ..History::default() };
        let mut all = Vec::new();
        for (second, command) in &journal {
            let mut before = book.clone();
            let _ = book.decide(at(*second), command);
            prop_assert_eq!(before.digest(), book.digest(), "deciding changes nothing");
            let (events, _) = run(&mut book, *second, command);
            for event in &events {
                history.note(*second, &before, event)?;
                before.evolve(event);
            }
            prop_assert_eq!(before.digest(), book.digest());
            history.check_book(&book)?;
            all.extend(events);
        }
        // I13: the events alone give the same book, and every one that must has its number.
        let mut replayed = Book::new(rules);
        for event in &all {
            replayed.evolve(event);
        }
        prop_assert_eq!(replayed.digest(), book.digest());
        prop_assert_eq!(replayed.venue_seq(), all.iter().filter(|event| event.is_numbered()).count() as u64);
    }

    #[test]
    fn a_book_rebuilt_between_two_steps_goes_on_alike(rules in rules(), journal in journal(), cut in 0..200usize) {
        let mut book = Book::new(rules);
        let mut steps = Vec::new();
        for (second, command) in &journal {
            let (more, _) = run_stepwise(&mut book, *second, command);
            prop_assert!(more.iter().all(|step| step.len() <= 2 * rules.step + 2), "steps are bounded");
            steps.extend(more.into_iter().map(|step| (*second, step)));
        }
        let mut rebuilt = Book::new(rules);
        for event in steps.iter().take(cut).flat_map(|(_, step)| step) {
            rebuilt.evolve(event);
        }
        if let Some((second, next)) = steps.get(cut)
            && let Some(command) = rebuilt.backlog(at(*second))
        {
            prop_assert_eq!(&rebuilt.decide(at(*second), &command).unwrap(), next);
        }
    }

    // I13: what was kept of a book in the middle of its events, with those behind them, is the
    // book that all of them make.
    #[test]
    fn a_kept_book_and_the_events_behind_it_are_the_book(rules in rules(), journal in journal(), cut in 0..200usize) {
        let mut book = Book::new(rules);
        let mut events = Vec::new();
        for (second, command) in &journal {
            events.extend(run(&mut book, *second, command).0);
        }
        let mut early = Book::new(rules);
        let cut = cut.min(events.len());
        events[..cut].iter().for_each(|event| early.evolve(event));
        let kept = serde_json::to_string(&early.image()).unwrap();
        let (head, orders): (BookHead, Vec<Standing>) = serde_json::from_str(&kept).unwrap();
        let mut restored = Book::restore(rules, head, orders);
        prop_assert_eq!(restored.image(), early.image());
        for event in &events[cut..] {
            prop_assert_eq!(restored.digest(), early.digest());
            prop_assert_eq!(restored.backlog(at(SECONDS)), early.backlog(at(SECONDS)));
            restored.evolve(event);
            early.evolve(event);
        }
        prop_assert_eq!(restored.digest(), book.digest());
        prop_assert_eq!(restored.image(), book.image());
    }
}

/// What is known of each order from the events alone.
#[derive(Default)]
struct History {
    orders: HashMap<Uuid, Known>,
    fees: FeeSchedule,
}

struct Known {
    terms: Terms,
    limit: i64,
    quantity: i64,
    executed: i64,
    notional: i128,
    /// Basis points × notional.
    fees_due: i128,
    fees: i128,
}

impl History {
    /// Checks an event against the book just before it.
    fn note(&mut self, second: u64, book: &Book, event: &BookEvent) -> Result<(), TestCaseError> {
        match event {
            BookEvent::Placed(terms) => {
                let known = Known {
                    limit: terms.limit(),
                    quantity: terms.quantity,
                    executed: 0,
                    notional: 0,
                    fees_due: 0,
                    fees: 0,
                    terms: terms.clone(),
                };
                self.orders.insert(terms.order_id, known);
            }
            BookEvent::Matched(matched) => self.note_match(second, book, matched)?,
            BookEvent::Replaced(replacement) => {
                let known = self.orders.get_mut(&replacement.order_id).unwrap();
                prop_assert!(replacement.quantity >= known.executed, "I8");
                (known.quantity, known.limit) = (replacement.quantity, replacement.price);
            }
            BookEvent::Cancelled {
                order_id,
                leaves,
                reason,
            } => {
                let known = &self.orders[order_id];
                prop_assert_eq!(*leaves, known.quantity - known.executed, "I8");
                if *reason == CancelReason::FillOrKill {
                    prop_assert_eq!(known.executed, 0, "I11");
                }
            }
            BookEvent::Triggered { order_id, price } => {
                let known = self.orders.get_mut(order_id).unwrap();
                let first = book.woken().next().unwrap();
                prop_assert_eq!(first.order_id, *order_id, "woken orders go in their order");
                let is_worse = !known.terms.side.accepts(known.limit, *price);
                prop_assert!(!is_worse, "I9: a price never becomes worse for its owner");
                known.limit = *price;
            }
            BookEvent::Refused { .. } | BookEvent::SessionChanged(_) => {}
        }
        Ok(())
    }

    fn note_match(
        &mut self,
        second: u64,
        book: &Book,
        matched: &Match,
    ) -> Result<(), TestCaseError> {
        let maker = book.order(matched.maker.order_id).unwrap();
        let taker = book.order(matched.taker.order_id).unwrap();
        prop_assert_eq!(maker.side, taker.side.opposite());
        prop_assert_eq!(matched.price, maker.price, "I9");
        prop_assert_ne!(maker.owner, taker.owner, "I12");
        prop_assert!(!taker.post_only, "I11");
        prop_assert!(
            maker.stop.is_none() && taker.stop.is_none(),
            "who waits does not trade"
        );
        prop_assert_eq!(book.session(), Session::Open);
        let first = book.orders(maker.side).next().unwrap();
        prop_assert_eq!(first.order_id, maker.order_id, "I10");
        let fees = self.fees;
        for (execution, bps) in [
            (&matched.maker, fees.maker_bps),
            (&matched.taker, fees.taker_bps),
        ] {
            let known = self.orders.get_mut(&execution.order_id).unwrap();
            prop_assert!(known.terms.side.accepts(known.limit, matched.price), "I9");
            prop_assert!(
                known
                    .terms
                    .expires_at()
                    .is_none_or(|expiry| expiry > at(second)),
                "I11"
            );
            known.executed += matched.quantity;
            let notional = i128::from(matched.price) * i128::from(matched.quantity);
            known.notional += notional;
            known.fees_due += notional * i128::from(bps);
            known.fees += i128::from(execution.fee);
            prop_assert_eq!(execution.executed, known.executed, "I8");
            prop_assert_eq!(execution.leaves, known.quantity - known.executed, "I8");
            prop_assert_eq!(execution.notional, known.notional, "I8");
            prop_assert!(execution.fee >= 0);
            // I9: however often it was filled, an order pays its exact fee rounded up once.
            prop_assert_eq!(known.fees, (known.fees_due + 9_999) / 10_000);
        }
        Ok(())
    }

    fn check_book(&self, book: &Book) -> Result<(), TestCaseError> {
        if let (Some(bid), Some(ask)) = (book.best_price(Side::Buy), book.best_price(Side::Sell)) {
            prop_assert!(bid < ask, "I10: crossed");
        }
        prop_assert!(book.session() != Session::Open || book.woken().next().is_none());
        for side in [Side::Buy, Side::Sell] {
            for order in book.waiting(side) {
                prop_assert_eq!(order.executed, 0);
            }
            let mut levels: Vec<(i64, i64, u32)> = Vec::new();
            for order in book.orders(side) {
                let known = &self.orders[&order.order_id];
                prop_assert!(known.terms.immediate().is_none(), "I11");
                prop_assert_eq!(order.executed, known.executed);
                prop_assert!(order.leaves() > 0);
                match levels.last_mut() {
                    Some(level) if level.0 == order.price => {
                        level.1 += order.leaves();
                        level.2 += 1;
                    }
                    _ => levels.push((order.price, order.leaves(), 1)),
                }
            }
            let depth: Vec<_> = book
                .depth(side, usize::MAX)
                .iter()
                .map(|l| (l.price, l.quantity, l.orders))
                .collect();
            prop_assert_eq!(depth, levels, "I10: a level is the sum of its orders");
        }
        Ok(())
    }
}
