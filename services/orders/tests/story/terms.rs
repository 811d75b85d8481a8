//! What can be ordered: types, times, portfolios, and the rules of the venue.

use std::time::Duration;

use outcry_contracts::orders::v1::*;
use outcry_contracts::trades::v1::{FailureReason, SessionState};
use outcry_contracts::types::v1::asset_amount::Asset;
use outcry_events::Amount;
use outcry_service::Clock;
use tonic::Code;
use tonic_types::StatusExt;
use uuid::Uuid;

use super::custody::Manner;
use super::house::{House, amount, buy, place, stop};

fn cash(text: &str) -> Option<Asset> {
    Some(Asset::Cash(amount(text).to_money()))
}

#[tokio::test]
async fn fields_that_do_not_belong_together_are_all_named() {
    let house = House::open().await;
    let user = house.customer().await;
    let terms = OrderTerms {
        r#type: OrderType::Stop.into(),
        time_in_force: TimeInForce::Ioc.into(),
        post_only: true,
        ..buy(1, "10")
    };
    let refused = house.place(&user, place(terms)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let details = refused.get_details_bad_request().unwrap();
    let mut fields: Vec<_> = details
        .field_violations
        .iter()
        .map(|violation| violation.field.as_str())
        .collect();
    fields.sort_unstable();
    assert_eq!(
        fields,
        [
            "terms.limit_price",
            "terms.post_only",
            "terms.stop_price",
            "terms.time_in_force"
        ]
    );
}

#[tokio::test]
async fn a_stop_order_is_locked_at_its_collar_waits_and_is_woken() {
    let house = House::open().await;
    let user = house.customer().await;
    house.venue.tell_placed();
    let order = house.place(&user, place(stop(Side::Buy, 10, "100"))).await;
    let order = order.unwrap();
    assert_eq!(
        (order.status(), order.triggered),
        (OrderStatus::Open, false)
    );
    // 100.00 and five percent; ten basis points of that times ten.
    let lock = house.custody.locked(&order.order_id).unwrap();
    assert_eq!(lock.asset, cash("1051.05"));
    let submitted = &house.venue.submitted(&order.order_id)[0];
    assert_eq!(submitted.protection_price, Some(amount("105").to_money()));
    let terms = submitted.terms.as_ref().unwrap();
    assert_eq!(terms.stop_price, Some(amount("100").to_money()));
    let validated: OrderValidatedEvent = house.events(&order).await[1].payload().unwrap();
    assert_eq!(validated.protection_price, Some(amount("105").to_money()));

    house.venue.wake(&order.order_id).await;
    let woken = house.until_order(&order, |order| order.triggered).await;
    assert_eq!(woken.status(), OrderStatus::Open);
    house.venue.fill(&order.order_id, 10, 101).await;
    let filled = house.until_status(&order, OrderStatus::Filled).await;
    assert!(filled.triggered);
}

#[tokio::test]
async fn a_stop_limit_order_is_locked_at_its_limit() {
    let house = House::open().await;
    let user = house.customer().await;
    let terms = OrderTerms {
        r#type: OrderType::StopLimit.into(),
        limit_price: Some(amount("101").to_money()),
        ..stop(Side::Buy, 10, "100")
    };
    let order = house.place(&user, place(terms)).await.unwrap();
    let lock = house.custody.locked(&order.order_id).unwrap();
    assert_eq!(lock.asset, cash("1011.01"));
    let sold = house.place(&user, place(stop(Side::Sell, 10, "100"))).await;
    let submitted = &house.venue.submitted(&sold.unwrap().order_id)[0];
    assert_eq!(submitted.protection_price, Some(amount("95").to_money()));
}

#[tokio::test]
async fn a_gtd_order_tells_the_venue_its_end_and_expires_there() {
    let house = House::open().await;
    let user = house.customer().await;
    let end = house.clock.now() + Duration::from_secs(3_600);
    let terms = OrderTerms {
        time_in_force: TimeInForce::Gtd.into(),
        expires_at: Some(end.into()),
        self_trade_prevention: SelfTradePrevention::Decrement.into(),
        ..buy(10, "10")
    };
    let order = house.place(&user, place(terms.clone())).await.unwrap();
    assert_eq!(order.terms, Some(terms.clone()));
    let submitted = &house.venue.submitted(&order.order_id)[0];
    assert_eq!(submitted.terms, Some(terms));
    house.venue.fill(&order.order_id, 4, 10).await;
    house
        .venue
        .take_off(&order.order_id, CancelReason::Expired)
        .await;
    let order = house.until(&order, "order.expired").await;
    assert_eq!(
        (order.status(), order.cumulative_quantity),
        (OrderStatus::Expired, 4)
    );
    let mut late = buy(10, "10");
    late.set_time_in_force(TimeInForce::Gtd);
    late.expires_at = Some(house.clock.now().into());
    let refused = house.place(&user, place(late)).await.unwrap_err();
    assert!(refused.message().contains("in the future"));
}

#[tokio::test]
async fn an_order_for_a_portfolio_needs_one_that_is_open() {
    let house = House::open().await;
    let user = house.customer().await;
    let portfolio_id = Uuid::now_v7().to_string();
    let terms = OrderTerms {
        portfolio_id: portfolio_id.clone(),
        ..buy(10, "10")
    };
    let order = house.place(&user, place(terms.clone())).await.unwrap();
    assert_eq!(order.reject_reason(), RejectReason::PortfolioNotOpen);
    assert_eq!(house.custody.asked_at_all(), 0);

    house.portfolios.open(&user, &portfolio_id);
    house.portfolios.silent(true);
    let request = place(terms.clone());
    let unknown = house.place(&user, request.clone()).await.unwrap_err();
    assert_eq!(unknown.code(), Code::Unavailable);
    let listed = house.list(&user, ListOrdersRequest::default()).await;
    assert_eq!(listed.orders.len(), 1, "nothing is made without an answer");
    house.portfolios.silent(false);
    let order = house.place(&user, request).await.unwrap();
    assert_eq!(
        (order.status(), order.terms),
        (OrderStatus::Open, Some(terms))
    );
}

#[tokio::test]
async fn the_venues_refusals_reject_the_order_with_the_venues_reason() {
    let house = House::open().await;
    let user = house.customer().await;
    for (failure, reason) in [
        (FailureReason::SymbolHalted, RejectReason::SymbolHalted),
        (FailureReason::SymbolClosed, RejectReason::SymbolClosed),
        (FailureReason::WouldTake, RejectReason::WouldTake),
        (FailureReason::PriceBand, RejectReason::PriceBand),
        (FailureReason::AlreadyExpired, RejectReason::AlreadyExpired),
        (FailureReason::NoLiquidity, RejectReason::NoLiquidity),
        (FailureReason::BadTerms, RejectReason::VenueRefused),
    ] {
        house.venue.refuse([failure]);
        let answer = house.place(&user, place(buy(10, "10"))).await.unwrap();
        assert_eq!(answer.status(), OrderStatus::Rejected);
        let order = house.until(&answer, "order.rejected").await;
        assert_eq!(order.status(), OrderStatus::Rejected);
        assert_eq!(order.reject_reason(), reason);
    }
}

#[tokio::test]
async fn the_band_is_measured_from_the_price_of_this_moment() {
    let house = House::open().await;
    let user = house.customer().await;
    let price = |units| Some(Amount::from_units(units).to_money());
    house.venue.rules(|rules| {
        rules.band_bps = 1_000;
        rules.reference_price = price(10);
    });
    let order = house.place(&user, place(buy(10, "10.50"))).await.unwrap();
    assert_eq!(order.status(), OrderStatus::Open);
    let order = house.place(&user, place(buy(10, "11.01"))).await.unwrap();
    assert_eq!(order.reject_reason(), RejectReason::PriceBand);
    // The market has moved since the rules were asked for.
    house.venue.rules(|rules| rules.reference_price = price(12));
    let order = house.place(&user, place(buy(10, "11.01"))).await.unwrap();
    assert_eq!(order.status(), OrderStatus::Open);
}

#[tokio::test]
async fn the_venues_rules_are_kept_and_used_while_it_does_not_answer() {
    let house = House::open().await;
    let user = house.customer().await;
    house.venue.next("instruments", [Manner::Silent]);
    let request = place(buy(10, "10"));
    let unknown = house.place(&user, request.clone()).await.unwrap_err();
    assert_eq!(unknown.code(), Code::Unavailable, "no rules, no order");
    house.venue.rules(|rules| rules.max_order_quantity = 20);
    let order = house.place(&user, request).await.unwrap();
    assert_eq!(order.status(), OrderStatus::Open);
    let large = house.place(&user, place(buy(21, "10"))).await.unwrap();
    assert_eq!(large.reject_reason(), RejectReason::ValueLimit);
    assert_eq!(house.venue.rules_asked(), 1);
    // A minute later they are asked for again; without an answer the earlier ones do.
    house.clock.advance(Duration::from_secs(61));
    house.venue.next("instruments", [Manner::Silent]);
    let order = house.place(&user, place(buy(20, "10"))).await.unwrap();
    assert_eq!(order.status(), OrderStatus::Open);
    house.place(&user, place(buy(20, "10"))).await.unwrap();
    assert_eq!(house.venue.rules_asked(), 2);
}

#[tokio::test]
async fn a_market_order_outside_of_trading_hours_is_told_so() {
    let house = House::open().await;
    let user = house.customer().await;
    for (session, reason) in [
        (SessionState::Closed, RejectReason::SymbolClosed),
        (SessionState::Halted, RejectReason::SymbolHalted),
    ] {
        house.venue.session(session);
        let terms = OrderTerms {
            r#type: OrderType::Market.into(),
            limit_price: None,
            ..buy(10, "1")
        };
        let order = house.place(&user, place(terms)).await.unwrap();
        assert_eq!(order.reject_reason(), reason);
    }
}
