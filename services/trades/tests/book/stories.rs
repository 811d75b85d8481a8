//! One situation each, told as given, when, then.

use outcry_trades::book::{BookEvent, Command, FeeSchedule, Rules, Session, Side, TimeInForce};

use crate::scenario::{
    CENT, Given, RULES, With, buy, cancel, given, given_under, replace, run_stepwise, sell,
    session, submit,
};

#[test]
fn an_order_with_nobody_to_trade_with_rests() {
    given([])
        .when(submit(buy(1, 100, 1000)))
        .then(["placed 1"])
        .then_book(&[(1000, 100)], &[]);
}

#[test]
fn a_better_price_trades_first_and_at_the_resting_price() {
    given([submit(sell(1, 50, 1001)), submit(sell(2, 50, 1000))])
        .when(submit(buy(3, 80, 1001)))
        .then([
            "placed 3",
            "match: 3 takes 50 @ 1000 from 2 (taker 50+30, maker 50+0)",
            "match: 3 takes 30 @ 1001 from 1 (taker 80+0, maker 30+20)",
        ])
        .then_book(&[], &[(1001, 20)]);
}

#[test]
fn at_one_price_the_earlier_order_trades_first() {
    given([submit(buy(1, 50, 1000)), submit(buy(2, 50, 1000))])
        .when(submit(sell(3, 60, 999)))
        .then([
            "placed 3",
            "match: 3 takes 50 @ 1000 from 1 (taker 50+10, maker 50+0)",
            "match: 3 takes 10 @ 1000 from 2 (taker 60+0, maker 10+40)",
        ])
        .then_book(&[(1000, 40)], &[]);
}

#[test]
fn what_a_limit_order_does_not_fill_rests_at_its_limit() {
    given([submit(sell(1, 30, 1000))])
        .when(submit(buy(2, 100, 1005)))
        .then([
            "placed 2",
            "match: 2 takes 30 @ 1000 from 1 (taker 30+70, maker 30+0)",
        ])
        .then_book(&[(1005, 70)], &[]);
}

#[test]
fn immediate_or_cancel_never_rests() {
    given([submit(sell(1, 30, 1000))])
        .when(submit(
            buy(2, 100, 1000).tif(TimeInForce::ImmediateOrCancel),
        ))
        .then([
            "placed 2",
            "match: 2 takes 30 @ 1000 from 1 (taker 30+70, maker 30+0)",
            "cancelled 2: 70 ImmediateOrCancel",
        ])
        .then_book(&[], &[]);
}

#[test]
fn a_fill_or_kill_order_that_cannot_fill_touches_nobody() {
    given([submit(sell(1, 30, 1000)), submit(sell(2, 30, 1001))])
        .when(submit(buy(3, 61, 1001).tif(TimeInForce::FillOrKill)))
        .then(["placed 3", "cancelled 3: 61 FillOrKill"])
        .then_book(&[], &[(1000, 30), (1001, 30)]);
}

#[test]
fn a_fill_or_kill_order_that_can_fill_does() {
    given([submit(sell(1, 30, 1000)), submit(sell(2, 30, 1001))])
        .when(submit(buy(3, 60, 1001).tif(TimeInForce::FillOrKill)))
        .then([
            "placed 3",
            "match: 3 takes 30 @ 1000 from 1 (taker 30+30, maker 30+0)",
            "match: 3 takes 30 @ 1001 from 2 (taker 60+0, maker 30+0)",
        ])
        .then_book(&[], &[]);
}

#[test]
fn a_fill_or_kill_order_does_not_count_on_its_owners_shares() {
    given([
        submit(sell(1, 30, 1000)),
        submit(sell(2, 30, 1000).owned_by(7)),
    ])
    .when(submit(
        buy(3, 60, 1000).owned_by(7).tif(TimeInForce::FillOrKill),
    ))
    .then(["placed 3", "cancelled 3: 60 SelfTrade"])
    .then_book(&[], &[(1000, 60)]);
}

#[test]
fn a_market_order_takes_up_to_its_collar_and_never_rests() {
    given([submit(sell(1, 30, 1000)), submit(sell(2, 30, 1100))])
        .when(submit(buy(3, 60, 1050).market()))
        .then([
            "placed 3",
            "match: 3 takes 30 @ 1000 from 1 (taker 30+30, maker 30+0)",
            "cancelled 3: 30 NoLiquidity",
        ])
        .then_book(&[], &[(1100, 30)]);
}

#[test]
fn a_market_order_in_an_empty_book_is_refused() {
    given([])
        .when(submit(buy(1, 10, 1000).market()))
        .then(["refused 1: NoLiquidity"]);
}

#[test]
fn nobody_trades_with_themselves() {
    given([
        submit(sell(1, 10, 999)),
        submit(sell(2, 10, 1000).owned_by(7)),
    ])
    .when(submit(buy(3, 30, 1000).owned_by(7)))
    .then([
        "placed 3",
        "match: 3 takes 10 @ 999 from 1 (taker 10+20, maker 10+0)",
        "cancelled 3: 20 SelfTrade",
    ])
    .then_book(&[], &[(1000, 10)]);
}

#[test]
fn ones_own_order_beyond_what_is_needed_is_no_obstacle() {
    given([
        submit(sell(1, 10, 999)),
        submit(sell(2, 10, 1000).owned_by(7)),
    ])
    .when(submit(buy(3, 10, 1000).owned_by(7)))
    .then([
        "placed 3",
        "match: 3 takes 10 @ 999 from 1 (taker 10+0, maker 10+0)",
    ]);
}

#[test]
fn a_post_only_order_rests_or_is_refused() {
    given([submit(sell(1, 10, 1000))])
        .when(submit(buy(2, 10, 1000).post_only()))
        .then(["refused 2: PostOnlyWouldTake"])
        .then_book(&[], &[(1000, 10)]);
    given([submit(sell(1, 10, 1000))])
        .when(submit(buy(2, 10, 999).post_only()))
        .then(["placed 2"])
        .then_book(&[(999, 10)], &[(1000, 10)]);
    given([])
        .when(submit(
            buy(1, 10, 1000).post_only().tif(TimeInForce::FillOrKill),
        ))
        .then(["refused 1: PostOnlyCannotRest"]);
}

#[test]
fn a_cancelled_order_leaves_what_it_did_not_trade() {
    given([submit(sell(1, 100, 1000)), submit(buy(2, 30, 1000))])
        .when(cancel(1))
        .then(["cancelled 1: 70 Requested"])
        .then_book(&[], &[]);
}

#[test]
fn cancelling_what_is_not_there_is_rejected() {
    given([submit(sell(1, 30, 1000)), submit(buy(2, 30, 1000))])
        .when(cancel(1))
        .then(["rejected: NotInBook"]);
}

#[test]
fn submitting_an_order_again_changes_nothing() {
    given([submit(sell(1, 30, 1000))])
        .when(submit(sell(1, 30, 1000)))
        .then([])
        .then_book(&[], &[(1000, 30)]);
}

#[test]
fn less_quantity_keeps_the_place_in_the_queue() {
    let book = given([
        submit(sell(1, 100, 1000)),
        submit(sell(2, 100, 1000)),
        replace(1, 40, 1000),
    ]);
    book.when(submit(buy(3, 50, 1000))).then([
        "placed 3",
        "match: 3 takes 40 @ 1000 from 1 (taker 40+10, maker 40+0)",
        "match: 3 takes 10 @ 1000 from 2 (taker 50+0, maker 10+90)",
    ]);
}

#[test]
fn more_quantity_loses_the_place_in_the_queue() {
    let book = given([
        submit(sell(1, 100, 1000)),
        submit(sell(2, 100, 1000)),
        replace(1, 101, 1000),
    ]);
    book.when(submit(buy(3, 10, 1000))).then([
        "placed 3",
        "match: 3 takes 10 @ 1000 from 2 (taker 10+0, maker 10+90)",
    ]);
}

#[test]
fn a_new_price_loses_the_place_even_when_it_comes_back() {
    let book = given([
        submit(sell(1, 100, 1000)),
        submit(sell(2, 100, 1000)),
        replace(1, 100, 1001),
        replace(1, 100, 1000),
    ]);
    book.when(submit(buy(3, 10, 1000))).then([
        "placed 3",
        "match: 3 takes 10 @ 1000 from 2 (taker 10+0, maker 10+90)",
    ]);
}

#[test]
fn a_new_price_may_trade_at_once() {
    given([submit(sell(1, 30, 1005)), submit(buy(2, 100, 1000))])
        .when(replace(2, 100, 1005))
        .then([
            "replaced 2: 100 @ 1005",
            "match: 2 takes 30 @ 1005 from 1 (taker 30+70, maker 30+0)",
        ])
        .then_book(&[(1005, 70)], &[]);
}

#[test]
fn asking_for_no_more_than_is_executed_fills_the_order() {
    given([submit(sell(1, 100, 1000)), submit(buy(2, 30, 1000))])
        .when(replace(1, 20, 1010))
        .then(["replaced 1: 30 @ 1000, keeps its place"])
        .then_book(&[], &[]);
}

#[test]
fn replacing_with_the_same_terms_changes_nothing() {
    given([submit(sell(1, 100, 1000))])
        .when(replace(1, 100, 1000))
        .then([]);
}

#[test]
fn a_post_only_order_cannot_be_replaced_into_a_trade() {
    given([
        submit(sell(1, 100, 1005)),
        submit(buy(2, 10, 1000).post_only()),
    ])
    .when(replace(2, 10, 1005))
    .then(["rejected: Terms(PostOnlyWouldTake)"])
    .then_book(&[(1000, 10)], &[(1005, 100)]);
}

#[test]
fn a_replaced_order_does_not_trade_with_its_owner() {
    given([
        submit(sell(1, 100, 1005).owned_by(7)),
        submit(buy(2, 10, 1000).owned_by(7)),
    ])
    .when(replace(2, 10, 1005))
    .then(["replaced 2: 10 @ 1005", "cancelled 2: 10 SelfTrade"]);
}

#[test]
fn orders_leave_when_their_time_comes_and_do_not_trade_any_more() {
    given([
        submit(sell(1, 10, 1000).until(60)),
        submit(sell(2, 10, 1001)),
    ])
    .when_at(60, submit(buy(3, 20, 1001)))
    .then([
        "cancelled 1: 10 Expired",
        "placed 3",
        "match: 3 takes 10 @ 1001 from 2 (taker 10+10, maker 10+0)",
    ]);
    given([
        submit(sell(1, 10, 1000).until(60)),
        submit(sell(2, 10, 1001).until(30)),
    ])
    .when_at(90, Command::Expire)
    .then(["cancelled 2: 10 Expired", "cancelled 1: 10 Expired"]);
    given([])
        .when_at(60, submit(buy(1, 10, 1000).until(60)))
        .then(["refused 1: AlreadyExpired"]);
}

#[test]
fn while_halted_orders_may_leave_but_not_come() {
    let halted = || given([submit(sell(1, 10, 1000)), session(Session::Halted)]);
    halted()
        .when(submit(buy(2, 10, 1000)))
        .then(["refused 2: Halted"]);
    halted()
        .when(replace(1, 5, 1000))
        .then(["rejected: Terms(Halted)"]);
    halted().when(cancel(1)).then(["cancelled 1: 10 Requested"]);
    halted().when(session(Session::Halted)).then([]);
    halted().when(session(Session::Open)).then(["session Open"]);
}

#[test]
fn an_order_that_matches_more_than_one_decision_holds_goes_on_before_anybody_else() {
    let rules = Rules { step: 2, ..RULES };
    let crowd = || given_under(rules, (1..=5).map(|number| submit(sell(number, 10, 1000))));
    let Given(mut book) = crowd();
    let (steps, _) = run_stepwise(&mut book, 0, &submit(buy(6, 45, 1000)));
    let sizes: Vec<_> = steps.iter().map(Vec::len).collect();
    assert_eq!(sizes, [3, 2, 1]);
    assert_eq!(book.best_price(Side::Sell), Some(1000 * CENT));

    crowd()
        .when(submit(buy(6, 51, 1000).tif(TimeInForce::FillOrKill)))
        .then(["placed 6", "cancelled 6: 51 FillOrKill"]);
    crowd().when(submit(buy(6, 60, 1000).market())).then([
        "placed 6",
        "match: 6 takes 10 @ 1000 from 1 (taker 10+50, maker 10+0)",
        "match: 6 takes 10 @ 1000 from 2 (taker 20+40, maker 10+0)",
        "match: 6 takes 10 @ 1000 from 3 (taker 30+30, maker 10+0)",
        "match: 6 takes 10 @ 1000 from 4 (taker 40+20, maker 10+0)",
        "match: 6 takes 10 @ 1000 from 5 (taker 50+10, maker 10+0)",
        "cancelled 6: 10 NoLiquidity",
    ]);
}

#[test]
fn prices_and_quantities_fit_the_instrument() {
    let rules = Rules { lot: 10, ..RULES };
    let book = || given_under(rules, []);
    let mut off_tick = buy(1, 10, 1000);
    off_tick.pricing = outcry_trades::book::Pricing::Limit(10 * CENT + 1);
    book()
        .when(submit(off_tick))
        .then(["refused 1: PriceOffTick"]);
    book()
        .when(submit(buy(1, 10, 0)))
        .then(["refused 1: PriceOffTick"]);
    book()
        .when(submit(buy(1, 15, 1000)))
        .then(["refused 1: QuantityOffLot"]);
    book()
        .when(submit(buy(1, 1_000_010, 100)))
        .then(["refused 1: ValueTooLarge"]);
    book()
        .when(submit(buy(1, i64::MAX - 7, 1000)))
        .then(["refused 1: QuantityTooLarge"]);
    let rules = Rules {
        max_order_quantity: i64::MAX,
        ..rules
    };
    given_under(rules, [])
        .when(submit(buy(1, i64::MAX - 7, 1000)))
        .then(["refused 1: ValueTooLarge"]);
}

#[test]
fn limits_outside_the_band_are_refused_and_collars_are_drawn_in() {
    let rules = Rules {
        band_bps: Some(1_000),
        ..RULES
    };
    let book = || {
        given_under(
            rules,
            [
                submit(sell(1, 10, 1000)),
                submit(buy(2, 10, 1000)),
                submit(sell(3, 10, 1100)),
            ],
        )
    };
    book()
        .when(submit(buy(4, 10, 1101)))
        .then(["refused 4: PriceOutsideBand"]);
    book()
        .when(submit(buy(4, 10, 899)))
        .then(["refused 4: PriceOutsideBand"]);
    book()
        .when(replace(3, 10, 1101))
        .then(["rejected: Terms(PriceOutsideBand)"]);
    let taken = book().when(submit(buy(4, 20, 9000).market()));
    let BookEvent::Placed(terms) = &taken.events[0] else {
        panic!("{:?}", taken.said)
    };
    assert_eq!(terms.limit(), 1100 * CENT);
    taken.then([
        "placed 4",
        "match: 4 takes 10 @ 1100 from 3 (taker 10+10, maker 10+0)",
        "cancelled 4: 10 NoLiquidity",
    ]);
}

#[test]
fn maker_and_taker_pay_their_rates() {
    let rules = Rules {
        fees: FeeSchedule {
            maker_bps: 10,
            taker_bps: 25,
        },
        ..RULES
    };
    let traded = given_under(rules, [submit(sell(1, 3, 333))]).when(submit(buy(2, 3, 333)));
    let BookEvent::Matched(matched) = &traded.events[1] else {
        panic!("{:?}", traded.said)
    };
    // 3 × 3.33 = 9.99: 0.00999 and 0.024975, rounded up to ten-thousandths.
    assert_eq!((matched.maker.fee, matched.taker.fee), (100, 250));
}
