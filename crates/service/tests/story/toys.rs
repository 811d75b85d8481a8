//! Three small services with real events: payments captures, funds credits, ledger writes down.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use outcry_broker::Message;
use outcry_contracts::funds::v1::{DepositMethod, FundsDepositedEvent};
use outcry_contracts::payments::v1::PaymentSuccessEvent;
use outcry_contracts::types::v1::{AssetAmount, asset_amount::Asset};
use outcry_events::{Amount, Cause, Event, SealedEvent, Stamp, event_set, seal};
use outcry_mesh::refusal::Refusal;
use outcry_service::backoff::Backoff;
use outcry_service::testing::Platform;
use outcry_service::{
    Context, Decider, Executed, Fault, GroupSpec, Reaction, Retry, Service, Unknown, execute, plan,
};
use outcry_store::{Commit, ViewWrite};
use tokio::sync::Notify;
use tonic::Code;
use uuid::Uuid;

/// Retries that do not make a test wait.
const QUICK: Retry = Retry {
    attempts: 3,
    backoff: Backoff {
        first: Duration::from_millis(1),
        most: Duration::from_millis(5),
    },
};

/// A user or payment id.
pub fn id(n: u128) -> String {
    Uuid::from_u128(n).to_string()
}

/// The start of a flow.
pub fn root() -> Cause {
    Cause::root(Uuid::now_v7(), "service:payments")
}

// === payments ===

event_set! {
    /// What happens to a payment here.
    pub enum PaymentEvent {
        /// The money has come.
        Success(PaymentSuccessEvent),
    }
}

/// A payment that can be captured once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payment {
    captured: bool,
}

/// The provider has the money.
#[derive(Clone, Debug)]
pub struct Capture {
    pub payment: String,
    pub user: String,
    pub units: i32,
}

/// The payment is captured already.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("payment is captured already")]
pub struct AlreadyCaptured;

impl Refusal for AlreadyCaptured {
    fn code(&self) -> Code {
        Code::FailedPrecondition
    }
    fn reason(&self) -> &'static str {
        "ALREADY_CAPTURED"
    }
}

impl Decider for Payment {
    type Command = Capture;
    type Event = PaymentEvent;
    type Rejection = AlreadyCaptured;

    fn decide(&self, command: &Capture) -> Result<Vec<PaymentEvent>, AlreadyCaptured> {
        if self.captured {
            return Err(AlreadyCaptured);
        }
        Ok(vec![PaymentEvent::Success(PaymentSuccessEvent {
            payment_id: command.payment.clone(),
            user_id: command.user.clone(),
            amount: Some(Amount::from_units(command.units).to_money()),
            provider: "toy".into(),
            provider_reference: "capture".into(),
            late: false,
        })])
    }

    fn evolve(self, event: &PaymentEvent) -> Self {
        match event {
            PaymentEvent::Success(_) => Self { captured: true },
        }
    }
}

/// A payments service that only emits.
pub fn payments() -> Service {
    Service::new("payments").emits(&["payment.success"])
}

/// Captures one payment of a user.
pub async fn capture(ctx: &Context, payment: u128, user: u128) -> Executed<Payment> {
    let payment = id(payment);
    let command = Capture {
        payment: payment.clone(),
        user: id(user),
        units: 5,
    };
    execute::<Payment>(ctx, &payment, &root(), &command, |_, _| Ok(()))
        .await
        .unwrap()
}

// === funds ===

event_set! {
    /// What happens to an account here.
    pub enum AccountEvent {
        /// Money came in.
        Deposited(FundsDepositedEvent),
    }
}

/// Money of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    pub available: Amount,
    references: Vec<String>,
}

/// Money comes in, once per reference.
#[derive(Clone, Debug)]
pub struct Deposit {
    pub user: String,
    pub amount: Amount,
    pub reference: String,
}

/// The account cannot hold that much.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("account is full")]
pub struct Full;

impl Refusal for Full {
    fn code(&self) -> Code {
        Code::OutOfRange
    }
    fn reason(&self) -> &'static str {
        "FULL"
    }
}

fn cash(amount: Amount) -> Option<AssetAmount> {
    Some(AssetAmount {
        asset: Some(Asset::Cash(amount.to_money())),
    })
}

fn amount_of(asset: Option<&AssetAmount>) -> Amount {
    match asset.and_then(|asset| asset.asset.as_ref()) {
        Some(Asset::Cash(money)) => Amount::from_money(money).unwrap(),
        other => panic!("not cash: {other:?}"),
    }
}

impl Decider for Account {
    type Command = Deposit;
    type Event = AccountEvent;
    type Rejection = Full;

    fn decide(&self, command: &Deposit) -> Result<Vec<AccountEvent>, Full> {
        if self.references.contains(&command.reference) {
            return Ok(vec![]);
        }
        let available = self.available.checked_add(command.amount).ok_or(Full)?;
        Ok(vec![AccountEvent::Deposited(FundsDepositedEvent {
            user_id: command.user.clone(),
            amount: cash(command.amount),
            available: cash(available),
            method: DepositMethod::Payment.into(),
            reference: command.reference.clone(),
            ..Default::default()
        })])
    }

    fn evolve(mut self, event: &AccountEvent) -> Self {
        let AccountEvent::Deposited(event) = event;
        self.available = amount_of(event.available.as_ref());
        self.references.push(event.reference.clone());
        self
    }
}

/// Credits captured payments.
pub struct Credit {
    pub ctx: Context,
}

#[async_trait]
impl Reaction for Credit {
    fn group(&self) -> GroupSpec {
        GroupSpec::new("funds", &["payment.success"], Unknown::Park).partitions(2)
    }

    async fn react(&self, event: &SealedEvent) -> Result<Commit, Fault> {
        let payment: PaymentSuccessEvent = event.payload()?;
        let command = Deposit {
            user: payment.user_id.clone(),
            amount: Amount::from_required(payment.amount.as_ref()).map_err(Fault::park)?,
            reference: payment.payment_id,
        };
        let cause = event.cause("service:funds");
        let (_, commit) = plan::<Account>(&self.ctx, &payment.user_id, &cause, &command).await?;
        Ok(commit)
    }
}

/// A funds service that credits payments.
pub fn funds(ctx: &Context) -> Service {
    Service::new("funds")
        .reacts(Credit { ctx: ctx.clone() })
        .emits(&["funds.deposited"])
}

/// Deposits `1 … count` for a user, one command each; references are `r1`, `r2` …
pub async fn deposit(ctx: &Context, user: u128, references: &[&str]) -> Vec<SealedEvent> {
    let mut events = Vec::new();
    for reference in references {
        let command = Deposit {
            user: id(user),
            amount: Amount::from_units(1),
            reference: (*reference).to_owned(),
        };
        let done = execute::<Account>(ctx, &id(user), &root(), &command, |_, _| Ok(()))
            .await
            .unwrap();
        events.extend(done.events);
    }
    events
}

/// The message of `event` once more, as a relay sends it that crashed before it could note the
/// first time; under another message id, because the embedded broker knows its own repeats.
pub fn repeated(event: &SealedEvent) -> Message {
    Message {
        event_id: Uuid::now_v7().to_string(),
        ..Message::from(event)
    }
}

// === ledger ===

/// What the journal does with a reference the next times it sees it; then it writes it down.
#[derive(Clone, Debug)]
pub enum Act {
    Fail,
    Poison,
    Panic,
    Discard,
    /// Never comes back.
    Hang,
}

/// What a test has in store for the journal.
#[derive(Clone, Default)]
pub struct Script {
    acts: Arc<Mutex<HashMap<String, Vec<Act>>>>,
    /// Keeps `committed` from returning: what was committed is not acknowledged.
    pub hold_committed: Arc<Mutex<bool>>,
    pub committed: Arc<Notify>,
}

impl Script {
    /// These acts in this order for `reference`.
    pub fn plan(&self, reference: &str, acts: impl IntoIterator<Item = Act>) {
        let mut all = self.acts.lock().unwrap();
        all.insert(reference.into(), acts.into_iter().collect());
    }

    /// Whether `reference` has been through all its acts, the last of which may be going on.
    pub fn is_spent(&self, reference: &str) -> bool {
        let all = self.acts.lock().unwrap();
        all.get(reference).is_some_and(Vec::is_empty)
    }

    /// Does what is planned for `reference` now.
    pub async fn act(&self, reference: &str) -> Result<(), Fault> {
        match self.next(reference) {
            None => Ok(()),
            Some(Act::Fail) => Err(Fault::retry("not now")),
            Some(Act::Poison) => Err(Fault::park("makes no sense")),
            Some(Act::Panic) => panic!("a bug"),
            Some(Act::Discard) => Err(Fault::discard("of no interest")),
            Some(Act::Hang) => std::future::pending().await,
        }
    }

    fn next(&self, reference: &str) -> Option<Act> {
        let mut all = self.acts.lock().unwrap();
        let acts = all.get_mut(reference)?;
        (!acts.is_empty()).then(|| acts.remove(0))
    }
}

/// Writes down each user's deposits in the order they come.
pub struct Journal {
    pub ctx: Context,
    pub script: Script,
    pub unknown: Unknown,
    pub partitions: u32,
}

#[async_trait]
impl Reaction for Journal {
    fn group(&self) -> GroupSpec {
        GroupSpec::new("ledger", &["funds.*"], self.unknown)
            .partitions(self.partitions)
            .retry(QUICK)
    }

    async fn react(&self, event: &SealedEvent) -> Result<Commit, Fault> {
        let deposit: FundsDepositedEvent = event.payload()?;
        self.script.act(&deposit.reference).await?;
        let row = self.ctx.store.view("journal", &deposit.user_id).await?;
        let (version, mut lines) = match row {
            Some(row) => (row.version, row.decode::<Vec<String>>()?),
            None => (0, Vec::new()),
        };
        lines.push(deposit.reference);
        let write = ViewWrite::put("journal", deposit.user_id, &lines)?.expect(version);
        Ok(Commit {
            views: vec![write],
            ..Commit::default()
        })
    }

    async fn committed(&self, _event: &SealedEvent) {
        self.script.committed.notify_one();
        if *self.script.hold_committed.lock().unwrap() {
            std::future::pending().await
        }
    }
}

/// A ledger service that does as the script says.
pub fn ledger(ctx: &Context, script: &Script, unknown: Unknown) -> Service {
    Service::new("ledger").reacts(Journal {
        ctx: ctx.clone(),
        script: script.clone(),
        unknown,
        partitions: 4,
    })
}

/// Starts funds and a ledger that parks what it does not know; their contexts.
pub async fn start_funds_and_ledger(
    platform: &mut Platform,
    script: &Script,
) -> (Context, Context) {
    let (f, l) = (
        platform.context("funds").await,
        platform.context("ledger").await,
    );
    platform
        .start([
            (f.clone(), funds(&f)),
            (l.clone(), ledger(&l, script, Unknown::Park)),
        ])
        .await;
    (f, l)
}

/// The same with more partitions, so that replicas have something to share.
pub fn wide_ledger(ctx: &Context, script: &Script) -> Service {
    Service::new("ledger").reacts(Journal {
        ctx: ctx.clone(),
        script: script.clone(),
        unknown: Unknown::Park,
        partitions: WIDE,
    })
}

/// Partitions of [`wide_ledger`]: what two, three and four replicas can share evenly.
pub const WIDE: u32 = 12;

/// A deposit as if a funds service had published it.
pub fn deposited(user: u128, sequence: u64, reference: &str) -> Message {
    let event = FundsDepositedEvent {
        user_id: id(user),
        amount: cash(Amount::from_units(1)),
        available: cash(Amount::from_units(1)),
        method: DepositMethod::Payment.into(),
        reference: reference.to_owned(),
        ..Default::default()
    };
    published(&event, sequence)
}

/// An event as if its owner had published it, with this place in its stream.
pub fn published(event: &impl Event, sequence: u64) -> Message {
    let now = SystemTime::now();
    let stamp = Stamp {
        event_id: Uuid::now_v7(),
        sequence,
        occurred_at: now,
        recorded_at: now,
        cause: &root(),
    };
    Message::from(&seal(event, stamp).unwrap())
}

/// What the journal says about a user.
pub async fn journal(ctx: &Context, user: u128) -> Vec<String> {
    match ctx.store.view("journal", &id(user)).await.unwrap() {
        Some(row) => row.decode().unwrap(),
        None => Vec::new(),
    }
}
