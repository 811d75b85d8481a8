//! What each session refuses.

use outcry_trades::book::{Session, TimeInForce};

use crate::scenario::{Given, With, buy, cancel, given, replace, sell, session, submit};

fn market(state: Session) -> Given {
    given([
        submit(sell(1, 10, 1000)),
        submit(buy(2, 10, 990)),
        session(state),
    ])
}

#[test]
fn orders_only_leave_while_the_market_is_halted_closed_or_takes_cancels_only() {
    for (state, refused, rejected) in [
        (
            Session::Halted,
            "refused 3: Halted",
            "rejected: Terms(Halted)",
        ),
        (
            Session::Closed,
            "refused 3: Closed",
            "rejected: Terms(Closed)",
        ),
        (
            Session::CancelOnly,
            "refused 3: CancelOnly",
            "rejected: Terms(CancelOnly)",
        ),
    ] {
        for terms in [buy(3, 10, 900), buy(3, 10, 1100).stop(1050)] {
            market(state).when(submit(terms)).then([refused]);
        }
        market(state).when(replace(1, 5, 1000)).then([rejected]);
        market(state)
            .when(cancel(1))
            .then(["cancelled 1: 10 Requested"]);
        market(state)
            .when(session(Session::Open))
            .then(["session Open"])
            .then_book(&[(990, 10)], &[(1000, 10)]);
    }
}

#[test]
fn orders_that_rest_come_in_while_nothing_may_take() {
    let market = || market(Session::PostOnly);
    market().when(submit(buy(3, 10, 995))).then(["placed 3"]);
    market()
        .when(replace(2, 10, 995))
        .then(["replaced 2: 10 @ 995"]);
    market()
        .when(submit(buy(3, 10, 1100).stop(1050)))
        .then(["placed 3"]);
    for terms in [
        buy(3, 10, 1000),
        buy(3, 10, 1000).market(),
        buy(3, 10, 995).tif(TimeInForce::ImmediateOrCancel),
        buy(3, 10, 995).tif(TimeInForce::FillOrKill),
    ] {
        market()
            .when(submit(terms))
            .then(["refused 3: RestingOnly"]);
    }
    market()
        .when(replace(2, 10, 1000))
        .then(["rejected: Terms(RestingOnly)"]);
}

#[test]
fn orders_expire_in_every_session() {
    for state in [Session::Halted, Session::Closed, Session::CancelOnly] {
        given([submit(buy(1, 10, 990).until(60)), session(state)])
            .when_at(60, cancel(1))
            .then(["cancelled 1: 10 Expired", "rejected: NotInBook"]);
    }
}
