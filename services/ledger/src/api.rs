//! gRPC: reading the journal and verifying it.

use std::collections::BTreeMap;
use std::time::SystemTime;

use outcry_contracts::ledger::v1 as wire;
use outcry_contracts::ledger::v1::ledger_service_server::LedgerService;
use outcry_contracts::types::v1::{PageInfo, PageRequest};
use outcry_mesh::{refusal, subject, user};
use outcry_service::{Context, Page, store_failure};
use outcry_store::timer::{nanos, time_of};
use outcry_store::{Store, StoreError};
use tonic::{Code, Request, Response, Status};

use crate::books::{self, BookedEntry};
use crate::domain::{AccountName, Broken, Transaction, Verification};

/// The methods of the service.
pub(crate) struct Api {
    ctx: Context,
}

// === impl Api ===

impl Api {
    pub(crate) fn new(ctx: Context) -> Api {
        Api { ctx }
    }

    fn store(&self) -> &dyn Store {
        self.ctx.store.as_ref()
    }
}

#[tonic::async_trait]
impl LedgerService for Api {
    async fn get_transaction(
        &self,
        request: Request<wire::GetTransactionRequest>,
    ) -> Result<Response<wire::GetTransactionResponse>, Status> {
        let asked = request.into_inner();
        let number = match (asked.number, asked.key.as_str()) {
            (0, "") => return Err(refusal::invalid("number", "give a number or a key")),
            (0, key) => books::number_of(self.store(), key)
                .await
                .map_err(store_failure)?,
            (number, "") => Some(number),
            (_, _) => return Err(refusal::invalid("key", "give a number or a key, not both")),
        };
        let found = match number {
            None => None,
            Some(number) => books::transaction(self.store(), number)
                .await
                .map_err(store_failure)?,
        };
        let found = found.ok_or_else(|| {
            let message = "there is no such transaction";
            refusal::with_reason(Code::NotFound, "NO_SUCH_TRANSACTION", message)
        })?;
        Ok(Response::new(wire::GetTransactionResponse {
            transaction: Some(transaction_message(&found)),
        }))
    }

    async fn list_entries(
        &self,
        request: Request<wire::ListEntriesRequest>,
    ) -> Result<Response<wire::ListEntriesResponse>, Status> {
        let account = account_of(&request, &request.get_ref().account)?;
        let page = request.into_inner().page;
        let (entries, page) = entries_page(self.store(), &account, page).await?;
        Ok(Response::new(wire::ListEntriesResponse {
            entries: entries.iter().map(entry_message).collect(),
            page: Some(page),
        }))
    }

    async fn get_account_balance(
        &self,
        request: Request<wire::GetAccountBalanceRequest>,
    ) -> Result<Response<wire::GetAccountBalanceResponse>, Status> {
        let account = account_of(&request, &request.get_ref().account)?;
        let asked = request.into_inner();
        let at = asked.at.map(time).transpose()?;
        let balance = balance_at(self.store(), &account, asked.at_transaction_number, at).await?;
        Ok(Response::new(wire::GetAccountBalanceResponse {
            account: account.to_string(),
            asset: account.asset().to_owned(),
            balance,
        }))
    }

    async fn get_trial_balance(
        &self,
        _request: Request<wire::GetTrialBalanceRequest>,
    ) -> Result<Response<wire::GetTrialBalanceResponse>, Status> {
        let (accounts, number) = trial_balance(self.store()).await?;
        let accounts = accounts.into_iter().map(|(account, balance)| {
            let asset = account.asset().to_owned();
            wire::AccountBalance {
                account: account.to_string(),
                asset,
                balance,
            }
        });
        Ok(Response::new(wire::GetTrialBalanceResponse {
            accounts: accounts.collect(),
            transaction_number: number,
        }))
    }

    async fn verify_journal(
        &self,
        _request: Request<wire::VerifyJournalRequest>,
    ) -> Result<Response<wire::VerifyJournalResponse>, Status> {
        let (transactions, found) = verify(self.store()).await.map_err(store_failure)?;
        let intact = found.is_none();
        let (first_broken, problem) = match found {
            None => (0, String::new()),
            Some(broken) => (broken.number, broken.problem.to_string()),
        };
        if !intact {
            tracing::error!(first_broken, problem, "the journal does not hold");
        }
        Ok(Response::new(wire::VerifyJournalResponse {
            intact,
            transactions,
            first_broken,
            problem,
        }))
    }

    async fn list_transactions(
        &self,
        _request: Request<outcry_contracts::ledger::v1::ListTransactionsRequest>,
    ) -> Result<Response<outcry_contracts::ledger::v1::ListTransactionsResponse>, Status> {
        Err(Status::unimplemented("not served yet"))
    }

    async fn summarize_account(
        &self,
        _request: Request<outcry_contracts::ledger::v1::SummarizeAccountRequest>,
    ) -> Result<Response<outcry_contracts::ledger::v1::SummarizeAccountResponse>, Status> {
        Err(Status::unimplemented("not served yet"))
    }

    async fn reconcile(
        &self,
        _request: Request<outcry_contracts::ledger::v1::ReconcileRequest>,
    ) -> Result<Response<outcry_contracts::ledger::v1::ReconcileResponse>, Status> {
        Err(Status::unimplemented("not served yet"))
    }
}

/// The account a caller names: customers reach their own, operators all.
fn account_of<T>(request: &Request<T>, name: &str) -> Result<AccountName, Status> {
    let account = AccountName::parse(name).ok_or_else(|| {
        let message = "must be u:<user>:<asset>:avail, u:<user>:<asset>:locked, world:<asset>, \
                       house:fees:USD or issuer:<symbol>";
        refusal::invalid("account", message)
    })?;
    match account.owner() {
        Some(owner) => {
            subject(request, owner)?;
        }
        None if user(request)?.is_operator() => {}
        None => {
            let message = "this account is for operators only";
            return Err(refusal::with_reason(
                Code::PermissionDenied,
                "NOT_YOURS",
                message,
            ));
        }
    }
    Ok(account)
}

async fn entries_page(
    store: &dyn Store,
    account: &AccountName,
    page: Option<PageRequest>,
) -> Result<(Vec<BookedEntry>, PageInfo), Status> {
    let (rows, page) = Page::of(page)
        .read(store, books::entries_of(account))
        .await
        .map_err(store_failure)?;
    let entries = rows
        .iter()
        .map(|row| row.decode())
        .collect::<Result<_, StoreError>>()
        .map_err(store_failure)?;
    Ok((entries, page))
}

/// What an account held after a transaction (0 for any) and at a time.
async fn balance_at(
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
async fn trial_balance(store: &dyn Store) -> Result<(BTreeMap<AccountName, i64>, u64), Status> {
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
async fn verify(store: &dyn Store) -> Result<(u64, Option<Broken>), StoreError> {
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
    let mut kept = BTreeMap::new();
    for (account, balance) in books::balances(store).await? {
        if balance.number <= head.number {
            kept.insert(account, balance.balance);
        } else if let Some(balance) = verification.balances().get(&account) {
            kept.insert(account, *balance);
        }
    }
    let broken = verification.finish(&kept, &head).err();
    Ok((verification.number(), broken))
}

fn transaction_message(transaction: &Transaction) -> wire::LedgerTransaction {
    let entries = transaction.entries.iter().map(|entry| {
        entry_message(&BookedEntry {
            number: transaction.number,
            entry: entry.clone(),
            reference: transaction.reference.clone(),
            kind: transaction.kind,
            at_ns: transaction.at_ns,
        })
    });
    wire::LedgerTransaction {
        number: transaction.number,
        key: transaction.key.clone(),
        kind: transaction.kind,
        event_id: transaction.event_id.to_string(),
        entries: entries.collect(),
        at: Some(time_of(transaction.at_ns).into()),
        hash: transaction.hash.to_string(),
    }
}

fn entry_message(booked: &BookedEntry) -> wire::Entry {
    wire::Entry {
        transaction_number: booked.number,
        account: booked.entry.account.to_string(),
        asset: booked.entry.account.asset().to_owned(),
        amount: booked.entry.amount,
        balance_after: booked.entry.balance_after,
        reference: booked.reference.clone(),
        kind: booked.kind,
        at: Some(time_of(booked.at_ns).into()),
    }
}

fn time(at: prost_types::Timestamp) -> Result<SystemTime, Status> {
    SystemTime::try_from(at).map_err(|_| refusal::invalid("at", "is no time"))
}
