//! Deliveries: given up in the end, tried again when asked for, seen by those they concern.

use outcry_contracts::notifications::v1 as wire;
use outcry_contracts::notifications::v1::{ChannelKind, DeliveryStatus};
use outcry_notifications::deliveries::ATTEMPTS_MAX;
use tonic::Code;

use crate::house::{House, USER, reason};
use crate::receiver::{Manner, Receiver};

#[tokio::test]
async fn a_delivery_that_keeps_failing_is_dead_in_the_end_and_arrives_when_it_is_tried_again() {
    let house = House::open().await;
    let receiver = Receiver::open().await;
    receiver.behave(Manner::Answer(503));
    house.uses(ChannelKind::Webhook, &receiver.url()).await;
    house.reject("stubborn").await;
    house.delivery(DeliveryStatus::Pending, 1).await;
    for attempts in 2..ATTEMPTS_MAX {
        house.tried(attempts).await;
    }
    house.clock.advance(crate::house::LONG);
    let dead = house.delivery(DeliveryStatus::Dead, ATTEMPTS_MAX).await;
    assert_eq!(dead.last_error, "the receiver answered 503");
    assert_eq!(dead.next_attempt_at, None);
    assert_eq!(receiver.taken().len(), ATTEMPTS_MAX as usize);

    receiver.behave(Manner::Answer(200));
    let id = dead.delivery_id.as_str();
    let pending = house.retry(id).await.unwrap();
    assert_eq!(pending.delivery_id, id);
    let done = house.delivery(DeliveryStatus::Delivered, 1).await;
    assert_eq!(done.delivery_id, id);
    let refused = house.retry(id).await.unwrap_err();
    assert_eq!(reason(&refused), "DELIVERED");
    house.platform.stop().await;
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_not_asked_again_until_somebody_says_so() {
    let house = House::open().await;
    let receiver = Receiver::open().await;
    receiver.behave(Manner::Answer(410));
    house.uses(ChannelKind::Webhook, &receiver.url()).await;
    house.reject("gone").await;
    let dead = house.delivery(DeliveryStatus::Dead, 1).await;
    receiver.behave(Manner::Answer(200));
    let request = wire::RetryDeliveryRequest {
        delivery_id: dead.delivery_id.clone(),
    };
    let mut stranger = house.client_of("0190a000-0000-7000-8000-00000000000b");
    let refused = stranger.retry_delivery(request.clone()).await.unwrap_err();
    assert_eq!(reason(&refused), "NO_SUCH_DELIVERY");
    house.admin().retry_delivery(request).await.unwrap();
    house.delivery(DeliveryStatus::Delivered, 1).await;
    house.platform.stop().await;
}

#[tokio::test]
async fn operators_see_everybodys_deliveries_and_users_their_own() {
    let house = House::open().await;
    let receiver = Receiver::open().await;
    house.uses(ChannelKind::Webhook, &receiver.url()).await;
    for body in ["first", "second"] {
        house.reject(body).await;
    }
    receiver.has(2).await;
    house.has(2).await;
    let of = |user_id: &str, notification_id: &str| wire::ListDeliveriesRequest {
        user_id: user_id.to_owned(),
        notification_id: notification_id.to_owned(),
        ..Default::default()
    };
    let listed = house.admin().list_deliveries(of(USER, "")).await.unwrap();
    let listed = listed.into_inner().deliveries;
    let newest: Vec<String> = house
        .list()
        .await
        .into_iter()
        .map(|one| one.notification_id)
        .collect();
    let told: Vec<&str> = listed
        .iter()
        .map(|one| one.notification_id.as_str())
        .collect();
    assert_eq!(told, newest, "newest first");
    let one = house.client().list_deliveries(of("", &newest[1])).await;
    assert_eq!(one.unwrap().into_inner().deliveries, [listed[1].clone()]);
    let mut stranger = house.client_of("0190a000-0000-7000-8000-00000000000b");
    let refused = stranger.list_deliveries(of(USER, "")).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let own = stranger.list_deliveries(of("", "")).await.unwrap();
    assert!(own.into_inner().deliveries.is_empty());
    house.platform.stop().await;
}

#[tokio::test]
async fn what_is_pending_on_a_channel_that_is_switched_off_is_dead_and_can_be_revived() {
    let house = House::open().await;
    let mut receiver = Receiver::open().await;
    receiver.down().await;
    let request = house.channel(ChannelKind::Webhook, &receiver.url());
    house.set(&request).await.unwrap();
    house.reject("off").await;
    house.delivery(DeliveryStatus::Pending, 1).await;
    let off = wire::SetChannelRequest {
        enabled: false,
        ..house.channel(ChannelKind::Webhook, &receiver.url())
    };
    house.set(&off).await.unwrap();
    house.clock.advance(crate::house::LONG);
    let dead = house.delivery(DeliveryStatus::Dead, 1).await;
    assert!(dead.last_error.contains("switched off"), "{dead:?}");

    receiver.up();
    house.uses(ChannelKind::Webhook, &receiver.url()).await;
    house.retry(&dead.delivery_id).await.unwrap();
    house.delivery(DeliveryStatus::Delivered, 1).await;
    house.platform.stop().await;
}

#[tokio::test]
async fn a_deleted_message_takes_its_deliveries_along() {
    let house = House::open().await;
    let mut receiver = Receiver::open().await;
    receiver.down().await;
    house.uses(ChannelKind::Webhook, &receiver.url()).await;
    house.reject("regretted").await;
    let pending = house.delivery(DeliveryStatus::Pending, 1).await;
    let request = wire::DeleteNotificationsRequest {
        notification_ids: vec![pending.notification_id],
    };
    house.client().delete_notifications(request).await.unwrap();
    receiver.up();
    house.clock.advance(crate::house::LONG);
    house.reject("kept").await;
    house.delivery(DeliveryStatus::Delivered, 1).await;
    assert_eq!(receiver.taken().len(), 1);
    assert_eq!(receiver.taken()[0].json()["notification"]["body"], "kept");
    assert_eq!(house.deliveries(DeliveryStatus::Unspecified).await.len(), 1);
    house.platform.stop().await;
}
