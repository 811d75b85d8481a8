use std::time::Duration;

use outcry_contracts::orders::v1::{CancelReason, TimeInForce};
use outcry_contracts::trades::v1::{
    SessionChangedEvent, SessionState, TradeCreatedEvent, TradePlacedEvent,
};

use serde_json::json;

use super::*;
use crate::samples::day::{day, partial};
use crate::samples::order::{Fill, Order};
use crate::samples::{ALICE, BOB, Script, at, broken, id, money, sale};

const CAROL: u128 = 0x20;
const PRICE: i64 = 1_000_000;
const NONE: [&str; 0] = [];

fn judged(script: &Script) -> Vec<&'static str> {
    let mut findings = Findings::default();
    follow(&script.history(), BTreeMap::new(), &mut findings).unwrap();
    assert!(findings.pending.is_empty());
    broken(&findings)
}

/// Received and placed.
fn comes(order: &Order, sequence: u64) -> Script {
    Script::default()
        .then(order.received())
        .then(order.placed(sequence))
}

/// The taker fills the maker, and neither had a fill before.
fn meet(taker: &Order, maker: &Order, fill: Fill) -> Script {
    let left = |order: &Order| order.terms.quantity - fill.quantity;
    Script::default()
        .then(taker.executed(fill.taker(0).leaving(left(taker))))
        .then(maker.executed(fill.maker(0).leaving(left(maker))))
}

#[test]
fn a_day_as_it_should_be_breaks_nothing() {
    assert_eq!(judged(&day()), NONE);
    assert_eq!(day().findings().breaches, []);
}

#[test]
fn i10_an_order_that_is_filled_before_an_earlier_one_of_its_price_is_found() {
    let (first, second) = (
        Order::sell(BOB, 1, 1, PRICE),
        Order::sell(CAROL, 2, 1, PRICE),
    );
    let buy = Order::buy(ALICE, 3, 1, PRICE);
    let script = |maker| {
        comes(&first, 1)
            .and(comes(&second, 2))
            .and(comes(&buy, 3))
            .and(meet(&buy, maker, Fill::of(4, 1, PRICE)))
    };
    assert_eq!(judged(&script(&first)), NONE);
    assert_eq!(judged(&script(&second)), ["I10"]);
}

#[test]
fn i10_an_order_that_is_filled_before_a_better_one_is_found() {
    let (dear, cheap) = (
        Order::sell(BOB, 1, 1, PRICE),
        Order::sell(CAROL, 2, 1, PRICE - 100),
    );
    let buy = Order::buy(ALICE, 3, 1, PRICE);
    let script = |maker, price| {
        comes(&dear, 1)
            .and(comes(&cheap, 2))
            .and(comes(&buy, 3))
            .and(meet(&buy, maker, Fill::of(4, 1, price)))
    };
    assert_eq!(judged(&script(&cheap, PRICE - 100)), NONE);
    assert_eq!(judged(&script(&dear, PRICE)), ["I10"]);
}

#[test]
fn i10_orders_of_ones_own_that_were_cancelled_for_that_are_passed_over() {
    let (own, other) = (
        Order::sell(ALICE, 1, 1, PRICE),
        Order::sell(BOB, 2, 1, PRICE),
    );
    let buy = Order::buy(ALICE, 3, 1, PRICE);
    let cancelled = comes(&own, 1)
        .and(comes(&other, 2))
        .and(comes(&buy, 3))
        .then(own.taken_off(4, 0, 1, CancelReason::SelfTrade))
        .and(meet(&buy, &other, Fill::of(5, 1, PRICE)));
    assert_eq!(judged(&cancelled), NONE);
}

#[test]
fn i10_an_order_that_is_due_is_passed_over_but_no_other() {
    let due = Order::sell(BOB, 1, 1, PRICE).until(at(3));
    let other = Order::sell(CAROL, 2, 1, PRICE);
    let buy = Order::buy(ALICE, 3, 1, PRICE);
    let script = |due: &Order| {
        comes(due, 1)
            .and(comes(&other, 2))
            .and(comes(&buy, 3))
            .and(meet(&buy, &other, Fill::of(4, 1, PRICE)))
    };
    assert_eq!(judged(&script(&due)), NONE);
    assert_eq!(judged(&script(&due.until(at(1_000)))), ["I10"]);
}

#[test]
fn i10_a_book_left_crossed_is_found_when_the_next_order_comes() {
    let (sell, buy) = (
        Order::sell(BOB, 1, 1, PRICE),
        Order::buy(ALICE, 2, 1, PRICE),
    );
    let next = Order::sell(CAROL, 3, 1, PRICE + 100);
    let script = comes(&sell, 1).and(comes(&buy, 2)).and(comes(&next, 3));
    assert_eq!(judged(&script), ["I10"]);
}

#[test]
fn an_order_that_still_matches_at_the_end_is_pending_and_no_breach() {
    let (sell, buy) = (
        Order::sell(BOB, 1, 1, PRICE),
        Order::buy(ALICE, 2, 1, PRICE),
    );
    let mut findings = Findings::default();
    let history = comes(&sell, 1).and(comes(&buy, 2)).history();
    follow(&history, BTreeMap::new(), &mut findings).unwrap();
    assert_eq!(findings.breaches, []);
    assert_eq!(findings.pending["an order that still matches"], 1);
}

#[test]
fn i10_an_order_that_takes_although_another_came_last_is_found() {
    let (sell, buy) = (
        Order::sell(BOB, 1, 1, PRICE),
        Order::buy(ALICE, 2, 1, PRICE),
    );
    let script = comes(&sell, 1)
        .and(comes(&buy, 2))
        .and(meet(&sell, &buy, Fill::of(3, 1, PRICE)));
    assert_eq!(judged(&script), ["I10"]);
}

#[test]
fn i10_a_decision_that_is_missing_or_there_twice_is_found() {
    let (sell, other) = (
        Order::sell(BOB, 1, 1, PRICE),
        Order::sell(CAROL, 2, 1, PRICE),
    );
    assert_eq!(judged(&comes(&sell, 1).and(comes(&other, 3))), ["I10"]);
    assert_eq!(judged(&comes(&sell, 1).and(comes(&other, 1))), ["I10"]);
}

#[test]
fn i10_priority_that_is_kept_for_more_or_lost_for_less_is_found() {
    let change = |change: fn(&mut TradePlacedEvent)| sale().and(partial()).edit(4, change);
    assert_eq!(judged(&sale().and(partial())), NONE);
    let lost = |placed: &mut TradePlacedEvent| placed.kept_priority = false;
    assert_eq!(judged(&change(lost)), ["I10"]);
    let dearer = |placed: &mut TradePlacedEvent| placed.limit_price = money(PRICE + 100);
    assert_eq!(judged(&change(dearer)), ["I10"]);
    let more = |placed: &mut TradePlacedEvent| placed.quantity = 6;
    assert_eq!(judged(&change(more)), ["I10"]);
}

#[test]
fn i10_a_stop_order_that_nobody_reached_is_found_when_it_is_woken() {
    let far = |placed: &mut TradePlacedEvent| placed.stop_price = money(930_000);
    let waits = day()
        .history()
        .all::<TradePlacedEvent>()
        .position(|(_, placed)| placed.stop_price.is_some());
    assert_eq!(judged(&day().edit(waits.unwrap(), far)), ["I10"]);
}

#[test]
fn i9_a_fill_at_another_price_than_the_makers_is_found() {
    let (sell, buy) = (
        Order::sell(BOB, 1, 1, PRICE - 100),
        Order::buy(ALICE, 2, 1, PRICE),
    );
    let script = comes(&sell, 1)
        .and(comes(&buy, 2))
        .and(meet(&buy, &sell, Fill::of(3, 1, PRICE)));
    assert_eq!(judged(&script), ["I9"]);
}

#[test]
fn i11_an_order_that_rests_and_must_not_is_found() {
    let next = Order::sell(BOB, 2, 1, PRICE);
    let bid = Order::buy(ALICE, 1, 1, PRICE - 100);
    let judge = |order: &Order| judged(&comes(order, 1).and(comes(&next, 2)));
    assert_eq!(judge(&bid), NONE);
    assert_eq!(judge(&bid.clone().good(TimeInForce::Day)), NONE);
    assert_eq!(judge(&bid.clone().good(TimeInForce::Ioc)), ["I11"]);
    assert_eq!(judge(&bid.clone().good(TimeInForce::Fok)), ["I11"]);
    assert_eq!(judge(&bid.clone().market()), ["I11"]);
}

#[test]
fn i11_all_or_nothing_that_is_filled_in_part_is_found() {
    let sell = Order::sell(BOB, 1, 1, PRICE);
    let buy = Order::buy(ALICE, 2, 2, PRICE);
    let script = |time_in_force| {
        let buy = buy.clone().good(time_in_force);
        comes(&sell, 1)
            .and(comes(&buy, 2))
            .and(meet(&buy, &sell, Fill::of(3, 1, PRICE)))
            .then(buy.taken_off(4, 1, 1, CancelReason::Ioc))
    };
    assert_eq!(judged(&script(TimeInForce::Ioc)), NONE);
    assert_eq!(judged(&script(TimeInForce::Fok)), ["I11"]);
}

#[test]
fn i11_a_post_only_order_that_takes_is_found() {
    let sell = Order::sell(BOB, 1, 1, PRICE);
    let buy = Order::buy(ALICE, 2, 1, PRICE);
    let script = |sell: &Order, buy: &Order| {
        comes(sell, 1)
            .and(comes(buy, 2))
            .and(meet(buy, sell, Fill::of(3, 1, PRICE)))
    };
    assert_eq!(judged(&script(&sell.clone().post_only(), &buy)), NONE);
    assert_eq!(judged(&script(&sell, &buy.post_only())), ["I11"]);
}

#[test]
fn i11_a_fill_at_or_after_the_end_of_an_order_and_an_end_before_it_are_found() {
    let sell = Order::sell(BOB, 1, 1, PRICE);
    let buy = Order::buy(ALICE, 2, 1, PRICE);
    // The match is told at fact 5, by its second side.
    let script = |expires_at| {
        let buy = buy.clone().until(expires_at);
        comes(&sell, 1)
            .and(comes(&buy, 2))
            .and(meet(&buy, &sell, Fill::of(3, 1, PRICE)))
    };
    assert_eq!(judged(&script(at(5) + Duration::from_nanos(1))), NONE);
    assert_eq!(judged(&script(at(5))), ["I11"]);

    let expires = |expires_at| {
        let sell = sell.clone().until(expires_at);
        comes(&sell, 1).then(sell.taken_off(2, 0, 1, CancelReason::Expired))
    };
    assert_eq!(judged(&expires(at(2))), NONE);
    assert_eq!(judged(&expires(at(3))), ["I11"]);
}

#[test]
fn i11_what_a_session_does_not_allow_is_found() {
    let session = |state: SessionState| SessionChangedEvent {
        symbol: "ACME".to_owned(),
        old_state: SessionState::Open.into(),
        new_state: state.into(),
        reason: String::new(),
        venue_sequence: 1,
    };
    let sell = Order::sell(BOB, 1, 1, PRICE);
    let buy = Order::buy(ALICE, 2, 1, PRICE);
    let comes_in = |state| {
        let buy = Order::buy(ALICE, 2, 1, PRICE - 100);
        judged(&comes(&sell, 1).then(session(state)).and(comes(&buy, 2)))
    };
    assert_eq!(comes_in(SessionState::PostOnly), NONE);
    assert_eq!(comes_in(SessionState::Halted), ["I11"]);
    assert_eq!(comes_in(SessionState::Closed), ["I11"]);
    let takes = |state| {
        let script = comes(&sell, 1).then(session(state)).and(comes(&buy, 2));
        judged(&script.and(meet(&buy, &sell, Fill::of(3, 1, PRICE))))
    };
    assert_eq!(takes(SessionState::PostOnly), ["I11"]);
}

#[test]
fn i15_sessions_that_do_not_follow_from_each_other_are_found() {
    let session = |old: SessionState, new: SessionState, venue_sequence| SessionChangedEvent {
        symbol: "ACME".to_owned(),
        old_state: old.into(),
        new_state: new.into(),
        reason: String::new(),
        venue_sequence,
    };
    use SessionState::{Closed, Halted, Open};
    let closed = || Script::default().then(session(Open, Closed, 0));
    assert_eq!(judged(&closed().then(session(Closed, Open, 0))), NONE);
    assert_eq!(judged(&closed().then(session(Halted, Open, 0))), ["I15"]);
    assert_eq!(judged(&closed().then(session(Closed, Closed, 0))), ["I15"]);
    assert_eq!(judged(&closed().then(session(Closed, Open, 1))), ["I10"]);
}

#[test]
fn orders_the_venue_never_received_are_followed_all_the_same() {
    let script = day().without::<TradeCreatedEvent>(0);
    assert_eq!(judged(&script), NONE);
}

/// A book with an offer filled in part, another one, a bid and a stop order; and how it is kept.
fn kept() -> (Script, serde_json::Value, serde_json::Value) {
    let (first, second) = (
        Order::sell(BOB, 1, 2, PRICE),
        Order::sell(CAROL, 2, 1, PRICE),
    );
    let (buy, bid) = (
        Order::buy(ALICE, 3, 1, PRICE),
        Order::buy(ALICE, 4, 5, PRICE - 100),
    );
    let stop = Order::sell(ALICE, 5, 1, PRICE - 500).stop(PRICE - 300);
    let script = comes(&first, 1)
        .and(comes(&second, 2))
        .and(comes(&buy, 3))
        .and(meet(&buy, &first, Fill::of(4, 1, PRICE)))
        .and(comes(&bid, 5))
        .then(stop.received())
        .then(stop.waits(6));
    let order = |order: &Order, side: &str, executed: i64| {
        json!({
            "order_id": id(order.order), "side": side, "price": order.limit,
            "quantity": order.terms.quantity, "executed": executed,
        })
    };
    let standing =
        |arrival, post, order| json!([{"arrival": arrival, "post": post, "order": order}, {}]);
    let head = json!({"position": 70, "parts": 1, "book": {"venue_seq": 6}});
    let part = json!({"position": 70, "orders": [
        standing(20, "Book", order(&second, "Sell", 0)),
        standing(10, "Book", order(&first, "Sell", 1)),
        standing(30, "Book", order(&bid, "Buy", 0)),
        standing(40, "Asleep", order(&stop, "Sell", 0)),
    ]});
    (script, head, part)
}

fn judged_kept(
    script: &Script,
    head: &serde_json::Value,
    part: serde_json::Value,
) -> Vec<&'static str> {
    let parts = [("ACME/0".to_owned(), part)].into();
    let head = serde_json::from_value(head.clone()).unwrap();
    let kept = checkpoint::checkpoint("ACME", &head, &parts).unwrap();
    let mut findings = Findings::default();
    let kept = [("ACME".to_owned(), kept)].into();
    follow(&script.history(), kept, &mut findings).unwrap();
    broken(&findings)
}

#[test]
fn i13_a_kept_book_that_is_not_what_its_events_lead_to_is_found() {
    let (script, head, part) = kept();
    assert_eq!(judged_kept(&script, &head, part.clone()), NONE);
    // More came since.
    let later = script.then(Order::sell(BOB, 6, 1, PRICE).received());
    let later = later.then(Order::sell(BOB, 6, 1, PRICE).placed(7));
    assert_eq!(judged_kept(&later, &head, part.clone()), NONE);
    let faults: [fn(&mut serde_json::Value); 6] = [
        |part| part["orders"][0][0]["arrival"] = json!(9),
        |part| part["orders"][1][0]["order"]["executed"] = json!(0),
        |part| part["orders"][2][0]["order"]["price"] = json!(PRICE),
        |part| part["orders"][3][0]["post"] = json!("Book"),
        |part| part["orders"][0] = part["orders"][1].clone(),
        |part| drop(part["orders"].as_array_mut().unwrap().pop()),
    ];
    for fault in faults {
        let mut changed = part.clone();
        fault(&mut changed);
        assert_eq!(judged_kept(&later, &head, changed), ["I13"]);
    }
    let ahead = json!({"position": 70, "parts": 1, "book": {"venue_seq": 8}});
    assert_eq!(judged_kept(&later, &ahead, part), ["I13"]);
}

#[test]
fn a_kept_book_that_is_not_complete_is_none() {
    let (_, head, part) = kept();
    let head: checkpoint::Head = serde_json::from_value(head).unwrap();
    let read = |place: &str, part: serde_json::Value| {
        checkpoint::checkpoint("ACME", &head, &[(place.to_owned(), part)].into()).is_some()
    };
    assert!(read("ACME/0", part.clone()));
    assert!(!read("ACME/1", part.clone()));
    let mut earlier = part;
    earlier["position"] = json!(69);
    assert!(!read("ACME/0", earlier));
}
