//! Given an account, when something is asked, then this.

use outcry_contracts::funds::v1::LockStatus;
use outcry_events::money::Amount;
use outcry_mesh::Refusal;

use super::desk::{Desk, cash, ending, need, order, shares, side, user};
use crate::domain::lock::Reason;
use crate::domain::settlement::Match;
use crate::domain::{Asset, Breach, Rejection, Slot, Standing};

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
fn a_higher_revision_raises_a_lock_to_what_it_needs_and_never_lowers_it() {
    let mut desk = Desk::with(1, 100, 0);
    for (revision, wanted, locked) in [(0, 60, 60), (1, 70, 70), (2, 50, 70), (2, 90, 70)] {
        desk.lock(&user(0), &need(&order(0), revision, cash(wanted)))
            .unwrap();
        assert_eq!(desk.lock_of(&order(0)).remaining(), cash(locked).amount());
    }
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
fn a_payout_is_locked_and_posted_at_once() {
    let mut desk = Desk::with(1, 100, 0);
    desk.withdraw(&user(0), &order(5), Amount::from_units(30))
        .unwrap();
    assert_eq!(desk.lock_of(&order(5)).status(), LockStatus::Settled);
    let refused = desk.withdraw(&user(0), &order(6), Amount::from_units(71));
    assert_eq!(refused.unwrap_err().reason(), "INSUFFICIENT_FUNDS");
    desk.check();
}

#[test]
fn a_barred_order_has_no_lock() {
    let mut desk = Desk::with(1, 100, 0);
    desk.end(&user(0), &order(0), ending(0, Reason::Rejected))
        .unwrap();
    assert!(matches!(desk.slots[&order(0)], Slot::Barred { .. }));
}
