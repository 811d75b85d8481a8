//! A payments service that pays out as it is told: at once, later, not at all, or without a word.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use outcry_contracts::payments::v1::payment_service_server::{
    PaymentService, PaymentServiceServer,
};
use outcry_contracts::payments::v1::*;
use outcry_service::{Context, Service};
use tonic::service::Routes;
use tonic::{Request, Response, Status};

/// How the bank takes payouts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manner {
    /// Takes them, and says later what became of them.
    #[default]
    Later,
    /// Pays at once.
    AtOnce,
    /// Does nothing and does not answer.
    Silent,
    /// Takes them, but the answer is lost.
    AnswerLost,
}

/// What the bank was asked and how it behaves. Survives crashes of the platform.
#[derive(Clone, Default)]
pub struct Bank(Arc<Mutex<Books>>);

#[derive(Default)]
struct Books {
    manner: Manner,
    /// Every payout that was sent, each time it was.
    sent: Vec<SendPayoutRequest>,
    /// How often it was asked about payouts.
    asked: usize,
    payouts: BTreeMap<String, (PayoutStatus, &'static str)>,
}

impl Bank {
    /// The service, to be started.
    pub fn service(&self, ctx: &Context) -> (Context, Service) {
        let routes = Routes::new(PaymentServiceServer::new(self.clone()));
        (ctx.clone(), Service::new(ctx.service).serves(routes))
    }

    pub fn behaves(&self, manner: Manner) {
        self.0.lock().unwrap().manner = manner;
    }

    /// What becomes of a payout.
    pub fn decides(&self, payout_id: &str, status: PayoutStatus, message: &'static str) {
        let mut books = self.0.lock().unwrap();
        books
            .payouts
            .insert(payout_id.to_owned(), (status, message));
    }

    pub fn sent(&self) -> Vec<SendPayoutRequest> {
        self.0.lock().unwrap().sent.clone()
    }

    pub fn asked(&self) -> usize {
        self.0.lock().unwrap().asked
    }

    /// Payouts it has taken.
    pub fn taken(&self) -> usize {
        self.0.lock().unwrap().payouts.len()
    }
}

#[tonic::async_trait]
impl PaymentService for Bank {
    async fn send_payout(
        &self,
        request: Request<SendPayoutRequest>,
    ) -> Result<Response<SendPayoutResponse>, Status> {
        let mut books = self.0.lock().unwrap();
        let asked = request.into_inner();
        books.sent.push(asked.clone());
        let first = match books.manner {
            Manner::Silent => return Err(Status::unavailable("nobody is there")),
            Manner::AtOnce => PayoutStatus::Paid,
            Manner::Later | Manner::AnswerLost => PayoutStatus::Pending,
        };
        let taken = books.payouts.entry(asked.payout_id).or_insert((first, ""));
        let (status, message) = *taken;
        if books.manner == Manner::AnswerLost {
            return Err(Status::deadline_exceeded("too late"));
        }
        Ok(Response::new(SendPayoutResponse {
            status: status.into(),
            message: message.to_owned(),
        }))
    }

    async fn get_payout(
        &self,
        request: Request<GetPayoutRequest>,
    ) -> Result<Response<GetPayoutResponse>, Status> {
        let mut books = self.0.lock().unwrap();
        books.asked += 1;
        if matches!(books.manner, Manner::Silent | Manner::AnswerLost) {
            return Err(Status::unavailable("nobody is there"));
        }
        let known = books.payouts.get(&request.get_ref().payout_id);
        let (status, message) = *known.unwrap_or(&(PayoutStatus::Unknown, ""));
        Ok(Response::new(GetPayoutResponse {
            status: status.into(),
            message: message.to_owned(),
        }))
    }

    async fn create_payment(
        &self,
        _: Request<CreatePaymentRequest>,
    ) -> Result<Response<CreatePaymentResponse>, Status> {
        Err(not_here())
    }

    async fn get_payment(
        &self,
        _: Request<GetPaymentRequest>,
    ) -> Result<Response<GetPaymentResponse>, Status> {
        Err(not_here())
    }

    async fn list_payments(
        &self,
        _: Request<ListPaymentsRequest>,
    ) -> Result<Response<ListPaymentsResponse>, Status> {
        Err(not_here())
    }

    async fn verify_payment(
        &self,
        _: Request<VerifyPaymentRequest>,
    ) -> Result<Response<VerifyPaymentResponse>, Status> {
        Err(not_here())
    }

    async fn reconcile_payments(
        &self,
        _: Request<ReconcilePaymentsRequest>,
    ) -> Result<Response<ReconcilePaymentsResponse>, Status> {
        Err(not_here())
    }

    async fn receive_webhook(
        &self,
        _: Request<ReceiveWebhookRequest>,
    ) -> Result<Response<ReceiveWebhookResponse>, Status> {
        Err(not_here())
    }
}

fn not_here() -> Status {
    Status::unimplemented("funds asks about payouts only")
}
