//! A running orders service between a custody and a venue that do as they are told.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use outcry_broker::Message;
use outcry_contracts::Event;
use outcry_contracts::orders::v1::order_service_client::OrderServiceClient;
use outcry_contracts::orders::v1::*;
use outcry_contracts::users::v1::{UserCreatedEvent, UserStatus, UserStatusChangedEvent};
use outcry_events::{Amount, Cause, SealedEvent, Stamp, seal};
use outcry_mesh::{EDGE, Role, User};
use outcry_orders::Config;
use outcry_orders::views::UserRow;
use outcry_service::testing::{Caller, FakeClock, Platform, Replica, found};
use outcry_service::{Clock, Context, Service};
use outcry_store::{Append, Commit};
use tempfile::TempDir;
use tonic::Status;
use uuid::Uuid;

use super::custody::Custody;
use super::portfolios::Portfolios;
use super::venue::Venue;

pub struct House {
    pub custody: Custody,
    pub venue: Venue,
    pub portfolios: Portfolios,
    pub clock: Arc<FakeClock>,
    pub orders: Context,
    users: Context,
    platform: Platform,
    _folder: Arc<TempDir>,
}

pub fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

/// A limit buy of ACME at this price.
pub fn buy(quantity: i64, price: &str) -> OrderTerms {
    OrderTerms {
        symbol: "ACME".to_owned(),
        side: Side::Buy.into(),
        r#type: OrderType::Limit.into(),
        quantity,
        limit_price: Some(amount(price).to_money()),
        time_in_force: TimeInForce::Gtc.into(),
        ..OrderTerms::default()
    }
}

/// A stop order of ACME that waits for this price.
pub fn stop(side: Side, quantity: i64, price: &str) -> OrderTerms {
    OrderTerms {
        side: side.into(),
        r#type: OrderType::Stop.into(),
        limit_price: None,
        stop_price: Some(amount(price).to_money()),
        ..buy(quantity, "1")
    }
}

pub fn place(terms: OrderTerms) -> PlaceOrderRequest {
    PlaceOrderRequest {
        request_id: Uuid::now_v7().to_string(),
        client_order_id: String::new(),
        terms: Some(terms),
    }
}

pub fn cancel(order: &Order) -> CancelOrderRequest {
    CancelOrderRequest {
        request_id: Uuid::now_v7().to_string(),
        order_id: order.order_id.clone(),
    }
}

pub fn replace(order: &Order, quantity: i64, limit: &str) -> ReplaceOrderRequest {
    ReplaceOrderRequest {
        request_id: Uuid::now_v7().to_string(),
        order_id: order.order_id.clone(),
        quantity,
        limit_price: Some(amount(limit).to_money()),
        stop_price: None,
    }
}

fn status_changed(user_id: &str, status: UserStatus) -> UserStatusChangedEvent {
    UserStatusChangedEvent {
        user_id: user_id.to_owned(),
        old_status: UserStatus::Active.into(),
        new_status: status.into(),
        ..UserStatusChangedEvent::default()
    }
}

impl House {
    pub async fn open() -> House {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let clock = Arc::new(FakeClock::default());
        let platform = Platform::open_at(folder.path(), clock.clone()).await;
        House::start(
            platform,
            clock,
            (Custody::default(), Venue::default(), Portfolios::default()),
            folder,
        )
        .await
    }

    async fn start(
        mut platform: Platform,
        clock: Arc<FakeClock>,
        (custody, venue, portfolios): (Custody, Venue, Portfolios),
        folder: Arc<TempDir>,
    ) -> House {
        let orders = platform.context("orders").await;
        let users = platform.context("users").await;
        let funds = platform.context("funds").await;
        let trades = platform.context("trades").await;
        let portfolio = platform.context("portfolio").await;
        venue.open(&trades);
        let service = outcry_orders::service(orders.clone(), Config::default()).unwrap();
        platform
            .start([
                (orders.clone(), service),
                (users.clone(), Service::new("users")),
                (funds, Service::new("funds").serves(custody.routes())),
                (trades, Service::new("trades").serves(venue.routes())),
                (
                    portfolio,
                    Service::new("portfolio").serves(portfolios.routes()),
                ),
            ])
            .await;
        House {
            custody,
            venue,
            portfolios,
            clock,
            orders,
            users,
            platform,
            _folder: folder,
        }
    }

    /// Everything but the other services' memory is gone and comes back from the folder.
    pub async fn crash(self) -> House {
        drop((self.orders, self.users));
        let platform = self.platform.crash_and_restart().await;
        let others = (self.custody, self.venue, self.portfolios);
        House::start(platform, self.clock, others, self._folder).await
    }

    /// One more process of orders, beside the same other services.
    pub async fn replica(&self) -> Replica {
        let make = |ctx: &Context| outcry_orders::service(ctx.clone(), Config::default()).unwrap();
        let replica = self.platform.replica("orders", make).await;
        for (name, routes) in [
            ("funds", self.custody.routes()),
            ("trades", self.venue.routes()),
            ("portfolio", self.portfolios.routes()),
        ] {
            replica.ctx.directory.register(name, routes).unwrap();
        }
        replica
    }

    /// Calls that process as a customer.
    pub fn user_at(&self, replica: &Replica, id: &str) -> OrderServiceClient<Caller> {
        let user = User {
            id: id.to_owned(),
            roles: vec![Role::User],
        };
        let channel = replica.ctx.directory.channel(EDGE, "orders");
        OrderServiceClient::new(Caller::new(channel, Some(user)))
    }

    /// Everything stops in order.
    pub async fn stop(self) {
        self.platform.stop().await;
    }

    pub fn folder(&self) -> &Path {
        self._folder.path()
    }

    /// Lets every timer come due.
    pub fn time_passes(&self) {
        self.clock.advance(Duration::from_secs(10));
    }

    pub fn user(&self, id: &str) -> OrderServiceClient<Caller> {
        OrderServiceClient::new(self.platform.user(id, "orders"))
    }

    pub fn admin(&self) -> OrderServiceClient<Caller> {
        OrderServiceClient::new(self.platform.admin("orders"))
    }

    /// A new user whom orders knows.
    pub async fn customer(&self) -> String {
        let user_id = self.clock.new_id().to_string();
        let created = UserCreatedEvent {
            user_id: user_id.clone(),
            ..UserCreatedEvent::default()
        };
        self.publish(0, &created).await;
        let known = async || {
            let row = self.orders.store.view("users", &user_id).await.unwrap();
            row.map(|_| ())
        };
        found("orders knows the user", known).await;
        user_id
    }

    pub async fn suspend(&self, user_id: &str) {
        self.set_status(user_id, 1, UserStatus::Suspended).await;
    }

    /// The user's status changes; `after` events of the user came before.
    pub async fn set_status(&self, user_id: &str, after: u64, status: UserStatus) {
        self.publish(after, &status_changed(user_id, status)).await;
    }

    /// The same on its way a second time, as if it were new.
    pub async fn redeliver_status(&self, user_id: &str, after: u64, status: UserStatus) {
        let sealed = self.sealed(after, &status_changed(user_id, status));
        let message = Message::from(&sealed);
        let published = self.platform.broker().publish(vec![message]).await;
        assert!(published.iter().all(Result::is_ok));
    }

    /// Waits until orders knows so much of the user.
    pub async fn knows_status(&self, user_id: &str, sequence: u64) {
        let known = async || {
            let row = self.orders.store.view("users", user_id).await.unwrap();
            let user = row.map(|row| row.decode::<UserRow>().unwrap());
            user.is_some_and(|user| user.sequence >= sequence)
                .then_some(())
        };
        found("orders knows the user's status", known).await;
    }

    async fn publish<E: Event>(&self, after: u64, event: &E) {
        let sealed = self.sealed(after, event);
        let appends = vec![Append {
            stream: sealed.stream(),
            expected: after,
            events: vec![sealed],
        }];
        let commit = Commit {
            appends,
            ..Commit::default()
        };
        self.users.store.commit(commit).await.unwrap();
    }

    fn sealed<E: Event>(&self, after: u64, event: &E) -> SealedEvent {
        let cause = Cause::root(Uuid::now_v7(), "service:users");
        let now = self.clock.now();
        let stamp = Stamp {
            event_id: self.clock.new_id(),
            sequence: after + 1,
            occurred_at: now,
            recorded_at: now,
            cause: &cause,
        };
        seal(event, stamp).unwrap()
    }

    pub async fn place(&self, user: &str, request: PlaceOrderRequest) -> Result<Order, Status> {
        let answer = self.user(user).place_order(request).await?;
        Ok(answer.into_inner().order.unwrap())
    }

    pub async fn cancel(&self, user: &str, request: CancelOrderRequest) -> Result<Order, Status> {
        let answer = self.user(user).cancel_order(request).await?;
        Ok(answer.into_inner().order.unwrap())
    }

    pub async fn replace(&self, user: &str, request: ReplaceOrderRequest) -> Result<Order, Status> {
        let answer = self.user(user).replace_order(request).await?;
        Ok(answer.into_inner().order.unwrap())
    }

    pub async fn order(&self, order: &Order) -> Order {
        let order_id = order.order_id.clone();
        let mut owner = self.user(&order.user_id);
        let answer = owner.get_order(GetOrderRequest { order_id }).await.unwrap();
        answer.into_inner().order.unwrap()
    }

    /// Orders of a user as listed.
    pub async fn list(&self, user: &str, request: ListOrdersRequest) -> ListOrdersResponse {
        self.user(user)
            .list_orders(request)
            .await
            .unwrap()
            .into_inner()
    }

    /// The events of an order.
    pub async fn events(&self, order: &Order) -> Vec<SealedEvent> {
        let stream = format!("order-{}", order.order_id);
        let stored = self
            .orders
            .store
            .read_stream(&stream, 0, 100)
            .await
            .unwrap();
        stored.into_iter().map(|stored| stored.event).collect()
    }

    pub async fn topics(&self, order: &Order) -> Vec<String> {
        let events = self.events(order).await;
        events
            .iter()
            .map(|event| event.topic().to_owned())
            .collect()
    }

    /// Waits until the order's last event has this topic; the order then.
    pub async fn until(&self, order: &Order, topic: &str) -> Order {
        let happened = async || {
            let topics = self.topics(order).await;
            topics
                .last()
                .is_some_and(|last| last == topic)
                .then_some(())
        };
        found(&format!("{topic} happens"), happened).await;
        self.order(order).await
    }

    /// Waits until the order is shown so.
    pub async fn until_order(&self, order: &Order, is_so: impl Fn(&Order) -> bool) -> Order {
        let shown = async || Some(self.order(order).await).filter(&is_so);
        found("the order is as it should be", shown).await
    }

    /// Waits until the order is shown in this status.
    pub async fn until_status(&self, order: &Order, status: OrderStatus) -> Order {
        self.until_order(order, |order| order.status() == status)
            .await
    }
}
