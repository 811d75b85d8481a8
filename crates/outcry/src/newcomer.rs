//! A user that the platform's own tools act as: registered, given shares and cash, signed in, like
//! anybody else through the public API.

use std::time::Duration;

use anyhow::{Context as _, bail};

use outcry_contracts::funds::v1::funds_service_client::FundsServiceClient;
use outcry_contracts::funds::v1::{Balance, GetBalancesRequest, IssueSharesRequest};
use outcry_contracts::payments::v1::CreatePaymentRequest;
use outcry_contracts::payments::v1::payment_service_client::PaymentServiceClient;
use outcry_contracts::types::v1::asset_amount::Asset;
use outcry_contracts::types::v1::{Money, Shares};
use outcry_contracts::users::v1::user_service_client::UserServiceClient;
use outcry_contracts::users::v1::{GetMeRequest, RegisterRequest};
use tokio::time::Instant;
use tonic::{Code, Status};

use crate::fixed_id::fixed_id;
use crate::patience::Patient;
use crate::session::{self, SignedChannel};
use crate::site::Site;

/// How long something that comes by an event may take: an account opens and a deposit arrives so.
const ARRIVES_MAX: Duration = Duration::from_secs(60);

/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Who is to be made. The same one made again is the same user, and gets nothing twice.
pub struct Newcomer<'a> {
    /// E-mail address to sign in with.
    pub email: String,
    /// Password to sign in with.
    pub password: String,
    /// Name for people.
    pub display_name: String,
    /// Names the requests: the same name gives the same request ids.
    pub name: String,
    /// What gets shares.
    pub symbols: &'a [String],
    /// Shares of each.
    pub shares: i64,
    /// Cash, in currency units.
    pub cash: i64,
}

// === impl Newcomer ===

impl Newcomer<'_> {
    /// Registers, signs in, and asks for shares and cash; the cash arrives a little later.
    ///
    /// # Errors
    /// The platform refuses, or the account does not open within a minute.
    pub async fn welcome(
        &self,
        site: &Site,
        admin: &SignedChannel,
    ) -> anyhow::Result<SignedChannel> {
        let channel = site.connect().await?;
        let request = RegisterRequest {
            request_id: self.id("register"),
            email: self.email.clone(),
            password: self.password.clone(),
            display_name: self.display_name.clone(),
        };
        match UserServiceClient::new(Patient::new(channel.clone()))
            .register(request)
            .await
        {
            Ok(_) => {}
            // The answer to the first registration has been forgotten; the user has not.
            Err(status) if status.code() == Code::AlreadyExists => {}
            Err(status) => return Err(status).context("registering"),
        }
        let signed = session::sign_in(channel, &self.email, &self.password).await?;
        let me = UserServiceClient::new(signed.clone())
            .get_me(GetMeRequest {})
            .await
            .context("asking who this is")?;
        let user_id = me
            .into_inner()
            .user
            .context("no user was answered")?
            .user_id;
        for symbol in self.symbols {
            let request = IssueSharesRequest {
                request_id: self.id(&format!("issue {symbol}")),
                user_id: user_id.clone(),
                shares: Some(Shares {
                    symbol: symbol.clone(),
                    quantity: self.shares,
                }),
            };
            issue(admin, &request).await?;
        }
        let request = CreatePaymentRequest {
            request_id: self.id("deposit"),
            amount: Some(Money {
                currency_code: "USD".to_owned(),
                units: self.cash,
                nanos: 0,
            }),
        };
        PaymentServiceClient::new(signed.clone())
            .create_payment(request)
            .await
            .context("depositing")?;
        Ok(signed)
    }

    /// The same, and waits for the cash.
    ///
    /// # Errors
    /// As [`welcome`](Self::welcome), or the cash does not arrive within a minute.
    pub async fn settle_in(
        &self,
        site: &Site,
        admin: &SignedChannel,
    ) -> anyhow::Result<SignedChannel> {
        let signed = self.welcome(site, admin).await?;
        let mut funds = FundsServiceClient::new(signed.clone());
        arrives("the deposit", async || {
            match funds.get_balances(GetBalancesRequest::default()).await {
                Ok(reply) => Ok(has_cash(&reply.into_inner().balances).then_some(())),
                Err(status) if is_early(&status) => Ok(None),
                Err(status) => Err(status),
            }
        })
        .await?;
        Ok(signed)
    }

    fn id(&self, what: &str) -> String {
        fixed_id(&self.name, what)
    }
}

fn has_cash(balances: &[Balance]) -> bool {
    balances
        .iter()
        .flat_map(|balance| [&balance.available, &balance.locked])
        .flatten()
        .any(|amount| matches!(&amount.asset, Some(Asset::Cash(cash)) if cash.units > 0))
}

/// Issues shares once the account is open.
async fn issue(admin: &SignedChannel, request: &IssueSharesRequest) -> anyhow::Result<()> {
    let mut funds = FundsServiceClient::new(admin.clone());
    arrives("the account", async || {
        match funds.issue_shares(request.clone()).await {
            Ok(_) => Ok(Some(())),
            Err(status) if is_early(&status) => Ok(None),
            Err(status) => Err(status),
        }
    })
    .await
}

/// Whether the account has not opened yet.
pub fn is_early(status: &Status) -> bool {
    matches!(status.code(), Code::FailedPrecondition | Code::NotFound)
}

/// Looks until there is something, for at most a minute.
///
/// # Errors
/// Looking failed, or nothing came.
pub async fn arrives<T>(
    what: &str,
    mut look: impl AsyncFnMut() -> Result<Option<T>, Status>,
) -> anyhow::Result<T> {
    let end = Instant::now() + ARRIVES_MAX;
    loop {
        if let Some(found) = look()
            .await
            .with_context(|| format!("waiting for {what}"))?
        {
            return Ok(found);
        }
        if Instant::now() > end {
            bail!(
                "{what} did not arrive within {ARRIVES_MAX:?}; `outcry doctor` and `outcry top` show what holds events up"
            );
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
