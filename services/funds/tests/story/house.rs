//! A platform with funds, and the questions stories ask.

use std::sync::Arc;

use outcry_contracts::funds::v1 as wire;
use outcry_contracts::funds::v1::funds_service_client::FundsServiceClient;
use outcry_contracts::types::v1::{AssetAmount, Shares, asset_amount};
use outcry_events::SealedEvent;
use outcry_events::money::Amount;
use outcry_funds::documents::{ACCOUNTS, LOCKS};
use outcry_funds::domain::{Account, Custody, Slot};
use outcry_service::Context;
use outcry_service::testing::{Caller, FakeClock, Platform, eventually, found};
use outcry_store::{Commit, ParkedFilter, ReadAll, Scan, ViewWrite};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::TempDir;
use tonic::Status;
use tonic_types::StatusExt;

use crate::bank::Bank;
use crate::outside::{Outside, Placed};

pub type Client = FundsServiceClient<Caller>;

/// Funds and what is around it.
pub struct House {
    folder: TempDir,
    pub platform: Platform,
    pub clock: Arc<FakeClock>,
    pub outside: Outside,
    pub bank: Bank,
    pub ctx: Context,
}

pub fn cash(units: i32) -> AssetAmount {
    AssetAmount {
        asset: Some(asset_amount::Asset::Cash(
            Amount::from_units(units).to_money(),
        )),
    }
}

pub fn shares(quantity: i64) -> AssetAmount {
    AssetAmount {
        asset: Some(asset_amount::Asset::Shares(Shares {
            symbol: "ACME".to_owned(),
            quantity,
        })),
    }
}

/// Why a call was refused.
pub fn reason(status: &Status) -> String {
    status
        .get_details_error_info()
        .map(|info| info.reason)
        .unwrap_or_default()
}

impl House {
    pub async fn open() -> House {
        let clock = Arc::new(FakeClock::default());
        let folder = tempfile::tempdir().unwrap();
        let platform = Platform::open_at(folder.path(), clock.clone()).await;
        House::running(folder, platform, clock, Bank::default()).await
    }

    /// Breaks off everything where it stands and starts again on the same folder.
    pub async fn crash(self) -> House {
        let platform = self.platform.crash_and_restart().await;
        House::running(self.folder, platform, self.clock, self.bank).await
    }

    async fn running(
        folder: TempDir,
        mut platform: Platform,
        clock: Arc<FakeClock>,
        bank: Bank,
    ) -> House {
        let ctx = platform.context(outcry_funds::NAME).await;
        let outside = Outside::new(&platform).await;
        let funds = outcry_funds::service(ctx.clone(), outcry_funds::Config::default()).unwrap();
        let mut services = outside.services(&bank);
        services.push((ctx.clone(), funds));
        platform.start(services).await;
        House {
            folder,
            platform,
            clock,
            outside,
            bank,
            ctx,
        }
    }

    /// Calls as this user.
    pub fn user(&self, id: &str) -> Client {
        FundsServiceClient::new(self.platform.user(id, outcry_funds::NAME))
    }

    /// Calls as the orders service.
    pub fn orders(&self) -> Client {
        FundsServiceClient::new(self.platform.service("orders", outcry_funds::NAME))
    }

    /// Calls as an administrator.
    pub fn admin(&self) -> Client {
        FundsServiceClient::new(self.platform.admin(outcry_funds::NAME))
    }

    /// A user with an open account that holds this.
    pub async fn customer(&self, units: i32, quantity: i64) -> String {
        let id = self.outside.registered().await;
        let payment = self.ctx.clock.new_id().to_string();
        if units > 0 {
            self.outside.paid(&payment, &id, units).await;
        }
        self.eventually_available(&id, units).await;
        if quantity > 0 {
            let mut admin = self.admin();
            let issued = admin.issue_shares(wire::IssueSharesRequest {
                request_id: self.ctx.clock.new_id().to_string(),
                user_id: id.clone(),
                shares: Some(Shares {
                    symbol: "ACME".to_owned(),
                    quantity,
                }),
            });
            issued.await.unwrap();
        }
        id
    }

    pub async fn lock(&self, placed: &Placed, amount: AssetAmount) -> Result<wire::Lock, Status> {
        self.lock_again(placed, 0, amount).await
    }

    /// Locks for another revision of an order.
    pub async fn lock_again(
        &self,
        placed: &Placed,
        revision: u32,
        amount: AssetAmount,
    ) -> Result<wire::Lock, Status> {
        let request = wire::LockFundsRequest {
            order_id: placed.order_id.clone(),
            user_id: placed.user_id.clone(),
            revision,
            amount: Some(amount),
            cumulative_quantity: 0,
        };
        let mut request = tonic::Request::new(request);
        let cause = outcry_events::Cause::root(placed.flow, "user:somebody");
        outcry_mesh::correlate(&mut request, &cause);
        let reply = self.orders().lock_funds(request).await?;
        Ok(reply.into_inner().lock.unwrap())
    }

    pub async fn account(&self, user_id: &str) -> Option<Account> {
        let row = self.ctx.store.view(ACCOUNTS, user_id).await.unwrap();
        row.map(|row| row.decode().unwrap())
    }

    /// Available cash (whole units) and shares.
    pub async fn holds(&self, user_id: &str) -> (i64, i64) {
        let Some(account) = self.account(user_id).await else {
            return (-1, -1);
        };
        let available = |name: &str| {
            let found = account
                .balances
                .iter()
                .find(|(asset, _)| asset.name() == name);
            found.map_or(0, |(_, balance)| balance.available)
        };
        (available("USD") / 10_000, available("ACME"))
    }

    pub async fn eventually_available(&self, user_id: &str, units: i32) {
        eventually("the cash is available", async || {
            self.holds(user_id).await.0 == i64::from(units)
        })
        .await;
    }

    pub async fn eventually_holds(&self, user_id: &str, units: i64, quantity: i64) {
        eventually("the account holds what it should", async || {
            self.holds(user_id).await == (units, quantity)
        })
        .await;
    }

    /// Everything funds said, in commit order.
    pub async fn events(&self) -> Vec<SealedEvent> {
        let filter = ReadAll {
            limit: 10_000,
            ..ReadAll::default()
        };
        let stored = self.ctx.store.read_all(&filter).await.unwrap();
        stored.into_iter().map(|stored| stored.event).collect()
    }

    /// Events of a topic.
    pub async fn said(&self, topic: &str) -> Vec<SealedEvent> {
        let mut events = self.events().await;
        events.retain(|event| event.topic() == topic);
        events
    }

    /// Waits until an event is parked for a person; why it is.
    pub async fn parked(&self, event: &SealedEvent) -> String {
        found("the event is parked", async || {
            let filter = ParkedFilter {
                event_id: Some(event.id()),
                limit: 1,
                ..ParkedFilter::default()
            };
            let parked = self.ctx.store.parked(&filter).await.unwrap();
            parked.into_iter().next().map(|one| one.reason)
        })
        .await
    }

    /// Waits until funds is done with an event.
    pub async fn handled(&self, event: &SealedEvent) {
        eventually("the event is handled", async || {
            let handled = self.ctx.store.is_handled("funds", event.id()).await;
            handled.unwrap()
        })
        .await;
    }

    /// Overwrites a row, as nobody should.
    pub async fn rewrite(&self, view: &'static str, key: &str, row: &impl Serialize) {
        let commit = Commit {
            views: vec![ViewWrite::put(view, key, row).unwrap()],
            ..Commit::default()
        };
        self.ctx.store.commit(commit).await.unwrap();
    }

    /// What is kept is what the events say, and no invariant is broken.
    pub async fn check(&self) {
        let custody = Custody::rebuild(&self.events().await).unwrap();
        assert_eq!(custody.breaches(), Vec::<String>::new());
        let accounts: Vec<Account> = self.all(ACCOUNTS).await;
        let slots: Vec<Slot> = self.all(LOCKS).await;
        assert_eq!(custody.differences(&accounts, &slots), Vec::<String>::new());
    }

    async fn all<T: DeserializeOwned>(&self, view: &'static str) -> Vec<T> {
        let rows = self.ctx.store.scan(&Scan::new(view).limit(10_000)).await;
        let rows = rows.unwrap();
        rows.iter().map(|row| row.decode().unwrap()).collect()
    }
}
