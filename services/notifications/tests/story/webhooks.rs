//! Webhooks: signed, repeated until taken, and nowhere else than they were sent.

use std::time::UNIX_EPOCH;

use outcry_contracts::notifications::v1::{ChannelKind, DeliveryStatus};
use outcry_notifications::{Config, DELIVERY_ID, EVENT_ID, WebhookConfig};
use outcry_service::Clock;

use crate::house::{House, here};
use crate::receiver::{Manner, Receiver};

#[tokio::test]
async fn a_message_is_posted_once_and_signed_over_time_and_body() {
    let house = House::open().await;
    let receiver = Receiver::open().await;
    let secret = house.uses(ChannelKind::Webhook, &receiver.url()).await;
    let event = house.reject("no money").await;
    let delivery = house.delivery(DeliveryStatus::Delivered, 1).await;

    let taken = receiver.taken();
    assert_eq!(taken.len(), 1);
    let now = house.clock.now().duration_since(UNIX_EPOCH).unwrap();
    assert_eq!(taken[0].verified(&secret), now.as_secs());
    assert_eq!(taken[0].path, "/hooks?of=ann");
    assert_eq!(taken[0].header("content-type"), "application/json");
    assert_eq!(taken[0].header(EVENT_ID), event.to_string());
    assert_eq!(taken[0].header(DELIVERY_ID), delivery.delivery_id);
    let json = taken[0].json();
    assert_eq!(json["event_id"], event.to_string());
    assert_eq!(json["delivery_id"], delivery.delivery_id);
    let said = &json["notification"];
    assert_eq!(said["topic"], "order.rejected");
    assert_eq!(said["priority"], "HIGH");
    assert_eq!(said["body"], "no money");
    assert_eq!(said["at"], "2026-01-05T14:30:00Z");
    house.platform.stop().await;
}

#[tokio::test]
async fn a_receiver_that_is_down_gets_the_same_message_when_it_is_up_again() {
    let house = House::open().await;
    let mut receiver = Receiver::open().await;
    let secret = house.uses(ChannelKind::Webhook, &receiver.url()).await;
    receiver.down().await;
    house.reject("later").await;
    let failed = house.delivery(DeliveryStatus::Pending, 1).await;
    assert_eq!(failed.last_error, "the receiver cannot be reached");
    assert!(failed.next_attempt_at.is_some());
    house.tried(2).await;

    receiver.up();
    receiver.behave(Manner::HangUp);
    let failed = house.tried(3).await;
    assert!(failed.last_error.contains("broke off"), "{failed:?}");
    receiver.behave(Manner::Answer(200));
    house.clock.advance(crate::house::LONG);
    let delivered = house.delivery(DeliveryStatus::Delivered, 4).await;
    let taken = receiver.has(2).await;
    for one in &taken {
        one.verified(&secret);
        assert_eq!(one.header(DELIVERY_ID), delivered.delivery_id);
    }
    assert_eq!(taken[0].body, taken[1].body, "the same in every attempt");
    house.platform.stop().await;
}

#[tokio::test]
async fn answers_that_are_no_success_are_failures_and_redirects_lead_nowhere() {
    let house = House::open().await;
    let (receiver, elsewhere) = (Receiver::open().await, Receiver::open().await);
    house.uses(ChannelKind::Webhook, &receiver.url()).await;
    receiver.behave(Manner::Answer(500));
    house.reject("refused").await;
    let mut attempts = 1;
    let failed = house.delivery(DeliveryStatus::Pending, attempts).await;
    assert_eq!(failed.last_error, "the receiver answered 500");
    for (manner, error) in [
        (Manner::Answer(404), "answered 404"),
        (Manner::Answer(429), "answered 429"),
        (
            Manner::Redirect(elsewhere.url()),
            "redirects are not followed",
        ),
        (Manner::LargeHead, "broke off"),
    ] {
        receiver.behave(manner);
        attempts += 1;
        let failed = house.tried(attempts).await;
        assert!(failed.last_error.contains(error), "{failed:?}");
    }
    receiver.behave(Manner::Answer(204));
    house.clock.advance(crate::house::LONG);
    house
        .delivery(DeliveryStatus::Delivered, attempts + 1)
        .await;
    assert!(elsewhere.taken().is_empty());
    house.platform.stop().await;
}

#[tokio::test]
async fn a_receiver_that_does_not_answer_holds_up_nobody_else() {
    let house = House::open().await;
    let (slow, quick) = (Receiver::open().await, Receiver::open().await);
    slow.behave(Manner::Stall);
    house.uses(ChannelKind::Webhook, &slow.url()).await;
    let other = "0190a000-0000-7000-8000-00000000000b";
    let request = house.channel(ChannelKind::Webhook, &quick.url());
    house.client_of(other).set_channel(request).await.unwrap();

    house.reject("slow").await;
    slow.has(1).await;
    house.sign_in(other).await;
    quick.has(1).await;
    let waits = house.deliveries(DeliveryStatus::Pending).await;
    assert_eq!(waits[0].attempts, 0, "the slow one is still being asked");
    let failed = house.delivery(DeliveryStatus::Pending, 1).await;
    assert_eq!(failed.last_error, "the receiver did not answer in time");
    house.platform.stop().await;
}

#[tokio::test]
async fn a_name_that_leads_to_this_machine_is_not_called_where_that_is_not_allowed() {
    let receiver = Receiver::open().await;
    let house = House::open().await;
    // Set while it was allowed, so that only the look before the call is left.
    house.uses(ChannelKind::Webhook, &receiver.url()).await;
    let house = house.reconfigured(Config::default()).await;
    house.reject("private").await;
    let failed = house.delivery(DeliveryStatus::Pending, 1).await;
    assert!(failed.last_error.contains("https"), "{failed:?}");
    assert!(receiver.taken().is_empty());
    house.platform.stop().await;
}

#[tokio::test]
async fn over_tls_a_receiver_is_called_when_its_certificate_is_trusted_and_not_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = made.cert.pem();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, &certificate).unwrap();
    let receiver = Receiver::open_tls(&certificate, &made.signing_key.serialize_pem()).await;
    let url = format!("https://localhost:{}/hooks", receiver.port());

    let house = House::open().await;
    let secret = house.uses(ChannelKind::Webhook, &url).await;
    house.reject("private").await;
    let failed = house.delivery(DeliveryStatus::Pending, 1).await;
    assert!(failed.last_error.contains("encrypted"), "{failed:?}");
    assert!(receiver.taken().is_empty());

    let trusting = Config {
        webhooks: WebhookConfig {
            ca_file,
            ..here().webhooks
        },
        ..here()
    };
    let house = house.reconfigured(trusting).await;
    house.clock.advance(crate::house::LONG);
    house.delivery(DeliveryStatus::Delivered, 2).await;
    receiver.taken()[0].verified(&secret);
    house.platform.stop().await;
}
