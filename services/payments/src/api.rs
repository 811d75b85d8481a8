//! gRPC: starting and showing payments.

use outcry_contracts::payments::v1 as wire;
use outcry_contracts::payments::v1::payment_service_server::PaymentService;
use outcry_contracts::types::v1::PageInfo;
use outcry_events::Amount;
use outcry_mesh::{cause, refusal, subject, user};
use outcry_service::answers;
use outcry_store::StoreError;
use tonic::{Code, Request, Response, Status};

use crate::desk::Desk;
use crate::domain::Rejection;
use crate::views;

/// Payments of a page unless another number is asked for.
const PAGE_USUAL: usize = 50;

/// Payments of a page at most.
const PAGE_MAX: usize = 500;

/// Full name of the method whose answers are kept.
const CREATE: &str = "/outcry.payments.v1.PaymentService/CreatePayment";

/// The methods of the service.
pub(crate) struct Api {
    pub(crate) desk: Desk,
}

#[tonic::async_trait]
impl PaymentService for Api {
    async fn create_payment(
        &self,
        request: Request<wire::CreatePaymentRequest>,
    ) -> Result<Response<wire::CreatePaymentResponse>, Status> {
        let user_id = user(&request)?.id.clone();
        let cause = cause(&request);
        let asked = request.get_ref();
        let amount = Amount::from_required(asked.amount.as_ref())
            .map_err(|error| refusal::invalid("amount", error.to_string()))?;
        let ctx = &self.desk.ctx;
        let reply = answers::once(ctx, &request, CREATE, &asked.request_id, async |pending| {
            let row = self
                .desk
                .create(&user_id, amount, &cause, |row| {
                    pending.answer(ctx, &created(row))
                })
                .await?;
            Ok(created(&row))
        })
        .await?;
        Ok(Response::new(reply))
    }

    async fn get_payment(
        &self,
        request: Request<wire::GetPaymentRequest>,
    ) -> Result<Response<wire::GetPaymentResponse>, Status> {
        let store = self.desk.ctx.store.as_ref();
        let caller = user(&request)?.clone();
        let found = views::payment(store, &request.get_ref().payment_id)
            .await
            .map_err(failed)?;
        // Somebody else's payment looks like none, so ids tell nothing.
        let row = found
            .filter(|row| row.user_id == caller.id || caller.is_operator())
            .ok_or_else(|| refusal::status(&Rejection::Unknown))?;
        let payment = Some(row.shown());
        Ok(Response::new(wire::GetPaymentResponse { payment }))
    }

    async fn list_payments(
        &self,
        request: Request<wire::ListPaymentsRequest>,
    ) -> Result<Response<wire::ListPaymentsResponse>, Status> {
        let user_id = subject(&request, &request.get_ref().user_id)?;
        let page = request.into_inner().page.unwrap_or_default();
        let limit = match usize::try_from(page.size).unwrap_or(0) {
            0 => PAGE_USUAL,
            size => size.min(PAGE_MAX),
        };
        let after = Some(page.token).filter(|token| !token.is_empty());
        let store = self.desk.ctx.store.as_ref();
        let (rows, next) = views::payments_of(store, &user_id, after, limit)
            .await
            .map_err(failed)?;
        Ok(Response::new(wire::ListPaymentsResponse {
            payments: rows.iter().map(views::PaymentRow::shown).collect(),
            page: Some(PageInfo {
                next_token: next.unwrap_or_default(),
            }),
        }))
    }
}

fn created(row: &views::PaymentRow) -> wire::CreatePaymentResponse {
    wire::CreatePaymentResponse {
        payment: Some(row.shown()),
    }
}

fn failed(error: StoreError) -> Status {
    if let StoreError::BadCursor = error {
        return refusal::invalid("page.token", "is not the token of a page before");
    }
    tracing::error!(%error, "reading payments failed");
    refusal::with_reason(
        Code::Unavailable,
        "STORE_UNAVAILABLE",
        "the service cannot reach its store; try again",
    )
}
