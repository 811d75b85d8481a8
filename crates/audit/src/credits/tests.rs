use super::*;
use crate::samples::day::{BID, MISFIT, day};
use crate::samples::{ALICE, BOB, Script, broken, cash as in_cash, id};

const NONE: [&str; 0] = [];

fn judged(script: &Script) -> Vec<&'static str> {
    let mut findings = Findings::default();
    check(&script.history(), &mut findings);
    broken(&findings)
}

/// Money of Alice's that was paid back instead of credited.
fn refund(user: u128, raw: i64) -> FundsWithdrawnEvent {
    FundsWithdrawnEvent {
        user_id: id(user),
        withdrawal_id: id(MISFIT),
        amount: in_cash(raw),
        available: in_cash(0),
        destination_last4: "0000".to_owned(),
        method: WithdrawalMethod::SuspenseRefund.into(),
        ..Default::default()
    }
}

#[test]
fn a_day_as_it_should_be_breaks_nothing() {
    assert_eq!(judged(&day()), NONE);
}

#[test]
fn i17_a_payment_that_is_credited_twice_is_found() {
    assert_eq!(judged(&day().again::<FundsDepositedEvent>(0)), ["I17"]);
}

#[test]
fn i17_a_credit_other_than_what_was_captured_is_found() {
    let faults: [fn(&mut FundsDepositedEvent); 3] = [
        |credit| credit.amount = in_cash(10_000_001),
        |credit| credit.user_id = id(BOB),
        |credit| credit.reference = id(BID),
    ];
    for fault in faults {
        assert_eq!(judged(&day().edit(0, fault)), ["I17"]);
    }
}

#[test]
fn i17_a_capture_that_counts_twice_is_found() {
    let again = |failed: &mut PaymentFailedEvent| failed.provider_reference = "p-1".to_owned();
    assert_eq!(judged(&day().edit(0, again)), NONE);
    let same = |success: &mut PaymentSuccessEvent| {
        success.payment_id = id(MISFIT);
        success.provider_reference = "p-2".to_owned();
    };
    assert!(judged(&day().edit(0, same)).contains(&"I17"));
}

#[test]
fn i17_suspense_that_is_resolved_twice_or_otherwise_is_found() {
    let credit = 3;
    let refunded = |user, raw| {
        let credited = day().without::<FundsDepositedEvent>(credit);
        credited.then(refund(user, raw))
    };
    assert_eq!(judged(&refunded(ALICE, 50_000)), NONE);
    assert_eq!(judged(&refunded(ALICE, 50_001)), ["I17"]);
    assert_eq!(judged(&refunded(BOB, 50_000)), ["I17"]);
    assert_eq!(judged(&day().then(refund(ALICE, 50_000))), ["I17"]);
    let foreign = |failed: &mut PaymentFailedEvent| {
        let captured = failed.captured.get_or_insert_default();
        captured.currency_code = "EUR".to_owned();
    };
    assert_eq!(judged(&day().edit(0, foreign)), ["I17"]);
}

#[test]
fn i6_a_reversal_that_is_no_mirror_image_is_found() {
    let reversal = 2;
    let faults: [fn(&mut FundsDepositedEvent); 4] = [
        |reversal| reversal.amount = in_cash(999_999),
        |reversal| reversal.user_id = id(BOB),
        |reversal| reversal.reverses_event_id = id(BID),
        |reversal| reversal.reverses_event_id = String::new(),
    ];
    for fault in faults {
        assert_eq!(judged(&day().edit(reversal, fault)), ["I6"]);
    }
}

#[test]
fn i6_a_movement_that_is_taken_back_twice_is_found() {
    assert_eq!(judged(&day().again::<FundsDepositedEvent>(2)), ["I6"]);
}
