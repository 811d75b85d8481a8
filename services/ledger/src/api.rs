//! gRPC: reading the journal, verifying it, and comparing it with custody.

use std::time::SystemTime;

use outcry_contracts::ledger::v1 as wire;
use outcry_contracts::ledger::v1::ledger_service_server::LedgerService;
use outcry_contracts::types::v1::{PageInfo, PageRequest};
use outcry_mesh::{cause, refusal, subject, user};
use outcry_service::{Context, Page, store_failure};
use outcry_store::timer::nanos;
use outcry_store::{Store, StoreError};
use tonic::{Code, Request, Response, Status};

use crate::books::{self, BookedEntry};
use crate::domain::chart::FORMS;
use crate::domain::{AccountName, DIFFERENCES_MAX};
use crate::listing::{self, Filter};
use crate::reconciling;
use crate::shown;
use crate::verifying::{balance_at, trial_balance, verify};

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
            transaction: Some(shown::transaction(&found)),
        }))
    }

    async fn list_entries(
        &self,
        request: Request<wire::ListEntriesRequest>,
    ) -> Result<Response<wire::ListEntriesResponse>, Status> {
        let account = account_of(&request, &request.get_ref().account)?;
        let asked = request.into_inner();
        let kind = kind_of(asked.kind());
        let (entries, page) = entries_page(self.store(), &account, kind, asked.page).await?;
        Ok(Response::new(wire::ListEntriesResponse {
            entries: entries.iter().map(shown::entry).collect(),
            page: Some(page),
        }))
    }

    async fn get_account_balance(
        &self,
        request: Request<wire::GetAccountBalanceRequest>,
    ) -> Result<Response<wire::GetAccountBalanceResponse>, Status> {
        let account = account_of(&request, &request.get_ref().account)?;
        let asked = request.into_inner();
        let at = asked.at.map(|at| time("at", at)).transpose()?;
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
        request: Request<wire::ListTransactionsRequest>,
    ) -> Result<Response<wire::ListTransactionsResponse>, Status> {
        let asked = request.into_inner();
        let filter = Filter {
            kind: kind_of(asked.kind()),
            from_ns: asked.from.map(|at| time_ns("from", at)).transpose()?,
            to_ns: asked.to.map(|at| time_ns("to", at)).transpose()?,
            reference: asked.reference,
        };
        let listed = listing::transactions(self.store(), &filter, asked.page).await;
        let (transactions, page) = listed.map_err(store_failure)?;
        Ok(Response::new(wire::ListTransactionsResponse {
            transactions: transactions.iter().map(shown::transaction).collect(),
            page: Some(page),
        }))
    }

    async fn summarize_account(
        &self,
        request: Request<wire::SummarizeAccountRequest>,
    ) -> Result<Response<wire::SummarizeAccountResponse>, Status> {
        let account = account_of(&request, &request.get_ref().account)?;
        let kept = books::balance(self.store(), &account).await;
        let kept = kept.map_err(store_failure)?.unwrap_or_default();
        Ok(Response::new(shown::summary(&account, &kept)))
    }

    async fn reconcile(
        &self,
        request: Request<wire::ReconcileRequest>,
    ) -> Result<Response<wire::ReconcileResponse>, Status> {
        let (compared, number) =
            reconciling::reconcile(&self.ctx, &cause(&request), DIFFERENCES_MAX).await?;
        if compared.found() > 0 {
            tracing::warn!(
                differences = compared.found(),
                number,
                "books and custody differ"
            );
        }
        Ok(Response::new(shown::reconciliation(&compared, number)))
    }
}

/// The account a caller names: customers reach their own, operators all.
fn account_of<T>(request: &Request<T>, name: &str) -> Result<AccountName, Status> {
    let account = AccountName::parse(name)
        .ok_or_else(|| refusal::invalid("account", format!("must be {FORMS}")))?;
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
    kind: Option<i32>,
    page: Option<PageRequest>,
) -> Result<(Vec<BookedEntry>, PageInfo), Status> {
    let scan = match kind {
        None => books::entries_of(account),
        Some(kind) => books::entries_of_kind(account, kind),
    };
    let (rows, page) = Page::of(page)
        .read(store, scan)
        .await
        .map_err(store_failure)?;
    let entries = rows
        .iter()
        .map(|row| row.decode())
        .collect::<Result<_, StoreError>>()
        .map_err(store_failure)?;
    Ok((entries, page))
}

/// The kind that is wanted; none for any.
fn kind_of(kind: wire::TransactionKind) -> Option<i32> {
    (kind != wire::TransactionKind::Unspecified).then_some(kind.into())
}

fn time(field: &'static str, at: prost_types::Timestamp) -> Result<SystemTime, Status> {
    SystemTime::try_from(at).map_err(|_| refusal::invalid(field, "is no time"))
}

fn time_ns(field: &'static str, at: prost_types::Timestamp) -> Result<i64, Status> {
    nanos(time(field, at)?).ok_or_else(|| refusal::invalid(field, "is out of range"))
}
