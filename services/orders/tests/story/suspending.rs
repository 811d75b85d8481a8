//! Suspended users: nothing new, and what is open ends; however late or often the news arrives.

use outcry_contracts::orders::v1::*;
use outcry_contracts::users::v1::UserStatus;
use outcry_service::testing::eventually;
use tonic::Code;
use tonic_types::StatusExt;

use super::custody::Manner;
use super::house::{House, buy, place};

#[tokio::test]
async fn no_order_is_made_for_a_suspended_or_closed_user() {
    let house = House::open().await;
    for status in [UserStatus::Suspended, UserStatus::Closed] {
        let user = house.customer().await;
        house.set_status(&user, 1, status).await;
        house.knows_status(&user, 2).await;
        let refused = house.place(&user, place(buy(10, "10"))).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        let info = refused.get_details_error_info().unwrap();
        assert_eq!(info.reason, "USER_NOT_ACTIVE");
        let listed = house.list(&user, ListOrdersRequest::default()).await;
        assert!(listed.orders.is_empty(), "not even a rejected one");
    }
}

#[tokio::test]
async fn every_open_order_of_a_suspended_user_is_cancelled_wherever_it_is() {
    let house = House::open().await;
    let (user, other) = (house.customer().await, house.customer().await);
    let theirs = house.place(&other, place(buy(10, "10"))).await.unwrap();
    let resting = house.place(&user, place(buy(10, "10"))).await.unwrap();
    let partly = house.place(&user, place(buy(10, "10"))).await.unwrap();
    house.venue.fill(&partly.order_id, 4, 10).await;
    house.until(&partly, "order.filled").await;
    house.custody.next([Manner::Silent]);
    let unfunded = house.place(&user, place(buy(10, "10"))).await.unwrap();
    assert_eq!(unfunded.status(), OrderStatus::New);
    house.venue.next("submit", [Manner::Silent]);
    let on_its_way = house.place(&user, place(buy(10, "10"))).await.unwrap();
    assert_eq!(on_its_way.status(), OrderStatus::Validated);

    house.suspend(&user).await;
    for order in [&resting, &partly, &unfunded, &on_its_way] {
        let order = house.until(order, "order.cancelled").await;
        assert_eq!(order.status(), OrderStatus::Cancelled);
        assert_eq!(order.cancel_reason(), CancelReason::UserSuspended);
    }
    assert_eq!(house.order(&partly).await.cumulative_quantity, 4);
    assert_eq!(house.order(&theirs).await.status(), OrderStatus::Open);
}

#[tokio::test]
async fn orders_that_race_with_a_suspension_are_refused_or_cancelled() {
    let house = House::open().await;
    let user = house.customer().await;
    let many = (0..40).map(|_| house.place(&user, place(buy(1, "10"))));
    let (placed, ()) = futures::future::join(
        futures::future::join_all(many),
        house.set_status(&user, 1, UserStatus::Suspended),
    )
    .await;
    house.knows_status(&user, 2).await;
    for order in placed {
        match order {
            Ok(order) => {
                let order = house.until(&order, "order.cancelled").await;
                assert_eq!(order.cancel_reason(), CancelReason::UserSuspended);
            }
            Err(refused) => assert_eq!(refused.code(), Code::FailedPrecondition),
        }
    }
    let open = ListOrdersRequest {
        open_only: true,
        ..ListOrdersRequest::default()
    };
    assert!(house.list(&user, open).await.orders.is_empty());
}

#[tokio::test]
async fn news_that_comes_again_late_does_not_make_a_suspended_user_active() {
    let house = House::open().await;
    let user = house.customer().await;
    house.set_status(&user, 1, UserStatus::Suspended).await;
    house.set_status(&user, 2, UserStatus::Active).await;
    house.set_status(&user, 3, UserStatus::Suspended).await;
    house.knows_status(&user, 4).await;
    let handled = || {
        let groups = house.orders.metrics().groups();
        groups
            .iter()
            .map(|(_, counts)| counts.handled.get())
            .sum::<u64>()
    };
    let before = handled();
    house.redeliver_status(&user, 2, UserStatus::Active).await;
    eventually("the old news has been heard", async || handled() > before).await;
    let refused = house.place(&user, place(buy(10, "10"))).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn orders_made_after_a_user_is_active_again_outlive_the_suspension() {
    let house = House::open().await;
    let user = house.customer().await;
    let before = house.place(&user, place(buy(10, "10"))).await.unwrap();
    // The venue does not answer about the first order, so the suspension is still at work later.
    house.venue.next("cancel", vec![Manner::Silent; 3]);
    house.set_status(&user, 1, UserStatus::Suspended).await;
    house.set_status(&user, 2, UserStatus::Active).await;
    house.knows_status(&user, 3).await;
    let after = house.place(&user, place(buy(10, "10"))).await.unwrap();
    house.time_passes();
    let before = house.until(&before, "order.cancelled").await;
    assert_eq!(before.cancel_reason(), CancelReason::UserSuspended);
    eventually("no timer is left", async || {
        house.time_passes();
        house.orders.store.next_timer().await.unwrap().is_none()
    })
    .await;
    assert_eq!(house.order(&after).await.status(), OrderStatus::Open);
}

#[tokio::test]
async fn a_suspension_in_the_middle_of_a_crash_is_carried_on() {
    let house = House::open().await;
    let user = house.customer().await;
    let order = house.place(&user, place(buy(10, "10"))).await.unwrap();
    house.venue.next("cancel", vec![Manner::Silent; 2]);
    house.suspend(&user).await;
    house.knows_status(&user, 2).await;
    let house = house.crash().await;
    let order = house.until(&order, "order.cancelled").await;
    assert_eq!(order.cancel_reason(), CancelReason::UserSuspended);
}
