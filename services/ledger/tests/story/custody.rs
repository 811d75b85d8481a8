//! A funds service that holds what it is told to hold, one account per page.

use std::sync::{Arc, Mutex};

use outcry_contracts::funds::v1::funds_service_server::{FundsService, FundsServiceServer};
use outcry_contracts::funds::v1::*;
use outcry_contracts::types::v1::{AssetAmount, PageInfo};
use outcry_service::{Context, Service};
use tonic::service::Routes;
use tonic::{Request, Response, Status};

type Answer<T> = Result<Response<T>, Status>;

/// What custody says it holds; nothing at all makes it silent.
#[derive(Clone, Default)]
pub struct Custody(Arc<Mutex<Option<Vec<Account>>>>);

/// What a user holds of one asset.
pub fn balance(available: Option<AssetAmount>, locked: Option<AssetAmount>) -> Balance {
    Balance { available, locked }
}

impl Custody {
    /// The service, to be started.
    pub fn service(&self, ctx: &Context) -> (Context, Service) {
        let routes = Routes::new(FundsServiceServer::new(self.clone()));
        (ctx.clone(), Service::new(ctx.service).serves(routes))
    }

    /// From now on it holds this for these users.
    pub fn holds(&self, accounts: &[(&str, &[Balance])]) {
        let accounts = accounts.iter().map(|(user_id, balances)| Account {
            user_id: (*user_id).to_owned(),
            balances: balances.to_vec(),
            suspended: false,
        });
        *self.0.lock().unwrap() = Some(accounts.collect());
    }
}

#[tonic::async_trait]
impl FundsService for Custody {
    async fn list_accounts(
        &self,
        request: Request<ListAccountsRequest>,
    ) -> Answer<ListAccountsResponse> {
        let accounts = self.0.lock().unwrap().clone();
        let accounts = accounts.ok_or_else(|| Status::unavailable("nobody is there"))?;
        let token = request.into_inner().page.unwrap_or_default().token;
        let place: usize = token.parse().unwrap_or(0);
        let next = place + 1;
        let next_token = match next < accounts.len() {
            true => next.to_string(),
            false => String::new(),
        };
        Ok(Response::new(ListAccountsResponse {
            accounts: accounts.into_iter().skip(place).take(1).collect(),
            page: Some(PageInfo { next_token }),
        }))
    }

    async fn get_balances(&self, _: Request<GetBalancesRequest>) -> Answer<GetBalancesResponse> {
        Err(not_here())
    }

    async fn list_transactions(
        &self,
        _: Request<ListTransactionsRequest>,
    ) -> Answer<ListTransactionsResponse> {
        Err(not_here())
    }

    async fn withdraw(&self, _: Request<WithdrawRequest>) -> Answer<WithdrawResponse> {
        Err(not_here())
    }

    async fn issue_shares(&self, _: Request<IssueSharesRequest>) -> Answer<IssueSharesResponse> {
        Err(not_here())
    }

    async fn lock_funds(&self, _: Request<LockFundsRequest>) -> Answer<LockFundsResponse> {
        Err(not_here())
    }

    async fn release_funds(&self, _: Request<ReleaseFundsRequest>) -> Answer<ReleaseFundsResponse> {
        Err(not_here())
    }

    async fn get_lock(&self, _: Request<GetLockRequest>) -> Answer<GetLockResponse> {
        Err(not_here())
    }

    async fn list_locks(&self, _: Request<ListLocksRequest>) -> Answer<ListLocksResponse> {
        Err(not_here())
    }

    async fn get_withdrawal(
        &self,
        _: Request<GetWithdrawalRequest>,
    ) -> Answer<GetWithdrawalResponse> {
        Err(not_here())
    }

    async fn list_withdrawals(
        &self,
        _: Request<ListWithdrawalsRequest>,
    ) -> Answer<ListWithdrawalsResponse> {
        Err(not_here())
    }

    async fn reverse_transaction(
        &self,
        _: Request<ReverseTransactionRequest>,
    ) -> Answer<ReverseTransactionResponse> {
        Err(not_here())
    }

    async fn list_suspense(&self, _: Request<ListSuspenseRequest>) -> Answer<ListSuspenseResponse> {
        Err(not_here())
    }

    async fn resolve_suspense(
        &self,
        _: Request<ResolveSuspenseRequest>,
    ) -> Answer<ResolveSuspenseResponse> {
        Err(not_here())
    }

    async fn verify_account(
        &self,
        _: Request<VerifyAccountRequest>,
    ) -> Answer<VerifyAccountResponse> {
        Err(not_here())
    }
}

fn not_here() -> Status {
    Status::unimplemented("the ledger asks for accounts only")
}
