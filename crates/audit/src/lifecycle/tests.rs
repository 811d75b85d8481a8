use outcry_contracts::orders::v1::{
    CancelReason, OrderCancelledEvent, OrderFilledEvent, OrderReplacedEvent, OrderStatus,
    OrderValidatedEvent, Side,
};
use outcry_contracts::payments::v1::{PaymentExpiredEvent, PaymentStatus, PaymentSuccessEvent};
use outcry_contracts::reports::v1::{ReportCompletedEvent, ReportStatus};
use outcry_contracts::reports::v2::ReportRequestedEvent;
use outcry_contracts::trades::v1::{
    TradeClosedEvent, TradeExecutedEvent, TradePlacedEvent, TradeStatus,
};
use serde_json::json;

use super::*;
use crate::samples::day::{REPLACED, day};
use crate::samples::order::Order;
use crate::samples::{ALICE, BUY, PAYMENT, REPORT, SELL, Script, broken, id, money, paid_in, sale};

fn judged(script: &Script) -> Vec<&'static str> {
    let history = script.history();
    let mut findings = Findings::default();
    orders::follow(&history, &mut findings).unwrap();
    trades::follow(&history, &mut findings).unwrap();
    payments::payments(&history, &mut findings);
    payments::reports(&history, &mut findings);
    assert!(findings.checked.len() > 1);
    broken(&findings)
}

#[test]
fn a_sale_as_it_should_be_breaks_nothing() {
    assert_eq!(judged(&sale()), Vec::<&str>::new());
}

#[test]
fn i15_a_step_that_is_left_out_is_found() {
    assert_eq!(judged(&sale().without::<OrderValidatedEvent>(0)), ["I15"]);
    assert_eq!(judged(&sale().without::<TradePlacedEvent>(0)), ["I15"]);
    assert_eq!(judged(&sale().without::<ReportRequestedEvent>(0)), ["I15"]);
}

#[test]
fn i16_a_second_end_is_found() {
    assert_eq!(judged(&sale().again::<TradeClosedEvent>(0)), ["I16"]);
    assert_eq!(judged(&sale().again::<ReportCompletedEvent>(0)), ["I16"]);
    assert_eq!(judged(&sale().again::<PaymentSuccessEvent>(0)), ["I16"]);
}

#[test]
fn i16_a_cancellation_of_a_filled_order_is_found() {
    let script = sale().then(OrderCancelledEvent {
        order_id: id(BUY),
        user_id: id(ALICE),
        symbol: "ACME".to_owned(),
        side: Side::Buy.into(),
        cumulative_quantity: 4,
        cancelled_quantity: 0,
        reason: CancelReason::User.into(),
    });
    assert_eq!(judged(&script), ["I16"]);
}

#[test]
fn i15_a_payment_that_ran_out_may_only_succeed_late() {
    let expired = || PaymentExpiredEvent {
        payment_id: id(PAYMENT),
        user_id: id(ALICE),
        amount: money(10_000_000),
    };
    let success = |late| {
        paid_in()
            .without::<PaymentSuccessEvent>(0)
            .then(expired())
            .then(PaymentSuccessEvent {
                payment_id: id(PAYMENT),
                user_id: id(ALICE),
                amount: money(10_000_000),
                provider: "samples".to_owned(),
                provider_reference: "p-1".to_owned(),
                late,
            })
    };
    let judge = |script: Script| {
        let mut findings = Findings::default();
        payments::payments(&script.history(), &mut findings);
        broken(&findings)
    };
    assert_eq!(judge(success(true)), Vec::<&str>::new());
    assert_eq!(judge(success(false)), ["I15"]);
    assert_eq!(judge(success(true).then(expired())), ["I16"]);
}

#[test]
fn i8_wrong_numbers_of_a_fill_are_found() {
    let faults: [fn(&mut OrderFilledEvent); 5] = [
        |fill| fill.cumulative_quantity = 3,
        |fill| fill.leaves_quantity = 1,
        |fill| fill.average_price = money(990_001),
        |fill| fill.status = OrderStatus::PartiallyFilled.into(),
        |fill| fill.execution_id = "ACME-8-B".to_owned(),
    ];
    for fault in faults {
        assert_eq!(judged(&sale().edit::<OrderFilledEvent>(0, fault)), ["I8"]);
    }
    let fault = |fill: &mut TradeExecutedEvent| fill.leaves_quantity = 2;
    assert_eq!(judged(&sale().edit::<TradeExecutedEvent>(1, fault)), ["I8"]);
}

#[test]
fn averages_round_halves_to_even() {
    let raw = |notional, shares| average(notional, shares).map(Amount::raw);
    assert_eq!(raw(5, 2), Some(2));
    assert_eq!(raw(7, 2), Some(4));
    assert_eq!(raw(32, 3), Some(11));
    assert_eq!(raw(1, 0), None);
}

#[test]
fn i8_rows_that_say_something_else_are_found() {
    let row = |cumulative: i64| {
        let status = i32::from(OrderStatus::Filled);
        json!({"order": {
            "status": status, "quantity": 4, "cumulative_quantity": cumulative,
            "leaves_quantity": 0, "average_price": 990_000,
        }})
    };
    let told = orders::follow(&sale().history(), &mut Findings::default()).unwrap();
    let judge = |rows: &[(u128, Value)]| {
        let rows = rows
            .iter()
            .map(|(order, row)| (id(*order), row.clone()))
            .collect();
        let mut findings = Findings::default();
        orders::check_rows(&told, &rows, &mut findings);
        broken(&findings)
    };
    assert_eq!(judge(&[(BUY, row(4)), (SELL, row(4))]), Vec::<&str>::new());
    assert_eq!(judge(&[(BUY, row(3)), (SELL, row(4))]), ["I8"]);
    assert_eq!(judge(&[(BUY, row(4))]), ["I8"]);
    assert_eq!(
        judge(&[(BUY, row(4)), (SELL, row(4)), (99, row(4))]),
        ["I15"]
    );
}

#[test]
fn i8_and_i15_rows_of_trades_and_payments_are_compared_too() {
    let history = sale().history();
    let told = trades::follow(&history, &mut Findings::default()).unwrap();
    let row = |fees: i64| {
        let status = i32::from(TradeStatus::Closed);
        json!({
            "status": status, "quantity": 4, "executed": 4, "leaves": 0,
            "notional": 3_960_000, "fees": fees,
        })
    };
    let judge = |fees| {
        let rows = [(id(BUY | 0x100), row(fees)), (id(SELL | 0x100), row(3_000))].into();
        let mut findings = Findings::default();
        trades::check_rows(&told, &rows, &mut findings);
        broken(&findings)
    };
    assert_eq!(judge(4_000), Vec::<&str>::new());
    assert_eq!(judge(4_001), ["I8"]);

    let told = payments::payments(&history, &mut Findings::default());
    let judge = |status: PaymentStatus| {
        let rows = [(id(PAYMENT), json!({"status": i32::from(status)}))].into();
        let mut findings = Findings::default();
        check_statuses(&told, &rows, &mut findings);
        broken(&findings)
    };
    assert_eq!(judge(PaymentStatus::Success), Vec::<&str>::new());
    assert_eq!(judge(PaymentStatus::Pending), ["I15"]);
}

#[test]
fn an_order_that_is_made_as_small_as_what_is_filled_is_filled() {
    let small = |replaced: &mut OrderReplacedEvent| replaced.quantity = 2;
    let nothing = |cancelled: &mut OrderCancelledEvent| cancelled.cancelled_quantity = 0;
    let script = day().edit(0, small).edit(0, nothing);
    let history = script.history();
    let mut findings = Findings::default();
    let told = orders::follow(&history, &mut findings).unwrap();
    assert_eq!(findings.breaches, []);
    let filled = i32::from(OrderStatus::Filled);
    let row = json!({"order": {
        "status": filled, "quantity": 2, "cumulative_quantity": 2, "leaves_quantity": 0,
        "average_price": 1_000_000,
    }});
    orders::check_rows(&told, &[(id(REPLACED), row)].into(), &mut findings);
    let subjects = findings.breaches.iter().map(|breach| &breach.subject);
    assert!(subjects.into_iter().all(|subject| *subject != id(REPLACED)));
}

#[test]
fn i15_an_order_in_the_book_that_begins_to_wait_is_found() {
    let stop = Order::sell(ALICE, SELL, 1, 900_000).stop(950_000);
    let script = |placed: [TradePlacedEvent; 2]| {
        let received = Script::default().then(stop.received());
        let script = placed.into_iter().fold(received, Script::then);
        let mut findings = Findings::default();
        trades::follow(&script.history(), &mut findings).unwrap();
        broken(&findings)
    };
    assert_eq!(script([stop.waits(1), stop.waits(2)]), Vec::<&str>::new());
    assert_eq!(script([stop.waits(1), stop.placed(2)]), Vec::<&str>::new());
    assert_eq!(script([stop.placed(1), stop.waits(2)]), ["I15"]);
}

#[test]
fn i15_reports_whose_rows_stand_elsewhere_are_found() {
    let told = payments::reports(&sale().history(), &mut Findings::default());
    let judge = |status: ReportStatus| {
        let rows = [(id(REPORT), json!({"status": i32::from(status)}))].into();
        let mut findings = Findings::default();
        payments::check_reports(&told, &rows, &mut findings);
        broken(&findings)
    };
    assert_eq!(judge(ReportStatus::Completed), Vec::<&str>::new());
    assert_eq!(judge(ReportStatus::Expired), Vec::<&str>::new());
    assert_eq!(judge(ReportStatus::Running), ["I15"]);
    assert_eq!(judge(ReportStatus::Failed), ["I15"]);
}
