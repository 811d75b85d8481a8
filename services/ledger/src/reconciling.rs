//! The books against custody: every balance asked for, page by page.

use std::time::Duration;

use outcry_contracts::funds::v1::funds_service_client::FundsServiceClient;
use outcry_contracts::funds::v1::{Account, Balance, ListAccountsRequest};
use outcry_contracts::types::v1::{AssetAmount, PageRequest, asset_amount};
use outcry_events::Cause;
use outcry_events::money::{Amount, CURRENCY};
use outcry_mesh::{Channel, correlate, refusal};
use outcry_service::Context;
use tonic::{Code, Request, Status};

use crate::domain::{AccountName, Reconciliation};
use crate::verifying::trial_balance;

/// Accounts asked for at a time: the most the contract promises.
const PAGE: i32 = 500;

/// How long one page of accounts is waited for.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Compares every account and keeps so many differences; with the number of the last transaction that counted.
///
/// Custody is read after the books, so it may be ahead by what is on its way to them.
pub(crate) async fn reconcile(
    ctx: &Context,
    cause: &Cause,
    differences_max: usize,
) -> Result<(Reconciliation, u64), Status> {
    let (books, number) = trial_balance(ctx.store.as_ref()).await?;
    let mut compared = Reconciliation::keeping(books, differences_max);
    let mut custody = FundsServiceClient::new(ctx.channel("funds"));
    let mut token = String::new();
    loop {
        let (accounts, next) = page(&mut custody, cause, token).await?;
        for account in &accounts {
            for balance in &account.balances {
                for (name, amount) in held(account, balance)? {
                    compared.told(name, amount);
                }
            }
        }
        if next.is_empty() {
            return Ok((compared.finish(), number));
        }
        token = next;
    }
}

async fn page(
    custody: &mut FundsServiceClient<Channel>,
    cause: &Cause,
    token: String,
) -> Result<(Vec<Account>, String), Status> {
    let page = PageRequest { size: PAGE, token };
    let mut request = Request::new(ListAccountsRequest { page: Some(page) });
    request.set_timeout(CALL_TIMEOUT);
    correlate(&mut request, cause);
    let listed = custody.list_accounts(request).await.map_err(|status| {
        tracing::warn!(code = ?status.code(), "custody does not tell its accounts");
        let message = "custody does not tell its accounts; try again";
        refusal::with_reason(Code::Unavailable, "CUSTODY_UNAVAILABLE", message)
    })?;
    let listed = listed.into_inner();
    let next = listed.page.unwrap_or_default().next_token;
    Ok((listed.accounts, next))
}

/// What custody holds of one asset for one user, under the names of the books.
fn held(account: &Account, balance: &Balance) -> Result<[(AccountName, i64); 2], Status> {
    let user_id = &account.user_id;
    let (asset, available) = read(balance.available.as_ref()).ok_or_else(unreadable)?;
    let (same, locked) = read(balance.locked.as_ref()).ok_or_else(unreadable)?;
    if asset != same {
        return Err(unreadable());
    }
    Ok([
        (AccountName::available(user_id, &asset), available),
        (AccountName::locked(user_id, &asset), locked),
    ])
}

fn read(amount: Option<&AssetAmount>) -> Option<(String, i64)> {
    match amount?.asset.as_ref()? {
        asset_amount::Asset::Cash(money) => {
            let amount = Amount::from_money(money).ok()?;
            Some((CURRENCY.to_owned(), amount.raw()))
        }
        asset_amount::Asset::Shares(shares) => Some((shares.symbol.clone(), shares.quantity)),
    }
}

fn unreadable() -> Status {
    let message = "custody told a balance that is none";
    refusal::with_reason(Code::Internal, "CUSTODY_UNREADABLE", message)
}
