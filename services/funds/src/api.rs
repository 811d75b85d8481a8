//! gRPC: requests to commands, documents to answers.

use std::sync::Arc;

use outcry_contracts::funds::v1 as wire;
use outcry_contracts::funds::v1::funds_service_server::FundsService;
use outcry_contracts::types::v1::Shares;
use outcry_events::money::Amount;
use outcry_mesh::{cause, refusal, subject, user};
use outcry_service::{answers, store_failure};
use tonic::{Code, Request, Response, Status};

use crate::desk::{Desk, Payout};
use crate::documents;
use crate::domain::locking::Need;
use crate::domain::{Account, Asset, Reason, Rejection, Slot, Value};
use crate::views;

const WITHDRAW: &str = "/outcry.funds.v1.FundsService/Withdraw";
const ISSUE_SHARES: &str = "/outcry.funds.v1.FundsService/IssueShares";

/// The methods of the service.
pub(crate) struct Api {
    desk: Arc<Desk>,
}

// === impl Api ===

impl Api {
    pub(crate) fn new(desk: Arc<Desk>) -> Api {
        Api { desk }
    }

    fn store(&self) -> &dyn outcry_store::Store {
        self.desk.ctx().store.as_ref()
    }
}

#[tonic::async_trait]
impl FundsService for Api {
    async fn get_balances(
        &self,
        request: Request<wire::GetBalancesRequest>,
    ) -> Result<Response<wire::GetBalancesResponse>, Status> {
        let user_id = subject(&request, &request.get_ref().user_id)?;
        let account = documents::account(self.store(), &user_id)
            .await
            .map_err(store_failure)?
            .ok_or_else(|| refusal::status(&Rejection::AccountNotReady))?;
        Ok(Response::new(wire::GetBalancesResponse {
            balances: balances(&account.document),
        }))
    }

    async fn list_transactions(
        &self,
        request: Request<wire::ListTransactionsRequest>,
    ) -> Result<Response<wire::ListTransactionsResponse>, Status> {
        let user_id = subject(&request, &request.get_ref().user_id)?;
        let page = request.into_inner().page;
        let listed = views::transactions(self.store(), &user_id, page).await?;
        Ok(Response::new(listed))
    }

    async fn withdraw(
        &self,
        request: Request<wire::WithdrawRequest>,
    ) -> Result<Response<wire::WithdrawResponse>, Status> {
        let user_id = user(&request)?.id.clone();
        let cause = cause(&request);
        let asked = request.get_ref();
        let amount = Amount::from_required(asked.amount.as_ref())
            .map_err(|error| refusal::invalid("amount", error.to_string()))?;
        let payout = Payout {
            user_id,
            amount,
            destination_last4: asked.destination_last4.clone(),
        };
        let (desk, ctx) = (&self.desk, self.desk.ctx());
        let reply = answers::once(
            ctx,
            &request,
            WITHDRAW,
            &asked.request_id,
            async |pending| {
                let answer = |withdrawal_id: &str, account: &Account| {
                    let reply = wire::WithdrawResponse {
                        withdrawal_id: withdrawal_id.to_owned(),
                        available: cash_available(account),
                        ..Default::default()
                    };
                    let answered = pending.answer(ctx, &reply);
                    (reply, answered)
                };
                Ok(desk.withdraw(&payout, &cause, answer).await?)
            },
        );
        Ok(Response::new(reply.await?))
    }

    async fn issue_shares(
        &self,
        request: Request<wire::IssueSharesRequest>,
    ) -> Result<Response<wire::IssueSharesResponse>, Status> {
        let cause = cause(&request);
        let asked = request.get_ref();
        let wanted = asked.shares.clone().unwrap_or_default();
        let shares = Value::shares(&wanted.symbol, wanted.quantity)
            .map_err(|error| refusal::invalid("shares", error.to_string()))?;
        let (desk, ctx) = (&self.desk, self.desk.ctx());
        let (user_id, reference) = (&asked.user_id, &asked.request_id);
        let reply = answers::once(ctx, &request, ISSUE_SHARES, reference, async |pending| {
            let answer = |account: &Account| {
                let reply = wire::IssueSharesResponse {
                    available: Some(Shares {
                        symbol: shares.asset().name().to_owned(),
                        quantity: account.balance(shares.asset()).available,
                    }),
                };
                let answered = pending.answer(ctx, &reply);
                (reply, answered)
            };
            let issued = desk.issue(user_id, &shares, reference, &cause, answer);
            Ok(issued.await?)
        });
        Ok(Response::new(reply.await?))
    }

    async fn lock_funds(
        &self,
        request: Request<wire::LockFundsRequest>,
    ) -> Result<Response<wire::LockFundsResponse>, Status> {
        let cause = cause(&request);
        let asked = request.into_inner();
        let need = Need {
            order_id: asked.order_id,
            revision: asked.revision,
            value: Value::from_message(asked.amount.as_ref())
                .map_err(|error| refusal::invalid("amount", error.to_string()))?,
            cumulative_quantity: asked.cumulative_quantity,
        };
        let lock = self.desk.lock(&asked.user_id, &need, &cause).await?;
        Ok(Response::new(wire::LockFundsResponse {
            lock: Some(lock.to_message()),
        }))
    }

    async fn release_funds(
        &self,
        request: Request<wire::ReleaseFundsRequest>,
    ) -> Result<Response<wire::ReleaseFundsResponse>, Status> {
        let cause = cause(&request);
        let asked = request.into_inner();
        let Some(reason) = Reason::of_order(asked.reason()) else {
            return Err(refusal::invalid("reason", "must be the end of an order"));
        };
        let released = self
            .desk
            .release(&asked.user_id, &asked.order_id, reason, &cause)
            .await?;
        Ok(Response::new(wire::ReleaseFundsResponse {
            lock: released.map(|lock| lock.to_message()),
        }))
    }

    async fn get_lock(
        &self,
        request: Request<wire::GetLockRequest>,
    ) -> Result<Response<wire::GetLockResponse>, Status> {
        let slot = documents::slot(self.store(), &request.get_ref().lock_id)
            .await
            .map_err(store_failure)?;
        let Some(Slot::Lock(lock)) = slot.map(|kept| kept.document) else {
            return Err(no_lock());
        };
        // To those who may not see it, it is not there: ids of others are nothing to learn.
        subject(&request, &lock.user_id).map_err(|_| no_lock())?;
        Ok(Response::new(wire::GetLockResponse {
            lock: Some(lock.to_message()),
        }))
    }

    async fn list_locks(
        &self,
        request: Request<wire::ListLocksRequest>,
    ) -> Result<Response<wire::ListLocksResponse>, Status> {
        let user_id = subject(&request, &request.get_ref().user_id)?;
        let page = request.into_inner().page;
        let locks = views::open_locks(self.store(), &user_id, page).await?;
        Ok(Response::new(locks))
    }

    async fn get_withdrawal(
        &self,
        _request: Request<outcry_contracts::funds::v1::GetWithdrawalRequest>,
    ) -> Result<Response<outcry_contracts::funds::v1::GetWithdrawalResponse>, Status> {
        Err(Status::unimplemented("not served yet"))
    }

    async fn list_withdrawals(
        &self,
        _request: Request<outcry_contracts::funds::v1::ListWithdrawalsRequest>,
    ) -> Result<Response<outcry_contracts::funds::v1::ListWithdrawalsResponse>, Status> {
        Err(Status::unimplemented("not served yet"))
    }

    async fn reverse_transaction(
        &self,
        _request: Request<outcry_contracts::funds::v1::ReverseTransactionRequest>,
    ) -> Result<Response<outcry_contracts::funds::v1::ReverseTransactionResponse>, Status> {
        Err(Status::unimplemented("not served yet"))
    }

    async fn list_suspense(
        &self,
        _request: Request<outcry_contracts::funds::v1::ListSuspenseRequest>,
    ) -> Result<Response<outcry_contracts::funds::v1::ListSuspenseResponse>, Status> {
        Err(Status::unimplemented("not served yet"))
    }

    async fn resolve_suspense(
        &self,
        _request: Request<outcry_contracts::funds::v1::ResolveSuspenseRequest>,
    ) -> Result<Response<outcry_contracts::funds::v1::ResolveSuspenseResponse>, Status> {
        Err(Status::unimplemented("not served yet"))
    }

    async fn list_accounts(
        &self,
        _request: Request<outcry_contracts::funds::v1::ListAccountsRequest>,
    ) -> Result<Response<outcry_contracts::funds::v1::ListAccountsResponse>, Status> {
        Err(Status::unimplemented("not served yet"))
    }

    async fn verify_account(
        &self,
        _request: Request<outcry_contracts::funds::v1::VerifyAccountRequest>,
    ) -> Result<Response<outcry_contracts::funds::v1::VerifyAccountResponse>, Status> {
        Err(Status::unimplemented("not served yet"))
    }
}

fn no_lock() -> Status {
    refusal::with_reason(Code::NotFound, "NO_SUCH_LOCK", "there is no such lock")
}

/// Balances of an account, cash first.
fn balances(account: &Account) -> Vec<wire::Balance> {
    let cash = Asset::cash();
    let shares = account.balances.keys().filter(|asset| !asset.is_cash());
    std::iter::once(&cash)
        .chain(shares)
        .map(|asset| wire::Balance {
            available: Some(account.available(asset).to_message()),
            locked: Some(account.locked(asset).to_message()),
        })
        .collect()
}

fn cash_available(account: &Account) -> Option<outcry_contracts::types::v1::Money> {
    let available = account.balance(&Asset::cash()).available;
    Amount::from_raw(available).ok().map(Amount::to_money)
}
