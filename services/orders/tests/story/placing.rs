//! Placing orders: the good course, refusals, lost answers and crashes.

use outcry_contracts::orders::v1::*;
use outcry_contracts::types::v1::asset_amount::Asset;
use outcry_events::Amount;
use outcry_orders::views::{Document, OrderRow, refold};
use outcry_service::testing::found;
use tonic::Code;
use tonic_types::StatusExt;

use super::custody::Manner;
use super::house::{House, amount, buy, place, replace};

async fn row(house: &House, order: &Order) -> Document {
    let row = house.orders.store.view("orders", &order.order_id).await;
    row.unwrap().unwrap().decode::<OrderRow>().unwrap().order
}

#[tokio::test]
async fn an_order_is_funded_validated_placed_and_filled() {
    let house = House::open().await;
    let user = house.customer().await;
    let order = house.place(&user, place(buy(100, "10.01"))).await.unwrap();
    assert_eq!(order.status(), OrderStatus::Open);
    assert_eq!(house.order(&order).await, order);
    // 1,001.00 and ten basis points of it.
    let cash = Asset::Cash(amount("1002.001").to_money());
    assert_eq!(
        house.custody.locked(&order.order_id).unwrap().asset,
        Some(cash)
    );
    let submitted = &house.venue.submitted(&order.order_id)[0];
    assert_eq!(submitted.protection_price, Some(amount("10.01").to_money()));

    house.venue.fill(&order.order_id, 30, 9).await;
    let partly = house.until(&order, "order.filled").await;
    assert_eq!(partly.status(), OrderStatus::PartiallyFilled);
    assert_eq!(
        (partly.cumulative_quantity, partly.leaves_quantity),
        (30, 70)
    );
    house.venue.fill(&order.order_id, 70, 10).await;
    let filled = house.until_status(&order, OrderStatus::Filled).await;
    assert_eq!(
        (filled.cumulative_quantity, filled.leaves_quantity),
        (100, 0)
    );
    assert_eq!(filled.average_price, Some(amount("9.70").to_money()));

    let events = house.events(&order).await;
    assert_eq!(
        house.topics(&order).await,
        [
            "order.created",
            "order.validated",
            "order.filled",
            "order.filled"
        ]
    );
    let flow = events[0].correlation_id();
    assert_eq!(flow.to_string(), order.correlation_id);
    assert!(events.iter().all(|event| event.correlation_id() == flow));
    assert_eq!(events[0].causation_id(), None);
    assert_eq!(events[1].causation_id(), Some(events[0].id()));
    assert!(
        events[2..]
            .iter()
            .all(|event| event.causation_id().is_some())
    );
    assert_eq!(refold(&events).unwrap(), Some(row(&house, &order).await));
}

#[tokio::test]
async fn an_order_without_funds_is_rejected_and_stays_so_when_repeated() {
    let house = House::open().await;
    let user = house.customer().await;
    house.custody.next([Manner::Refuse("INSUFFICIENT_FUNDS")]);
    let request = place(buy(100, "10"));
    let order = house.place(&user, request.clone()).await.unwrap();
    assert_eq!(order.status(), OrderStatus::Rejected);
    assert_eq!(order.reject_reason(), RejectReason::InsufficientFunds);
    assert!(order.message.contains("3.00 USD is available"));
    assert_eq!(house.place(&user, request).await.unwrap(), order);
    assert!(house.venue.submitted(&order.order_id).is_empty());
    assert_eq!(
        house.topics(&order).await,
        ["order.created", "order.rejected"]
    );
    assert_eq!(house.custody.asked_at_all(), 1);
}

#[tokio::test]
async fn what_the_rules_do_not_allow_is_kept_as_a_rejected_order() {
    let house = House::open().await;
    let user = house.customer().await;
    let mut unknown = buy(1, "10");
    unknown.symbol = "NOPE".to_owned();
    for (terms, reason) in [
        (buy(1, "10.001"), RejectReason::BadTick),
        (buy(100_000, "10"), RejectReason::ValueLimit),
        (unknown, RejectReason::UnknownSymbol),
    ] {
        let order = house.place(&user, place(terms)).await.unwrap();
        assert_eq!(order.status(), OrderStatus::Rejected);
        assert_eq!(order.reject_reason(), reason);
        assert_eq!(
            house.topics(&order).await,
            ["order.created", "order.rejected"]
        );
    }
    let stranger = "0191f000-0000-7000-8000-00000000000a";
    let order = house.place(stranger, place(buy(1, "10"))).await.unwrap();
    assert_eq!(order.reject_reason(), RejectReason::AccountNotReady);
    assert_eq!(house.custody.asked_at_all(), 0);
}

#[tokio::test]
async fn what_is_not_an_order_leaves_no_trace() {
    let house = House::open().await;
    let user = house.customer().await;
    let mut terms = buy(1, "10");
    terms.limit_price = None;
    let refused = house.place(&user, place(terms)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(
        house
            .list(&user, ListOrdersRequest::default())
            .await
            .orders
            .is_empty()
    );
}

#[tokio::test]
async fn a_request_makes_one_order_and_its_id_no_other() {
    let house = House::open().await;
    let user = house.customer().await;
    let request = place(buy(10, "10"));
    let order = house.place(&user, request.clone()).await.unwrap();
    house.venue.fill(&order.order_id, 10, 10).await;
    house.until(&order, "order.filled").await;
    // The same order, as it is by now.
    let again = house.place(&user, request.clone()).await.unwrap();
    assert_eq!(
        (again.order_id, again.status),
        (order.order_id, OrderStatus::Filled.into())
    );
    let other = PlaceOrderRequest {
        terms: Some(buy(11, "10")),
        ..request
    };
    let refused = house.place(&user, other).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn concurrent_repetitions_make_one_order() {
    let house = House::open().await;
    let user = house.customer().await;
    let request = place(buy(10, "10"));
    let many = (0..8).map(|_| house.place(&user, request.clone()));
    let orders = futures::future::join_all(many).await;
    let first = orders[0].as_ref().unwrap();
    assert!(orders.iter().all(|order| order.as_ref().unwrap() == first));
    assert_eq!(
        house
            .list(&user, ListOrdersRequest::default())
            .await
            .orders
            .len(),
        1
    );
    assert_eq!(house.custody.asked_at_all(), 1);
}

#[tokio::test]
async fn a_client_order_id_belongs_to_one_order_of_a_user() {
    let house = House::open().await;
    let (user, other) = (house.customer().await, house.customer().await);
    let mine = |terms| PlaceOrderRequest {
        client_order_id: "my-1".to_owned(),
        ..place(terms)
    };
    let order = house.place(&user, mine(buy(10, "10"))).await.unwrap();
    // The same order asked for by another request: it is the one.
    let again = house.place(&user, mine(buy(10, "10"))).await.unwrap();
    assert_eq!(again, order);
    assert_eq!(house.custody.asked_at_all(), 1);
    let taken = house.place(&user, mine(buy(11, "10"))).await.unwrap_err();
    assert_eq!(taken.code(), Code::AlreadyExists);
    let info = taken.get_details_error_info().unwrap();
    assert_eq!(info.metadata["order_id"], order.order_id);
    // Even after it was changed, its id stands for what was asked for.
    house
        .replace(&user, replace(&order, 11, "10"))
        .await
        .unwrap();
    let again = house.place(&user, mine(buy(10, "10"))).await.unwrap();
    assert_eq!(again.order_id, order.order_id);
    assert!(house.place(&user, mine(buy(11, "10"))).await.is_err());

    assert!(house.place(&other, mine(buy(10, "10"))).await.is_ok());
    let both = [
        house.place(&other, mine_too("x")),
        house.place(&other, mine_too("x")),
    ];
    let placed = futures::future::join_all(both).await;
    let ids: Vec<_> = placed
        .iter()
        .map(|placed| placed.as_ref().unwrap().order_id.clone())
        .collect();
    assert_eq!(ids[0], ids[1]);

    let own = GetOrderByClientIdRequest {
        client_order_id: "my-1".to_owned(),
    };
    let found = house.user(&user).get_order_by_client_id(own).await.unwrap();
    assert_eq!(found.into_inner().order.unwrap().order_id, order.order_id);
}

fn mine_too(own: &str) -> PlaceOrderRequest {
    PlaceOrderRequest {
        client_order_id: own.to_owned(),
        ..place(buy(1, "10"))
    }
}

fn market(side: Side) -> OrderTerms {
    OrderTerms {
        r#type: OrderType::Market.into(),
        side: side.into(),
        limit_price: None,
        ..buy(10, "1")
    }
}

#[tokio::test]
async fn a_market_order_is_protected_by_the_book_it_saw() {
    let house = House::open().await;
    let user = house.customer().await;
    let order = house.place(&user, place(market(Side::Buy))).await.unwrap();
    assert_eq!(order.reject_reason(), RejectReason::NoLiquidity);

    house
        .venue
        .quotes(Some(Amount::from_units(99)), Some(Amount::from_units(100)));
    let bought = house.place(&user, place(market(Side::Buy))).await.unwrap();
    let protection = house.venue.submitted(&bought.order_id)[0]
        .protection_price
        .clone();
    assert_eq!(protection, Some(Amount::from_units(105).to_money()));
    let cash = Asset::Cash(amount("1051.05").to_money());
    assert_eq!(
        house.custody.locked(&bought.order_id).unwrap().asset,
        Some(cash)
    );
    let sold = house.place(&user, place(market(Side::Sell))).await.unwrap();
    let protection = house.venue.submitted(&sold.order_id)[0]
        .protection_price
        .clone();
    assert_eq!(protection, Some(amount("94.05").to_money()));
}

#[tokio::test]
async fn a_market_order_without_a_book_is_not_made_and_can_be_repeated() {
    let house = House::open().await;
    let user = house.customer().await;
    house.venue.quotes(None, Some(Amount::from_units(100)));
    house.venue.next("book", [Manner::Silent]);
    let request = place(market(Side::Buy));
    let unknown = house.place(&user, request.clone()).await.unwrap_err();
    assert_eq!(unknown.code(), Code::Unavailable);
    let order = house.place(&user, request).await.unwrap();
    assert_eq!(order.status(), OrderStatus::Open);
}

#[tokio::test]
async fn a_silent_custody_leaves_the_order_new_and_the_timer_carries_it_on() {
    let house = House::open().await;
    let user = house.customer().await;
    house.custody.next([Manner::Silent]);
    let order = house.place(&user, place(buy(10, "10"))).await.unwrap();
    assert_eq!(order.status(), OrderStatus::New);
    house.time_passes();
    let order = house.until_status(&order, OrderStatus::Open).await;
    assert_eq!(house.custody.asked(&order.order_id).len(), 2);
    assert_eq!(
        house.topics(&order).await,
        ["order.created", "order.validated"]
    );
}

#[tokio::test]
async fn lost_answers_do_nothing_twice() {
    let house = House::open().await;
    let user = house.customer().await;
    house.custody.next([Manner::AnswerLost]);
    house
        .venue
        .next("submit", [Manner::AnswerLost, Manner::AnswerLost]);
    let order = house.place(&user, place(buy(10, "10"))).await.unwrap();
    assert_eq!(order.status(), OrderStatus::New);
    house.time_passes();
    let order = house.until_status(&order, OrderStatus::Open).await;
    assert_eq!(house.venue.submitted(&order.order_id).len(), 3);
    assert_eq!(
        house.topics(&order).await,
        ["order.created", "order.validated"]
    );
}

#[tokio::test]
async fn facts_that_overtake_the_venues_answer_are_taken() {
    let house = House::open().await;
    let user = house.customer().await;
    house.venue.next("submit", [Manner::AnswerLost]);
    let order = house.place(&user, place(buy(10, "10"))).await.unwrap();
    assert_eq!(order.status(), OrderStatus::Validated);
    house.venue.fill(&order.order_id, 10, 10).await;
    let order = house.until(&order, "order.filled").await;
    assert_eq!(order.status(), OrderStatus::Filled);
    house.time_passes();
    let cleared = async || {
        house
            .orders
            .store
            .next_timer()
            .await
            .unwrap()
            .is_none()
            .then_some(())
    };
    found("the timer has nothing to do", cleared).await;
}

#[tokio::test]
async fn an_order_in_the_middle_of_a_crash_is_carried_on_by_its_timer() {
    let house = House::open().await;
    let user = house.customer().await;
    house.custody.next([Manner::Silent]);
    let request = place(buy(10, "10"));
    let (mut client, sent) = (house.user(&user), request.clone());
    let call = tokio::spawn(async move { client.place_order(sent).await });
    let asked = async || (house.custody.asked_at_all() == 1).then_some(());
    found("custody is asked", asked).await;
    call.abort();

    let house = house.crash().await;
    let order = house.place(&user, request).await.unwrap();
    assert_eq!(order.status(), OrderStatus::New);
    house.time_passes();
    house.until_status(&order, OrderStatus::Open).await;
    assert_eq!(
        house
            .list(&user, ListOrdersRequest::default())
            .await
            .orders
            .len(),
        1
    );
    assert!(house.folder().exists());
}

#[tokio::test]
async fn an_order_custody_does_not_answer_for_is_given_up() {
    let house = House::open().await;
    let user = house.customer().await;
    house.custody.next([Manner::Silent, Manner::Silent]);
    let order = house.place(&user, place(buy(10, "10"))).await.unwrap();
    for _ in 0..20 {
        house.time_passes();
    }
    let order = house.until_status(&order, OrderStatus::Rejected).await;
    assert_eq!(order.reject_reason(), RejectReason::AccountNotReady);
    assert!(house.custody.has_given_up(&order.order_id));
}
