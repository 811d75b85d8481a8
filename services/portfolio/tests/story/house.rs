//! A platform with the portfolio, and users and funds that only say what they are told to say.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use outcry_contracts::Event;
use outcry_contracts::funds::v1::{
    DepositMethod, FundsDepositedEvent, FundsSettledEvent, FundsWithdrawnEvent, WithdrawalMethod,
};
use outcry_contracts::portfolio::v1 as wire;
use outcry_contracts::portfolio::v1::portfolio_service_client::PortfolioServiceClient;
use outcry_contracts::types::v1::{AssetAmount, Shares, asset_amount};
use outcry_contracts::users::v1::UserCreatedEvent;
use outcry_events::{Amount, Cause, SealedEvent, Stamp, seal};
use outcry_portfolio::domain::{Holding, Lot, Position, Price, Sale, Take};
use outcry_portfolio::rebuild::{Holdings, rebuild};
use outcry_portfolio::views::{LOTS, POSITIONS, PRICES, SALES, TAKES};
use outcry_service::testing::{Caller, FakeClock, Platform, Replica, eventually};
use outcry_service::{Context, Service};
use outcry_store::{Append, Commit, ReadAll, Scan};
use tempfile::TempDir;
use uuid::Uuid;

pub const BUYER: &str = "00000000-0000-0000-0000-00000000000b";
pub const SELLER: &str = "00000000-0000-0000-0000-00000000000a";
pub const ORDER: &str = "00000000-0000-0000-0000-0000000000b1";

/// The portfolio, and what is around it.
pub struct House {
    folder: TempDir,
    pub platform: Platform,
    pub clock: Arc<FakeClock>,
    pub ctx: Context,
    funds: Context,
    users: Context,
    sequences: Mutex<BTreeMap<String, u64>>,
}

/// One match, as a story tells it: whole units, fees in hundredths.
#[derive(Clone)]
pub struct Match {
    pub number: u32,
    pub symbol: &'static str,
    pub quantity: i64,
    pub price: i32,
    pub buyer: &'static str,
    pub seller: &'static str,
    /// Portfolios the orders named; empty means none.
    pub buyer_portfolio: String,
    pub seller_portfolio: String,
}

impl House {
    pub async fn open() -> House {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(FakeClock::default());
        let platform = Platform::open_at(folder.path(), clock.clone()).await;
        House::running(folder, platform, clock, BTreeMap::new()).await
    }

    pub async fn crash(self) -> House {
        let platform = self.platform.crash_and_restart().await;
        let sequences = self.sequences.into_inner().unwrap();
        House::running(self.folder, platform, self.clock, sequences).await
    }

    async fn running(
        folder: TempDir,
        mut platform: Platform,
        clock: Arc<FakeClock>,
        sequences: BTreeMap<String, u64>,
    ) -> House {
        let ctx = platform.context(outcry_portfolio::NAME).await;
        let funds = platform.context("funds").await;
        let users = platform.context("users").await;
        let config = outcry_portfolio::Config::default();
        let portfolio = outcry_portfolio::service(ctx.clone(), config).await;
        platform
            .start([
                (ctx.clone(), portfolio.unwrap()),
                (funds.clone(), Service::new("funds")),
                (users.clone(), Service::new("users")),
            ])
            .await;
        House {
            folder,
            platform,
            clock,
            ctx,
            funds,
            users,
            sequences: Mutex::new(sequences),
        }
    }

    /// One more portfolio service on the same store, as a process of its own would be.
    pub async fn replica(&self) -> Replica {
        let make = |ctx: &Context| {
            let config = outcry_portfolio::Config::default();
            let made = outcry_portfolio::service(ctx.clone(), config).now_or_never();
            made.unwrap().unwrap()
        };
        self.platform.replica(outcry_portfolio::NAME, make).await
    }

    pub fn user(&self, id: &str) -> PortfolioServiceClient<Caller> {
        PortfolioServiceClient::new(self.platform.user(id, outcry_portfolio::NAME))
    }

    pub fn admin(&self) -> PortfolioServiceClient<Caller> {
        PortfolioServiceClient::new(self.platform.admin(outcry_portfolio::NAME))
    }

    pub async fn registered(&self, id: &str) -> SealedEvent {
        let created = UserCreatedEvent {
            user_id: id.to_owned(),
            display_name: "Somebody".to_owned(),
            roles: Vec::new(),
        };
        self.say(&self.users, self.new_id(), &created).await
    }

    pub fn new_id(&self) -> Uuid {
        self.ctx.clock.new_id()
    }

    pub async fn issued(&self, user: &str, symbol: &str, quantity: i64) -> SealedEvent {
        let event_id = self.new_id();
        self.issued_as(event_id, user, symbol, quantity).await
    }

    /// With an id drawn before.
    pub async fn issued_as(
        &self,
        event_id: Uuid,
        user: &str,
        symbol: &str,
        quantity: i64,
    ) -> SealedEvent {
        let shares = Some(AssetAmount {
            asset: Some(asset_amount::Asset::Shares(Shares {
                symbol: symbol.to_owned(),
                quantity,
            })),
        });
        let deposited = FundsDepositedEvent {
            user_id: user.to_owned(),
            amount: shares.clone(),
            available: shares,
            method: DepositMethod::Issue.into(),
            reference: self.ctx.clock.new_id().to_string(),
            ..Default::default()
        };
        self.say(&self.funds, event_id, &deposited).await
    }

    /// An issue is taken back.
    pub async fn taken_back(&self, issue: &SealedEvent, user: &str, symbol: &str, quantity: i64) {
        let shares = Some(AssetAmount {
            asset: Some(asset_amount::Asset::Shares(Shares {
                symbol: symbol.to_owned(),
                quantity,
            })),
        });
        let withdrawn = FundsWithdrawnEvent {
            user_id: user.to_owned(),
            withdrawal_id: self.new_id().to_string(),
            amount: shares.clone(),
            available: shares,
            destination_last4: "0000".to_owned(),
            method: WithdrawalMethod::Reversal.into(),
            reverses_event_id: issue.id().to_string(),
            note: "a mistake".to_owned(),
        };
        self.say(&self.funds, self.new_id(), &withdrawn).await;
    }

    /// Each side pays a fee of one hundredth of a unit.
    pub async fn settled(&self, told: Match) -> SealedEvent {
        self.settled_as(self.new_id(), told).await
    }

    /// With an id drawn before.
    pub async fn settled_as(&self, event_id: Uuid, told: Match) -> SealedEvent {
        let price = Amount::from_units(told.price);
        let fee = Amount::from_raw(100).unwrap().to_money();
        let settled = FundsSettledEvent {
            match_id: format!("{}-{}", told.symbol, told.number),
            symbol: told.symbol.to_owned(),
            quantity: told.quantity,
            price: Some(price.to_money()),
            notional: Some(price.checked_mul(told.quantity).unwrap().to_money()),
            buyer_user_id: told.buyer.to_owned(),
            buyer_order_id: ORDER.to_owned(),
            buyer_fee: Some(fee.clone()),
            seller_user_id: told.seller.to_owned(),
            seller_order_id: ORDER.to_owned(),
            seller_fee: Some(fee),
            buyer_portfolio_id: told.buyer_portfolio,
            seller_portfolio_id: told.seller_portfolio,
        };
        self.say(&self.funds, event_id, &settled).await
    }

    /// Waits until the portfolio has taken in everything that was said.
    pub async fn caught_up(&self) {
        for event in self.said(&self.funds).await {
            self.handled(&event).await;
        }
        for event in self.said(&self.users).await {
            self.handled(&event).await;
        }
    }

    /// How often an event had to be tried again.
    pub fn retried(&self) -> u64 {
        self.ctx
            .metrics()
            .group(outcry_portfolio::NAME)
            .retried
            .get()
    }

    pub async fn handled(&self, event: &SealedEvent) {
        let store = self.ctx.store.as_ref();
        eventually("the event is handled", async || {
            store
                .is_handled(outcry_portfolio::NAME, event.id())
                .await
                .unwrap()
        })
        .await;
    }

    /// What is kept, in the shape of a rebuilt projection.
    pub async fn kept(&self) -> Holdings {
        let lots = self.rows::<Lot>(LOTS).await;
        let sales = self.rows::<Sale>(SALES).await;
        let takes = self.rows::<Take>(TAKES).await;
        let mut kept = Holdings::default();
        for (key, mut position) in self.rows::<Position>(POSITIONS).await {
            position.changed_ns = 0;
            let (user_id, symbol) = (position.user_id.clone(), position.symbol.clone());
            let own = format!("{key}/");
            let mut holding = Holding::of(position);
            for (_, lot) in lots.iter().filter(|(key, _)| key.starts_with(&own)) {
                holding.lots.insert(lot.opened_by, lot.clone());
            }
            for (_, sale) in sales.iter().filter(|(key, _)| key.starts_with(&own)) {
                holding.sales.insert(sale.event_id, sale.clone());
            }
            for (_, take) in takes.iter().filter(|(key, _)| key.starts_with(&own)) {
                holding.takes.insert((take.sale, take.lot), take.clone());
            }
            kept.holdings.insert((user_id, symbol), holding);
        }
        for (symbol, mut price) in self.rows::<Price>(PRICES).await {
            price.changed_ns = 0;
            kept.prices.insert(symbol, price);
        }
        kept
    }

    /// What the events of funds say.
    pub async fn told(&self) -> Holdings {
        rebuild(&self.said(&self.funds).await).unwrap()
    }

    pub async fn created(&self, user: &str, name: &str) -> wire::Portfolio {
        let create = wire::CreatePortfolioRequest {
            request_id: self.new_id().to_string(),
            name: name.to_owned(),
        };
        let created = self.user(user).create_portfolio(create).await.unwrap();
        created.into_inner().portfolio.unwrap()
    }

    pub async fn positions_of(&self, user: &str, portfolio_id: &str) -> Vec<wire::Position> {
        let asked = wire::ListPositionsRequest {
            portfolio_id: portfolio_id.to_owned(),
            ..wire::ListPositionsRequest::default()
        };
        let listed = self.user(user).list_positions(asked).await.unwrap();
        listed.into_inner().positions
    }

    /// Whether orders may be placed for a portfolio, as the service of orders asks.
    pub async fn takes_orders(&self, user: &str, portfolio_id: &str) -> bool {
        let caller = self.platform.service("orders", outcry_portfolio::NAME);
        let asked = wire::CheckPortfolioRequest {
            user_id: user.to_owned(),
            portfolio_id: portfolio_id.to_owned(),
        };
        let mut orders = PortfolioServiceClient::new(caller);
        let checked = orders.check_portfolio(asked).await.unwrap();
        checked.into_inner().open
    }

    pub async fn positions(&self, user: &str) -> Vec<wire::Position> {
        let asked = wire::ListPositionsRequest::default();
        let listed = self.user(user).list_positions(asked).await.unwrap();
        listed.into_inner().positions
    }

    async fn rows<T: serde::de::DeserializeOwned>(&self, view: &'static str) -> Vec<(String, T)> {
        let scan = Scan::new(view).limit(10_000);
        let rows = self.ctx.store.scan(&scan).await.unwrap();
        rows.iter()
            .map(|row| (row.key.clone(), row.decode().unwrap()))
            .collect()
    }

    async fn said(&self, by: &Context) -> Vec<SealedEvent> {
        let all = ReadAll {
            after: 0,
            partition_key: None,
            limit: 10_000,
        };
        let stored = by.store.read_all(&all).await.unwrap();
        stored.into_iter().map(|stored| stored.event).collect()
    }

    async fn say<E: Event>(&self, by: &Context, event_id: Uuid, event: &E) -> SealedEvent {
        let stream = format!("{}-{}", E::AGGREGATE, event.aggregate_id());
        let sequence = {
            let mut sequences = self.sequences.lock().unwrap();
            let sequence = sequences.entry(stream.clone()).or_default();
            *sequence += 1;
            *sequence
        };
        let now = self.ctx.clock.now();
        let cause = Cause::root(self.ctx.clock.new_id(), "user:somebody");
        let stamp = Stamp {
            event_id,
            sequence,
            occurred_at: now,
            recorded_at: now,
            cause: &cause,
        };
        let sealed = seal(event, stamp).unwrap();
        let commit = Commit {
            appends: vec![Append {
                stream,
                expected: sequence - 1,
                events: vec![sealed.clone()],
            }],
            ..Commit::default()
        };
        by.store.commit(commit).await.unwrap();
        sealed
    }
}
