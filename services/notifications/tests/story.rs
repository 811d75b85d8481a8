//! Messages on a running platform, from real events of a stand-in for the order service.

#![expect(clippy::unwrap_used, reason = "a story stops at the first surprise")]

use std::path::Path;
use std::sync::Arc;

use outcry_contracts::notifications::v1::notification_service_client::NotificationServiceClient;
use outcry_contracts::notifications::v1::{
    CountUnreadRequest, ListNotificationsRequest, MarkReadRequest, Notification,
    SetPreferencesRequest, StreamNotificationsRequest,
};
use outcry_contracts::orders::v1::{OrderRejectedEvent, RejectReason, Side};
use outcry_events::{Cause, Stamp, seal};
use outcry_mesh::{Directory, EDGE, Role, Rules, User, acting_for};
use outcry_notifications::{Config, service};
use outcry_service::testing::{Caller, Platform, eventually};
use outcry_service::{Context, Service};
use outcry_store::{Append, Commit};
use tonic::Code;
use uuid::Uuid;

const USER: &str = "0190a000-0000-7000-8000-00000000000a";

struct Story {
    platform: Platform,
    orders: Context,
    notifications: Context,
}

async fn open(folder: &Path) -> Story {
    let mut platform = Platform::open(folder).await;
    let orders = platform.context("orders").await;
    let ctx = platform.context("notifications").await;
    let made = service(ctx.clone(), Config::default()).await.unwrap();
    platform
        .start([
            (orders.clone(), Service::new("orders")),
            (ctx.clone(), made),
        ])
        .await;
    Story {
        platform,
        orders,
        notifications: ctx,
    }
}

impl Story {
    /// The order service rejects an order of the user; the id of the event.
    async fn reject(&self, message: &str) -> Uuid {
        let ctx = &self.orders;
        let event = OrderRejectedEvent {
            order_id: ctx.clock.new_id().to_string(),
            user_id: USER.to_owned(),
            symbol: "AAPL".to_owned(),
            side: Side::Buy.into(),
            reason: RejectReason::InsufficientFunds.into(),
            message: message.to_owned(),
        };
        let cause = Cause::root(ctx.clock.new_id(), "service:orders");
        let stamp = Stamp {
            event_id: ctx.clock.new_id(),
            sequence: 1,
            occurred_at: ctx.clock.now(),
            recorded_at: ctx.clock.now(),
            cause: &cause,
        };
        let sealed = seal(&event, stamp).unwrap();
        let id = sealed.id();
        let append = Append {
            stream: sealed.stream(),
            expected: 0,
            events: vec![sealed],
        };
        let commit = Commit {
            appends: vec![append],
            ..Commit::default()
        };
        ctx.store.commit(commit).await.unwrap();
        id
    }

    fn client(&self) -> NotificationServiceClient<Caller> {
        NotificationServiceClient::new(self.platform.user(USER, "notifications"))
    }

    async fn list(&self) -> Vec<Notification> {
        let request = ListNotificationsRequest::default();
        let reply = self.client().list_notifications(request).await.unwrap();
        reply.into_inner().notifications
    }

    async fn has(&self, count: usize) {
        eventually("the messages are there", async || {
            self.list().await.len() == count
        })
        .await;
    }

    async fn unread(&self) -> i64 {
        let reply = self.client().count_unread(CountUnreadRequest {}).await;
        reply.unwrap().into_inner().unread
    }
}

#[tokio::test]
async fn an_event_is_one_message_to_the_user_it_is_about() {
    let folder = tempfile::tempdir().unwrap();
    let story = open(folder.path()).await;
    story.reject("first").await;
    story.has(1).await;
    story.reject("second").await;
    story.has(2).await;

    let list = story.list().await;
    assert_eq!(list[0].body, "second", "newest first");
    let sequences: Vec<u64> = list.iter().map(|one| one.sequence).collect();
    assert_eq!(sequences, [2, 1]);
    assert_eq!(story.unread().await, 2);

    let request = MarkReadRequest {
        notification_ids: vec![list[0].notification_id.clone()],
    };
    let reply = story.client().mark_read(request.clone()).await.unwrap();
    assert_eq!(reply.into_inner().changed, 1);
    let again = story.client().mark_read(request).await.unwrap();
    assert_eq!(again.into_inner().changed, 0);
    let all = MarkReadRequest::default();
    let reply = story.client().mark_read(all).await.unwrap();
    assert_eq!(reply.into_inner().changed, 1);
    assert_eq!(story.unread().await, 0);
    story.platform.stop().await;
}

#[tokio::test]
async fn what_is_muted_makes_no_message_and_security_cannot_be_muted() {
    let folder = tempfile::tempdir().unwrap();
    let story = open(folder.path()).await;
    let mute = |topic: &str| SetPreferencesRequest {
        muted_topics: vec![topic.to_owned()],
        ..Default::default()
    };
    for topic in ["user.login", "order.eaten"] {
        let refused = story
            .client()
            .set_preferences(mute(topic))
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{topic}");
    }
    let mut client = story.client();
    client
        .set_preferences(mute("order.rejected"))
        .await
        .unwrap();
    let muted = story.reject("muted").await;
    eventually("the muted event is dealt with", async || {
        let store = &story.notifications.store;
        store.is_handled("notifications", muted).await.unwrap()
    })
    .await;
    client
        .set_preferences(SetPreferencesRequest::default())
        .await
        .unwrap();
    story.reject("heard").await;
    story.has(1).await;
    assert_eq!(story.list().await[0].body, "heard");
    story.platform.stop().await;
}

#[tokio::test]
async fn a_stream_goes_on_where_it_was_and_brings_what_comes() {
    let folder = tempfile::tempdir().unwrap();
    let story = open(folder.path()).await;
    story.reject("first").await;
    story.has(1).await;
    let after = |after_sequence| StreamNotificationsRequest { after_sequence };
    let mut stream = story
        .client()
        .stream_notifications(after(0))
        .await
        .unwrap()
        .into_inner();
    let first = stream.message().await.unwrap().unwrap();
    assert_eq!(first.notification.unwrap().body, "first");
    story.reject("second").await;
    let second = stream.message().await.unwrap().unwrap();
    assert_eq!(second.notification.unwrap().sequence, 2);

    let mut resumed = story
        .client()
        .stream_notifications(after(1))
        .await
        .unwrap()
        .into_inner();
    let second = resumed.message().await.unwrap().unwrap();
    assert_eq!(second.notification.unwrap().body, "second");
    story.platform.stop().await;
}

#[tokio::test]
async fn a_stream_brings_what_another_process_has_written() {
    let folder = tempfile::tempdir().unwrap();
    let story = open(folder.path()).await;
    // A second process on the same store: it consumes nothing and is listened to.
    let ids = Arc::clone(&story.notifications.clock);
    let directory = Directory::with(Rules::of_the_contract(), move || ids.new_id());
    let (store, clock) = (
        Arc::clone(&story.notifications.store),
        Arc::clone(&story.notifications.clock),
    );
    let ctx = Context::new("notifications", store, clock, directory.clone());
    let replica = service(ctx, Config::default()).await.unwrap();
    directory.register("notifications", replica.routes).unwrap();
    let mut client = NotificationServiceClient::new(directory.channel(EDGE, "notifications"));
    let user = User {
        id: USER.to_owned(),
        roles: vec![Role::User],
    };
    let mut asked = tonic::Request::new(StreamNotificationsRequest { after_sequence: 0 });
    acting_for(&mut asked, &user);
    let mut stream = client
        .stream_notifications(asked)
        .await
        .unwrap()
        .into_inner();
    for body in ["first", "second"] {
        story.reject(body).await;
        let message = stream.message().await.unwrap().unwrap();
        assert_eq!(message.notification.unwrap().body, body);
    }
    story.platform.stop().await;
}

#[tokio::test]
async fn a_stream_resumes_after_a_crash_and_not_behind_what_was_never_sent() {
    let folder = tempfile::tempdir().unwrap();
    let story = open(folder.path()).await;
    story.reject("first").await;
    story.has(1).await;
    story.platform.crash().await;

    let story = open(folder.path()).await;
    story.reject("second").await;
    story.has(2).await;
    let after = |after_sequence| StreamNotificationsRequest { after_sequence };
    let mut client = story.client();
    let resumed = client.stream_notifications(after(1)).await.unwrap();
    let mut resumed = resumed.into_inner();
    let second = resumed.message().await.unwrap().unwrap();
    assert_eq!(second.notification.unwrap().sequence, 2);
    let ahead = client.stream_notifications(after(3)).await.unwrap_err();
    assert_eq!(ahead.code(), Code::OutOfRange);

    story.platform.stop().await;
    let ended = resumed.message().await.unwrap_err();
    assert_eq!(ended.code(), Code::Unavailable);
}

#[tokio::test]
async fn an_event_that_comes_again_after_its_mark_is_forgotten_makes_no_second_message() {
    let folder = tempfile::tempdir().unwrap();
    let story = open(folder.path()).await;
    story.reject("once").await;
    story.has(1).await;
    let all = outcry_store::ReadAll {
        after: 0,
        partition_key: None,
        limit: 10,
    };
    let events = story.orders.store.read_all(&all).await.unwrap();
    let ctx = story.notifications.clone();
    let later = ctx.clock.now() + std::time::Duration::from_secs(3600);
    ctx.store.forget(later, 100).await.unwrap();

    let again = service(ctx, Config::default()).await.unwrap();
    let commit = again.reactions[0].react(&events[0].event).await.unwrap();
    assert!(commit.is_empty());
    story.platform.stop().await;
}
