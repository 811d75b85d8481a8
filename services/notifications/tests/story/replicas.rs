//! Several processes, and processes that die between sending and writing it down.

use outcry_contracts::notifications::v1::{ChannelKind, DeliveryStatus};
use outcry_notifications::{DELIVERY_ID, service};
use outcry_service::testing::eventually;

use crate::house::{House, here};
use crate::receiver::{Manner, Receiver};

#[tokio::test]
async fn two_processes_send_every_message_once() {
    let house = House::open().await;
    let receiver = Receiver::open().await;
    house.uses(ChannelKind::Webhook, &receiver.url()).await;
    let ctx = house.platform.context("notifications").await;
    let made = service(ctx.clone(), here()).await.unwrap();
    let replica = house.platform.replica("notifications", |_| made).await;
    for number in 0..20 {
        house.reject(&number.to_string()).await;
    }
    eventually("all are delivered", async || {
        house.deliveries(DeliveryStatus::Delivered).await.len() == 20
    })
    .await;
    assert_eq!(receiver.taken().len(), 20);
    replica.stop().await;
    house.platform.stop().await;
}

#[tokio::test]
async fn a_crash_between_sending_and_writing_it_down_sends_again_under_the_same_id() {
    let house = House::open().await;
    let receiver = Receiver::open().await;
    // It has taken the message, and the service does not know yet.
    receiver.behave(Manner::Stall);
    house.uses(ChannelKind::Webhook, &receiver.url()).await;
    house.reject("twice").await;
    receiver.has(1).await;
    // For the next one; the first stays without an answer.
    receiver.behave(Manner::Answer(200));
    let house = house.crash().await;
    let delivered = house.delivery(DeliveryStatus::Delivered, 1).await;
    let taken = receiver.taken();
    assert_eq!(taken.len(), 2);
    assert_eq!(taken[0].body, taken[1].body);
    for one in &taken {
        assert_eq!(one.header(DELIVERY_ID), delivered.delivery_id);
    }
    house.platform.stop().await;
}
