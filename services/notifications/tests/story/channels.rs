//! Channels: what may be one, and who is shown its secret.

use outcry_contracts::notifications::v1 as wire;
use outcry_contracts::notifications::v1::{ChannelKind, DeliveryStatus, Priority};
use outcry_notifications::Config;
use outcry_service::Clock;
use tonic::Code;

use crate::house::{House, USER, reason};
use crate::receiver::Receiver;

async fn channels(house: &House) -> Vec<wire::Channel> {
    let mut client = house.client();
    let reply = client.list_channels(wire::ListChannelsRequest {}).await;
    reply.unwrap().into_inner().channels
}

#[tokio::test]
async fn a_secret_is_shown_when_its_channel_is_set_and_to_a_repetition_of_that_request() {
    let house = House::open().await;
    let url = "https://hooks.example.com/ann";
    let request = house.channel(ChannelKind::Webhook, url);
    let set = house.set(&request).await.unwrap();
    assert!(set.signing_secret.starts_with("whsec_"));
    assert_eq!(set.channel.as_ref().unwrap().target, url);
    assert_eq!(
        set.channel.as_ref().unwrap().minimum_priority(),
        Priority::Normal
    );
    let house = house.crash().await;
    assert_eq!(house.set(&request).await.unwrap(), set);

    // The same target keeps its secret, which is not shown again.
    let off = wire::SetChannelRequest {
        enabled: false,
        request_id: house.clock.new_id().to_string(),
        ..request.clone()
    };
    let changed = house.set(&off).await.unwrap();
    assert_eq!(changed.signing_secret, "");
    assert!(!changed.channel.unwrap().enabled);

    // Another target gets another secret, and the old one is shown to nobody any more.
    let elsewhere = house.channel(ChannelKind::Webhook, "https://example.org/");
    let moved = house.set(&elsewhere).await.unwrap();
    assert!(moved.signing_secret.starts_with("whsec_"));
    assert_ne!(moved.signing_secret, set.signing_secret);
    assert_eq!(house.set(&request).await.unwrap().signing_secret, "");

    let reused = wire::SetChannelRequest {
        target: "https://example.net/".to_owned(),
        ..elsewhere
    };
    let refused = house.set(&reused).await.unwrap_err();
    assert_eq!(reason(&refused), "REQUEST_ID_REUSED");
    let listed = channels(&house).await;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].target, "https://example.org/");
    house.platform.stop().await;
}

#[tokio::test]
async fn e_mail_is_refused_with_the_reason_where_no_mail_server_is_configured() {
    let house = House::open().await;
    let request = house.channel(ChannelKind::Email, "ann@example.com");
    let refused = house.set(&request).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(reason(&refused), "EMAIL_NOT_CONFIGURED");
    assert!(channels(&house).await.is_empty());
    house.platform.stop().await;
}

#[tokio::test]
async fn a_webhook_leads_to_https_on_the_internet_unless_more_is_allowed() {
    let house = House::with(Config::default()).await;
    for target in [
        "hooks.example.com",
        "http://hooks.example.com/",
        "https://me:secret@example.com/",
        "http://127.0.0.1:8080/",
        "https://localhost/",
        "https://10.0.0.1/",
        "https://[fd00::1]/",
        "https://169.254.169.254/latest/meta-data",
    ] {
        let request = house.channel(ChannelKind::Webhook, target);
        let refused = house.set(&request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{target}");
        assert!(refused.message().contains("target"), "{refused}");
    }
    let request = house.channel(ChannelKind::Webhook, "https://hooks.example.com/");
    house.set(&request).await.unwrap();
    house.platform.stop().await;
}

#[tokio::test]
async fn a_channel_takes_what_matters_enough_and_nothing_once_it_is_removed() {
    let house = House::open().await;
    let receiver = Receiver::open().await;
    let request = wire::SetChannelRequest {
        minimum_priority: Priority::High.into(),
        ..house.channel(ChannelKind::Webhook, &receiver.url())
    };
    house.set(&request).await.unwrap();
    let normal = house.sign_in(USER).await;
    house.dealt_with(normal).await;
    house.reject("high").await;
    house.delivery(DeliveryStatus::Delivered, 1).await;

    let removal = wire::DeleteChannelRequest {
        kind: ChannelKind::Webhook.into(),
    };
    let mut client = house.client();
    client.delete_channel(removal).await.unwrap();
    client.delete_channel(removal).await.unwrap();
    assert!(channels(&house).await.is_empty());
    let after = house.reject("unheard").await;
    house.dealt_with(after).await;
    house.has(3).await;
    let all = house.deliveries(DeliveryStatus::Unspecified).await;
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!(receiver.taken().len(), 1);
    house.platform.stop().await;
}
