use super::*;
use crate::samples::{ALICE, BOB, Script, broken, cash, id, money, sale, shares};

fn judged(script: &Script) -> Vec<&'static str> {
    let mut findings = Findings::default();
    check(&script.history(), &mut findings).unwrap();
    broken(&findings)
}

#[test]
fn a_sale_as_it_should_be_breaks_nothing() {
    assert_eq!(judged(&sale()), Vec::<&str>::new());
}

#[test]
fn i7_a_match_without_its_other_side_is_found() {
    assert_eq!(judged(&sale().without::<TradeExecutedEvent>(0)), ["I7"]);
    let alone = sale()
        .without::<TradeExecutedEvent>(0)
        .without::<TradeExecutedEvent>(0);
    assert_eq!(judged(&alone), ["I7"]);
    // Its side also spends twice.
    assert_eq!(judged(&sale().again::<TradeExecutedEvent>(0)), ["I7", "I9"]);
}

#[test]
fn i7_and_i9_sides_that_disagree_are_found() {
    let fewer = |fill: &mut TradeExecutedEvent| fill.last_quantity = 3;
    assert_eq!(judged(&sale().edit(1, fewer)), ["I7"]);
    let dearer = |fill: &mut TradeExecutedEvent| fill.last_price = money(995_000);
    assert_eq!(judged(&sale().edit(1, dearer)), ["I9"]);
    let both_take = |fill: &mut TradeExecutedEvent| fill.set_liquidity(Liquidity::Taker);
    assert_eq!(judged(&sale().edit(1, both_take)), ["I9"]);
}

#[test]
fn i7_a_settlement_other_than_the_match_is_found() {
    let faults: [fn(&mut FundsSettledEvent); 5] = [
        |settled| settled.quantity = 3,
        |settled| settled.notional = money(3_960_001),
        |settled| settled.buyer_fee = money(4_001),
        |settled| settled.buyer_user_id = id(BOB),
        |settled| settled.match_id = "ACME-8".to_owned(),
    ];
    for fault in faults {
        assert_eq!(judged(&sale().edit(0, fault)), ["I7"]);
    }
}

#[test]
fn i9_a_fill_beyond_its_limit_is_found() {
    let lower = |created: &mut TradeCreatedEvent| {
        if let Some(terms) = &mut created.terms {
            terms.limit_price = money(980_000);
        }
    };
    assert_eq!(judged(&sale().edit(1, lower)), ["I9"]);
    let changed = |placed: &mut TradePlacedEvent| {
        placed.revision = 1;
        placed.limit_price = money(995_000);
    };
    assert_eq!(judged(&sale().edit(0, changed)), ["I9"]);
}

#[test]
fn i9_an_order_placed_beyond_its_protection_is_found() {
    let beyond = |placed: &mut TradePlacedEvent| placed.limit_price = money(1_000_100);
    assert_eq!(judged(&sale().edit(1, beyond)), ["I9"]);
}

#[test]
fn i9_fills_that_take_more_than_is_locked_are_found() {
    let less = |locked: &mut FundsLockedEvent| locked.amount = cash(4_009_999);
    assert_eq!(judged(&sale().edit(1, less)), ["I9"]);
    let fewer = |locked: &mut FundsLockedEvent| locked.amount = shares(3);
    assert_eq!(judged(&sale().edit(0, fewer)), ["I9"]);
    let too_much = |released: &mut FundsReleasedEvent| released.amount = cash(46_001);
    assert_eq!(judged(&sale().edit(0, too_much)), ["I9"]);
}

#[test]
fn i12_a_trade_of_somebody_with_themselves_is_found() {
    let both = sale()
        .edit(1, |fill: &mut TradeExecutedEvent| fill.user_id = id(ALICE))
        .edit(0, |settled: &mut FundsSettledEvent| {
            settled.seller_user_id = id(ALICE);
        });
    assert_eq!(judged(&both), ["I12"]);
}
