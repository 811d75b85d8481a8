//! The users who replay a recording: registered, funded and signed in like anybody else.

use std::time::Duration;

use anyhow::{Context as _, bail};
use outcry_contracts::funds::v1::funds_service_client::FundsServiceClient;
use outcry_contracts::funds::v1::{GetBalancesRequest, IssueSharesRequest};
use outcry_contracts::payments::v1::CreatePaymentRequest;
use outcry_contracts::payments::v1::payment_service_client::PaymentServiceClient;
use outcry_contracts::types::v1::asset_amount::Asset;
use outcry_contracts::types::v1::{Money, Shares};
use outcry_contracts::users::v1::RegisterRequest;
use outcry_contracts::users::v1::user_service_client::UserServiceClient;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::session::{self, SignedChannel};

/// Users who own the recorded orders.
const TRADERS: usize = 8;

/// Cash each user starts with, in currency units: enough for every order of a recording at once.
const CASH: i64 = 500_000_000;

/// Shares each user starts with, for the same reason.
const SHARES: i64 = 5_000_000;

/// How long funding may take.
const FUNDED_MAX: Duration = Duration::from_secs(60);

/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Names ids that are the same in every run of the same replay.
const NAMESPACE: Uuid = Uuid::from_u128(0x6f75_7463_7279_5f72_6570_6c61_7900_0001);

/// The users.
pub struct Crew {
    /// An administrator, for halts and for reading who matched whom.
    pub admin: SignedChannel,
    /// Owners of recorded orders.
    traders: Vec<SignedChannel>,
    /// Owner of the anonymous orders.
    pub seeder: SignedChannel,
    /// Who takes what rests.
    pub aggressor: SignedChannel,
}

/// An id that is the same whenever the same replay does the same thing.
pub fn fixed_id(run: &str, what: &str) -> String {
    Uuid::new_v5(&NAMESPACE, format!("{run}/{what}").as_bytes()).to_string()
}

// === impl Crew ===

impl Crew {
    /// Registers, funds and signs in everybody. Whoever is there already just signs in.
    ///
    /// # Errors
    /// The platform refuses, or funding takes longer than a minute.
    pub async fn hire(
        address: &str,
        admin: SignedChannel,
        run: &str,
        symbol: &str,
    ) -> anyhow::Result<Self> {
        let mut hired = Vec::new();
        let names = (0..TRADERS).map(|number| format!("trader{number}"));
        for name in names.chain(["seeder".to_owned(), "aggressor".to_owned()]) {
            let user = hire_one(address, &admin, run, symbol, &name)
                .await
                .with_context(|| format!("hiring {name}"))?;
            hired.push(user);
        }
        let aggressor = hired.pop().context("no aggressor was hired")?;
        let seeder = hired.pop().context("no seeder was hired")?;
        Ok(Self {
            admin,
            traders: hired,
            seeder,
            aggressor,
        })
    }

    /// The owner of a recorded order: always the same for the same order.
    pub fn owner(&self, order: i64) -> &SignedChannel {
        let place = usize::try_from(order.unsigned_abs()).unwrap_or(0) % self.traders.len();
        &self.traders[place]
    }
}

async fn hire_one(
    address: &str,
    admin: &SignedChannel,
    run: &str,
    symbol: &str,
    name: &str,
) -> anyhow::Result<SignedChannel> {
    let channel = session::connect(address).await?;
    let email = format!("{name}.{}@replay.example", fixed_id(run, "mailbox"));
    let password = fixed_id(run, &format!("password of {name}"));
    let request = RegisterRequest {
        request_id: fixed_id(run, &format!("register {name}")),
        email: email.clone(),
        password: password.clone(),
        display_name: format!("Replay {name}"),
    };
    let reply = UserServiceClient::new(channel.clone())
        .register(request)
        .await?
        .into_inner();
    let user_id = reply.user.context("registering gave no user")?.user_id;
    let signed = session::sign_in(channel, &email, &password).await?;
    let request_id = fixed_id(run, &format!("shares of {name}"));
    issue(admin, request_id, user_id, symbol).await?;
    let request = CreatePaymentRequest {
        request_id: fixed_id(run, &format!("deposit of {name}")),
        amount: Some(Money {
            currency_code: "USD".to_owned(),
            units: CASH,
            nanos: 0,
        }),
    };
    PaymentServiceClient::new(signed.clone())
        .create_payment(request)
        .await
        .context("depositing")?;
    funded(&signed).await?;
    Ok(signed)
}

/// Issues shares; the account may not be open yet, since it opens by an event.
async fn issue(
    admin: &SignedChannel,
    request_id: String,
    user_id: String,
    symbol: &str,
) -> anyhow::Result<()> {
    let request = IssueSharesRequest {
        request_id,
        user_id,
        shares: Some(Shares {
            symbol: symbol.to_owned(),
            quantity: SHARES,
        }),
    };
    let mut client = FundsServiceClient::new(admin.clone());
    let last = wait(async || match client.issue_shares(request.clone()).await {
        Ok(_) => Some(Ok(())),
        Err(status) if is_early(&status) => None,
        Err(status) => Some(Err(status)),
    })
    .await;
    match last {
        Some(outcome) => outcome.context("issuing shares"),
        None => bail!("the account did not open within {FUNDED_MAX:?}"),
    }
}

fn is_early(status: &Status) -> bool {
    matches!(status.code(), Code::FailedPrecondition | Code::NotFound)
}

/// Waits until the deposit is in the account.
async fn funded(user: &SignedChannel) -> anyhow::Result<()> {
    let mut client = FundsServiceClient::new(user.clone());
    let last = wait(async || {
        let request = GetBalancesRequest::default();
        match client.get_balances(request).await {
            Ok(reply) => {
                let has_cash = reply.into_inner().balances.iter().any(|balance| {
                    [&balance.available, &balance.locked]
                        .into_iter()
                        .flatten()
                        .any(|amount| {
                            matches!(&amount.asset, Some(Asset::Cash(cash)) if cash.units > 0)
                        })
                });
                has_cash.then_some(Ok(()))
            }
            Err(status) if is_early(&status) => None,
            Err(status) => Some(Err(status)),
        }
    })
    .await;
    match last {
        Some(outcome) => outcome.context("reading the balance"),
        None => bail!("the deposit did not arrive within {FUNDED_MAX:?}"),
    }
}

/// Looks until there is an answer, for at most [`FUNDED_MAX`].
async fn wait<T>(mut look: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let end = tokio::time::Instant::now() + FUNDED_MAX;
    loop {
        if let Some(found) = look().await {
            return Some(found);
        }
        if tokio::time::Instant::now() > end {
            return None;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
