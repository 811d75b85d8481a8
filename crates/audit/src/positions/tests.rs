use outcry_contracts::funds::v1::{FundsDepositedEvent, FundsSettledEvent, FundsWithdrawnEvent};
use serde_json::json;

use super::*;
use crate::samples::{ALICE, BOB, MATCH, Script, id, money, sale, shares};

fn row(user: u128, realised: i64, lots: &[(&str, i64, i64)]) -> Kept {
    let quantity: i64 = lots.iter().map(|lot| lot.1).sum();
    let key = format!("{}/ACME", id(user));
    let position = json!({
        "user_id": id(user), "symbol": "ACME", "quantity": quantity,
        "realised_profit": realised,
    });
    let lots = (0..).zip(lots).map(|(place, (reference, quantity, cost))| {
        let lot = json!({"reference": reference, "quantity": quantity, "cost": cost});
        (format!("{key}/{place}"), lot)
    });
    let lots = lots.collect();
    let kept = read(&[(key, position)].into(), &lots).unwrap();
    kept.into_values().next().unwrap()
}

fn differences(script: &Script, user: u128, kept: Option<&Kept>) -> usize {
    let history = script.history();
    let positions = follow(&history).unwrap();
    let user = id(user);
    let position = &positions[&(user.as_str(), "ACME")];
    position.differences(kept).len()
}

#[test]
fn the_positions_after_a_sale_are_recomputed() {
    let alice = row(ALICE, 0, &[(MATCH, 4, 3_964_000)]);
    assert_eq!(differences(&sale(), ALICE, Some(&alice)), 0);
    let bob = row(BOB, 3_957_000, &[("listing", 6, 0)]);
    assert_eq!(differences(&sale(), BOB, Some(&bob)), 0);
}

#[test]
fn i20_a_position_that_is_missing_or_wrong_is_found() {
    assert_eq!(differences(&sale(), ALICE, None), 1);
    let wrong = [
        row(ALICE, 1, &[(MATCH, 4, 3_964_000)]),
        row(ALICE, 0, &[(MATCH, 3, 3_964_000)]),
        row(ALICE, 0, &[(MATCH, 4, 3_960_000)]),
        row(ALICE, 0, &[("ACME-8", 4, 3_964_000)]),
        row(ALICE, 0, &[]),
    ];
    for kept in &wrong {
        assert_ne!(differences(&sale(), ALICE, Some(kept)), 0);
    }
}

#[test]
fn i20_shares_that_no_lot_held_are_found() {
    let script = sale().edit::<FundsDepositedEvent>(1, |issued| {
        issued.amount = shares(3);
        issued.available = shares(3);
    });
    let bob = row(BOB, 3_957_000, &[]);
    assert_eq!(differences(&script, BOB, Some(&bob)), 1);
}

/// Alice sells three of her four shares back to Bob for 100.00 each, without fees.
fn sold_back() -> Script {
    sale()
        .again::<FundsSettledEvent>(0)
        .edit::<FundsSettledEvent>(1, |settled| {
            settled.match_id = "ACME-8".to_owned();
            settled.quantity = 3;
            settled.price = money(1_000_000);
            settled.notional = money(3_000_000);
            settled.buyer_user_id = id(BOB);
            settled.seller_user_id = id(ALICE);
            settled.buyer_fee = money(0);
            settled.seller_fee = money(0);
        })
}

#[test]
fn i20_part_of_a_lot_costs_its_part_and_the_rest_is_profit() {
    let left = row(ALICE, 27_000, &[(MATCH, 1, 991_000)]);
    assert_eq!(differences(&sold_back(), ALICE, Some(&left)), 0);
    let vanished = row(ALICE, 27_001, &[(MATCH, 1, 991_000)]);
    assert_eq!(differences(&sold_back(), ALICE, Some(&vanished)), 1);
    let shifted = row(ALICE, 27_001, &[(MATCH, 1, 991_001)]);
    assert_eq!(differences(&sold_back(), ALICE, Some(&shifted)), 1);
}

#[test]
fn part_of_a_cost_is_rounded_by_less_than_one() {
    // Four shares that cost one ten-thousandth more.
    let script = sold_back().edit::<FundsSettledEvent>(0, |settled| {
        settled.notional = money(3_960_001);
    });
    for (realised, cost) in [(26_999, 991_000), (27_000, 991_001)] {
        let rounded = row(ALICE, realised, &[(MATCH, 1, cost)]);
        assert_eq!(differences(&script, ALICE, Some(&rounded)), 0);
    }
    let too_far = row(ALICE, 27_001, &[(MATCH, 1, 991_002)]);
    assert_eq!(differences(&script, ALICE, Some(&too_far)), 1);
}

#[test]
fn lots_that_are_sold_completely_do_not_count() {
    let bob = row(BOB, 3_957_000, &[("sold", 0, 0), ("listing", 6, 0)]);
    assert_eq!(differences(&sale(), BOB, Some(&bob)), 0);
}

#[test]
fn the_order_events_were_committed_in_does_not_matter() {
    let mut history = sold_back().history();
    history.events.reverse();
    let positions = follow(&history).unwrap();
    let alice = id(ALICE);
    let position = &positions[&(alice.as_str(), "ACME")];
    let left = row(ALICE, 27_000, &[(MATCH, 1, 991_000)]);
    assert_eq!(position.differences(Some(&left)), [""; 0]);
}

#[test]
fn the_oldest_lot_goes_first() {
    let bob = row(
        BOB,
        3_957_000,
        &[("listing", 6, 0), ("ACME-8", 3, 3_000_000)],
    );
    assert_eq!(differences(&sold_back(), BOB, Some(&bob)), 0);
    let swapped = row(
        BOB,
        3_957_000,
        &[("ACME-8", 3, 3_000_000), ("listing", 6, 0)],
    );
    assert_eq!(differences(&sold_back(), BOB, Some(&swapped)), 2);
}

/// Alice bought four shares for her other portfolio, and two more for the main one.
const OTHER: u128 = 0x40;

fn two_portfolios(sold_from: &str) -> Script {
    let sold_from = sold_from.to_owned();
    sale()
        .again::<FundsSettledEvent>(0)
        .edit::<FundsSettledEvent>(0, |settled| settled.buyer_portfolio_id = id(OTHER))
        .edit::<FundsSettledEvent>(1, |settled| {
            settled.match_id = "ACME-8".to_owned();
            settled.quantity = 2;
        })
        .again::<FundsSettledEvent>(1)
        .edit::<FundsSettledEvent>(2, |settled| {
            settled.match_id = "ACME-9".to_owned();
            settled.quantity = 3;
            settled.buyer_user_id = id(BOB);
            settled.seller_user_id = id(ALICE);
            settled.seller_portfolio_id.clone_from(&sold_from);
        })
}

/// What is left of each lot of Alice's, by reference.
fn left(script: &Script) -> Vec<(String, i64)> {
    let history = script.history();
    let positions = follow(&history).unwrap();
    let alice = id(ALICE);
    let (lots, short) = positions[&(alice.as_str(), "ACME")].left();
    assert_eq!(short, 0);
    let left = lots
        .values()
        .map(|lot| (lot.reference.to_owned(), lot.left));
    left.collect()
}

#[test]
fn a_sale_takes_the_lots_of_its_own_portfolio_first_and_then_the_oldest() {
    let (other, main) = (MATCH.to_owned(), "ACME-8".to_owned());
    assert_eq!(
        left(&two_portfolios(&id(OTHER))),
        [(other.clone(), 1), (main, 2)]
    );
    assert_eq!(left(&two_portfolios("")), [(other, 3)]);
}

#[test]
fn i20_portfolios_that_hold_something_else_than_their_lots_are_found() {
    let history = two_portfolios("").history();
    let positions = follow(&history).unwrap();
    let alice = id(ALICE);
    let (lots, _) = positions[&(alice.as_str(), "ACME")].left();
    let judge = |parts: serde_json::Value| {
        let kept = json!({"quantity": 3, "realised_profit": 0, "portfolios": parts});
        let kept: Kept = serde_json::from_value(kept).unwrap();
        kept.parts(&lots).len()
    };
    let main = portfolio("", &alice).to_string();
    assert_eq!(judge(json!({id(OTHER): {"quantity": 3}})), 0);
    assert_eq!(
        judge(json!({id(OTHER): {"quantity": 3}, main.clone(): {"quantity": 0}})),
        0
    );
    assert_eq!(judge(json!({id(OTHER): {"quantity": 2}})), 1);
    assert_eq!(judge(json!({main: {"quantity": 3}})), 2);
}

#[test]
fn the_main_portfolio_of_a_user_is_the_one_it_has_always_been() {
    let user = "00000000-0000-0000-0000-00000000000b";
    let main = "a8550a42-5940-5228-abae-3091461bdd2d";
    assert_eq!(portfolio("", user).to_string(), main);
    assert_eq!(portfolio(main, "").to_string(), main);
}

#[test]
fn an_issue_that_is_taken_back_takes_its_own_lot() {
    let script = sale()
        .again::<FundsDepositedEvent>(1)
        .edit::<FundsDepositedEvent>(2, |issue| issue.reference = "second".to_owned());
    let second = script.event_id::<FundsDepositedEvent>(2).to_string();
    let script = script.then(FundsWithdrawnEvent {
        user_id: id(BOB),
        withdrawal_id: second.clone(),
        amount: shares(10),
        available: shares(6),
        destination_last4: "0000".to_owned(),
        reverses_event_id: second,
        ..Default::default()
    });
    let history = script.history();
    let positions = follow(&history).unwrap();
    let bob = id(BOB);
    let (lots, short) = positions[&(bob.as_str(), "ACME")].left();
    let left: Vec<_> = lots.values().map(|lot| (lot.reference, lot.left)).collect();
    assert_eq!((left, short), (vec![("listing", 6)], 0));
}

#[test]
fn i20_lots_that_hold_something_else_than_custody_are_found() {
    let history = sale().history();
    let custody = crate::custody::custody(&history, &mut Findings::default()).unwrap();
    let judge = |script: &Script| {
        let history = script.history();
        let mut findings = Findings::default();
        check_custody(&follow(&history).unwrap(), &custody, &mut findings);
        crate::samples::broken(&findings)
    };
    assert_eq!(judge(&sale()), [""; 0]);
    assert_eq!(judge(&sale().without::<FundsSettledEvent>(0)), ["I20"]);
}
