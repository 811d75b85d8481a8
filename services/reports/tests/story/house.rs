//! A platform with reports, and owners around it that only say what they are told to say.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use futures::FutureExt;
use outcry_contracts::Event;
use outcry_contracts::funds::v1::{
    DepositMethod, FundsDepositedEvent, FundsLockedEvent, FundsReleasedEvent, FundsSettledEvent,
    FundsWithdrawnEvent, LockPurpose, ReleaseReason, WithdrawalMethod,
};
use outcry_contracts::ledger::v1::GetAccountBalanceRequest;
use outcry_contracts::ledger::v1::ledger_service_client::LedgerServiceClient;
use outcry_contracts::reports::v1 as wire;
use outcry_contracts::reports::v1::report_service_client::ReportServiceClient;
use outcry_contracts::reports::v1::{Report, ReportFormat, ReportStatus, ReportType};
use outcry_contracts::types::v1::{AssetAmount, Shares, asset_amount};
use outcry_contracts::users::v1::UserCreatedEvent;
use outcry_events::money::Amount;
use outcry_events::{Cause, SealedEvent, Stamp, seal};
use outcry_reports::{Config, journal};
use outcry_service::testing::{Caller, FakeClock, Platform, Replica, eventually, found};
use outcry_service::{Clock, Context, Service};
use outcry_store::{Append, Commit};
use tempfile::TempDir;
use tonic::{Code, Status};

pub type Client = ReportServiceClient<Caller>;

pub const BUYER: &str = "00000000-0000-0000-0000-00000000000b";
pub const SELLER: &str = "00000000-0000-0000-0000-00000000000a";
pub const BUY: &str = "00000000-0000-0000-0000-0000000000b1";
pub const SELL: &str = "00000000-0000-0000-0000-0000000000a1";

/// Reports, and the owners of what they are about.
pub struct House {
    folder: TempDir,
    pub platform: Platform,
    pub clock: Arc<FakeClock>,
    pub ctx: Context,
    config: Config,
    has_ledger: bool,
    owners: BTreeMap<&'static str, Context>,
    sequences: Mutex<BTreeMap<String, u64>>,
}

pub fn cash(units: i32) -> Option<AssetAmount> {
    Some(AssetAmount {
        asset: Some(asset_amount::Asset::Cash(
            Amount::from_units(units).to_money(),
        )),
    })
}

pub fn shares(quantity: i64) -> Option<AssetAmount> {
    let symbol = "ACME".to_owned();
    Some(AssetAmount {
        asset: Some(asset_amount::Asset::Shares(Shares { symbol, quantity })),
    })
}

/// Makes reports at once.
pub fn at_once() -> Config {
    Config {
        settle_ms: 0,
        ..Config::default()
    }
}

impl House {
    pub async fn open(config: Config) -> House {
        House::opened(config, false).await
    }

    /// With a ledger that books what funds says.
    pub async fn open_with_ledger(config: Config) -> House {
        House::opened(config, true).await
    }

    async fn opened(config: Config, has_ledger: bool) -> House {
        let clock = Arc::new(FakeClock::default());
        let folder = tempfile::tempdir().unwrap();
        let platform = Platform::open_at(folder.path(), clock.clone()).await;
        House::running(folder, platform, clock, config, has_ledger, BTreeMap::new()).await
    }

    /// On a platform that is prepared, but without services yet.
    pub async fn on(folder: TempDir, platform: Platform, clock: Arc<FakeClock>) -> House {
        House::running(folder, platform, clock, at_once(), false, BTreeMap::new()).await
    }

    pub async fn crash(self) -> House {
        let platform = self.platform.crash_and_restart().await;
        let sequences = self.sequences.into_inner().unwrap();
        House::running(
            self.folder,
            platform,
            self.clock,
            self.config,
            self.has_ledger,
            sequences,
        )
        .await
    }

    async fn running(
        folder: TempDir,
        mut platform: Platform,
        clock: Arc<FakeClock>,
        config: Config,
        has_ledger: bool,
        sequences: BTreeMap<String, u64>,
    ) -> House {
        let ctx = platform.context(outcry_reports::NAME).await;
        let reports = outcry_reports::service(ctx.clone(), config.clone())
            .await
            .unwrap();
        let mut services = vec![(ctx.clone(), reports)];
        let mut owners = BTreeMap::new();
        for owner in ["funds", "orders", "payments", "users"] {
            let owned = platform.context(owner).await;
            services.push((owned.clone(), Service::new(owner)));
            owners.insert(owner, owned);
        }
        if has_ledger {
            let booking = platform.context(outcry_ledger::NAME).await;
            let ledger =
                outcry_ledger::service(booking.clone(), outcry_ledger::Config::default()).unwrap();
            services.push((booking, ledger));
        }
        platform.start(services).await;
        House {
            folder,
            platform,
            clock,
            ctx,
            config,
            has_ledger,
            owners,
            sequences: Mutex::new(sequences),
        }
    }

    /// What an account of the ledger has, in its unit.
    pub async fn booked(&self, account: &str) -> i64 {
        let mut ledger = LedgerServiceClient::new(self.platform.admin(outcry_ledger::NAME));
        let asked = GetAccountBalanceRequest {
            account: account.to_owned(),
            ..GetAccountBalanceRequest::default()
        };
        match ledger.get_account_balance(asked).await {
            Ok(reply) => reply.into_inner().balance,
            // Nothing was booked on it yet.
            Err(status) if status.code() == Code::NotFound => 0,
            Err(status) => panic!("{status}"),
        }
    }

    pub async fn registered(&self, user: &str, name: &str, at: SystemTime) {
        let created = UserCreatedEvent {
            user_id: user.to_owned(),
            display_name: name.to_owned(),
            roles: Vec::new(),
        };
        self.say(&created, at).await;
    }

    pub async fn issued(&self, user: &str, quantity: i64, at: SystemTime) {
        let deposited = FundsDepositedEvent {
            user_id: user.to_owned(),
            available: shares(quantity),
            amount: shares(quantity),
            method: DepositMethod::Issue.into(),
            reference: format!("i-{quantity}"),
            ..Default::default()
        };
        self.say(&deposited, at).await;
    }

    pub async fn locked_shares(&self, user: &str, order: &str, quantity: i64, at: SystemTime) {
        self.locked_of(user, order, shares(quantity), LockPurpose::Order, at)
            .await;
    }

    pub async fn released(&self, user: &str, order: &str, units: i32, at: SystemTime) {
        let released = FundsReleasedEvent {
            user_id: user.to_owned(),
            lock_id: order.to_owned(),
            purpose: LockPurpose::Order.into(),
            amount: cash(units),
            remaining: cash(0),
            reason: ReleaseReason::Filled.into(),
        };
        self.say(&released, at).await;
    }

    /// Locks cash for a payout, and pays it out.
    pub async fn paid_out(&self, user: &str, payout: &str, units: i32, at: SystemTime) {
        self.locked_of(user, payout, cash(units), LockPurpose::Withdrawal, at)
            .await;
        let withdrawn = FundsWithdrawnEvent {
            user_id: user.to_owned(),
            withdrawal_id: payout.to_owned(),
            amount: cash(units),
            available: cash(0),
            destination_last4: "1234".to_owned(),
            method: WithdrawalMethod::Payout.into(),
            ..Default::default()
        };
        self.say(&withdrawn, at).await;
    }

    async fn locked_of(
        &self,
        user: &str,
        id: &str,
        amount: Option<AssetAmount>,
        purpose: LockPurpose,
        at: SystemTime,
    ) {
        let locked = FundsLockedEvent {
            user_id: user.to_owned(),
            lock_id: id.to_owned(),
            purpose: purpose.into(),
            remaining: amount.clone(),
            amount,
            revision: 0,
        };
        self.say(&locked, at).await;
    }

    /// One more reports service on the same store, as a process of its own would be.
    pub async fn replica(&self) -> Replica {
        let config = self.config.clone();
        let make = |ctx: &Context| {
            let made = outcry_reports::service(ctx.clone(), config).now_or_never();
            made.unwrap().unwrap()
        };
        self.platform.replica(outcry_reports::NAME, make).await
    }

    pub fn user(&self, id: &str) -> Client {
        ReportServiceClient::new(self.platform.user(id, outcry_reports::NAME))
    }

    pub fn admin(&self) -> Client {
        ReportServiceClient::new(self.platform.admin(outcry_reports::NAME))
    }

    pub async fn deposited(&self, user: &str, units: i32, at: SystemTime) -> SealedEvent {
        let deposited = FundsDepositedEvent {
            user_id: user.to_owned(),
            available: cash(units),
            amount: cash(units),
            method: DepositMethod::Payment.into(),
            reference: format!("p-{units}"),
            ..Default::default()
        };
        self.say(&deposited, at).await
    }

    pub async fn locked(&self, user: &str, order: &str, units: i32, at: SystemTime) {
        self.locked_of(user, order, cash(units), LockPurpose::Order, at)
            .await;
    }

    pub async fn settled(&self, at: SystemTime) {
        self.settled_at(1, 20, at).await;
    }

    /// Ten shares at a price in whole units.
    pub async fn settled_at(&self, number: u64, price: i32, at: SystemTime) {
        let money = |units| Some(Amount::from_units(units).to_money());
        let settled = FundsSettledEvent {
            match_id: format!("ACME-{number}"),
            symbol: "ACME".to_owned(),
            quantity: 10,
            price: money(price),
            notional: money(10 * price),
            buyer_user_id: BUYER.to_owned(),
            buyer_order_id: BUY.to_owned(),
            buyer_fee: money(2),
            seller_user_id: SELLER.to_owned(),
            seller_order_id: SELL.to_owned(),
            seller_fee: money(3),
            ..Default::default()
        };
        self.say(&settled, at).await;
    }

    /// Says that something occurred then.
    pub async fn say<E: Event>(&self, event: &E, at: SystemTime) -> SealedEvent {
        let stream = format!("{}-{}", E::AGGREGATE, event.aggregate_id());
        let sequence = {
            let mut sequences = self.sequences.lock().unwrap();
            let sequence = sequences.entry(stream.clone()).or_default();
            *sequence += 1;
            *sequence
        };
        let cause = Cause::root(self.clock.new_id(), "user:somebody");
        let stamp = Stamp {
            event_id: self.clock.new_id(),
            sequence,
            occurred_at: at,
            recorded_at: self.clock.now(),
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
        self.owners[E::OWNER].store.commit(commit).await.unwrap();
        sealed
    }

    /// Waits until so many events of a user are in the journal.
    pub async fn kept(&self, user: &str, position: u64) {
        eventually("the events are in the journal", async || {
            let head = journal::head(self.ctx.store.as_ref(), user).await;
            head.unwrap().0.position == position
        })
        .await;
    }

    pub fn request(
        &self,
        kind: ReportType,
        as_of: Option<SystemTime>,
    ) -> wire::RequestReportRequest {
        wire::RequestReportRequest {
            request_id: self.clock.new_id().to_string(),
            r#type: kind.into(),
            format: ReportFormat::Csv.into(),
            from: None,
            as_of: as_of.map(Into::into),
            ..Default::default()
        }
    }

    /// Waits until a report has ended.
    pub async fn ended(&self, user: &str, report_id: &str) -> Report {
        found("the report has ended", async || {
            let report_id = report_id.to_owned();
            let mut client = self.user(user);
            let got = client.get_report(wire::GetReportRequest { report_id });
            let report = got.await.unwrap().into_inner().report.unwrap();
            let is_open = matches!(
                report.status(),
                ReportStatus::Requested | ReportStatus::Running
            );
            (!is_open).then_some(report)
        })
        .await
    }

    /// Asks for a report and waits for it.
    pub async fn made(&self, user: &str, request: wire::RequestReportRequest) -> Report {
        let mut client = self.user(user);
        let asked = client.request_report(request).await.unwrap().into_inner();
        self.ended(user, &asked.report.unwrap().report_id).await
    }
}

/// Fetches a report's content from an offset.
pub async fn fetched(
    client: &mut Client,
    report_id: &str,
    offset: i64,
) -> Result<Vec<Vec<u8>>, Status> {
    let pieces = pieces(client, report_id, offset, 0).await?;
    Ok(pieces.into_iter().map(|piece| piece.content).collect())
}

/// Fetches a range of a report's content, piece by piece.
pub async fn pieces(
    client: &mut Client,
    report_id: &str,
    offset: i64,
    length: i64,
) -> Result<Vec<wire::DownloadReportResponse>, Status> {
    let request = wire::DownloadReportRequest {
        report_id: report_id.to_owned(),
        offset,
        length,
    };
    let mut stream = client.download_report(request).await?.into_inner();
    let mut pieces = Vec::new();
    while let Some(piece) = stream.message().await? {
        pieces.push(piece);
    }
    Ok(pieces)
}
