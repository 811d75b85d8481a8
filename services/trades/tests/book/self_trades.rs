//! Orders of one owner that would trade with each other.

use outcry_trades::book::{SelfTrade, TimeInForce};

use crate::scenario::{Given, When, With, buy, given, sell, submit};

/// 30 of somebody, 30 of owner 7 and 30 of somebody, one behind the other.
fn queue() -> Given {
    given([
        submit(sell(1, 30, 1000)),
        submit(sell(2, 30, 1000).owned_by(7)),
        submit(sell(3, 30, 1000)),
    ])
}

fn taker(self_trade: SelfTrade, quantity: i64) -> When {
    queue().when(submit(
        buy(4, quantity, 1000).owned_by(7).prevents(self_trade),
    ))
}

const FIRST: &str = "match: 4 takes 30 @ 1000 from 1 (taker 30+50, maker 30+0)";

#[test]
fn the_newest_gives_way() {
    taker(SelfTrade::CancelNewest, 80)
        .then(["placed 4", FIRST, "cancelled 4: 50 SelfTrade"])
        .then_book(&[], &[(1000, 60)]);
}

#[test]
fn the_oldest_gives_way() {
    taker(SelfTrade::CancelOldest, 80)
        .then([
            "placed 4",
            FIRST,
            "cancelled 2: 30 SelfTrade",
            "match: 4 takes 30 @ 1000 from 3 (taker 60+20, maker 30+0)",
        ])
        .then_book(&[(1000, 20)], &[]);
}

#[test]
fn both_give_way() {
    taker(SelfTrade::CancelBoth, 80)
        .then([
            "placed 4",
            FIRST,
            "cancelled 2: 30 SelfTrade",
            "cancelled 4: 50 SelfTrade",
        ])
        .then_book(&[], &[(1000, 30)]);
}

#[test]
fn both_lose_what_they_would_have_traded_with_each_other() {
    taker(SelfTrade::Decrement, 80)
        .then([
            "placed 4",
            FIRST,
            "cancelled 2: 30 SelfTrade",
            "replaced 4: 50 @ 1000, keeps its place",
            "match: 4 takes 20 @ 1000 from 3 (taker 50+0, maker 20+10)",
        ])
        .then_book(&[], &[(1000, 10)]);
    taker(SelfTrade::Decrement, 40)
        .then([
            "placed 4",
            "match: 4 takes 30 @ 1000 from 1 (taker 30+10, maker 30+0)",
            "replaced 2: 20 @ 1000, keeps its place",
            "cancelled 4: 10 SelfTrade",
        ])
        .then_book(&[], &[(1000, 50)]);
    taker(SelfTrade::Decrement, 60)
        .then([
            "placed 4",
            "match: 4 takes 30 @ 1000 from 1 (taker 30+30, maker 30+0)",
            "cancelled 2: 30 SelfTrade",
            "cancelled 4: 30 SelfTrade",
        ])
        .then_book(&[], &[(1000, 30)]);
}

#[test]
fn the_incoming_orders_choice_counts_not_the_resting_ones() {
    given([submit(
        sell(1, 30, 1000)
            .owned_by(7)
            .prevents(SelfTrade::CancelBoth),
    )])
    .when(submit(buy(2, 10, 1000).owned_by(7)))
    .then(["placed 2", "cancelled 2: 10 SelfTrade"])
    .then_book(&[], &[(1000, 30)]);
}

#[test]
fn a_fill_or_kill_order_counts_only_on_the_shares_of_others() {
    let order = |self_trade, quantity| {
        queue().when(submit(
            buy(4, quantity, 1000)
                .owned_by(7)
                .prevents(self_trade)
                .tif(TimeInForce::FillOrKill),
        ))
    };
    for self_trade in [
        SelfTrade::CancelNewest,
        SelfTrade::CancelBoth,
        SelfTrade::Decrement,
    ] {
        order(self_trade, 60)
            .then(["placed 4", "cancelled 4: 60 SelfTrade"])
            .then_book(&[], &[(1000, 90)]);
    }
    order(SelfTrade::CancelOldest, 61)
        .then(["placed 4", "cancelled 4: 61 FillOrKill"])
        .then_book(&[], &[(1000, 90)]);
    order(SelfTrade::CancelOldest, 60)
        .then([
            "placed 4",
            "match: 4 takes 30 @ 1000 from 1 (taker 30+30, maker 30+0)",
            "cancelled 2: 30 SelfTrade",
            "match: 4 takes 30 @ 1000 from 3 (taker 60+0, maker 30+0)",
        ])
        .then_book(&[], &[]);
}
