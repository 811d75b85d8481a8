//! Given an account, when something is asked, then this.

use outcry_contracts::funds::v1::{LockStatus, ReleaseReason};
use outcry_events::money::Amount;
use outcry_mesh::Refusal;
use uuid::Uuid;

use super::desk::{Desk, cash, ending, fill, need, order, shares, side, user};
use crate::domain::lock::Reason;
use crate::domain::settlement::{Match, MatchSide, Party, settle};
use crate::domain::{AccountEvent, Asset, Breach, Rejection, Slot, Standing};

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
