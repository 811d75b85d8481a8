//! Two gateways on one store: one archives, then the other, and both are read.

use outcry_contracts::eventlog::v1::event_log_service_client::EventLogServiceClient;
use outcry_contracts::eventlog::v1::{SubscribeRequest, SubscribeResponse, TraceRequest};
use outcry_contracts::users::v1::GetMeRequest;
use outcry_mesh::Role;
use outcry_service::Fault;
use outcry_service::testing::eventually;
use tonic::transport::Channel;
use tonic::{Code, Streaming};
use tonic_types::StatusExt;
use uuid::Uuid;

use crate::rig::{Rig, bearing, user};

async fn log(rig: &Rig) -> EventLogServiceClient<Channel> {
    EventLogServiceClient::new(rig.connect().await)
}

/// A subscription behind a position, as an operator opens it.
async fn subscribed(rig: &Rig, after_position: u64) -> Streaming<SubscribeResponse> {
    let request = SubscribeRequest {
        after_position,
        ..Default::default()
    };
    let request = rig.by(&user(9), Role::Viewer, request);
    log(rig)
        .await
        .subscribe(request)
        .await
        .unwrap()
        .into_inner()
}

/// The next events of a subscription, as position and id.
async fn take(events: &mut Streaming<SubscribeResponse>, count: usize) -> Vec<(u64, String)> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let logged = events.message().await.unwrap().unwrap().logged.unwrap();
        taken.push((logged.position, logged.event.unwrap().event_id));
    }
    taken
}

#[tokio::test]
async fn followers_of_both_see_every_event_once_in_one_order_however_the_archiving_changes_hands() {
    let first = Rig::start().await;
    let second = first.replica().await;
    let mut at_first = subscribed(&first, 0).await;
    let mut at_second = subscribed(&second, 0).await;
    let mut happened = Vec::new();
    for round in 0..6 {
        let archiving = if round % 2 == 0 { &first } else { &second };
        for number in 0..7 {
            happened.push(archiving.happened_to(&user(number), 1).await.id());
        }
    }
    let expected: Vec<(u64, String)> = (1..).zip(happened.iter().map(Uuid::to_string)).collect();
    assert_eq!(take(&mut at_first, expected.len()).await, expected);
    assert_eq!(take(&mut at_second, expected.len()).await, expected);
    // Whoever goes on at the other one goes on where they were.
    for resume in [0, 1, 7, 20, 41] {
        for rig in [&first, &second] {
            let mut events = subscribed(rig, resume).await;
            let rest = &expected[resume as usize..];
            assert_eq!(take(&mut events, rest.len()).await, rest);
        }
    }
}

#[tokio::test]
async fn what_was_read_at_one_is_no_position_beyond_the_end_at_the_other() {
    let first = Rig::start().await;
    let second = first.replica().await;
    for number in 1..=3 {
        first.happened_to(&user(number), 7).await;
    }
    let mut events = subscribed(&second, 3).await;
    let fourth = first.happened_to(&user(4), 7).await;
    let next = take(&mut events, 1).await;
    assert_eq!(next, [(4, fourth.id().to_string())]);
    let asked = TraceRequest {
        correlation_id: Uuid::from_u128(7).to_string(),
    };
    let asked = second.by(&user(9), Role::Admin, asked);
    let flow = log(&second).await.trace(asked).await.unwrap().into_inner();
    assert_eq!(flow.events.len(), 4);
    let beyond = SubscribeRequest {
        after_position: 5,
        ..Default::default()
    };
    let beyond = second.by(&user(9), Role::Viewer, beyond);
    let refused = log(&second).await.subscribe(beyond).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange);
}

#[tokio::test]
async fn one_that_was_far_behind_goes_on_with_what_comes() {
    let first = Rig::start().await;
    let second = first.replica().await;
    // More than memory holds, while nobody follows at the second.
    const EVENTS: u64 = 4_200;
    for _ in 0..EVENTS {
        first.happened_to(&user(1), 1).await;
    }
    let mut events = subscribed(&second, EVENTS - 1).await;
    assert_eq!(take(&mut events, 1).await[0].0, EVENTS);
    second.happened_to(&user(1), 1).await;
    first.happened_to(&user(1), 1).await;
    let positions: Vec<u64> = take(&mut events, 2)
        .await
        .into_iter()
        .map(|(position, _)| position)
        .collect();
    assert_eq!(positions, [EVENTS + 1, EVENTS + 2]);
}

#[tokio::test]
async fn an_event_that_comes_again_to_the_next_holder_is_archived_once() {
    let first = Rig::start().await;
    let second = first.replica().await;
    let event = first.happened_to(&user(1), 1).await;
    let again = second.recorder().react(&event).await;
    assert!(matches!(again, Err(Fault::Discard(_))), "{again:?}");
}

#[tokio::test]
async fn a_token_revoked_by_way_of_one_stops_counting_at_the_other() {
    let first = Rig::start().await;
    let second = first.replica().await;
    let token = second.token(&user(7), Role::User);
    let mut users = second.users().await;
    users
        .get_me(bearing(&token, GetMeRequest {}))
        .await
        .unwrap();
    first.happened_to(&user(7), 1).await;
    let request = bearing(&token, SubscribeRequest::default());
    let mut stream = log(&second)
        .await
        .subscribe(request)
        .await
        .unwrap()
        .into_inner();
    assert!(stream.message().await.unwrap().is_some());

    first.revoke(&user(8), 1).await;
    first.revoke(&user(7), 1).await;
    eventually("the token is refused", async || {
        let refused = users.get_me(bearing(&token, GetMeRequest {})).await.err();
        refused.is_some_and(|refused| refused.code() == Code::Unauthenticated)
    })
    .await;
    let ended = loop {
        // The revocation itself is an event about the user and may come first.
        if let Err(ended) = stream.message().await {
            break ended;
        }
    };
    let info = ended.get_details_error_info().unwrap();
    assert_eq!(info.reason, "TOKEN_REVOKED");

    // A later one of the same user, whose row was there already.
    let token = second.token(&user(8), Role::User);
    first.revoke(&user(8), 2).await;
    eventually("the second revocation is known", async || {
        users
            .get_me(bearing(&token, GetMeRequest {}))
            .await
            .is_err()
    })
    .await;
}
