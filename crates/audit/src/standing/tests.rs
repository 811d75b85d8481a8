use outcry_contracts::orders::v1::RejectReason;
use outcry_contracts::orders::v1::{OrderCancelledEvent, OrderCreatedEvent, OrderRejectedEvent};

use super::*;
use crate::samples::day::{day, status};
use crate::samples::order::Order;
use crate::samples::{ALICE, BOB, Script, broken, cash, id};

const NONE: [&str; 0] = [];
const RESTING: u128 = 0x30;
const LATER: u128 = 0x31;

fn judged(script: &Script) -> Vec<&'static str> {
    let history = script.history();
    let mut findings = Findings::default();
    check_later_orders(&history, &changes(&history), &mut findings);
    broken(&findings)
}

/// Alice is suspended, which takes her order off.
fn suspended() -> Script {
    let resting = Order::buy(ALICE, RESTING, 1, 900_000);
    Script::default()
        .then(resting.created())
        .then(resting.validated(cash(901_000)))
        .then(status(ALICE, UserStatus::Active, UserStatus::Suspended))
        .then(resting.cancelled(0, 1, CancelReason::UserSuspended))
}

fn reinstated() -> UserStatusChangedEvent {
    status(ALICE, UserStatus::Suspended, UserStatus::Active)
}

fn later() -> (OrderCreatedEvent, OrderValidatedEvent) {
    let later = Order::buy(ALICE, LATER, 1, 900_000);
    (later.created(), later.validated(cash(901_000)))
}

#[test]
fn a_day_as_it_should_be_breaks_nothing() {
    assert_eq!(judged(&day()), NONE);
    assert_eq!(judged(&suspended()), NONE);
}

#[test]
fn i22_an_order_of_a_user_orders_knew_to_be_suspended_is_found() {
    let (created, validated) = later();
    let script = suspended().then(created.clone()).then(validated.clone());
    assert_eq!(judged(&script), ["I22"]);
    let script = suspended().then(reinstated()).then(created).then(validated);
    assert_eq!(judged(&script), NONE);
}

#[test]
fn an_order_that_is_created_beside_the_suspension_or_refused_is_all_right() {
    let (created, validated) = later();
    let script = suspended()
        .then(created.clone())
        .then(validated)
        .earlier::<OrderCreatedEvent>(1);
    assert_eq!(judged(&script), NONE);
    let refused = OrderRejectedEvent {
        order_id: id(LATER),
        user_id: id(ALICE),
        symbol: "ACME".to_owned(),
        side: 1,
        reason: RejectReason::UserNotActive.into(),
        message: String::new(),
    };
    assert_eq!(judged(&suspended().then(created).then(refused)), NONE);
}

#[test]
fn i22_orders_that_have_not_ended_are_open() {
    let open = |script: &Script| {
        let history = script.history();
        let open = open_orders(&history);
        (open.get(&*id(ALICE)).copied(), open.get(&*id(BOB)).copied())
    };
    assert_eq!(open(&day()), (None, None));
    assert_eq!(
        open(&day().without::<OrderCancelledEvent>(0)),
        (None, Some(1))
    );
    assert_eq!(
        open(&suspended().without::<OrderCancelledEvent>(0)),
        (Some(1), None)
    );
}

#[test]
fn i22_an_order_that_was_created_when_its_user_was_known_to_be_suspended_is_found() {
    let (created, validated) = later();
    // Her registration is the first event of her life, her suspension the second.
    let script = crate::samples::paid_in()
        .and(suspended())
        .then(reinstated())
        .then(created)
        .then(validated);
    let history = script.history();
    let judge = |sequence: u64| {
        let row = json!({"progress": {"user_sequence": sequence}});
        let mut findings = Findings::default();
        let rows = [(id(LATER), row)].into();
        check_known_at_creation(&history, &changes(&history), &rows, &mut findings);
        broken(&findings)
    };
    assert_eq!(judge(0), NONE);
    assert_eq!(judge(1), NONE);
    assert_eq!(judge(2), ["I22"]);
    assert_eq!(judge(3), NONE);
}
