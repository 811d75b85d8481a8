//! How subscriptions end.

use outcry_contracts::eventlog::v1::SubscribeRequest;
use outcry_contracts::eventlog::v1::SubscribeResponse;
use outcry_contracts::eventlog::v1::event_log_service_client::EventLogServiceClient;
use outcry_gateway::Config;
use outcry_mesh::Role;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};
use tonic_types::StatusExt;

use crate::rig::{Rig, TOKEN_LIFETIME, user};

async fn subscribed(rig: &Rig, channel: Channel) -> Result<Streaming<SubscribeResponse>, Status> {
    let mut log = EventLogServiceClient::new(channel);
    let request = rig.by(&user(7), Role::User, SubscribeRequest::default());
    log.subscribe(request)
        .await
        .map(tonic::Response::into_inner)
}

fn reason(status: &Status) -> String {
    status
        .get_details_error_info()
        .map(|info| info.reason)
        .unwrap_or_default()
}

/// A subscription that has received its first event.
async fn open(rig: &Rig) -> Streaming<SubscribeResponse> {
    rig.happened_to(&user(7), 1).await;
    let mut events = subscribed(rig, rig.connect().await).await.unwrap();
    assert!(events.message().await.unwrap().is_some());
    events
}

#[tokio::test]
async fn a_stream_ends_when_its_token_expires() {
    let rig = Rig::start().await;
    let mut events = open(&rig).await;
    rig.clock.advance(TOKEN_LIFETIME);
    let ended = events.message().await.unwrap_err();
    assert_eq!(
        (ended.code(), reason(&ended).as_str()),
        (Code::Unauthenticated, "TOKEN_EXPIRED")
    );
}

#[tokio::test]
async fn a_stream_ends_when_its_token_is_revoked() {
    let rig = Rig::start().await;
    let mut events = open(&rig).await;
    rig.revoke(&user(8), 1).await;
    rig.happened_to(&user(7), 1).await;
    assert!(
        events.message().await.unwrap().is_some(),
        "another user's revocation is no reason"
    );
    rig.revoke(&user(7), 1).await;
    let mut next = events.message().await;
    if next.is_ok() {
        // The revocation itself is an event about the user and may come first.
        next = events.message().await;
    }
    let ended = next.unwrap_err();
    assert_eq!(
        (ended.code(), reason(&ended).as_str()),
        (Code::Unauthenticated, "TOKEN_REVOKED")
    );
}

#[tokio::test]
async fn a_stream_ends_with_advice_when_the_gateway_stops() {
    let rig = Rig::start().await;
    let mut events = open(&rig).await;
    rig.stop.cancel();
    let ended = events.message().await.unwrap_err();
    assert_eq!(
        (ended.code(), reason(&ended).as_str()),
        (Code::Unavailable, "STOPPING")
    );
    rig.serving.await.unwrap();
}

#[tokio::test]
async fn one_user_can_only_have_so_many_streams() {
    let rig = Rig::with(Config {
        streams_per_caller_max: 1,
        ..Config::default()
    })
    .await;
    let first = open(&rig).await;
    let channel = rig.connect().await;
    let second = subscribed(&rig, channel.clone()).await.unwrap_err();
    assert_eq!(reason(&second), "TOO_MANY_AT_ONCE");
    drop(first);
    outcry_service::testing::eventually("the first stream's place is free", async || {
        subscribed(&rig, channel.clone()).await.is_ok()
    })
    .await;
}
