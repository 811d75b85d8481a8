//! Given an account, when something is asked, then this.

use outcry_contracts::funds::v1::{DepositMethod, LockStatus, ReleaseReason, WithdrawalMethod};
use outcry_contracts::payments::v1::PayoutStatus;
use outcry_events::money::Amount;
use outcry_mesh::Refusal;
use uuid::Uuid;

use super::desk::{Desk, cash, ending, fill, in_suspense, need, order, shares, side, user};
use crate::domain::lock::Reason;
use crate::domain::settlement::{Match, MatchSide, Party, settle};
use crate::domain::withdrawal::{Heard, Step};
use crate::domain::{AccountEvent, Asset, Breach, Outcome, Rejection, Slot, Stage, Standing};

/// Buyer 0 with order 0, seller 1 with order 1: both locked for 10 ACME at 20.
fn two_sides() -> Desk {
    let mut desk = Desk::with(2, 1000, 100);
    desk.lock(&user(0), &need(&order(0), 0, cash(210))).unwrap();
    desk.lock(&user(1), &need(&order(1), 0, shares(10)))
        .unwrap();
    desk
}

fn matched(quantity: i64, price: i32) -> Match {
    Match::of(
        side(false, true, (&user(1), &order(1)), quantity, price, 30_000),
        side(true, false, (&user(0), &order(0)), quantity, price, 20_000),
    )
    .unwrap()
}

#[test]
fn a_lock_moves_what_is_available_and_repeats_without_effect() {
    let mut desk = Desk::with(1, 100, 0);
    desk.lock(&user(0), &need(&order(0), 0, cash(60))).unwrap();
    desk.lock(&user(0), &need(&order(0), 0, cash(60))).unwrap();
    assert_eq!(desk.available(&user(0), &Asset::cash()), cash(40).amount());
    desk.check();
}

#[test]
fn a_higher_revision_locks_what_it_needs_be_it_more_or_less_and_each_counts_once() {
    let mut desk = Desk::with(1, 100, 0);
    for (revision, wanted, locked) in [(0, 60, 60), (1, 70, 70), (2, 50, 50), (2, 90, 50)] {
        desk.lock(&user(0), &need(&order(0), revision, cash(wanted)))
            .unwrap();
        assert_eq!(desk.lock_of(&order(0)).remaining(), cash(locked).amount());
    }
    let Some(AccountEvent::Released(released)) = desk.events.last() else {
        panic!("the surplus went back");
    };
    assert_eq!(released.reason(), ReleaseReason::Replaced);
    assert_eq!(released.amount, Some(cash(20).to_message()));
    assert_eq!(released.remaining, Some(cash(50).to_message()));
    let late = desk.lock(&user(0), &need(&order(0), 1, cash(99)));
    assert_eq!(late, Ok(()), "an older revision changes nothing");
    assert_eq!(desk.lock_of(&order(0)).remaining(), cash(50).amount());
    desk.check();
}

#[test]
fn a_smaller_need_waits_for_fills_too_and_a_suspended_user_gets_the_surplus() {
    let mut desk = two_sides();
    let mut less = need(&order(0), 1, cash(60));
    less.cumulative_quantity = 4;
    let refused = desk.lock(&user(0), &less);
    assert_eq!(refused.unwrap_err().reason(), "SETTLEMENT_BEHIND");
    desk.settle(&matched(4, 20)).unwrap();
    desk.accounts.get_mut(&user(0)).unwrap().standing = Standing::Suspended;
    desk.lock(&user(0), &less).unwrap();
    assert_eq!(desk.lock_of(&order(0)).remaining(), cash(60).amount());
    desk.check();
}

#[test]
fn a_lock_that_is_not_covered_is_refused_by_what_is_missing() {
    let mut desk = Desk::with(1, 100, 5);
    let refused = desk.lock(&user(0), &need(&order(0), 0, cash(101)));
    assert_eq!(refused.unwrap_err().reason(), "INSUFFICIENT_FUNDS");
    let refused = desk.lock(&user(0), &need(&order(0), 0, shares(6)));
    assert_eq!(refused.unwrap_err().reason(), "INSUFFICIENT_HOLDINGS");
    assert!(desk.slots.is_empty());
}

#[test]
fn a_suspended_user_can_neither_lock_nor_withdraw() {
    let mut desk = Desk::with(1, 100, 0);
    desk.accounts.get_mut(&user(0)).unwrap().standing = Standing::Suspended;
    let lock = desk.lock(&user(0), &need(&order(0), 0, cash(1)));
    assert_eq!(lock, Err(Rejection::UserNotActive));
    let withdrawal = desk.withdraw(&user(0), &order(9), Amount::from_units(1));
    assert_eq!(withdrawal, Err(Rejection::UserNotActive));
}

#[test]
fn a_release_before_the_lock_bars_the_order() {
    let mut desk = Desk::with(1, 100, 0);
    desk.release(&user(0), &order(0)).unwrap();
    let late = desk.lock(&user(0), &need(&order(0), 0, cash(1)));
    assert_eq!(late, Err(Rejection::OrderEnded));
    desk.check();
}

#[test]
fn a_released_lock_cannot_be_locked_again() {
    let mut desk = Desk::with(1, 100, 0);
    desk.lock(&user(0), &need(&order(0), 0, cash(10))).unwrap();
    desk.release(&user(0), &order(0)).unwrap();
    desk.release(&user(0), &order(0)).unwrap();
    let late = desk.lock(&user(0), &need(&order(0), 0, cash(10)));
    assert_eq!(late, Err(Rejection::OrderEnded));
    assert_eq!(desk.available(&user(0), &Asset::cash()), cash(100).amount());
    desk.check();
}

#[test]
fn a_raise_waits_for_fills_that_are_not_settled() {
    let mut desk = two_sides();
    let mut raise = need(&order(0), 1, cash(300));
    raise.cumulative_quantity = 4;
    let refused = desk.lock(&user(0), &raise);
    assert_eq!(refused.unwrap_err().reason(), "SETTLEMENT_BEHIND");
    desk.settle(&matched(4, 20)).unwrap();
    desk.lock(&user(0), &raise).unwrap();
    assert_eq!(desk.lock_of(&order(0)).remaining(), cash(300).amount());
    desk.check();
}

#[test]
fn a_settlement_pays_both_sides_and_the_house() {
    let mut desk = two_sides();
    desk.settle(&matched(10, 20)).unwrap();
    let acme = Asset::shares("ACME").unwrap();
    assert_eq!(desk.available(&user(0), &acme), 110);
    assert_eq!(desk.available(&user(1), &acme), 90);
    assert_eq!(
        desk.available(&user(1), &Asset::cash()),
        cash(1197).amount(),
        "the proceeds of 200 without the fee of 3"
    );
    assert_eq!(desk.told.fees, 50_000);
    assert_eq!(
        desk.lock_of(&order(0)).remaining(),
        cash(8).amount(),
        "what a better price saves stays locked until the order ends"
    );
    desk.check();
}

#[test]
fn what_is_left_goes_back_when_the_order_ends_before_or_after_its_last_settlement() {
    for ends_first in [true, false] {
        let mut desk = two_sides();
        let end = |desk: &mut Desk| {
            desk.end(&user(0), &order(0), ending(10, Reason::Filled))
                .unwrap();
        };
        if ends_first {
            end(&mut desk);
            assert_eq!(desk.lock_of(&order(0)).remaining(), cash(210).amount());
        }
        desk.settle(&matched(10, 20)).unwrap();
        if !ends_first {
            end(&mut desk);
        }
        let lock = desk.lock_of(&order(0));
        assert_eq!(lock.remaining(), 0);
        assert_eq!(lock.status(), LockStatus::Released);
        assert_eq!(desk.available(&user(0), &Asset::cash()), cash(798).amount());
        desk.check();
    }
}

#[test]
fn a_lock_that_was_used_up_is_settled() {
    let mut desk = two_sides();
    desk.settle(&matched(10, 20)).unwrap();
    desk.end(&user(1), &order(1), ending(10, Reason::Filled))
        .unwrap();
    assert_eq!(desk.lock_of(&order(1)).status(), LockStatus::Settled);
    desk.check();
}

#[test]
fn a_settlement_that_is_not_covered_changes_nothing() {
    let mut desk = two_sides();
    let refused = desk.settle(&matched(10, 21));
    assert!(
        matches!(refused, Err(Breach::Overdrawn { .. })),
        "{refused:?}"
    );
    desk.check();
}

#[test]
fn fills_that_used_a_lock_keep_it_from_a_release_by_call() {
    let mut desk = two_sides();
    desk.settle(&matched(5, 20)).unwrap();
    assert_eq!(desk.release(&user(0), &order(0)), Err(Rejection::LockInUse));
}

#[test]
fn sides_that_contradict_each_other_are_no_match() {
    let buy = side(true, true, (&user(0), &order(0)), 10, 20, 0);
    let sell = side(false, false, (&user(1), &order(1)), 10, 20, 0);
    assert!(Match::of(buy.clone(), sell.clone()).is_ok());
    type Change = fn(&mut crate::domain::settlement::MatchSide);
    let changes: [Change; 6] = [
        |side| side.buys = true,
        |side| side.takes = true,
        |side| side.quantity = 9,
        |side| side.price = Amount::from_units(21),
        |side| side.match_id = "ACME-2".to_owned(),
        |side| side.user_id = user(0),
    ];
    for change in changes {
        let mut wrong = sell.clone();
        change(&mut wrong);
        let refused = Match::of(buy.clone(), wrong.clone());
        assert!(
            matches!(refused, Err(Breach::SidesDisagree { .. })),
            "{wrong:?}"
        );
    }
}

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

#[test]
fn a_settlement_names_the_portfolios_of_both_sides() {
    let portfolio = order(8);
    let none = Uuid::nil();
    let mut buy = MatchSide::read(&fill(&portfolio), none, none, "").unwrap();
    buy.fee = Amount::ZERO;
    let mut desk = two_sides();
    let sell = side(false, false, (&user(1), &order(1)), 10, 20, 0);
    let matched = Match::of(sell, buy).unwrap();
    let party = |number: usize| Party {
        account: desk.accounts[&user(number)].clone(),
        lock: desk.lock_of(&order(number)),
    };
    let settled = settle(&matched, party(0), party(1)).unwrap();
    assert_eq!(settled.event.buyer_portfolio_id, portfolio);
    assert_eq!(settled.event.seller_portfolio_id, "");
    desk.settle(&matched).unwrap();
    desk.check();
}

#[test]
fn an_account_that_is_not_what_its_events_say_is_told_by_asset() {
    let mut desk = Desk::with(1, 100, 5);
    let mut account = desk.accounts[&user(0)].clone();
    let acme = Asset::shares("ACME").unwrap();
    let balance = account.balances.get_mut(&acme).unwrap();
    balance.locked = 1;
    let differences = desk.tallies[&user(0)].differences(&account);
    assert_eq!(differences.len(), 1);
    assert_eq!(differences[0].asset, acme);
    assert_eq!(
        (differences[0].held.locked, differences[0].told.locked),
        (1, 0)
    );
    account.balances.clear();
    assert_eq!(desk.tallies[&user(0)].differences(&account).len(), 2);
    desk.deposit(&user(0), &cash(1));
    desk.check();
}

#[test]
fn a_barred_order_has_no_lock() {
    let mut desk = Desk::with(1, 100, 0);
    desk.end(&user(0), &order(0), ending(0, Reason::Rejected))
        .unwrap();
    assert!(matches!(desk.slots[&order(0)], Slot::Barred { .. }));
}
