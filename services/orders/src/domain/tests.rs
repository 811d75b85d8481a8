//! Each transition: given, when, then.

use outcry_contracts::orders::v1::OrderType;
use outcry_events::EventSet;
use outcry_service::testing::{Given, given};

use super::samples::*;
use super::*;

fn history(commands: &[Command]) -> Given<Order> {
    given(after(commands))
}

fn placed() -> Given<Order> {
    history(&[place(100)])
}

fn at_venue() -> Given<Order> {
    history(&[place(100), validate()])
}

fn partly_filled() -> Given<Order> {
    history(&[place(100), validate(), fill(1, 30, 30, 100)])
}

/// The order after the command, which must happen.
#[track_caller]
fn then(given: Given<Order>, command: Command) -> Order {
    let state = given.state().clone();
    let events = given.when(command).then_events();
    assert!(!events.is_empty(), "nothing happened");
    events.iter().fold(state, Order::evolve)
}

const USER_WISH: CancelReason = CancelReason::User;

#[test]
fn placing_creates_a_new_order() {
    given::<Order>([])
        .when(place(100))
        .then([OrderCreatedEvent {
            order_id: ORDER.to_owned(),
            user_id: USER.to_owned(),
            client_order_id: String::new(),
            terms: Some(terms(100)),
        }
        .into()]);
    assert_eq!(placed().state().phase, Phase::New);
    placed()
        .when(place(100))
        .then_refused(Rejection::AlreadyPlaced);
}

#[test]
fn an_order_refused_at_once_is_created_and_rejected_in_one_decision() {
    let Command::Place {
        order_id,
        user_id,
        client_order_id,
        terms,
        ..
    } = place(100)
    else {
        unreachable!()
    };
    let refused_at_once = Command::Place {
        order_id,
        user_id,
        client_order_id,
        terms,
        refused: Some(refused()),
    };
    let order = then(given([]), refused_at_once);
    assert_eq!(order.phase, Phase::Rejected);
    assert_eq!(order.reject_reason, RejectReason::InsufficientFunds);
    assert_eq!(order.message, "3.00 USD is available");
}

#[test]
fn nothing_happens_to_an_order_that_was_never_placed() {
    for command in [
        validate(),
        fill(1, 1, 1, 1),
        replace(1, 5),
        take_off(0, 1, USER_WISH),
    ] {
        given::<Order>([])
            .when(command)
            .then_refused(Rejection::Unknown);
    }
}

#[test]
fn a_new_order_is_validated_once() {
    placed().when(validate()).then([OrderValidatedEvent {
        order_id: ORDER.to_owned(),
        user_id: USER.to_owned(),
        terms: Some(terms(100)),
        locked: Some(locked()),
        protection_price: Some(dollars(10).to_money()),
    }
    .into()]);
    at_venue().when(validate()).then_nothing();
    partly_filled().when(validate()).then_nothing();
}

#[test]
fn a_new_order_can_be_rejected_or_cancelled_but_knows_no_venue() {
    assert_eq!(
        then(placed(), Command::Reject(refused())).phase,
        Phase::Rejected
    );
    let cancel = Command::CancelBeforeVenue { reason: USER_WISH };
    let order = then(placed(), cancel);
    assert_eq!(
        (order.phase, order.cancel_reason),
        (Phase::Cancelled, USER_WISH)
    );
    for fact in [
        fill(1, 1, 1, 100),
        take_off(0, 100, USER_WISH),
        replace(1, 5),
    ] {
        placed().when(fact).then_refused(Rejection::NotAtVenue);
    }
}

#[test]
fn a_validated_order_can_end_in_every_way() {
    assert_eq!(
        then(at_venue(), fill(1, 30, 30, 100)).phase,
        Phase::PartiallyFilled
    );
    assert_eq!(
        then(at_venue(), fill(1, 100, 100, 100)).phase,
        Phase::Filled
    );
    assert_eq!(
        then(at_venue(), Command::Reject(refused())).phase,
        Phase::Rejected
    );
    let cancel = Command::CancelBeforeVenue { reason: USER_WISH };
    assert_eq!(then(at_venue(), cancel).phase, Phase::Cancelled);
    let off = take_off(0, 100, CancelReason::SelfTrade);
    assert_eq!(then(at_venue(), off).cancel_reason, CancelReason::SelfTrade);
    let expiry = take_off(0, 100, CancelReason::Expired);
    assert_eq!(then(at_venue(), expiry).phase, Phase::Expired);
}

#[test]
fn a_partly_filled_order_can_end_in_every_way_but_a_refusal() {
    assert_eq!(
        then(partly_filled(), fill(2, 70, 100, 100)).phase,
        Phase::Filled
    );
    let off = take_off(30, 70, USER_WISH);
    assert_eq!(then(partly_filled(), off).phase, Phase::Cancelled);
    let expiry = take_off(30, 70, CancelReason::Expired);
    assert_eq!(then(partly_filled(), expiry).phase, Phase::Expired);
    for command in [
        Command::Reject(refused()),
        Command::CancelBeforeVenue { reason: USER_WISH },
    ] {
        partly_filled()
            .when(command)
            .then_refused_because("NOT_ALLOWED_NOW");
    }
}

#[test]
fn a_fill_tells_what_is_filled_what_is_left_and_the_average() {
    partly_filled()
        .when(Command::Fill(Fill {
            execution_id: "ACME-2-B".to_owned(),
            last: 20,
            price: dollars(10),
            cumulative: 50,
            leaves: 50,
        }))
        .then([OrderFilledEvent {
            order_id: ORDER.to_owned(),
            user_id: USER.to_owned(),
            symbol: "ACME".to_owned(),
            side: terms(1).side,
            last_quantity: 20,
            last_price: Some(dollars(10).to_money()),
            cumulative_quantity: 50,
            leaves_quantity: 50,
            average_price: Some("9.40".parse::<Amount>().unwrap().to_money()),
            status: OrderStatus::PartiallyFilled.into(),
            execution_id: "ACME-2-B".to_owned(),
        }
        .into()]);
}

#[test]
fn a_repeated_fill_changes_nothing_even_on_a_final_order() {
    partly_filled().when(fill(1, 30, 30, 100)).then_nothing();
    let filled = history(&[
        place(100),
        validate(),
        fill(1, 30, 30, 100),
        fill(2, 70, 100, 100),
    ]);
    filled.when(fill(1, 30, 30, 100)).then_nothing();
}

#[test]
fn a_fill_after_a_gap_waits() {
    let gap = Rejection::Gap {
        expected: 40,
        found: 50,
    };
    assert!(gap.may_pass());
    partly_filled().when(fill(3, 10, 50, 100)).then_refused(gap);
}

#[test]
fn fills_that_cannot_be_true_are_refused_for_good() {
    for untrue in [
        fill(2, 30, 30, 100), // another execution reaching what is reached
        fill(2, 30, 40, 100), // overlaps the first
    ] {
        let decided = partly_filled().state().decide(&untrue);
        let rejection = decided.expect_err("an untrue fill");
        assert!(
            matches!(rejection, Rejection::Contradiction { .. }),
            "{rejection}"
        );
        assert!(!rejection.may_pass());
    }
}

#[test]
fn being_taken_off_waits_for_the_fills_before_it() {
    partly_filled()
        .when(take_off(50, 50, USER_WISH))
        .then_refused(Rejection::Gap {
            expected: 30,
            found: 50,
        });
    partly_filled()
        .when(take_off(20, 80, USER_WISH))
        .then_refused_because("CONTRADICTION");
}

#[test]
fn late_facts_on_final_orders_are_refused() {
    let ends = [
        vec![place(100), Command::Reject(refused())],
        vec![place(100), validate(), fill(1, 100, 100, 100)],
        vec![place(100), validate(), take_off(0, 100, USER_WISH)],
        vec![
            place(100),
            validate(),
            take_off(0, 100, CancelReason::Expired),
        ],
    ];
    for end in ends {
        let phase = history(&end).state().phase;
        for late in [
            fill(7, 1, 101, 200),
            take_off(100, 1, USER_WISH),
            replace(1, 500),
            validate(),
        ] {
            history(&end)
                .when(late)
                .then_refused(Rejection::Final { phase });
        }
    }
}

#[test]
fn new_terms_are_taken_once_per_revision() {
    let order = then(partly_filled(), replace(2, 200));
    assert_eq!(order.terms.quantity, 200);
    assert_eq!(order.limit(), Some(dollars(11)));
    assert_eq!((order.revision, order.leaves()), (2, 170));
    let replaced = history(&[place(100), validate(), replace(2, 200)]);
    replaced.when(replace(2, 200)).then_nothing();
}

#[test]
fn a_fill_under_terms_not_known_yet_waits_for_them() {
    let early = fill(2, 90, 120, 200);
    partly_filled()
        .when(early.clone())
        .then_refused(Rejection::TermsNotKnown { total: 200 });
    let replaced = history(&[
        place(100),
        validate(),
        fill(1, 30, 30, 100),
        replace(1, 200),
    ]);
    assert_eq!(then(replaced, early).leaves(), 80);
}

#[test]
fn a_fill_from_before_new_terms_still_counts() {
    let replaced = history(&[place(100), validate(), replace(1, 60)]);
    let order = then(replaced, fill(1, 30, 30, 100));
    assert_eq!((order.cumulative, order.leaves()), (30, 30));
}

#[test]
fn new_terms_of_what_is_filled_already_make_the_order_a_filled_one() {
    let events = partly_filled().when(replace(1, 30)).then_events();
    let topics: Vec<_> = events.iter().map(EventSet::topic).collect();
    assert_eq!(topics, ["order.replaced", "order.cancelled"]);
    let order = then(partly_filled(), replace(1, 30));
    assert_eq!((order.phase, order.leaves()), (Phase::Filled, 0));
    assert_eq!(order.cancel_reason, CancelReason::Unspecified);
    assert_eq!((order.terms.quantity, order.cumulative), (30, 30));
    partly_filled()
        .when(replace(1, 29))
        .then_refused_because("CONTRADICTION");
}

#[test]
fn a_change_of_a_stop_order_moves_its_stop_and_its_collar_and_gives_it_no_limit() {
    let mut terms = terms(100);
    terms.set_type(OrderType::Stop);
    terms.limit_price = None;
    terms.stop_price = Some(dollars(9).to_money());
    let stop = Command::Place {
        order_id: ORDER.to_owned(),
        user_id: USER.to_owned(),
        client_order_id: String::new(),
        terms: Box::new(terms),
        refused: None,
    };
    let change = Command::Replace(Replacement {
        revision: 1,
        quantity: 80,
        limit: dollars(12),
        stop: Some(dollars(11)),
        kept_priority: false,
    });
    let order = then(history(&[stop, validate()]), change);
    assert_eq!((order.limit(), order.stop()), (None, Some(dollars(11))));
    assert_eq!((order.protection, order.leaves()), (Some(dollars(12)), 80));
}
