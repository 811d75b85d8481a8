//! gRPC: requests to commands, documents to answers.

use std::sync::Arc;

use outcry_contracts::funds::v1 as wire;
use outcry_contracts::funds::v1::funds_service_server::FundsService;
use outcry_events::money::Amount;
use outcry_mesh::{cause, refusal, subject, user};
use outcry_service::{answers, store_failure};
use tonic::{Code, Request, Response, Status};

use crate::desk::Desk;
use crate::documents;
use crate::domain::locking::Need;
use crate::domain::withdrawal::Payout;
use crate::domain::{Account, Outcome, Reason, Rejection, Slot, SuspenseItem, Value, Withdrawal};
use crate::{shown, verifying, views};

const WITHDRAW: &str = "/outcry.funds.v1.FundsService/Withdraw";
const REVERSE_TRANSACTION: &str = "/outcry.funds.v1.FundsService/ReverseTransaction";
const RESOLVE_SUSPENSE: &str = "/outcry.funds.v1.FundsService/ResolveSuspense";
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
            balances: shown::balances(&account.document),
        }))
    }

    async fn list_transactions(
        &self,
        request: Request<wire::ListTransactionsRequest>,
    ) -> Result<Response<wire::ListTransactionsResponse>, Status> {
        let user_id = subject(&request, &request.get_ref().user_id)?;
        let asked = request.into_inner();
        let listed = views::transactions(self.store(), &user_id, &asked.reference, asked.page);
        Ok(Response::new(listed.await?))
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
                let answer = |withdrawal: &Withdrawal, account: &Account| {
                    let reply = wire::WithdrawResponse {
                        withdrawal_id: withdrawal.withdrawal_id.clone(),
                        available: shown::cash_available(account),
                        withdrawal: Some(shown::withdrawal(withdrawal)),
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
                    available: Some(shown::shares_available(account, shares.asset())),
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
        request: Request<wire::GetWithdrawalRequest>,
    ) -> Result<Response<wire::GetWithdrawalResponse>, Status> {
        let id = &request.get_ref().withdrawal_id;
        let found = documents::withdrawal(self.store(), id).await;
        let found = found.map_err(store_failure)?.ok_or_else(no_withdrawal)?;
        // To those who may not see it, it is not there.
        subject(&request, &found.document.user_id).map_err(|_| no_withdrawal())?;
        Ok(Response::new(wire::GetWithdrawalResponse {
            withdrawal: Some(shown::withdrawal(&found.document)),
        }))
    }

    async fn list_withdrawals(
        &self,
        request: Request<wire::ListWithdrawalsRequest>,
    ) -> Result<Response<wire::ListWithdrawalsResponse>, Status> {
        let user_id = subject(&request, &request.get_ref().user_id)?;
        let page = request.into_inner().page;
        let listed = views::withdrawals(self.store(), &user_id, page).await?;
        Ok(Response::new(listed))
    }

    async fn reverse_transaction(
        &self,
        request: Request<wire::ReverseTransactionRequest>,
    ) -> Result<Response<wire::ReverseTransactionResponse>, Status> {
        let cause = cause(&request);
        let asked = request.get_ref();
        let event_id = uuid::Uuid::parse_str(&asked.event_id)
            .map_err(|error| refusal::invalid("event_id", error.to_string()))?
            .to_string();
        let (desk, ctx) = (&self.desk, self.desk.ctx());
        let method = REVERSE_TRANSACTION;
        let reply = answers::once(ctx, &request, method, &asked.request_id, async |pending| {
            let answer = |movement: &wire::Transaction| {
                let reply = wire::ReverseTransactionResponse {
                    transaction: Some(movement.clone()),
                };
                let answered = pending.answer(ctx, &reply);
                (reply, answered)
            };
            let reversed = desk.reverse(&event_id, &asked.reason, &cause, answer);
            Ok(reversed.await?)
        });
        Ok(Response::new(reply.await?))
    }

    async fn list_suspense(
        &self,
        request: Request<wire::ListSuspenseRequest>,
    ) -> Result<Response<wire::ListSuspenseResponse>, Status> {
        let asked = request.into_inner();
        let listed = views::suspense(self.store(), asked.open_only, asked.page).await?;
        Ok(Response::new(listed))
    }

    async fn resolve_suspense(
        &self,
        request: Request<wire::ResolveSuspenseRequest>,
    ) -> Result<Response<wire::ResolveSuspenseResponse>, Status> {
        let cause = cause(&request);
        let asked = request.get_ref();
        let outcome = Outcome::of(asked.outcome())
            .ok_or_else(|| refusal::invalid("outcome", "must be credit or refund"))?;
        let (desk, ctx) = (&self.desk, self.desk.ctx());
        let method = RESOLVE_SUSPENSE;
        let reply = answers::once(ctx, &request, method, &asked.request_id, async |pending| {
            let answer = |item: &SuspenseItem| {
                let reply = wire::ResolveSuspenseResponse {
                    item: Some(shown::suspense(item)),
                };
                let answered = pending.answer(ctx, &reply);
                (reply, answered)
            };
            let decision = (outcome, asked.reason.as_str());
            let resolved = desk.resolve(&asked.payment_id, decision, &cause, answer);
            Ok(resolved.await?)
        });
        Ok(Response::new(reply.await?))
    }

    async fn list_accounts(
        &self,
        request: Request<wire::ListAccountsRequest>,
    ) -> Result<Response<wire::ListAccountsResponse>, Status> {
        let page = request.into_inner().page;
        let listed = views::accounts(self.store(), page).await?;
        Ok(Response::new(listed))
    }

    async fn verify_account(
        &self,
        request: Request<wire::VerifyAccountRequest>,
    ) -> Result<Response<wire::VerifyAccountResponse>, Status> {
        let user_id = &request.get_ref().user_id;
        let found = verifying::verify(self.store(), user_id).await?;
        if !found.intact {
            tracing::error!(
                account = user_id,
                differences = found.differences.len(),
                "an account is not what its events say"
            );
        }
        Ok(Response::new(found))
    }
}

fn no_lock() -> Status {
    refusal::with_reason(Code::NotFound, "NO_SUCH_LOCK", "there is no such lock")
}

fn no_withdrawal() -> Status {
    let message = "there is no such withdrawal";
    refusal::with_reason(Code::NotFound, "NO_SUCH_WITHDRAWAL", message)
}
