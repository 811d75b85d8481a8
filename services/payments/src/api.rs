//! gRPC: starting and showing payments.

use outcry_contracts::payments::v1 as wire;
use outcry_contracts::payments::v1::payment_service_server::PaymentService;
use outcry_events::Amount;
use outcry_mesh::{cause, refusal, subject, user};
use outcry_service::{Page, answers, store_failure};
use tonic::{Request, Response, Status};

use crate::desk::Desk;
use crate::domain::Rejection;
use crate::views;

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
            .map_err(store_failure)?;
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
        let page = Page::of(request.into_inner().page);
        let store = self.desk.ctx.store.as_ref();
        let (rows, page) = views::payments_of(store, &user_id, page)
            .await
            .map_err(store_failure)?;
        Ok(Response::new(wire::ListPaymentsResponse {
            payments: rows.iter().map(views::PaymentRow::shown).collect(),
            page: Some(page),
        }))
    }

    async fn verify_payment(
        &self,
        _request: Request<outcry_contracts::payments::v1::VerifyPaymentRequest>,
    ) -> Result<Response<outcry_contracts::payments::v1::VerifyPaymentResponse>, Status> {
        Err(Status::unimplemented("not served yet"))
    }

    async fn reconcile_payments(
        &self,
        _request: Request<outcry_contracts::payments::v1::ReconcilePaymentsRequest>,
    ) -> Result<Response<outcry_contracts::payments::v1::ReconcilePaymentsResponse>, Status> {
        Err(Status::unimplemented("not served yet"))
    }

    async fn receive_webhook(
        &self,
        _request: Request<outcry_contracts::payments::v1::ReceiveWebhookRequest>,
    ) -> Result<Response<outcry_contracts::payments::v1::ReceiveWebhookResponse>, Status> {
        Err(Status::unimplemented("not served yet"))
    }

    async fn send_payout(
        &self,
        _request: Request<outcry_contracts::payments::v1::SendPayoutRequest>,
    ) -> Result<Response<outcry_contracts::payments::v1::SendPayoutResponse>, Status> {
        Err(Status::unimplemented("not served yet"))
    }

    async fn get_payout(
        &self,
        _request: Request<outcry_contracts::payments::v1::GetPayoutRequest>,
    ) -> Result<Response<outcry_contracts::payments::v1::GetPayoutResponse>, Status> {
        Err(Status::unimplemented("not served yet"))
    }
}

fn created(row: &views::PaymentRow) -> wire::CreatePaymentResponse {
    wire::CreatePaymentResponse {
        payment: Some(row.shown()),
    }
}
