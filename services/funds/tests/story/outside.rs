//! The services around funds, as far as funds can tell: streams of events that are published.

use std::collections::BTreeMap;
use std::sync::Mutex;

use outcry_contracts::Event;
use outcry_contracts::orders::v1::{
    CancelReason, OrderCancelledEvent, OrderFilledEvent, OrderStatus, Side,
};
use outcry_contracts::payments::v1::{PaymentFailedEvent, PaymentFailure, PaymentSuccessEvent};
use outcry_contracts::trades::v1::{Liquidity, TradeExecutedEvent};
use outcry_contracts::types::v1::Money;
use outcry_contracts::users::v1::{UserCreatedEvent, UserStatus, UserStatusChangedEvent};
use outcry_events::money::Amount;
use outcry_events::{Cause, SealedEvent, Stamp, seal};
use outcry_service::testing::Platform;
use outcry_service::{Context, Service};
use outcry_store::{Append, Commit};
use uuid::Uuid;

use crate::bank::Bank;

/// Users, payments, trades and orders.
pub struct Outside {
    users: Context,
    payments: Context,
    trades: Context,
    orders: Context,
    sequences: Mutex<BTreeMap<String, u64>>,
}

/// An order and whose it is.
#[derive(Debug, Clone)]
pub struct Placed {
    pub order_id: String,
    pub user_id: String,
    pub side: Side,
    /// The order's flow.
    pub flow: Uuid,
    /// The portfolio it names; empty for the default one.
    pub portfolio_id: String,
}

/// A fill as one side sees it.
#[derive(Debug, Clone, Copy)]
pub struct Fill<'a> {
    pub match_id: &'a str,
    pub quantity: i64,
    pub cumulative: i64,
    pub price: i32,
    pub liquidity: Liquidity,
}

impl Outside {
    pub async fn new(platform: &Platform) -> Outside {
        Outside {
            users: platform.context("users").await,
            payments: platform.context("payments").await,
            trades: platform.context("trades").await,
            orders: platform.context("orders").await,
            sequences: Mutex::default(),
        }
    }

    /// The services, to be started: they relay what is appended.
    pub fn services(&self, bank: &Bank) -> Vec<(Context, Service)> {
        let mut services: Vec<_> = [&self.users, &self.trades, &self.orders]
            .map(|ctx| (ctx.clone(), Service::new(ctx.service)))
            .into();
        services.push(bank.service(&self.payments));
        services
    }

    pub async fn registered(&self) -> String {
        let user_id = self.users.clock.new_id().to_string();
        self.created(&user_id).await;
        user_id
    }

    /// The news of a user.
    pub async fn created(&self, user_id: &str) -> SealedEvent {
        let created = UserCreatedEvent {
            user_id: user_id.to_owned(),
            ..UserCreatedEvent::default()
        };
        self.happen(&self.users, &created, Uuid::now_v7()).await
    }

    pub async fn suspended(&self, user_id: &str) {
        let changed = UserStatusChangedEvent {
            user_id: user_id.to_owned(),
            old_status: UserStatus::Active.into(),
            new_status: UserStatus::Suspended.into(),
            ..UserStatusChangedEvent::default()
        };
        self.happen(&self.users, &changed, Uuid::now_v7()).await;
    }

    pub async fn paid(&self, payment_id: &str, user_id: &str, units: i32) {
        self.captured(payment_id, user_id, units, "capture-1").await;
    }

    /// A payment succeeded with this capture of the provider.
    pub async fn captured(
        &self,
        payment_id: &str,
        user_id: &str,
        units: i32,
        capture: &str,
    ) -> SealedEvent {
        let paid = PaymentSuccessEvent {
            payment_id: payment_id.to_owned(),
            user_id: user_id.to_owned(),
            amount: Some(Amount::from_units(units).to_money()),
            provider: "sandbox".to_owned(),
            provider_reference: capture.to_owned(),
            late: capture != "capture-1",
        };
        self.happen(&self.payments, &paid, Uuid::now_v7()).await
    }

    /// A payment of 40 failed although something was captured.
    pub async fn failed(
        &self,
        payment_id: &str,
        user_id: &str,
        captured: Option<Money>,
        capture: &str,
    ) -> SealedEvent {
        let failed = PaymentFailedEvent {
            payment_id: payment_id.to_owned(),
            user_id: user_id.to_owned(),
            amount: Some(Amount::from_units(40).to_money()),
            reason: PaymentFailure::AmountMismatch.into(),
            message: "not what was asked for".to_owned(),
            captured,
            provider_reference: capture.to_owned(),
        };
        self.happen(&self.payments, &failed, Uuid::now_v7()).await
    }

    pub fn order(&self, user_id: &str, side: Side) -> Placed {
        Placed {
            order_id: self.orders.clock.new_id().to_string(),
            user_id: user_id.to_owned(),
            side,
            flow: self.orders.clock.new_id(),
            portfolio_id: String::new(),
        }
    }

    /// One side of a fill, with a fee of one unit.
    pub async fn executed(&self, placed: &Placed, fill: Fill<'_>) -> SealedEvent {
        let executed = TradeExecutedEvent {
            trade_id: Uuid::new_v5(&Uuid::NAMESPACE_OID, placed.order_id.as_bytes()).to_string(),
            order_id: placed.order_id.clone(),
            user_id: placed.user_id.clone(),
            symbol: fill.match_id.split('-').next().unwrap().to_owned(),
            side: placed.side.into(),
            match_id: fill.match_id.to_owned(),
            execution_id: format!("{}-{}", fill.match_id, placed.side as i32),
            last_quantity: fill.quantity,
            last_price: Some(Amount::from_units(fill.price).to_money()),
            cumulative_quantity: fill.cumulative,
            leaves_quantity: 0,
            liquidity: fill.liquidity.into(),
            fee: Some(Amount::from_units(1).to_money()),
            venue_sequence: 1,
            portfolio_id: placed.portfolio_id.clone(),
        };
        self.happen(&self.trades, &executed, placed.flow).await
    }

    /// The maker's and the taker's side of a fill.
    pub async fn matched(&self, taker: &Placed, maker: &Placed, fill: Fill<'_>) -> SealedEvent {
        let taken = self.executed(taker, fill).await;
        let liquidity = Liquidity::Maker;
        self.executed(maker, Fill { liquidity, ..fill }).await;
        taken
    }

    pub async fn filled(&self, placed: &Placed, cumulative: i64) -> SealedEvent {
        let filled = OrderFilledEvent {
            order_id: placed.order_id.clone(),
            user_id: placed.user_id.clone(),
            symbol: "ACME".to_owned(),
            side: placed.side.into(),
            last_quantity: 1,
            last_price: Some(Amount::from_units(1).to_money()),
            cumulative_quantity: cumulative,
            leaves_quantity: 0,
            average_price: Some(Amount::from_units(1).to_money()),
            status: OrderStatus::Filled.into(),
            execution_id: "ACME-1-B".to_owned(),
        };
        self.happen(&self.orders, &filled, placed.flow).await
    }

    pub async fn cancelled(&self, placed: &Placed, cumulative: i64) -> SealedEvent {
        let cancelled = OrderCancelledEvent {
            order_id: placed.order_id.clone(),
            user_id: placed.user_id.clone(),
            symbol: "ACME".to_owned(),
            side: placed.side.into(),
            cumulative_quantity: cumulative,
            cancelled_quantity: 1,
            reason: CancelReason::User.into(),
        };
        self.happen(&self.orders, &cancelled, placed.flow).await
    }

    async fn happen<E: Event>(&self, ctx: &Context, event: &E, flow: Uuid) -> SealedEvent {
        let stream = format!("{}-{}", E::AGGREGATE, event.aggregate_id());
        let sequence = {
            let mut sequences = self.sequences.lock().unwrap();
            let sequence = sequences.entry(stream.clone()).or_default();
            *sequence += 1;
            *sequence
        };
        let now = ctx.clock.now();
        let cause = Cause::root(flow, "user:somebody");
        let stamp = Stamp {
            event_id: ctx.clock.new_id(),
            sequence,
            occurred_at: now,
            recorded_at: now,
            cause: &cause,
        };
        let sealed = seal(event, stamp).unwrap();
        let append = Append {
            stream,
            expected: sequence - 1,
            events: vec![sealed.clone()],
        };
        let commit = Commit {
            appends: vec![append],
            ..Commit::default()
        };
        ctx.store.commit(commit).await.unwrap();
        sealed
    }
}
