//! gRPC: payments for their users, webhooks for the gateway, payouts for funds.

use outcry_contracts::payments::v1 as wire;
use outcry_contracts::payments::v1::payment_service_server::PaymentService;
use outcry_events::Amount;
use outcry_mesh::{Role, cause, refusal, subject, user};
use outcry_service::{Page, answers, store_failure};
use outcry_store::timer;
use tonic::{Code, Request, Response, Status};
use uuid::Uuid;

use crate::desk::Desk;
use crate::domain::Rejection;
use crate::webhook::Webhook;
use crate::{payouts, reconcile, views};

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
        let caller = user(&request)?.clone();
        let found = self.payment(&request.get_ref().payment_id).await?;
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
        request: Request<wire::VerifyPaymentRequest>,
    ) -> Result<Response<wire::VerifyPaymentResponse>, Status> {
        let caller = user(&request)?.clone();
        let found = self.payment(&request.get_ref().payment_id).await?;
        let mut row = found
            .filter(|row| row.user_id == caller.id || caller.has(Role::Admin))
            .ok_or_else(|| refusal::status(&Rejection::Unknown))?;
        if !row.is_captured() {
            let standing = self.desk.ask(&row).await.map_err(|unanswered| {
                let message = unanswered.to_string();
                refusal::with_reason(Code::Unavailable, "PROVIDER_UNANSWERED", message)
            })?;
            let id = &row.payment_id;
            self.desk
                .apply(id, &standing, &cause(&request), None)
                .await?;
            row = self.payment(id).await?.unwrap_or(row);
        }
        let payment = Some(row.shown());
        Ok(Response::new(wire::VerifyPaymentResponse { payment }))
    }

    async fn reconcile_payments(
        &self,
        _request: Request<wire::ReconcilePaymentsRequest>,
    ) -> Result<Response<wire::ReconcilePaymentsResponse>, Status> {
        let found = reconcile::all(&self.desk).await?;
        Ok(Response::new(wire::ReconcilePaymentsResponse {
            checked: found.checked,
            changed: found.changed,
            unanswered: found.unanswered,
        }))
    }

    async fn receive_webhook(
        &self,
        request: Request<wire::ReceiveWebhookRequest>,
    ) -> Result<Response<wire::ReceiveWebhookResponse>, Status> {
        let mut cause = cause(&request);
        let came = request.get_ref();
        cause.actor = format!("provider:{}", self.desk.provider.name());
        let webhook = Webhook {
            provider: &came.provider,
            body: &came.body,
            signature: &came.signature,
        };
        let duplicate = webhook.receive(&self.desk, &cause).await?;
        Ok(Response::new(wire::ReceiveWebhookResponse { duplicate }))
    }

    async fn send_payout(
        &self,
        request: Request<wire::SendPayoutRequest>,
    ) -> Result<Response<wire::SendPayoutResponse>, Status> {
        let row = payouts::send(&self.desk, self.wanted(request.get_ref())?).await?;
        Ok(Response::new(wire::SendPayoutResponse {
            status: row.status,
            message: row.message,
        }))
    }

    async fn get_payout(
        &self,
        request: Request<wire::GetPayoutRequest>,
    ) -> Result<Response<wire::GetPayoutResponse>, Status> {
        let found = payouts::look_up(&self.desk, &request.get_ref().payout_id).await?;
        Ok(Response::new(match found {
            Some(row) => wire::GetPayoutResponse {
                status: row.status,
                message: row.message,
            },
            None => wire::GetPayoutResponse {
                status: wire::PayoutStatus::Unknown.into(),
                message: String::new(),
            },
        }))
    }
}

// === impl Api ===

impl Api {
    async fn payment(&self, id: &str) -> Result<Option<views::PaymentRow>, Status> {
        let store = self.desk.ctx.store.as_ref();
        views::payment(store, id).await.map_err(store_failure)
    }

    /// The payout that is asked for.
    fn wanted(&self, asked: &wire::SendPayoutRequest) -> Result<views::PayoutRow, Status> {
        let is_uuid = |text: &str| Uuid::parse_str(text).is_ok();
        if !is_uuid(&asked.payout_id) || !is_uuid(&asked.user_id) {
            return Err(refusal::invalid("payout_id, user_id", "must be UUIDs"));
        }
        let last4 = &asked.destination_last4;
        if last4.len() != 4 || !last4.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(refusal::invalid("destination_last4", "must be four digits"));
        }
        let amount = Amount::from_required(asked.amount.as_ref())
            .map_err(|error| refusal::invalid("amount", error.to_string()))?;
        Ok(views::PayoutRow {
            payout_id: asked.payout_id.clone(),
            user_id: asked.user_id.clone(),
            amount,
            destination_last4: last4.clone(),
            provider: self.desk.provider.name().to_owned(),
            status: wire::PayoutStatus::Pending.into(),
            message: String::new(),
            asked_ns: timer::nanos(self.desk.ctx.clock.now()).unwrap_or_default(),
        })
    }
}

fn created(row: &views::PaymentRow) -> wire::CreatePaymentResponse {
    wire::CreatePaymentResponse {
        payment: Some(row.shown()),
    }
}
