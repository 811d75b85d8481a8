//! A platform with the service, and a stand-in for the order service.

use std::sync::Arc;
use std::time::Duration;

use outcry_contracts::notifications::v1 as wire;
use outcry_contracts::notifications::v1::notification_service_client::NotificationServiceClient;
use outcry_contracts::notifications::v1::{
    ChannelKind, Delivery, DeliveryStatus, Notification, Priority,
};
use outcry_contracts::orders::v1::{OrderRejectedEvent, RejectReason, Side};
use outcry_contracts::users::v1::{LoginMethod, UserLoginEvent};
use outcry_events::{Cause, Event, Stamp, seal};
use outcry_notifications::{Config, WebhookConfig, service};
use outcry_service::testing::{Caller, FakeClock, Platform, eventually, found};
use outcry_service::{Clock, Context, Service};
use outcry_store::{Append, Commit};
use tempfile::TempDir;
use tonic::Status;
use tonic_types::StatusExt;
use uuid::Uuid;

/// Whose messages the stories are about.
pub const USER: &str = "0190a000-0000-7000-8000-00000000000a";

/// Longer than any wait between attempts.
pub const LONG: Duration = Duration::from_secs(3600);

pub struct House {
    folder: TempDir,
    config: Config,
    pub clock: Arc<FakeClock>,
    pub platform: Platform,
    pub orders: Context,
    pub ctx: Context,
}

/// Webhooks may go to this machine, where the stories' receivers are.
pub fn here() -> Config {
    Config {
        webhooks: WebhookConfig {
            loopback: true,
            ..WebhookConfig::default()
        },
        ..Config::default()
    }
}

impl House {
    pub async fn open() -> Self {
        Self::with(here()).await
    }

    pub async fn with(config: Config) -> Self {
        let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::new(FakeClock::default()));
        let platform = Platform::open_at(folder.path(), clock.clone()).await;
        Self::start(folder, config, clock, platform).await
    }

    async fn start(
        folder: TempDir,
        config: Config,
        clock: Arc<FakeClock>,
        mut platform: Platform,
    ) -> Self {
        let orders = platform.context("orders").await;
        let ctx = platform.context("notifications").await;
        let made = service(ctx.clone(), config.clone()).await.unwrap();
        platform
            .start([
                (orders.clone(), Service::new("orders")),
                (ctx.clone(), made),
            ])
            .await;
        Self {
            folder,
            config,
            clock,
            platform,
            orders,
            ctx,
        }
    }

    pub async fn crash(self) -> Self {
        let platform = self.platform.crash_and_restart().await;
        Self::start(self.folder, self.config, self.clock, platform).await
    }

    /// Stops and starts again with other settings.
    pub async fn reconfigured(self, config: Config) -> Self {
        let platform = self.platform.restart().await;
        Self::start(self.folder, config, self.clock, platform).await
    }

    /// Something happens; the id of the event.
    pub async fn happens(&self, event: &impl Event) -> Uuid {
        let ctx = &self.orders;
        let cause = Cause::root(ctx.clock.new_id(), "service:orders");
        let stamp = Stamp {
            event_id: ctx.clock.new_id(),
            sequence: 1,
            occurred_at: ctx.clock.now(),
            recorded_at: ctx.clock.now(),
            cause: &cause,
        };
        let sealed = seal(event, stamp).unwrap();
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

    /// The order service rejects an order of the user.
    pub async fn reject(&self, message: &str) -> Uuid {
        let event = OrderRejectedEvent {
            order_id: self.clock.new_id().to_string(),
            user_id: USER.to_owned(),
            symbol: "AAPL".to_owned(),
            side: Side::Buy.into(),
            reason: RejectReason::InsufficientFunds.into(),
            message: message.to_owned(),
        };
        self.happens(&event).await
    }

    /// Somebody else signs in.
    pub async fn sign_in(&self, user_id: &str) -> Uuid {
        let event = UserLoginEvent {
            user_id: user_id.to_owned(),
            method: LoginMethod::Password.into(),
            ip_address: String::new(),
        };
        self.happens(&event).await
    }

    pub async fn dealt_with(&self, event_id: Uuid) {
        eventually("the event is dealt with", async || {
            let store = &self.ctx.store;
            store.is_handled("notifications", event_id).await.unwrap()
        })
        .await;
    }

    pub fn client(&self) -> NotificationServiceClient<Caller> {
        self.client_of(USER)
    }

    pub fn client_of(&self, user_id: &str) -> NotificationServiceClient<Caller> {
        NotificationServiceClient::new(self.platform.user(user_id, "notifications"))
    }

    pub fn admin(&self) -> NotificationServiceClient<Caller> {
        NotificationServiceClient::new(self.platform.admin("notifications"))
    }

    pub async fn list(&self) -> Vec<Notification> {
        let request = wire::ListNotificationsRequest::default();
        let reply = self.client().list_notifications(request).await.unwrap();
        reply.into_inner().notifications
    }

    pub async fn has(&self, count: usize) {
        eventually("the messages are there", async || {
            self.list().await.len() == count
        })
        .await;
    }

    pub async fn unread(&self) -> i64 {
        let reply = self
            .client()
            .count_unread(wire::CountUnreadRequest {})
            .await;
        reply.unwrap().into_inner().unread
    }

    pub fn channel(&self, kind: ChannelKind, target: &str) -> wire::SetChannelRequest {
        wire::SetChannelRequest {
            request_id: self.clock.new_id().to_string(),
            kind: kind.into(),
            target: target.to_owned(),
            enabled: true,
            minimum_priority: Priority::Unspecified.into(),
        }
    }

    pub async fn set(
        &self,
        request: &wire::SetChannelRequest,
    ) -> Result<wire::SetChannelResponse, Status> {
        let reply = self.client().set_channel(request.clone()).await?;
        Ok(reply.into_inner())
    }

    /// The user chooses a channel; the secret of a webhook.
    pub async fn uses(&self, kind: ChannelKind, target: &str) -> String {
        let request = self.channel(kind, target);
        self.set(&request).await.unwrap().signing_secret
    }

    pub async fn deliveries(&self, status: DeliveryStatus) -> Vec<Delivery> {
        let request = wire::ListDeliveriesRequest {
            status: status.into(),
            ..Default::default()
        };
        let reply = self.client().list_deliveries(request).await.unwrap();
        reply.into_inner().deliveries
    }

    /// Waits until there is one delivery, in this status after so many attempts.
    pub async fn delivery(&self, status: DeliveryStatus, attempts: u32) -> Delivery {
        found("a delivery in this status", async || {
            let found = self.deliveries(status).await;
            found.into_iter().find(|one| one.attempts == attempts)
        })
        .await
    }

    /// Lets time pass until a pending delivery has been tried so often.
    pub async fn tried(&self, attempts: u32) -> Delivery {
        self.clock.advance(LONG);
        self.delivery(DeliveryStatus::Pending, attempts).await
    }

    pub async fn retry(&self, delivery_id: &str) -> Result<Delivery, Status> {
        let request = wire::RetryDeliveryRequest {
            delivery_id: delivery_id.to_owned(),
        };
        let reply = self.client().retry_delivery(request).await?;
        Ok(reply.into_inner().delivery.unwrap())
    }
}

pub fn reason(status: &Status) -> String {
    status.get_details_error_info().unwrap().reason
}
