//! Cancelling orders: the venue decides, and what it decided is never guessed.

use outcry_contracts::orders::v1::*;
use outcry_contracts::trades::v1::FailureReason;
use outcry_service::testing::{eventually, found};
use tonic::Code;
use uuid::Uuid;

use super::custody::Manner;
use super::house::{House, buy, cancel, place};

#[tokio::test]
async fn the_venue_takes_an_order_off_and_the_order_follows() {
    let house = House::open().await;
    let user = house.customer().await;
    let order = house.place(&user, place(buy(10, "10"))).await.unwrap();
    let request = cancel(&order);
    let answer = house.cancel(&user, request.clone()).await.unwrap();
    assert_eq!(answer.status(), OrderStatus::Cancelled);
    assert_eq!(answer.cancel_reason(), CancelReason::User);
    let order = house.until(&order, "order.cancelled").await;
    assert_eq!(
        (order.status(), order.leaves_quantity),
        (OrderStatus::Cancelled, 0)
    );
    // Repeated, and asked anew: the order as it is.
    assert_eq!(house.cancel(&user, request).await.unwrap(), order);
    assert_eq!(house.cancel(&user, cancel(&order)).await.unwrap(), order);
    assert_eq!(
        house.topics(&order).await,
        ["order.created", "order.validated", "order.cancelled"]
    );
}

#[tokio::test]
async fn a_fill_that_was_faster_wins() {
    let house = House::open().await;
    let user = house.customer().await;
    let order = house.place(&user, place(buy(10, "10"))).await.unwrap();
    let executed = house.venue.fill_quietly(&order.order_id, 10, 10);
    let answer = house.cancel(&user, cancel(&order)).await.unwrap();
    assert_eq!(answer.status(), OrderStatus::Filled);
    assert_eq!(house.order(&order).await.status(), OrderStatus::Filled);
    house.venue.publish(&order.order_id, &executed).await;
    let order = house.until(&order, "order.filled").await;
    assert_eq!(order.status(), OrderStatus::Filled);
}

#[tokio::test]
async fn an_unanswered_cancellation_is_pending_until_the_venue_has_decided() {
    let house = House::open().await;
    let user = house.customer().await;
    let order = house.place(&user, place(buy(10, "10"))).await.unwrap();
    house.venue.next("cancel", [Manner::Silent]);
    let answer = house.cancel(&user, cancel(&order)).await.unwrap();
    assert_eq!(answer.status(), OrderStatus::PendingCancel);
    // A fill meanwhile keeps it pending.
    house.venue.fill(&order.order_id, 4, 10).await;
    let pending = house.until(&order, "order.filled").await;
    assert_eq!(
        (pending.status(), pending.cumulative_quantity),
        (OrderStatus::PendingCancel, 4)
    );
    house.time_passes();
    let order = house.until(&order, "order.cancelled").await;
    assert_eq!(
        (order.status(), order.cumulative_quantity),
        (OrderStatus::Cancelled, 4)
    );
}

#[tokio::test]
async fn an_order_the_venue_has_not_seen_is_cancelled_for_good() {
    let house = House::open().await;
    let user = house.customer().await;
    house.venue.next("submit", [Manner::Silent]);
    let order = house.place(&user, place(buy(10, "10"))).await.unwrap();
    assert_eq!(order.status(), OrderStatus::Validated);
    let answer = house.cancel(&user, cancel(&order)).await.unwrap();
    assert_eq!(answer.status(), OrderStatus::Cancelled);
    house.time_passes();
    eventually("no timer is left", async || {
        house.orders.store.next_timer().await.unwrap().is_none()
    })
    .await;
    assert_eq!(house.venue.submitted(&order.order_id).len(), 1);
    assert_eq!(
        house.topics(&order).await,
        ["order.created", "order.validated", "order.cancelled"]
    );
}

#[tokio::test]
async fn a_new_order_is_cancelled_while_custody_is_silent() {
    let house = House::open().await;
    let user = house.customer().await;
    house.custody.next([Manner::Silent]);
    let order = house.place(&user, place(buy(10, "10"))).await.unwrap();
    let answer = house.cancel(&user, cancel(&order)).await.unwrap();
    assert_eq!(answer.status(), OrderStatus::Cancelled);
    assert_eq!(
        house.topics(&order).await,
        ["order.created", "order.cancelled"]
    );
}

#[tokio::test]
async fn an_order_that_the_venue_barred_in_time_is_cancelled_and_not_rejected() {
    let house = House::open().await;
    let user = house.customer().await;
    house.venue.refuse([FailureReason::CancelledBeforeVenue]);
    let order = house.place(&user, place(buy(10, "10"))).await.unwrap();
    let order = house.until(&order, "order.cancelled").await;
    assert_eq!(order.status(), OrderStatus::Cancelled);
}

#[tokio::test]
async fn the_venue_takes_orders_off_by_its_own_rules() {
    let house = House::open().await;
    let user = house.customer().await;
    for reason in [
        CancelReason::Ioc,
        CancelReason::Fok,
        CancelReason::SelfTrade,
        CancelReason::Halt,
        CancelReason::NoLiquidity,
        CancelReason::PostOnly,
    ] {
        let order = house.place(&user, place(buy(10, "10"))).await.unwrap();
        house.venue.fill(&order.order_id, 3, 10).await;
        house.venue.take_off(&order.order_id, reason).await;
        let order = house.until(&order, "order.cancelled").await;
        assert_eq!(
            (order.status(), order.cancel_reason()),
            (OrderStatus::Cancelled, reason)
        );
        assert_eq!((order.cumulative_quantity, order.leaves_quantity), (3, 0));
    }
}

#[tokio::test]
async fn a_fact_that_the_table_does_not_allow_is_put_aside_for_a_person() {
    let house = House::open().await;
    let user = house.customer().await;
    let order = house.place(&user, place(buy(10, "10"))).await.unwrap();
    assert_eq!(order.status(), OrderStatus::Open);
    // An order that the venue has taken cannot be refused any more.
    house
        .venue
        .fail(&order.order_id, FailureReason::SymbolHalted)
        .await;
    let parked = || {
        let groups = house.orders.metrics().groups();
        groups
            .iter()
            .map(|(_, counts)| counts.parked.get())
            .sum::<u64>()
    };
    eventually("the impossible fact is parked", async || parked() == 1).await;
    assert_eq!(house.order(&order).await, order);
}

#[tokio::test]
async fn a_cancellation_in_the_middle_of_a_crash_is_carried_on() {
    let house = House::open().await;
    let user = house.customer().await;
    let order = house.place(&user, place(buy(10, "10"))).await.unwrap();
    house.venue.next("cancel", [Manner::Silent]);
    let request = cancel(&order);
    let answer = house.cancel(&user, request.clone()).await.unwrap();
    assert_eq!(answer.status(), OrderStatus::PendingCancel);
    let house = house.crash().await;
    house.time_passes();
    let order = house.until(&order, "order.cancelled").await;
    assert_eq!(house.cancel(&user, request).await.unwrap(), order);
}

#[tokio::test]
async fn one_call_cancels_a_bounded_number_of_orders_and_says_how_many_remain() {
    let house = House::open().await;
    let user = house.customer().await;
    // Not all at once: the service takes so many calls at a time and no more.
    for _ in 0..5 {
        let many = (0..51).map(|_| house.place(&user, place(buy(1, "10"))));
        let placed = futures::future::join_all(many).await;
        assert!(placed.iter().all(Result::is_ok));
    }
    let call = async || {
        let request = CancelAllOrdersRequest {
            request_id: Uuid::now_v7().to_string(),
            symbol: String::new(),
        };
        let answer = house.user(&user).cancel_all_orders(request).await.unwrap();
        answer.into_inner()
    };
    let first = call().await;
    assert_eq!((first.orders.len(), first.remaining), (250, 5));
    for order in &first.orders {
        house.until(order, "order.cancelled").await;
    }
    let second = call().await;
    assert_eq!((second.orders.len(), second.remaining), (5, 0));
}

#[tokio::test]
async fn an_expiry_is_not_a_cancellation() {
    let house = House::open().await;
    let user = house.customer().await;
    let order = house.place(&user, place(buy(10, "10"))).await.unwrap();
    house
        .venue
        .take_off(&order.order_id, CancelReason::Expired)
        .await;
    let order = house.until(&order, "order.expired").await;
    assert_eq!(order.status(), OrderStatus::Expired);
}

#[tokio::test]
async fn a_fact_that_comes_too_late_changes_nothing_and_is_counted() {
    let house = House::open().await;
    let user = house.customer().await;
    let order = house.place(&user, place(buy(10, "10"))).await.unwrap();
    house.cancel(&user, cancel(&order)).await.unwrap();
    let before = house.until(&order, "order.cancelled").await;
    let mut late = house.venue.fill_quietly(&order.order_id, 1, 10);
    late.leaves_quantity = 9;
    house.venue.publish(&order.order_id, &late).await;
    let discarded = || {
        let groups = house.orders.metrics().groups();
        groups
            .iter()
            .map(|(_, counts)| counts.discarded.get())
            .sum::<u64>()
    };
    eventually("the late fact is discarded", async || discarded() == 1).await;
    assert_eq!(house.order(&order).await, before);
}

#[tokio::test]
async fn all_open_orders_of_one_symbol_or_all_are_cancelled() {
    let house = House::open().await;
    let user = house.customer().await;
    let mut beta = buy(10, "10");
    beta.symbol = "BETA".to_owned();
    let acme = house.place(&user, place(buy(10, "10"))).await.unwrap();
    let beta = house.place(&user, place(beta)).await.unwrap();
    let all = |symbol: &str| CancelAllOrdersRequest {
        request_id: Uuid::now_v7().to_string(),
        symbol: symbol.to_owned(),
    };
    let request = all("BETA");
    let answer = house
        .user(&user)
        .cancel_all_orders(request.clone())
        .await
        .unwrap();
    let cancelled = answer.into_inner().orders;
    assert_eq!(cancelled.len(), 1);
    assert_eq!(cancelled[0].order_id, beta.order_id);
    assert_eq!(cancelled[0].status(), OrderStatus::Cancelled);
    assert_eq!(house.order(&acme).await.status(), OrderStatus::Open);
    // A repetition does not touch what has come since.
    let again = house.user(&user).cancel_all_orders(request).await.unwrap();
    assert_eq!(again.into_inner().orders.len(), 1);
    let rest = house.user(&user).cancel_all_orders(all("")).await.unwrap();
    assert!(
        rest.into_inner()
            .orders
            .iter()
            .any(|order| order.order_id == acme.order_id)
    );
    house.until(&acme, "order.cancelled").await;
}

#[tokio::test]
async fn others_cannot_cancel_and_an_administrator_can() {
    let house = House::open().await;
    let (user, other) = (house.customer().await, house.customer().await);
    let order = house.place(&user, place(buy(10, "10"))).await.unwrap();
    let refused = house.cancel(&other, cancel(&order)).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    house.admin().cancel_order(cancel(&order)).await.unwrap();
    let cancelled = async || {
        let order = house.order(&order).await;
        (order.status() == OrderStatus::Cancelled).then_some(())
    };
    found("the order is cancelled", cancelled).await;
}
