//! A running venue, and short words for talking to it.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use outcry_contracts::Event;
use outcry_contracts::funds::v1::FundsSettledEvent;
use outcry_contracts::orders::v1::OrderValidatedEvent;
use outcry_contracts::trades::v1::trade_service_client::TradeServiceClient;
use outcry_contracts::trades::v1::{
    CancelTradeResponse, GetBookRequest, GetBookResponse, GetTradeRequest, ReplaceTradeResponse,
    SessionState, SetSessionRequest, Trade, TradeStatus,
};
use outcry_contracts::types::v1::{AssetAmount, Money, asset_amount::Asset};
use outcry_events::{Amount, Cause, SealedEvent, Stamp, seal};
use outcry_service::testing::{Caller, FakeClock, Platform, eventually};
use outcry_service::{Clock, Context, Service};
use outcry_store::{Append, Commit, ReadAll, Store};
use outcry_trades::{Calendar, Config, Fees, Instrument};
use tokio::sync::Semaphore;
use tonic::Status;
use uuid::Uuid;

use crate::order::Order;

pub const ACME: &str = "ACME";

/// A venue with a fake `orders` and a fake `funds` beside it, which only publish.
pub struct Floor {
    pub platform: Platform,
    pub clock: Arc<FakeClock>,
    pub store: Arc<dyn Store>,
    config: Config,
    orders: Context,
    funds: Context,
}

pub fn config() -> Config {
    Config {
        session_end: "21:00:00".parse().unwrap(),
        calendar: Calendar::default(),
        fees: Fees {
            maker_bps: 5,
            taker_bps: 10,
        },
        instruments: [ACME, "BETA"].map(instrument).into(),
    }
}

pub fn instrument(symbol: &str) -> Instrument {
    Instrument {
        symbol: symbol.into(),
        name: format!("{symbol} Inc."),
        currency: "USD".into(),
        tick: money("0.01"),
        lot: 1,
        band_bps: None,
        listing_price: None,
        max_order_value: money("1000000"),
        max_order_quantity: 1_000_000,
    }
}

pub fn money(text: &str) -> Amount {
    text.parse().unwrap()
}

pub fn wire(text: &str) -> Option<Money> {
    Some(money(text).to_money())
}

/// Orders that are submitted at once: the service takes so many calls at a time and no more.
static TURNS: Semaphore = Semaphore::const_new(128);

impl Floor {
    pub async fn open(folder: &Path) -> Floor {
        Floor::open_with(folder, config()).await
    }

    pub async fn open_with(folder: &Path, config: Config) -> Floor {
        let clock = Arc::new(FakeClock::default());
        let platform = Platform::open_at(folder, clock.clone()).await;
        Floor::start(platform, clock, config).await
    }

    async fn start(mut platform: Platform, clock: Arc<FakeClock>, config: Config) -> Floor {
        let ctx = platform.context("trades").await;
        let store = Arc::clone(&ctx.store);
        let venue = outcry_trades::service(ctx.clone(), config.clone()).await;
        let venue = venue.unwrap();
        let orders = platform.context("orders").await;
        let funds = platform.context("funds").await;
        platform
            .start([
                (ctx, venue),
                (
                    orders.clone(),
                    Service::new("orders").emits(&["order.validated"]),
                ),
                (
                    funds.clone(),
                    Service::new("funds").emits(&["funds.settled"]),
                ),
            ])
            .await;
        Floor {
            platform,
            clock,
            store,
            config,
            orders,
            funds,
        }
    }

    pub async fn restart(self) -> Floor {
        let config = self.config.clone();
        self.restart_with(config).await
    }

    pub async fn restart_with(self, config: Config) -> Floor {
        drop((self.store, self.orders, self.funds));
        let platform = self.platform.restart().await;
        Floor::start(platform, self.clock, config).await
    }

    /// Stops the venue, lets the time pass and starts it again.
    pub async fn sleep(self, seconds: u64) -> Floor {
        drop((self.store, self.orders, self.funds));
        let platform = self.platform.restart().await;
        self.clock.advance(Duration::from_secs(seconds));
        Floor::start(platform, self.clock, self.config).await
    }

    pub async fn crash(self) -> Floor {
        drop((self.store, self.orders, self.funds));
        let platform = self.platform.crash_and_restart().await;
        Floor::start(platform, self.clock, self.config).await
    }

    pub fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub fn as_orders(&self) -> TradeServiceClient<Caller> {
        TradeServiceClient::new(self.platform.service("orders", "trades"))
    }

    pub fn as_user(&self, user: Uuid) -> TradeServiceClient<Caller> {
        TradeServiceClient::new(self.platform.user(&user.to_string(), "trades"))
    }

    pub fn as_admin(&self) -> TradeServiceClient<Caller> {
        TradeServiceClient::new(self.platform.admin("trades"))
    }

    pub fn as_anybody(&self) -> TradeServiceClient<Caller> {
        TradeServiceClient::new(self.platform.anybody("trades"))
    }

    pub async fn submit(&self, order: &Order) -> Trade {
        let _turn = TURNS.acquire().await.unwrap();
        let response = self.as_orders().submit_order(order.submission()).await;
        let response = response.unwrap();
        response.into_inner().trade.unwrap()
    }

    pub async fn cancel(&self, order: &Order) -> CancelTradeResponse {
        self.try_cancel(order).await.unwrap()
    }

    pub async fn try_cancel(&self, order: &Order) -> Result<CancelTradeResponse, Status> {
        let response = self.as_orders().cancel_trade(order.cancellation()).await?;
        Ok(response.into_inner())
    }

    pub async fn replace(
        &self,
        order: &Order,
        revision: u32,
        quantity: i64,
        price: &str,
    ) -> Result<ReplaceTradeResponse, Status> {
        let request = order.replacement(revision, quantity, price);
        let response = self.as_orders().replace_trade(request).await?;
        Ok(response.into_inner())
    }

    pub async fn trade(&self, order: &Order) -> Option<Trade> {
        let request = GetTradeRequest {
            order_id: order.id.to_string(),
            ..GetTradeRequest::default()
        };
        let response = self.as_orders().get_trade(request).await.ok()?;
        response.into_inner().trade
    }

    pub async fn book(&self) -> GetBookResponse {
        let request = GetBookRequest {
            symbol: ACME.into(),
            depth: 100,
        };
        self.as_anybody()
            .get_book(request)
            .await
            .unwrap()
            .into_inner()
    }

    /// The book as bids and asks, each `quantity @ price`.
    pub async fn levels(&self) -> [Vec<String>; 2] {
        let book = self.book().await;
        [book.bids, book.asks].map(|side| {
            let level = |level: &outcry_contracts::trades::v1::BookLevel| {
                let price = Amount::from_required(level.price.as_ref()).unwrap();
                format!("{} @ {price}", level.quantity)
            };
            side.iter().map(level).collect()
        })
    }

    /// All events of the venue, in commit order.
    pub async fn events(&self) -> Vec<SealedEvent> {
        let filter = ReadAll {
            limit: 10_000,
            ..ReadAll::default()
        };
        let stored = self.store.read_all(&filter).await.unwrap();
        stored.into_iter().map(|stored| stored.event).collect()
    }

    /// Topics of an order's events, without `trade.`.
    pub async fn story_of(&self, order: &Order) -> Vec<String> {
        let events = self.events().await;
        let trade_id = self.trade(order).await.unwrap().trade_id;
        events
            .iter()
            .filter(|event| event.aggregate_id() == trade_id)
            .map(|event| event.topic().trim_start_matches("trade.").to_owned())
            .collect()
    }

    /// The payloads of the venue's events of one kind, in commit order.
    pub async fn told<E: Event + Default>(&self) -> Vec<E> {
        let events = self.events().await;
        events.iter().filter_map(|e| e.payload().ok()).collect()
    }

    /// What the market allows, as the book says it.
    pub async fn session(&self) -> SessionState {
        self.book().await.session()
    }

    pub async fn set_session(&self, request_id: u128, state: SessionState) -> SessionState {
        let set = self.try_set_session(request_id, state).await;
        set.unwrap()
    }

    pub async fn try_set_session(
        &self,
        request_id: u128,
        state: SessionState,
    ) -> Result<SessionState, Status> {
        let request = SetSessionRequest {
            request_id: Uuid::from_u128(request_id).to_string(),
            symbol: ACME.into(),
            state: state.into(),
            reason: "drill".into(),
        };
        let response = self.as_admin().set_session(request).await?;
        Ok(response.into_inner().state())
    }

    /// Publishes that an order is validated.
    pub async fn publish_validated(&self, order: &Order) {
        let asset = Asset::Cash(money("1000000").to_money());
        let event = OrderValidatedEvent {
            order_id: order.id.to_string(),
            user_id: order.owner.to_string(),
            terms: Some(order.terms.clone()),
            locked: Some(AssetAmount { asset: Some(asset) }),
            protection_price: order.protection.clone(),
        };
        let cause = Cause::root(order.flow, "user:somebody");
        publish(
            &self.orders,
            &event,
            &order.id.to_string(),
            order.validated_id(),
            &cause,
        )
        .await;
    }

    /// Publishes that a match is settled.
    pub async fn publish_settled(
        &self,
        match_id: &str,
        buyer: &Order,
        seller: &Order,
        quantity: i64,
    ) {
        let event = FundsSettledEvent {
            match_id: match_id.into(),
            symbol: ACME.into(),
            quantity,
            price: wire("10.00"),
            notional: wire("10.00"),
            buyer_user_id: buyer.owner.to_string(),
            buyer_order_id: buyer.id.to_string(),
            buyer_fee: wire("0.01"),
            seller_user_id: seller.owner.to_string(),
            seller_order_id: seller.id.to_string(),
            seller_fee: wire("0.01"),
            ..Default::default()
        };
        let cause = Cause::root(buyer.flow, "service:funds");
        publish(&self.funds, &event, match_id, self.clock.new_id(), &cause).await;
    }

    /// Puts an event into the venue's own store.
    pub async fn write_down<E: Event>(&self, event: &E, id: &str) {
        let ctx = self.platform.context("trades").await;
        let cause = Cause::root(self.clock.new_id(), "service:trades");
        publish(&ctx, event, id, self.clock.new_id(), &cause).await;
    }

    pub async fn until_status(&self, order: &Order, status: TradeStatus) {
        eventually(&format!("{status:?}"), async || {
            self.trade(order)
                .await
                .is_some_and(|trade| trade.status() == status)
        })
        .await;
    }
}

async fn publish<E: Event>(ctx: &Context, event: &E, id: &str, event_id: Uuid, cause: &Cause) {
    let now: SystemTime = ctx.clock.now();
    let stamp = Stamp {
        event_id,
        sequence: 1,
        occurred_at: now,
        recorded_at: now,
        cause,
    };
    let append = Append {
        stream: format!("{}-{id}", E::AGGREGATE),
        expected: 0,
        events: vec![seal(event, stamp).unwrap()],
    };
    let commit = Commit {
        appends: vec![append],
        ..Commit::default()
    };
    ctx.store.commit(commit).await.unwrap();
}
