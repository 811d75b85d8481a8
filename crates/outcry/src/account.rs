//! `outcry account`: a user's money and shares.

use anyhow::{Context as _, bail};
use outcry_contracts::funds::v1::funds_service_client::FundsServiceClient;
use outcry_contracts::funds::v1::{Balance, GetBalancesRequest};
use outcry_contracts::payments::v1::payment_service_client::PaymentServiceClient;
use outcry_contracts::payments::v1::{
    CreatePaymentRequest, GetPaymentRequest, Payment, PaymentFailure, PaymentStatus,
};
use outcry_contracts::types::v1::asset_amount::Asset;
use outcry_contracts::types::v1::{AssetAmount, Money};
use outcry_contracts::users::v1::RegisterRequest;
use outcry_contracts::users::v1::user_service_client::UserServiceClient;
use outcry_events::Amount;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::arguments::trading::{Account, AccountDeposit, AccountRegister};
use crate::failure::Usage;
use crate::newcomer::{arrives, is_early};
use crate::output::Output;
use crate::patience::Patient;
use crate::session::{self, SignedChannel};

/// `outcry account …`
///
/// # Errors
/// The platform cannot be reached or refuses, or what was asked for does not arrive.
pub async fn run(account: Account, out: Output) -> anyhow::Result<()> {
    match account {
        Account::Register(register) => self::register(register, out).await,
        Account::Show(show) => {
            let channel = session::open(&show.target).await?;
            self::show(channel, out).await
        }
        Account::Deposit(deposit) => self::deposit(deposit, out).await,
    }
}

async fn register(register: AccountRegister, out: Output) -> anyhow::Result<()> {
    let target = &register.target;
    let (Some(email), Some(password)) = (&target.email, &target.password) else {
        return Err(Usage::new(
            "nobody is named: give --email, and the password as OUTCRY_PASSWORD",
        )
        .into());
    };
    let channel = session::site(target)?.connect().await?;
    let request = RegisterRequest {
        request_id: Uuid::now_v7().to_string(),
        email: email.clone(),
        password: password.clone(),
        display_name: register.name.unwrap_or_else(|| email.clone()),
    };
    let reply = UserServiceClient::new(Patient::new(channel.clone()))
        .register(request)
        .await
        .context("registering")?;
    let user = reply.into_inner().user.context("no user was answered")?;
    let signed = session::sign_in(channel, email, password).await?;
    let mut funds = FundsServiceClient::new(signed);
    let waiting = out.waiting("waiting for the account to open");
    arrives("the account", async || {
        match funds.get_balances(GetBalancesRequest::default()).await {
            Ok(_) => Ok(Some(())),
            Err(status) if is_early(&status) => Ok(None),
            Err(status) => Err(status),
        }
    })
    .await?;
    waiting.finish_and_clear();
    if out.is_json() {
        return out.document(&json!({ "userId": user.user_id, "email": email }));
    }
    out.line(format_args!(
        "{email} is registered, and has an account (user {})",
        user.user_id
    ))
}

async fn show(channel: SignedChannel, out: Output) -> anyhow::Result<()> {
    let reply = FundsServiceClient::new(channel)
        .get_balances(GetBalancesRequest::default())
        .await
        .context("asking for balances")?;
    let balances = reply.into_inner().balances;
    if out.is_json() {
        let rows: Vec<Value> = balances.iter().map(balance_json).collect();
        return out.document(&json!(rows));
    }
    let rows: Vec<Vec<String>> = balances
        .iter()
        .map(|balance| {
            let (asset, available) = asset(balance.available.as_ref());
            let (_, locked) = self::asset(balance.locked.as_ref());
            vec![asset, available, locked]
        })
        .collect();
    if rows.is_empty() {
        return out.line("nothing yet: `outcry account deposit 1000` puts money in");
    }
    out.table(&["ASSET", "AVAILABLE", "LOCKED"], &rows)
}

fn balance_json(balance: &Balance) -> Value {
    let (asset, available) = asset(balance.available.as_ref());
    let (_, locked) = self::asset(balance.locked.as_ref());
    json!({ "asset": asset, "available": available, "locked": locked })
}

/// Name and amount of money or shares.
fn asset(amount: Option<&AssetAmount>) -> (String, String) {
    match amount.and_then(|amount| amount.asset.as_ref()) {
        Some(Asset::Cash(money)) => (money.currency_code.clone(), cash(Some(money))),
        Some(Asset::Shares(shares)) => (shares.symbol.clone(), shares.quantity.to_string()),
        None => (String::new(), "0".to_owned()),
    }
}

fn cash(money: Option<&Money>) -> String {
    Amount::from_required(money).unwrap_or_default().to_string()
}

async fn deposit(deposit: AccountDeposit, out: Output) -> anyhow::Result<()> {
    let channel = session::open(&deposit.target).await?;
    let mut payments = PaymentServiceClient::new(channel.clone());
    let request = CreatePaymentRequest {
        request_id: deposit.repeat.id(),
        amount: Some(deposit.amount.to_money()),
    };
    let reply = payments
        .create_payment(request)
        .await
        .context("depositing")?;
    let begun = reply
        .into_inner()
        .payment
        .context("no payment was answered")?;
    let waiting = out.waiting("waiting for the money");
    let request = GetPaymentRequest {
        payment_id: begun.payment_id.clone(),
    };
    let payment = arrives("the deposit", async || {
        let reply = payments.get_payment(request.clone()).await?;
        let payment = reply.into_inner().payment;
        Ok(payment.filter(|payment| payment.status() != PaymentStatus::Pending))
    })
    .await?;
    waiting.finish_and_clear();
    told(&payment)?;
    if out.is_json() {
        return out.document(&json!({
            "paymentId": payment.payment_id,
            "amount": cash(payment.amount.as_ref()),
            "status": "SUCCESS",
        }));
    }
    out.line(format_args!(
        "{} deposited (payment {})",
        cash(payment.amount.as_ref()),
        payment.payment_id
    ))
}

/// An error for a payment that came to nothing.
fn told(payment: &Payment) -> anyhow::Result<()> {
    let why = match (payment.status(), payment.failure()) {
        (PaymentStatus::Success, _) => return Ok(()),
        (PaymentStatus::Expired, _) => "its time ran out",
        (_, PaymentFailure::Declined) => "the provider declined it",
        (_, PaymentFailure::AmountMismatch) => "the provider captured another amount",
        (_, PaymentFailure::CurrencyMismatch) => "the provider captured another currency",
        _ => "the provider failed",
    };
    bail!(
        "payment {} of {} failed: {why}",
        payment.payment_id,
        cash(payment.amount.as_ref())
    );
}
