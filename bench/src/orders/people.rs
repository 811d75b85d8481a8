//! People with an account, money and shares, who are signed in.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::Context as _;
use outcry_contracts::funds::v1::funds_service_client::FundsServiceClient;
use outcry_contracts::funds::v1::{Balance, GetBalancesRequest, IssueSharesRequest};
use outcry_contracts::operations::v1::WatchStatusRequest;
use outcry_contracts::operations::v1::status_service_client::StatusServiceClient;
use outcry_contracts::payments::v1::CreatePaymentRequest;
use outcry_contracts::payments::v1::payment_service_client::PaymentServiceClient;
use outcry_contracts::types::v1::asset_amount::Asset;
use outcry_contracts::types::v1::{Money, Shares};
use outcry_contracts::users::v1::user_service_client::UserServiceClient;
use outcry_contracts::users::v1::{LoginRequest, RegisterRequest};
use tonic::Request;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use uuid::Uuid;

use super::installation::Site;

/// What everybody begins with: more than all orders of a run are worth.
const CASH: i64 = 50_000_000;
const SHARES: i64 = 5_000_000;

/// The password of all of them.
const PASSWORD: &str = "correct horse battery";

/// How long an account may take to open, and money to arrive.
const ARRIVES_MAX: Duration = Duration::from_secs(60);

/// Between two looks. Short: the time to the first order is measured with it.
const LOOK: Duration = Duration::from_millis(10);

/// A transport that signs every call.
pub type Signed = InterceptedService<Channel, Bearer>;

/// Adds the access token, the newest there is.
#[derive(Clone)]
pub struct Bearer(Arc<RwLock<MetadataValue<Ascii>>>);

/// Somebody who is signed in. Cheap to clone.
#[derive(Clone)]
pub struct Person {
    pub signed: Signed,
    pub user_id: String,
    channel: Channel,
    bearer: Bearer,
    email: String,
    password: String,
}

impl tonic::service::Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, tonic::Status> {
        let header = self.0.read().unwrap_or_else(PoisonError::into_inner);
        request
            .metadata_mut()
            .insert("authorization", header.clone());
        Ok(request)
    }
}

// === impl Person ===

impl Person {
    /// The administrator of a platform.
    pub async fn administrator(site: &Site) -> anyhow::Result<Self> {
        let known = site.administrator()?;
        Self::sign_in(site.connect().await?, known.email, known.password).await
    }

    /// Somebody new registers, and gets shares of `symbol` and cash.
    pub async fn come(
        site: &Site,
        admin: &Person,
        name: &str,
        symbol: &str,
    ) -> anyhow::Result<Self> {
        let channel = site.connect().await?;
        let email = format!("{name}@bench.example");
        let request = RegisterRequest {
            request_id: id(),
            email: email.clone(),
            password: PASSWORD.to_owned(),
            display_name: name.to_owned(),
        };
        UserServiceClient::new(channel.clone())
            .register(request)
            .await?;
        let person = Self::sign_in(channel, email, PASSWORD.to_owned()).await?;
        tokio::time::timeout(ARRIVES_MAX, person.fund(admin, symbol))
            .await
            .context("an account did not open, or money did not arrive")??;
        Ok(person)
    }

    async fn sign_in(channel: Channel, email: String, password: String) -> anyhow::Result<Self> {
        let (token, user_id) = token(&channel, &email, &password).await?;
        let bearer = Bearer(Arc::new(RwLock::new(token)));
        Ok(Self {
            signed: InterceptedService::new(channel.clone(), bearer.clone()),
            user_id,
            channel,
            bearer,
            email,
            password,
        })
    }

    /// Signs in again: tokens last a quarter of an hour.
    pub async fn renew(&self) -> anyhow::Result<()> {
        let (token, _) = token(&self.channel, &self.email, &self.password).await?;
        let mut header = self
            .bearer
            .0
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *header = token;
        Ok(())
    }

    /// Events of the platform that wait to be published, or to be handled, as an administrator is told.
    pub async fn events_waiting(&self) -> anyhow::Result<f64> {
        let mut status = StatusServiceClient::new(self.signed.clone());
        let reply = status.watch_status(WatchStatusRequest {}).await?;
        let now = reply.into_inner().message().await?.context("no status")?;
        let waiting = now.services.iter().map(|service| {
            let at_groups: u64 = service.groups.iter().map(|group| group.lag).sum();
            service.unsent_events + at_groups
        });
        Ok(waiting.sum::<u64>() as f64)
    }

    async fn fund(&self, admin: &Person, symbol: &str) -> anyhow::Result<()> {
        let issue = IssueSharesRequest {
            request_id: id(),
            user_id: self.user_id.clone(),
            shares: Some(Shares {
                symbol: symbol.to_owned(),
                quantity: SHARES,
            }),
        };
        // The account opens by an event, some time after the registration.
        let mut funds = FundsServiceClient::new(admin.signed.clone());
        while funds.issue_shares(issue.clone()).await.is_err() {
            tokio::time::sleep(LOOK).await;
        }
        let deposit = CreatePaymentRequest {
            request_id: id(),
            amount: dollars(CASH),
        };
        PaymentServiceClient::new(self.signed.clone())
            .create_payment(deposit)
            .await?;
        let mut funds = FundsServiceClient::new(self.signed.clone());
        loop {
            let reply = funds.get_balances(GetBalancesRequest::default()).await?;
            if has_cash(&reply.into_inner().balances) {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

async fn token(
    channel: &Channel,
    email: &str,
    password: &str,
) -> anyhow::Result<(MetadataValue<Ascii>, String)> {
    let request = LoginRequest {
        email: email.to_owned(),
        password: password.to_owned(),
    };
    let mut users = UserServiceClient::new(channel.clone());
    let reply = users.login(request).await?.into_inner();
    let token = reply.tokens.context("no token")?.access_token;
    let user_id = reply.user.context("no user")?.user_id;
    Ok((format!("Bearer {token}").parse()?, user_id))
}

fn has_cash(balances: &[Balance]) -> bool {
    balances
        .iter()
        .filter_map(|balance| balance.available.as_ref())
        .any(|amount| matches!(&amount.asset, Some(Asset::Cash(cash)) if cash.units > 0))
}

/// So many whole dollars.
pub fn dollars(units: i64) -> Option<Money> {
    Some(Money {
        currency_code: "USD".to_owned(),
        units,
        nanos: 0,
    })
}

/// An id nobody else has.
pub fn id() -> String {
    Uuid::now_v7().to_string()
}
