//! A funds service that does as it is told: locks, refuses, or does not answer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use outcry_contracts::funds::v1::funds_service_server::{FundsService, FundsServiceServer};
use outcry_contracts::funds::v1::*;
use outcry_contracts::types::v1::AssetAmount;
use outcry_mesh::refusal::with_reason;
use tonic::service::Routes;
use tonic::{Code, Request, Response, Status};

/// How a call goes.
#[derive(Clone, Debug)]
pub enum Manner {
    /// As it should.
    Well,
    /// Refused for this reason.
    Refuse(&'static str),
    /// Nothing is done, and no answer comes.
    Silent,
    /// It is done, but the answer is lost.
    AnswerLost,
}

/// What custody has been asked and how it behaves. Survives crashes of the platform.
#[derive(Clone, Default)]
pub struct Custody(Arc<Mutex<Books>>);

#[derive(Default)]
struct Books {
    /// How the next calls go; well, when there is nothing more.
    manners: Vec<Manner>,
    /// Everything that was asked.
    asked: Vec<LockFundsRequest>,
    /// What is locked: revision and amount.
    locks: BTreeMap<String, (u32, AssetAmount)>,
    given_up: Vec<String>,
}

impl Custody {
    /// The next calls go like this, one after the other.
    pub fn next(&self, manners: impl IntoIterator<Item = Manner>) {
        self.0.lock().unwrap().manners.extend(manners);
    }

    /// How often something was to be locked for the order.
    pub fn asked(&self, order_id: &str) -> Vec<LockFundsRequest> {
        let books = self.0.lock().unwrap();
        let of_order = |asked: &&LockFundsRequest| asked.order_id == order_id;
        books.asked.iter().filter(of_order).cloned().collect()
    }

    pub fn asked_at_all(&self) -> usize {
        self.0.lock().unwrap().asked.len()
    }

    pub fn locked(&self, order_id: &str) -> Option<AssetAmount> {
        let books = self.0.lock().unwrap();
        books.locks.get(order_id).map(|(_, amount)| amount.clone())
    }

    pub fn has_given_up(&self, order_id: &str) -> bool {
        self.0
            .lock()
            .unwrap()
            .given_up
            .iter()
            .any(|id| id == order_id)
    }

    pub fn routes(&self) -> Routes {
        Routes::new(FundsServiceServer::new(self.clone()))
    }

    fn manner(&self) -> Manner {
        let mut books = self.0.lock().unwrap();
        if books.manners.is_empty() {
            return Manner::Well;
        }
        books.manners.remove(0)
    }

    fn lock(&self, asked: LockFundsRequest) {
        let mut books = self.0.lock().unwrap();
        let (revision, amount) = (asked.revision, asked.amount.unwrap());
        let lock = books
            .locks
            .entry(asked.order_id)
            .or_insert((revision, amount.clone()));
        if revision > lock.0 {
            *lock = (revision, amount);
        }
    }
}

type Answer<T> = Result<Response<T>, Status>;

fn unasked<T>() -> Answer<T> {
    Err(Status::unimplemented("orders does not ask this"))
}

#[tonic::async_trait]
impl FundsService for Custody {
    async fn lock_funds(&self, request: Request<LockFundsRequest>) -> Answer<LockFundsResponse> {
        let asked = request.into_inner();
        self.0.lock().unwrap().asked.push(asked.clone());
        match self.manner() {
            Manner::Well => self.lock(asked),
            Manner::Refuse(reason) => {
                let message = "3.00 USD is available, 5.00 USD is needed";
                return Err(with_reason(Code::FailedPrecondition, reason, message));
            }
            Manner::Silent => std::future::pending().await,
            Manner::AnswerLost => {
                self.lock(asked);
                return Err(Status::unavailable("the connection broke"));
            }
        }
        Ok(Response::new(LockFundsResponse::default()))
    }

    async fn release_funds(
        &self,
        request: Request<ReleaseFundsRequest>,
    ) -> Answer<ReleaseFundsResponse> {
        let order_id = request.into_inner().order_id;
        self.0.lock().unwrap().given_up.push(order_id);
        Ok(Response::new(ReleaseFundsResponse::default()))
    }

    async fn get_balances(&self, _: Request<GetBalancesRequest>) -> Answer<GetBalancesResponse> {
        unasked()
    }

    async fn list_transactions(
        &self,
        _: Request<ListTransactionsRequest>,
    ) -> Answer<ListTransactionsResponse> {
        unasked()
    }

    async fn withdraw(&self, _: Request<WithdrawRequest>) -> Answer<WithdrawResponse> {
        unasked()
    }

    async fn issue_shares(&self, _: Request<IssueSharesRequest>) -> Answer<IssueSharesResponse> {
        unasked()
    }

    async fn get_lock(&self, _: Request<GetLockRequest>) -> Answer<GetLockResponse> {
        unasked()
    }

    async fn list_locks(&self, _: Request<ListLocksRequest>) -> Answer<ListLocksResponse> {
        unasked()
    }

    async fn get_withdrawal(
        &self,
        _: Request<GetWithdrawalRequest>,
    ) -> Result<Response<GetWithdrawalResponse>, Status> {
        unasked()
    }

    async fn list_withdrawals(
        &self,
        _: Request<ListWithdrawalsRequest>,
    ) -> Result<Response<ListWithdrawalsResponse>, Status> {
        unasked()
    }

    async fn reverse_transaction(
        &self,
        _: Request<ReverseTransactionRequest>,
    ) -> Result<Response<ReverseTransactionResponse>, Status> {
        unasked()
    }

    async fn list_suspense(
        &self,
        _: Request<ListSuspenseRequest>,
    ) -> Result<Response<ListSuspenseResponse>, Status> {
        unasked()
    }

    async fn resolve_suspense(
        &self,
        _: Request<ResolveSuspenseRequest>,
    ) -> Result<Response<ResolveSuspenseResponse>, Status> {
        unasked()
    }

    async fn list_accounts(
        &self,
        _: Request<ListAccountsRequest>,
    ) -> Result<Response<ListAccountsResponse>, Status> {
        unasked()
    }

    async fn verify_account(
        &self,
        _: Request<VerifyAccountRequest>,
    ) -> Result<Response<VerifyAccountResponse>, Status> {
        unasked()
    }
}
