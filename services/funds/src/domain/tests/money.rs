//! Payouts, suspense and reversals: given this, when that, then so.

use outcry_contracts::funds::v1::{DepositMethod, LockStatus, WithdrawalMethod};
use outcry_contracts::payments::v1::PayoutStatus;
use outcry_events::money::Amount;
use outcry_mesh::Refusal;

use super::desk::{Desk, cash, in_suspense, need, order, user};
use crate::domain::withdrawal::{Heard, Step};
use crate::domain::{AccountEvent, Asset, Breach, Outcome, Rejection, Stage, Standing};

#[test]
fn a_payout_is_locked_until_it_is_paid_or_refused_and_ends_once() {
    for paid in [true, false] {
        let mut desk = Desk::with(1, 100, 0);
        desk.withdraw(&user(0), &order(5), Amount::from_units(30))
            .unwrap();
        assert_eq!(desk.lock_of(&order(5)).status(), LockStatus::Locked);
        let refused = desk.withdraw(&user(0), &order(6), Amount::from_units(71));
        assert_eq!(refused.unwrap_err().reason(), "INSUFFICIENT_FUNDS");
        let by_call = desk.release(&user(0), &order(5));
        assert_eq!(by_call, Err(Rejection::LockMismatch), "it is no order's");
        desk.check();
        desk.end_payout(&order(5), paid).unwrap();
        let (left, status) = match paid {
            true => (70, LockStatus::Settled),
            false => (100, LockStatus::Released),
        };
        assert_eq!(desk.lock_of(&order(5)).status(), status);
        let available = desk.available(&user(0), &Asset::cash());
        assert_eq!(available, cash(left).amount());
        for again in [true, false] {
            let twice = desk.end_payout(&order(5), again);
            assert!(matches!(twice, Err(Breach::LockMisfit { .. })), "{twice:?}");
        }
        desk.check();
    }
}

#[test]
fn only_the_providers_word_ends_a_payout_that_it_may_have_heard_of() {
    let mut desk = Desk::with(1, 100, 0);
    desk.withdraw(&user(0), &order(5), Amount::from_units(30))
        .unwrap();
    let asked = desk.payouts[&order(5)].clone();
    assert_eq!(asked.next(Standing::Active), Step::Begin);
    for standing in [Standing::Suspended, Standing::Closed] {
        assert_eq!(asked.next(standing), Step::GiveUp);
        let sending = asked.clone().in_stage(Stage::Sending, 0);
        assert_eq!(sending.next(standing), Step::Send);
        let sent = asked.clone().in_stage(Stage::Sent, 0);
        assert_eq!(sent.next(standing), Step::Ask);
    }
    for unknown in [PayoutStatus::Unknown, PayoutStatus::Unspecified] {
        assert_eq!(Heard::of(unknown), Heard::Nothing);
    }
}

#[test]
fn the_provider_is_asked_again_after_growing_waits_with_a_longest() {
    let mut desk = Desk::with(1, 100, 0);
    desk.withdraw(&user(0), &order(5), Amount::from_units(30))
        .unwrap();
    let mut payout = desk.payouts[&order(5)].clone();
    let mut waits = Vec::new();
    for _ in 0..12 {
        payout = payout.asked_again();
        waits.push(payout.wait().as_millis());
    }
    assert_eq!(waits[..4], [500, 1000, 2000, 4000]);
    assert_eq!(waits[11], 300_000);
    payout.asked = u32::MAX;
    assert_eq!(payout.asked_again().wait().as_millis(), 300_000);
}

#[test]
fn money_in_suspense_is_credited_to_the_user_or_goes_back_past_the_account() {
    let payment = order(7);
    let item = in_suspense(&user(0), &payment, Amount::from_units(30));
    let mut desk = Desk::with(1, 100, 0);
    desk.resolve(&item, Outcome::Credit).unwrap();
    assert_eq!(desk.available(&user(0), &Asset::cash()), cash(130).amount());
    desk.resolve(&item, Outcome::Refund).unwrap();
    assert_eq!(desk.available(&user(0), &Asset::cash()), cash(130).amount());
    let Some(AccountEvent::Withdrawn(refund)) = desk.events.last() else {
        panic!("a refund is a withdrawal");
    };
    assert_eq!(refund.method(), WithdrawalMethod::SuspenseRefund);
    assert_eq!(refund.withdrawal_id, payment);
    desk.check();
}

#[test]
fn captures_of_one_payment_are_told_apart_and_another_currency_can_only_go_back() {
    let mut desk = Desk::with(1, 100, 0);
    let mut item = in_suspense(&user(0), &order(7), Amount::from_units(30));
    let first = item.reference();
    item.number = 2;
    assert_ne!(item.reference(), first);
    item.currency = "EUR".to_owned();
    let refused = desk.resolve(&item, Outcome::Credit);
    assert_eq!(refused.unwrap_err().reason(), "OTHER_CURRENCY");
    desk.resolve(&item, Outcome::Refund).unwrap();
    let Some(AccountEvent::Withdrawn(refund)) = desk.events.last() else {
        panic!("a refund is a withdrawal");
    };
    assert_ne!(refund.withdrawal_id, item.payment_id);
    assert_eq!(item.money().currency_code, "EUR");
    desk.check();
}

#[test]
fn a_deposit_is_taken_back_only_as_far_as_it_is_there_and_once() {
    let mut desk = Desk::with(1, 100, 5);
    desk.lock(&user(0), &need(&order(0), 0, cash(1))).unwrap();
    let refused = desk.reverse(0).unwrap_err();
    assert_eq!(refused.reason(), "INSUFFICIENT_FUNDS");
    desk.deposit(&user(0), &cash(1));
    desk.reverse(0).unwrap();
    assert_eq!(desk.available(&user(0), &Asset::cash()), 0);
    assert_eq!(desk.reverse(0), Err(Rejection::AlreadyReversed));
    let last = desk.events.len() - 1;
    let twice = desk.reverse(last).unwrap_err();
    assert_eq!(twice.reason(), "NOT_REVERSIBLE", "a reversal stays");
    desk.check();
}

#[test]
fn a_payout_taken_back_is_available_again_and_nothing_else_can_be_taken_back() {
    let mut desk = Desk::with(1, 100, 0);
    desk.withdraw(&user(0), &order(5), Amount::from_units(30))
        .unwrap();
    let locked = desk.events.len() - 1;
    assert_eq!(desk.reverse(locked).unwrap_err().reason(), "NOT_REVERSIBLE");
    desk.end_payout(&order(5), true).unwrap();
    let paid = desk.events.len() - 1;
    desk.reverse(paid).unwrap();
    assert_eq!(desk.available(&user(0), &Asset::cash()), cash(100).amount());
    let Some(AccountEvent::Deposited(back)) = desk.events.last() else {
        panic!("what comes back is a deposit");
    };
    assert_eq!(back.method(), DepositMethod::Reversal);
    assert_eq!(back.reference, order(5));
    let item = in_suspense(&user(0), &order(7), Amount::from_units(1));
    desk.resolve(&item, Outcome::Refund).unwrap();
    let refund = desk.events.len() - 1;
    assert_eq!(desk.reverse(refund).unwrap_err().reason(), "NOT_REVERSIBLE");
    desk.check();
}
