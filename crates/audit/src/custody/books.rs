//! The ledger's journal against the events of funds: booked once, as they happened, in a chain.

use std::collections::{BTreeMap, HashMap};

use outcry_contracts::funds::v1::{
    DepositMethod, FundsDepositedEvent, FundsSettledEvent, FundsWithdrawnEvent, WithdrawalMethod,
};
use outcry_contracts::types::v1::asset_amount::Asset;
use outcry_contracts::types::v1::{AssetAmount, Money};
use serde_json::Value;
use uuid::Uuid;

use super::Ids;
use super::chain::{Chain, Transaction, is_outside};
use super::fold::{CASH, Held, held, price};
use crate::error::{AuditError, Outcome};
use crate::fact::{Fact, raw};
use crate::finding::Findings;
use crate::history::History;
use crate::stores::Stores;

/// Changes of accounts, by the ledger's names for them.
type Legs = BTreeMap<String, i128>;

pub async fn check(history: &History, stores: &Stores, findings: &mut Findings) -> Outcome<()> {
    let journal = stores.view("ledger", "journal").await?;
    let balances = stores.view("ledger", "balances").await?;
    let (Some(journal), Some(balances)) = (journal, balances) else {
        return Ok(());
    };
    let booked = check_journal(history, &journal, findings)?;
    check_balances(history, &booked, &balances, findings)?;
    // What the ledger heard of before it heard of what is used.
    let waiting = stores.view("ledger", "waiting").await?.unwrap_or_default();
    for recorded in history.of("funds").chain(history.of("payments")) {
        let id = recorded.event.id();
        if legs(&recorded.fact)?.is_none() || booked.contains(&id) {
            continue;
        }
        let waits = waiting.contains_key(&id.to_string());
        if !waits && stores.handled("ledger", &recorded.event).await? {
            findings.expect("I14", false, id, || {
                format!(
                    "the ledger handled {} without booking it",
                    recorded.event.topic()
                )
            });
        } else {
            findings.wait_for("booking by ledger");
        }
    }
    Ok(())
}

/// The chain holds, and each transaction is its event's. The events that are booked.
pub(super) fn check_journal(
    history: &History,
    journal: &BTreeMap<String, Value>,
    findings: &mut Findings,
) -> Outcome<Ids> {
    let mut chain = Chain::default();
    let mut booked = Ids::new();
    for (place, row) in journal {
        let transaction: Transaction =
            serde_json::from_value(row.clone()).map_err(|source| AuditError::Row {
                service: "ledger",
                view: "journal",
                key: place.clone(),
                source,
            })?;
        let followed = chain.follow(&transaction);
        findings.expect("I1", followed.is_ok(), place, || {
            followed.err().unwrap_or_default()
        });
        check_balanced(place, row, findings);
        let once = booked.insert(transaction.event_id);
        findings.expect("I1", once, place, || {
            format!("event {} is booked again", transaction.event_id)
        });
        check_legs(history, place, transaction.event_id, row, findings)?;
    }
    Ok(booked)
}

/// What some accounts lose is what others gain.
fn check_balanced(place: &str, row: &Value, findings: &mut Findings) {
    let mut sums: HashMap<String, i128> = HashMap::new();
    for (account, amount) in entries(row) {
        *sums.entry(asset(&account).to_owned()).or_default() += amount;
    }
    let balanced = !sums.is_empty() && sums.values().all(|sum| *sum == 0);
    findings.expect("I1", balanced, place, || {
        format!("the entries sum to {sums:?}")
    });
}

fn check_legs(
    history: &History,
    place: &str,
    event_id: Uuid,
    row: &Value,
    findings: &mut Findings,
) -> Outcome<()> {
    let event = history.event(event_id);
    let told = event.map(|recorded| legs(&recorded.fact)).transpose()?;
    let told = told.flatten().map(moved);
    let mut found = Legs::new();
    for (account, amount) in entries(row) {
        *found.entry(account).or_default() += amount;
    }
    // What only passes through an account, as a payout through clearing, moves nothing there.
    let same = told == Some(moved(found));
    findings.expect("I1", same, place, || {
        format!("it is not what event {event_id} moves")
    });
    Ok(())
}

/// The ledger holds what custody holds after the same events.
pub(super) fn check_balances(
    history: &History,
    booked: &Ids,
    rows: &BTreeMap<String, Value>,
    findings: &mut Findings,
) -> Outcome<()> {
    let mut told = Legs::new();
    for recorded in &history.events {
        if !booked.contains(&recorded.event.id()) {
            continue;
        }
        for (account, amount) in legs(&recorded.fact)?.into_iter().flatten() {
            *told.entry(account).or_default() += amount;
        }
    }
    for account in told.keys().chain(rows.keys()) {
        let told = told.get(account).copied().unwrap_or_default();
        let kept = rows.get(account).and_then(|row| row["balance"].as_i64());
        let kept = i128::from(kept.unwrap_or_default());
        findings.expect("I6", told == kept, account, || {
            format!("the ledger holds {kept}, events say {told}")
        });
    }
    Ok(())
}

fn entries(row: &Value) -> Vec<(String, i128)> {
    let entries = row["entries"].as_array().into_iter().flatten();
    entries
        .filter_map(|entry| {
            let account = entry["account"].as_str()?.to_owned();
            Some((account, i128::from(entry["amount"].as_i64()?)))
        })
        .collect()
}

/// Of `u:<user>:<asset>:<part>`, `world:<asset>`, `issuer:<symbol>`, `house:<purpose>:<asset>` and
/// `clearing:<purpose>:<asset>`.
fn asset(account: &str) -> &str {
    let place = if is_outside(account) { 1 } else { 2 };
    account.split(':').nth(place).unwrap_or_default()
}

/// What an event moves; none for one that moves nothing.
pub(super) fn legs(fact: &Fact) -> Outcome<Option<Legs>> {
    Ok(Some(match fact {
        Fact::FundsDeposited(event) => deposited(event)?,
        Fact::FundsWithdrawn(event) => withdrawn(event)?,
        Fact::FundsLocked(event) => {
            let (user, more) = (&event.user_id, held(event.amount.as_ref())?);
            let (from, to) = (available(user, &more.asset), locked(user, &more.asset));
            transfer(from, to, &more)
        }
        Fact::FundsReleased(event) => {
            let (user, back) = (&event.user_id, held(event.amount.as_ref())?);
            let (from, to) = (locked(user, &back.asset), available(user, &back.asset));
            transfer(from, to, &back)
        }
        Fact::FundsSettled(event) => settled(event)?,
        Fact::PaymentFailed(event) => match &event.captured {
            Some(money) => captured(money)?,
            None => return Ok(None),
        },
        _ => return Ok(None),
    }))
}

fn deposited(event: &FundsDepositedEvent) -> Outcome<Legs> {
    let came = held(event.amount.as_ref())?;
    let from = match event.method() {
        DepositMethod::Issue => format!("issuer:{}", came.asset),
        DepositMethod::Suspense => format!("house:suspense:{}", came.asset),
        _ => format!("world:{}", came.asset),
    };
    let to = available(&event.user_id, &came.asset);
    Ok(transfer(from, to, &came))
}

fn withdrawn(event: &FundsWithdrawnEvent) -> Outcome<Legs> {
    let gone = of_any_currency(event.amount.as_ref())?;
    let user = &event.user_id;
    let from = match event.method() {
        WithdrawalMethod::SuspenseRefund => format!("house:suspense:{}", gone.asset),
        WithdrawalMethod::Reversal => available(user, &gone.asset),
        _ => locked(user, &gone.asset),
    };
    // Shares that were issued go back to the issuer.
    let to = match event
        .amount
        .as_ref()
        .and_then(|amount| amount.asset.as_ref())
    {
        Some(Asset::Shares(_)) => format!("issuer:{}", gone.asset),
        _ => format!("world:{}", gone.asset),
    };
    Ok(transfer(from, to, &gone))
}

/// What was captured for a payment that failed waits in suspense.
fn captured(money: &Money) -> Outcome<Legs> {
    let came = money_of_any_currency(money)?;
    let from = format!("world:{}", came.asset);
    let to = format!("house:suspense:{}", came.asset);
    Ok(transfer(from, to, &came))
}

/// An amount that need not be in the currency accounts are kept in.
fn of_any_currency(amount: Option<&AssetAmount>) -> Outcome<Held> {
    match amount.and_then(|amount| amount.asset.as_ref()) {
        Some(Asset::Cash(money)) => money_of_any_currency(money),
        _ => held(amount),
    }
}

fn money_of_any_currency(money: &Money) -> Outcome<Held> {
    let number = Money {
        currency_code: CASH.to_owned(),
        ..money.clone()
    };
    Ok(Held {
        asset: money.currency_code.clone(),
        amount: raw(Some(&number))?,
    })
}

fn settled(event: &FundsSettledEvent) -> Outcome<Legs> {
    let price = price(event)?;
    let (buyer, seller) = (&event.buyer_user_id, &event.seller_user_id);
    let quantity = i128::from(event.quantity);
    let mut legs = Legs::new();
    let mut add = |account: String, amount: i128| *legs.entry(account).or_default() += amount;
    add(locked(buyer, CASH), -price.notional - price.buyer_fee);
    add(available(seller, CASH), price.notional - price.seller_fee);
    if price.buyer_fee + price.seller_fee != 0 {
        add(
            format!("house:fees:{CASH}"),
            price.buyer_fee + price.seller_fee,
        );
    }
    add(locked(seller, &event.symbol), -quantity);
    add(available(buyer, &event.symbol), quantity);
    Ok(legs)
}

/// The legs that change something.
fn moved(mut legs: Legs) -> Legs {
    legs.retain(|_, amount| *amount != 0);
    legs
}

fn transfer(from: String, to: String, held: &Held) -> Legs {
    Legs::from([(from, -held.amount), (to, held.amount)])
}

fn available(user: &str, asset: &str) -> String {
    format!("u:{user}:{asset}:avail")
}

fn locked(user: &str, asset: &str) -> String {
    format!("u:{user}:{asset}:locked")
}
