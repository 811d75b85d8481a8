//! Balances at a number or time, and the whole journal recomputed.

use std::collections::BTreeMap;
use std::time::SystemTime;

use outcry_mesh::refusal;
use outcry_service::store_failure;
use outcry_store::timer::nanos;
use outcry_store::{Store, StoreError};
use tonic::Status;

use crate::books;
use crate::domain::{AccountName, Broken, Verification};

/// What an account held after a transaction (0 for any) and at a time.
pub(crate) async fn balance_at(
    store: &dyn Store,
    account: &AccountName,
    number: u64,
    at: Option<SystemTime>,
) -> Result<i64, Status> {
    let at_ns = match at {
        None => i64::MAX,
        Some(at) => nanos(at).ok_or_else(|| refusal::invalid("at", "is out of range"))?,
    };
    if number == 0 && at.is_none() {
        let kept = books::balance(store, account)
            .await
            .map_err(store_failure)?;
        return Ok(kept.map_or(0, |kept| kept.balance));
    }
    let until = if number == 0 { u64::MAX } else { number };
    let last = books::last_entry(store, account, |entry| {
        entry.number <= until && entry.at_ns <= at_ns
    });
    let last = last.await.map_err(store_failure)?;
    Ok(last.map_or(0, |last| last.entry.balance_after))
}

/// Balances of all accounts at one number. The journal goes on while they are read: accounts that
/// were booked on meanwhile are taken back to that number.
pub(crate) async fn trial_balance(
    store: &dyn Store,
) -> Result<(BTreeMap<AccountName, i64>, u64), Status> {
    let (head, _) = books::head(store).await.map_err(store_failure)?;
    let kept = books::balances(store).await.map_err(store_failure)?;
    let mut balances = BTreeMap::new();
    for (account, kept) in kept {
        let balance = match head.number {
            number if kept.number <= number => kept.balance,
            0 => 0,
            number => balance_at(store, &account, number, None).await?,
        };
        balances.insert(account, balance);
    }
    Ok((balances, head.number))
}

/// Follows the journal from its beginning to where it ends now: how many transactions hold, and
/// what does not.
pub(crate) async fn verify(store: &dyn Store) -> Result<(u64, Option<Broken>), StoreError> {
    let (head, _) = books::head(store).await?;
    let mut verification = Verification::default();
    let mut after = None;
    while verification.number() < head.number {
        let (transactions, next) = books::transactions(store, after).await?;
        for transaction in &transactions {
            if verification.number() == head.number {
                break;
            }
            if let Err(broken) = verification.follow(transaction) {
                return Ok((verification.number(), Some(broken)));
            }
        }
        match next {
            Some(cursor) => after = Some(cursor),
            None => break,
        }
    }
    // Accounts that were booked on meanwhile are left out on both sides.
    let (mut kept, mut summaries) = (BTreeMap::new(), BTreeMap::new());
    for (account, balance) in books::balances(store).await? {
        if balance.number <= head.number {
            summaries.insert(account.clone(), balance.summary);
            kept.insert(account, balance.balance);
        } else if let Some(balance) = verification.balances().get(&account) {
            kept.insert(account, *balance);
        }
    }
    let finished = verification.finish(&kept, &head);
    let broken = finished
        .and_then(|()| verification.check_summaries(&summaries))
        .err();
    Ok((verification.number(), broken))
}
