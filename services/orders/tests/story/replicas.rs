//! Several processes of orders at once: each sees what the others do, and goes on where they stop.

use outcry_contracts::orders::v1::*;
use tonic::Code;
use uuid::Uuid;

use super::custody::Manner;
use super::house::{House, buy, cancel, place, replace};

#[tokio::test]
async fn a_request_sent_to_two_processes_makes_one_order() {
    let house = House::open().await;
    let user = house.customer().await;
    let replica = house.replica().await;
    for round in 0..5 {
        let request = PlaceOrderRequest {
            client_order_id: format!("mine-{round}"),
            ..place(buy(10, "10"))
        };
        let mut there = house.user_at(&replica, &user);
        let (one, other) = futures::future::join(
            house.place(&user, request.clone()),
            there.place_order(request),
        )
        .await;
        let other = other.unwrap().into_inner().order.unwrap();
        assert_eq!(one.unwrap().order_id, other.order_id);
    }
    let listed = house.list(&user, ListOrdersRequest::default()).await;
    assert_eq!(listed.orders.len(), 5);
    replica.stop().await;
}

#[tokio::test]
async fn all_orders_are_cancelled_from_another_process_and_by_whoever_is_left() {
    let house = House::open().await;
    let user = house.customer().await;
    let replica = house.replica().await;
    let mut placed = Vec::new();
    for _ in 0..4 {
        placed.push(house.place(&user, place(buy(10, "10"))).await.unwrap());
    }
    // The venue does not answer the process that was asked, which then goes away.
    house.venue.next("cancel", vec![Manner::Silent; 4]);
    let request = CancelAllOrdersRequest {
        request_id: Uuid::now_v7().to_string(),
        symbol: String::new(),
    };
    let answer = house
        .user_at(&replica, &user)
        .cancel_all_orders(request.clone())
        .await
        .unwrap()
        .into_inner();
    let pending = |order: &Order| order.status() == OrderStatus::PendingCancel;
    assert!(answer.orders.len() == 4 && answer.orders.iter().all(pending));
    replica.crash().await;
    house.time_passes();
    for order in &placed {
        house.until(order, "order.cancelled").await;
    }
    let again = house.user(&user).cancel_all_orders(request).await.unwrap();
    let gone = |order: &Order| order.status() == OrderStatus::Cancelled;
    assert!(again.into_inner().orders.iter().all(gone));
}

#[tokio::test]
async fn a_suspension_and_every_change_are_seen_by_all_processes() {
    let house = House::open().await;
    let user = house.customer().await;
    let replica = house.replica().await;
    let mut there = house.user_at(&replica, &user);
    let follow = StreamOrderUpdatesRequest::default();
    let mut updates = there
        .stream_order_updates(follow)
        .await
        .unwrap()
        .into_inner();
    let order = house.place(&user, place(buy(10, "10"))).await.unwrap();
    // Changed here, cancelled there.
    house
        .replace(&user, replace(&order, 12, "10"))
        .await
        .unwrap();
    there.cancel_order(cancel(&order)).await.unwrap();
    house.until(&order, "order.cancelled").await;
    for (sequence, topic) in (1..).zip([
        "order.created",
        "order.validated",
        "order.replaced",
        "order.cancelled",
    ]) {
        let update = updates.message().await.unwrap().unwrap();
        assert_eq!((update.sequence, update.topic.as_str()), (sequence, topic));
    }
    house.suspend(&user).await;
    house.knows_status(&user, 2).await;
    let refused = there.place_order(place(buy(10, "10"))).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    drop(updates);
    replica.stop().await;
}
