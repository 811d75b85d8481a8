//! A platform with the portfolio, and users and funds that only say what they are told to say.

use std::collections::BTreeMap;
use std::sync::Mutex;

use outcry_contracts::Event;
use outcry_contracts::funds::v1::{DepositMethod, FundsDepositedEvent, FundsSettledEvent};
use outcry_contracts::portfolio::v1 as wire;
use outcry_contracts::portfolio::v1::portfolio_service_client::PortfolioServiceClient;
use outcry_contracts::types::v1::{AssetAmount, Shares, asset_amount};
use outcry_contracts::users::v1::UserCreatedEvent;
use outcry_events::{Amount, Cause, SealedEvent, Stamp, seal};
use outcry_portfolio::domain::{Holding, Lot, Position, Price};
use outcry_portfolio::rebuild::{Portfolios, rebuild};
use outcry_portfolio::views::{LOTS, POSITIONS, PRICES};
use outcry_service::testing::{Caller, Platform, eventually};
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
    pub ctx: Context,
    funds: Context,
    users: Context,
    sequences: Mutex<BTreeMap<String, u64>>,
}

/// One match, as a story tells it: whole units, fees in hundredths.
pub struct Match {
    pub number: u32,
    pub symbol: &'static str,
    pub quantity: i64,
    pub price: i32,
    pub buyer: &'static str,
    pub seller: &'static str,
}

impl House {
    pub async fn open() -> House {
        let folder = tempfile::tempdir().unwrap();
        let platform = Platform::open(folder.path()).await;
        House::running(folder, platform, BTreeMap::new()).await
    }

    pub async fn crash(self) -> House {
        let platform = self.platform.crash_and_restart().await;
        House::running(self.folder, platform, self.sequences.into_inner().unwrap()).await
    }

    async fn running(
        folder: TempDir,
        mut platform: Platform,
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
            ctx,
            funds,
            users,
            sequences: Mutex::new(sequences),
        }
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
            ..Default::default()
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
    pub async fn kept(&self) -> Portfolios {
        let mut kept = Portfolios::default();
        for (key, position) in self.rows::<Position>(POSITIONS).await {
            let mut holding = Holding::empty(&position.user_id, &position.symbol);
            let own = format!("{key}/");
            for (lot_key, lot) in self.rows::<Lot>(LOTS).await {
                if lot_key.starts_with(&own) {
                    holding.lots.insert(lot.opened_by, lot);
                }
            }
            let key = (position.user_id.clone(), position.symbol.clone());
            holding.position = position;
            kept.holdings.insert(key, holding);
        }
        kept.prices = self.rows::<Price>(PRICES).await.into_iter().collect();
        kept
    }

    /// What the events of funds say.
    pub async fn told(&self) -> Portfolios {
        rebuild(&self.said(&self.funds).await).unwrap()
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
