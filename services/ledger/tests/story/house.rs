//! A platform with the ledger, and a funds service that only says what it is told to say.

use std::collections::BTreeMap;
use std::sync::Mutex;

use outcry_contracts::Event;
use outcry_contracts::funds::v1::{
    DepositMethod, FundsDepositedEvent, FundsLockedEvent, FundsReleasedEvent, FundsSettledEvent,
    FundsWithdrawnEvent, LockPurpose, ReleaseReason, WithdrawalMethod,
};
use outcry_contracts::ledger::v1 as wire;
use outcry_contracts::ledger::v1::ledger_service_client::LedgerServiceClient;
use outcry_contracts::payments::v1::{PaymentFailedEvent, PaymentFailure};
use outcry_contracts::types::v1::{AssetAmount, Shares, asset_amount};
use outcry_events::money::Amount;
use outcry_events::{Cause, SealedEvent, Stamp, seal};
use outcry_ledger::watching::{COMPARED, DIFFERENCE};
use outcry_service::metrics::{Family, Numbers};
use outcry_service::testing::{Caller, FakeClock, Platform, eventually};
use outcry_service::{Clock, Context, Service};
use outcry_store::{Append, Commit, ReadAll};
use std::sync::Arc;
use tempfile::TempDir;
use tonic::Status;
use tonic_types::StatusExt;

use crate::custody::Custody;

pub type Client = LedgerServiceClient<Caller>;

pub const BUYER: &str = "00000000-0000-0000-0000-00000000000b";
pub const SELLER: &str = "00000000-0000-0000-0000-00000000000a";
pub const PAYMENT: &str = "00000000-0000-0000-0000-0000000000c1";
pub const PAYOUT: &str = "00000000-0000-0000-0000-0000000000d1";
pub const BUY: &str = "00000000-0000-0000-0000-0000000000b1";
pub const SELL: &str = "00000000-0000-0000-0000-0000000000a1";

/// The ledger, and funds around it.
pub struct House {
    folder: TempDir,
    pub platform: Platform,
    pub clock: Arc<FakeClock>,
    pub ctx: Context,
    pub custody: Custody,
    funds: Context,
    payments: Context,
    sequences: Mutex<BTreeMap<String, u64>>,
}

/// Why a call was refused.
pub fn reason(status: &Status) -> String {
    status
        .get_details_error_info()
        .map(|info| info.reason)
        .unwrap_or_default()
}

pub fn cash(units: i32) -> Option<AssetAmount> {
    Some(AssetAmount {
        asset: Some(asset_amount::Asset::Cash(
            Amount::from_units(units).to_money(),
        )),
    })
}

pub fn shares(quantity: i64) -> Option<AssetAmount> {
    Some(AssetAmount {
        asset: Some(asset_amount::Asset::Shares(Shares {
            symbol: "ACME".to_owned(),
            quantity,
        })),
    })
}

impl House {
    pub async fn open() -> House {
        let clock = Arc::new(FakeClock::default());
        let folder = tempfile::tempdir().unwrap();
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
        let ctx = platform.context(outcry_ledger::NAME).await;
        let funds = platform.context("funds").await;
        let payments = platform.context("payments").await;
        let custody = Custody::default();
        let ledger = outcry_ledger::service(ctx.clone(), outcry_ledger::Config::default()).unwrap();
        let services = [
            (ctx.clone(), ledger),
            custody.service(&funds),
            (payments.clone(), Service::new("payments")),
        ];
        platform.start(services).await;
        House {
            folder,
            platform,
            clock,
            ctx,
            custody,
            funds,
            payments,
            sequences: Mutex::new(sequences),
        }
    }

    pub fn admin(&self) -> Client {
        LedgerServiceClient::new(self.platform.admin(outcry_ledger::NAME))
    }

    pub fn user(&self, id: &str) -> Client {
        LedgerServiceClient::new(self.platform.user(id, outcry_ledger::NAME))
    }

    pub async fn deposited(
        &self,
        user: &str,
        amount: Option<AssetAmount>,
        method: DepositMethod,
        reference: &str,
    ) -> SealedEvent {
        let deposited = FundsDepositedEvent {
            user_id: user.to_owned(),
            available: amount.clone(),
            amount,
            method: method.into(),
            reference: reference.to_owned(),
            ..Default::default()
        };
        self.say(&deposited).await
    }

    pub async fn locked(&self, user: &str, order: &str, amount: Option<AssetAmount>) {
        self.locked_for(LockPurpose::Order, user, order, amount)
            .await;
    }

    /// The buyer's payout, locked.
    pub async fn payout_asked(&self, amount: Option<AssetAmount>) {
        self.locked_for(LockPurpose::Withdrawal, BUYER, PAYOUT, amount)
            .await;
    }

    /// The buyer's payout, refused.
    pub async fn payout_refused(&self, amount: Option<AssetAmount>) {
        let released = FundsReleasedEvent {
            user_id: BUYER.to_owned(),
            lock_id: PAYOUT.to_owned(),
            purpose: LockPurpose::Withdrawal.into(),
            amount,
            remaining: cash(0),
            reason: ReleaseReason::WithdrawalFailed.into(),
        };
        self.say(&released).await;
    }

    /// Something of the buyer's left, or went back.
    pub async fn withdrawn(
        &self,
        id: &str,
        amount: Option<AssetAmount>,
        method: WithdrawalMethod,
        reverses: &str,
    ) -> SealedEvent {
        let withdrawn = FundsWithdrawnEvent {
            user_id: BUYER.to_owned(),
            withdrawal_id: id.to_owned(),
            available: amount.clone(),
            amount,
            destination_last4: "0000".to_owned(),
            method: method.into(),
            reverses_event_id: reverses.to_owned(),
            note: String::new(),
        };
        self.say(&withdrawn).await
    }

    /// The buyer's payout taken back.
    pub async fn payout_reversed(&self, amount: Option<AssetAmount>, payout: &SealedEvent) {
        let back = FundsDepositedEvent {
            user_id: BUYER.to_owned(),
            available: amount.clone(),
            amount,
            method: DepositMethod::Reversal.into(),
            reference: PAYOUT.to_owned(),
            reverses_event_id: payout.id().to_string(),
            note: String::new(),
        };
        self.say(&back).await;
    }

    /// The buyer's payment failed; this was captured all the same.
    pub async fn payment_failed(&self, captured: Option<i32>) -> SealedEvent {
        let money = |units| Some(Amount::from_units(units).to_money());
        let failed = PaymentFailedEvent {
            payment_id: PAYMENT.to_owned(),
            user_id: BUYER.to_owned(),
            amount: money(40),
            reason: PaymentFailure::AmountMismatch.into(),
            message: String::new(),
            captured: captured.and_then(money),
            provider_reference: "capture-1".to_owned(),
        };
        self.say_as(&self.payments, &failed).await
    }

    async fn locked_for(
        &self,
        purpose: LockPurpose,
        user: &str,
        id: &str,
        amount: Option<AssetAmount>,
    ) {
        let locked = FundsLockedEvent {
            user_id: user.to_owned(),
            lock_id: id.to_owned(),
            purpose: purpose.into(),
            remaining: amount.clone(),
            amount,
            revision: 0,
        };
        self.say(&locked).await;
    }

    pub async fn settled(&self) {
        let money = |units| Some(Amount::from_units(units).to_money());
        let settled = FundsSettledEvent {
            match_id: "ACME-1".to_owned(),
            symbol: "ACME".to_owned(),
            quantity: 10,
            price: money(20),
            notional: money(200),
            buyer_user_id: BUYER.to_owned(),
            buyer_order_id: BUY.to_owned(),
            buyer_fee: money(2),
            seller_user_id: SELLER.to_owned(),
            seller_order_id: SELL.to_owned(),
            seller_fee: money(3),
            ..Default::default()
        };
        self.say(&settled).await;
    }

    /// Two deposits, two locks, one settlement: five transactions, a minute apart.
    pub async fn a_trade(&self) {
        let minute = std::time::Duration::from_secs(60);
        self.deposited(BUYER, cash(1000), DepositMethod::Payment, "p-1")
            .await;
        self.clock.advance(minute);
        self.deposited(SELLER, shares(50), DepositMethod::Issue, "i-1")
            .await;
        self.clock.advance(minute);
        self.locked(BUYER, BUY, cash(210)).await;
        self.clock.advance(minute);
        self.locked(SELLER, SELL, shares(10)).await;
        self.clock.advance(minute);
        self.settled().await;
        self.booked(5).await;
    }

    /// Everything funds has said.
    pub async fn said(&self) -> Vec<SealedEvent> {
        let all = ReadAll {
            limit: 1_000,
            ..ReadAll::default()
        };
        let stored = self.funds.store.read_all(&all).await.unwrap();
        stored.into_iter().map(|stored| stored.event).collect()
    }

    /// Waits until so many transactions are booked.
    pub async fn booked(&self, number: u64) {
        eventually("the transactions are booked", async || {
            let (head, _) = outcry_ledger::books::head(self.ctx.store.as_ref())
                .await
                .unwrap();
            head.number == number
        })
        .await;
    }

    pub async fn verified(&self) -> wire::VerifyJournalResponse {
        let mut admin = self.admin();
        let verified = admin.verify_journal(wire::VerifyJournalRequest {}).await;
        verified.unwrap().into_inner()
    }

    pub async fn balance(&self, request: wire::GetAccountBalanceRequest) -> i64 {
        let mut admin = self.admin();
        let balance = admin.get_account_balance(request).await.unwrap();
        balance.into_inner().balance
    }

    pub async fn reconciled(&self) -> Result<wire::ReconcileResponse, Status> {
        let compared = self.admin().reconcile(wire::ReconcileRequest {}).await;
        Ok(compared?.into_inner())
    }

    /// Lets time pass until books and custody have been compared once more.
    pub async fn compared_again(&self) {
        let before = self.last_compared();
        eventually("books and custody are compared again", async || {
            self.clock.advance(std::time::Duration::from_secs(60));
            self.last_compared() > before
        })
        .await;
    }

    /// Lets time pass until this is what they are shown to differ by.
    pub async fn comes_to_differ_by(&self, expected: &Numbers) {
        eventually("the difference is shown", async || {
            self.clock.advance(std::time::Duration::from_secs(60));
            self.differs_by() == *expected
        })
        .await;
    }

    /// When they were, as operators see it.
    fn last_compared(&self) -> f64 {
        let compared = self.own_numbers(&COMPARED);
        compared.get("funds").copied().unwrap_or_default()
    }

    /// What they differ by, as operators see it.
    pub fn differs_by(&self) -> Numbers {
        self.own_numbers(&DIFFERENCE)
    }

    fn own_numbers(&self, family: &Family) -> Numbers {
        let own = self.ctx.metrics().own();
        let numbers = own.into_iter().find(|(one, _)| *one == family);
        numbers.map(|(_, numbers)| numbers).unwrap_or_default()
    }

    async fn say<E: Event>(&self, event: &E) -> SealedEvent {
        self.say_as(&self.funds, event).await
    }

    async fn say_as<E: Event>(&self, ctx: &Context, event: &E) -> SealedEvent {
        let stream = format!("{}-{}", E::AGGREGATE, event.aggregate_id());
        let sequence = {
            let mut sequences = self.sequences.lock().unwrap();
            let sequence = sequences.entry(stream.clone()).or_default();
            *sequence += 1;
            *sequence
        };
        let now = self.clock.now();
        let cause = Cause::root(self.clock.new_id(), "user:somebody");
        let stamp = Stamp {
            event_id: self.clock.new_id(),
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
