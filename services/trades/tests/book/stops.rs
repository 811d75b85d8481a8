//! Stop orders: who waits, who is woken, and in which order.

use outcry_trades::book::{Command, Pricing, Rules, Session, Side, Terms, TimeInForce};

use crate::scenario::{
    CENT, Given, RULES, With, buy, cancel, given, given_under, replace, replace_stop, sell,
    session, submit,
};

/// A book in which the last trade was at 10.00.
fn traded_at_1000(more: impl IntoIterator<Item = Command>) -> Given {
    traded_under(RULES, more)
}

fn traded_under(rules: Rules, more: impl IntoIterator<Item = Command>) -> Given {
    let trade = [submit(sell(901, 1, 1000)), submit(buy(902, 1, 1000))];
    given_under(rules, trade.into_iter().chain(more))
}

fn waiting(given: &Given, side: Side) -> Vec<u128> {
    given
        .0
        .waiting(side)
        .map(|order| order.order_id.as_u128())
        .collect()
}

#[test]
fn a_stop_order_waits_unseen_until_its_price_trades() {
    let book = || {
        traded_at_1000([
            submit(sell(1, 10, 1010)),
            submit(sell(2, 50, 1020)),
            submit(buy(3, 40, 1030).market().stop(1010)),
        ])
    };
    assert_eq!(waiting(&book(), Side::Buy), [3]);
    book()
        .when(submit(buy(4, 5, 1005)))
        .then(["placed 4"])
        .then_book(&[(1005, 5)], &[(1010, 10), (1020, 50)]);
    book()
        .when(submit(buy(4, 10, 1010)))
        .then([
            "placed 4",
            "match: 4 takes 10 @ 1010 from 1 (taker 10+0, maker 10+0)",
            "triggered 3 @ 1030",
            "match: 3 takes 40 @ 1020 from 2 (taker 40+0, maker 40+10)",
        ])
        .then_book(&[], &[(1020, 10)]);
}

#[test]
fn a_woken_stop_takes_what_there_is_within_its_protection_and_no_more() {
    traded_at_1000([
        submit(buy(1, 10, 990)),
        submit(buy(2, 10, 980)),
        submit(buy(3, 10, 970)),
        submit(sell(4, 30, 980).market().stop(990)),
    ])
    .when(submit(sell(5, 10, 990)))
    .then([
        "placed 5",
        "match: 5 takes 10 @ 990 from 1 (taker 10+0, maker 10+0)",
        "triggered 4 @ 980",
        "match: 4 takes 10 @ 980 from 2 (taker 10+20, maker 10+0)",
        "cancelled 4: 20 NoLiquidity",
    ])
    .then_book(&[(970, 10)], &[]);
}

#[test]
fn a_woken_stop_limit_rests_at_its_limit() {
    traded_at_1000([
        submit(sell(1, 10, 1010)),
        submit(buy(2, 40, 1012).stop(1010)),
    ])
    .when(submit(buy(3, 10, 1010)))
    .then([
        "placed 3",
        "match: 3 takes 10 @ 1010 from 1 (taker 10+0, maker 10+0)",
        "triggered 2 @ 1012",
    ])
    .then_book(&[(1012, 40)], &[]);
}

#[test]
fn a_stop_whose_price_is_there_already_goes_at_once() {
    traded_at_1000([submit(sell(1, 10, 1010))])
        .when(submit(buy(2, 10, 1010).stop(1000)))
        .then([
            "placed 2",
            "triggered 2 @ 1010",
            "match: 2 takes 10 @ 1010 from 1 (taker 10+0, maker 10+0)",
        ]);
    // Without a trade there is no last price.
    given([submit(sell(1, 10, 1010))])
        .when(submit(buy(2, 10, 1010).stop(1)))
        .then(["placed 2"]);
}

#[test]
fn the_nearer_stop_goes_first_and_then_the_earlier() {
    let waits = |number: u64, stop: i64| submit(buy(number, 1, 1100).stop(stop));
    traded_at_1000([
        waits(1, 1020),
        waits(2, 1010),
        waits(3, 1020),
        submit(sell(4, 1, 1030)),
    ])
    .when(submit(buy(5, 1, 1030)))
    .then([
        "placed 5",
        "match: 5 takes 1 @ 1030 from 4 (taker 1+0, maker 1+0)",
        "triggered 2 @ 1100",
        "triggered 1 @ 1100",
        "triggered 3 @ 1100",
    ]);
    let waits = |number: u64, stop: i64| submit(sell(number, 1, 900).stop(stop));
    traded_at_1000([
        waits(1, 980),
        waits(2, 990),
        waits(3, 980),
        submit(buy(4, 1, 970)),
    ])
    .when(submit(sell(5, 1, 970)))
    .then([
        "placed 5",
        "match: 5 takes 1 @ 970 from 4 (taker 1+0, maker 1+0)",
        "triggered 2 @ 900",
        "triggered 1 @ 900",
        "triggered 3 @ 900",
    ]);
}

#[test]
fn stops_wake_stops_until_nothing_more_moves() {
    let ask = |number: u64, cents: i64| submit(sell(number, 1, cents));
    let waits = |number: u64, stop: i64| submit(buy(number, 1, 1100).market().stop(stop));
    // The last of them wakes one that waits for a fall.
    traded_at_1000([
        ask(1, 1010),
        ask(2, 1020),
        ask(3, 1030),
        waits(4, 1010),
        waits(5, 1020),
        waits(6, 1030),
        submit(sell(7, 5, 1050).stop(500)),
    ])
    .when(submit(buy(8, 1, 1010)))
    .then([
        "placed 8",
        "match: 8 takes 1 @ 1010 from 1 (taker 1+0, maker 1+0)",
        "triggered 4 @ 1100",
        "match: 4 takes 1 @ 1020 from 2 (taker 1+0, maker 1+0)",
        "triggered 5 @ 1100",
        "match: 5 takes 1 @ 1030 from 3 (taker 1+0, maker 1+0)",
        "triggered 6 @ 1100",
        "cancelled 6: 1 NoLiquidity",
    ])
    .then_book(&[], &[]);
}

#[test]
fn every_trade_of_a_sweep_counts_not_only_the_last() {
    // The price falls to 9.90 for one trade and is back above within the same order.
    traded_at_1000([
        submit(sell(1, 1, 990)),
        submit(sell(2, 1, 1010)),
        submit(sell(3, 1, 985).stop(995)),
    ])
    .when(submit(buy(4, 2, 1010)))
    .then([
        "placed 4",
        "match: 4 takes 1 @ 990 from 1 (taker 1+1, maker 1+0)",
        "match: 4 takes 1 @ 1010 from 2 (taker 2+0, maker 1+0)",
        "triggered 3 @ 985",
    ]);
}

#[test]
fn a_waiting_stop_can_be_cancelled_and_changed() {
    let book = || {
        traded_at_1000([
            submit(buy(1, 10, 1050).stop(1010)),
            submit(buy(2, 10, 1050).stop(1010)),
        ])
    };
    book().when(cancel(1)).then(["cancelled 1: 10 Requested"]);
    let changed = book()
        .when(replace_stop(1, 10, 1050, 1005))
        .then(["replaced 1: 10 @ 1050 stop 1005"]);
    assert_eq!(waiting(&Given(changed.book), Side::Buy), [1, 2]);
    let smaller = book()
        .when(replace(1, 5, 1040))
        .then(["replaced 1: 5 @ 1040 stop 1010, keeps its place"]);
    assert_eq!(waiting(&Given(smaller.book), Side::Buy), [1, 2]);
    let larger = book()
        .when(replace(1, 15, 1050))
        .then(["replaced 1: 15 @ 1050 stop 1010"]);
    assert_eq!(waiting(&Given(larger.book), Side::Buy), [2, 1]);
    book()
        .when(replace_stop(1, 10, 1050, 1000))
        .then(["replaced 1: 10 @ 1050 stop 1000", "triggered 1 @ 1050"])
        .then_book(&[(1050, 10)], &[]);
    book()
        .when(replace_stop(1, 10, 1050, 1005))
        .book
        .order(crate::scenario::id(1))
        .unwrap();
}

#[test]
fn an_order_that_does_not_wait_takes_no_stop_price() {
    traded_at_1000([submit(buy(1, 10, 990))])
        .when(replace_stop(1, 10, 990, 1010))
        .then(["rejected: Terms(NotWaiting)"]);
}

#[test]
fn a_waiting_stop_expires_like_any_other() {
    traded_at_1000([submit(buy(1, 10, 1050).stop(1010).until(60))])
        .when_at(60, submit(sell(2, 1, 1010)))
        .then(["cancelled 1: 10 Expired", "placed 2"]);
}

#[test]
fn a_post_only_stop_that_would_take_when_it_is_woken_leaves() {
    traded_at_1000([
        submit(sell(1, 10, 1010)),
        submit(sell(2, 10, 1011)),
        submit(buy(3, 10, 1012).stop(1010).post_only()),
    ])
    .when(submit(buy(4, 10, 1010)))
    .then([
        "placed 4",
        "match: 4 takes 10 @ 1010 from 1 (taker 10+0, maker 10+0)",
        "triggered 3 @ 1012",
        "cancelled 3: 10 PostOnly",
    ]);
}

#[test]
fn a_woken_fill_or_kill_stop_fills_completely_or_touches_nobody() {
    let book = |quantity: i64| {
        traded_at_1000([
            submit(sell(1, 10, 1010)),
            submit(sell(2, 10, 1011)),
            submit(
                buy(3, quantity, 1012)
                    .stop(1010)
                    .tif(TimeInForce::FillOrKill),
            ),
        ])
        .when(submit(buy(4, 10, 1010)))
    };
    let first = [
        "placed 4",
        "match: 4 takes 10 @ 1010 from 1 (taker 10+0, maker 10+0)",
        "triggered 3 @ 1012",
    ];
    let [a, b, c] = first;
    book(11).then([a, b, c, "cancelled 3: 11 FillOrKill"]);
    book(10).then([
        a,
        b,
        c,
        "match: 3 takes 10 @ 1011 from 2 (taker 10+0, maker 10+0)",
    ]);
}

#[test]
fn stop_prices_fit_the_tick_and_limits_the_band_around_them() {
    let rules = Rules {
        band_bps: Some(500),
        ..RULES
    };
    let off_tick = Terms {
        stop: Some(1010 * CENT + 1),
        ..buy(1, 10, 1020)
    };
    traded_at_1000([])
        .when(submit(off_tick))
        .then(["refused 1: PriceOffTick"]);
    // Far from the last price, but near to where it would trade.
    traded_under(rules, [])
        .when(submit(buy(1, 10, 1520).stop(1500)))
        .then(["placed 1"]);
    traded_under(rules, [])
        .when(submit(buy(1, 10, 1600).stop(1500)))
        .then(["refused 1: PriceOutsideBand"]);
    let drawn_in = traded_under(rules, []).when(submit(buy(1, 10, 1600).market().stop(1500)));
    let collar = drawn_in.book.order(crate::scenario::id(1)).unwrap().price;
    assert_eq!(collar, 1575 * CENT);
}

#[test]
fn a_collar_never_becomes_worse_for_its_owner() {
    let rules = Rules {
        band_bps: Some(500),
        listing_price: Some(1000 * CENT),
        ..RULES
    };
    let cheap = Terms {
        pricing: Pricing::Market { collar: 900 * CENT },
        ..buy(2, 10, 0)
    };
    given_under(rules, [submit(sell(1, 10, 960))])
        .when(submit(cheap))
        .then(["refused 2: NoLiquidity"]);
}

#[test]
fn no_stop_is_woken_while_the_market_only_takes_resting_orders() {
    traded_at_1000([submit(sell(1, 10, 1010)), session(Session::PostOnly)])
        .when(submit(buy(2, 10, 1010).stop(1000)))
        .then(["placed 2"]);
    traded_at_1000([
        submit(sell(1, 10, 1010)),
        session(Session::PostOnly),
        submit(buy(2, 10, 1010).stop(1000)),
    ])
    .when(session(Session::Open))
    .then([
        "session Open",
        "triggered 2 @ 1010",
        "match: 2 takes 10 @ 1010 from 1 (taker 10+0, maker 10+0)",
    ]);
}
