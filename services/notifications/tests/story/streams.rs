//! Messages as they come.

use std::sync::Arc;

use outcry_contracts::notifications::v1::notification_service_client::NotificationServiceClient;
use outcry_contracts::notifications::v1::{DeleteNotificationsRequest, StreamNotificationsRequest};
use outcry_mesh::{Directory, EDGE, Role, Rules, User, acting_for};
use outcry_notifications::service;
use outcry_service::Context;
use tonic::Code;

use crate::house::{House, USER, here};

fn after(after_sequence: u64) -> StreamNotificationsRequest {
    StreamNotificationsRequest { after_sequence }
}

#[tokio::test]
async fn a_stream_goes_on_where_it_was_and_brings_what_comes() {
    let house = House::open().await;
    house.reject("first").await;
    house.has(1).await;
    let mut client = house.client();
    let stream = client.stream_notifications(after(0)).await;
    let mut stream = stream.unwrap().into_inner();
    let first = stream.message().await.unwrap().unwrap();
    assert_eq!(first.notification.unwrap().body, "first");
    house.reject("second").await;
    let second = stream.message().await.unwrap().unwrap();
    assert_eq!(second.notification.unwrap().sequence, 2);

    let resumed = client.stream_notifications(after(1)).await;
    let mut resumed = resumed.unwrap().into_inner();
    let second = resumed.message().await.unwrap().unwrap();
    assert_eq!(second.notification.unwrap().body, "second");
    house.platform.stop().await;
}

#[tokio::test]
async fn a_stream_goes_past_messages_that_were_deleted() {
    let house = House::open().await;
    for body in ["first", "second"] {
        let event = house.reject(body).await;
        house.dealt_with(event).await;
    }
    let ids: Vec<String> = house
        .list()
        .await
        .into_iter()
        .map(|one| one.notification_id)
        .collect();
    let request = DeleteNotificationsRequest {
        notification_ids: ids,
    };
    house.client().delete_notifications(request).await.unwrap();
    let stream = house.client().stream_notifications(after(0)).await;
    let mut stream = stream.unwrap().into_inner();
    house.reject("third").await;
    let third = stream.message().await.unwrap().unwrap();
    assert_eq!(third.notification.unwrap().sequence, 3);
    house.platform.stop().await;
}

#[tokio::test]
async fn a_stream_brings_what_another_process_has_written() {
    let house = House::open().await;
    // A second process on the same store: it consumes nothing and is listened to.
    let ids = Arc::clone(&house.ctx.clock);
    let directory = Directory::with(Rules::of_the_contract(), move || ids.new_id());
    let (store, clock) = (Arc::clone(&house.ctx.store), Arc::clone(&house.ctx.clock));
    let ctx = Context::new("notifications", store, clock, directory.clone());
    let replica = service(ctx, here()).await.unwrap();
    directory.register("notifications", replica.routes).unwrap();
    let mut client = NotificationServiceClient::new(directory.channel(EDGE, "notifications"));
    let user = User {
        id: USER.to_owned(),
        roles: vec![Role::User],
    };
    let mut asked = tonic::Request::new(after(0));
    acting_for(&mut asked, &user);
    let stream = client.stream_notifications(asked).await;
    let mut stream = stream.unwrap().into_inner();
    for body in ["first", "second"] {
        house.reject(body).await;
        let message = stream.message().await.unwrap().unwrap();
        assert_eq!(message.notification.unwrap().body, body);
    }
    house.platform.stop().await;
}

#[tokio::test]
async fn a_stream_resumes_after_a_crash_and_not_behind_what_was_never_sent() {
    let house = House::open().await;
    house.reject("first").await;
    house.has(1).await;
    let house = house.crash().await;
    house.reject("second").await;
    house.has(2).await;
    let mut client = house.client();
    let resumed = client.stream_notifications(after(1)).await.unwrap();
    let mut resumed = resumed.into_inner();
    let second = resumed.message().await.unwrap().unwrap();
    assert_eq!(second.notification.unwrap().sequence, 2);
    let ahead = client.stream_notifications(after(3)).await.unwrap_err();
    assert_eq!(ahead.code(), Code::OutOfRange);

    house.platform.stop().await;
    let ended = resumed.message().await.unwrap_err();
    assert_eq!(ended.code(), Code::Unavailable);
}
