//! A platform with the payments service on it, and what its provider could send.

use std::sync::Arc;
use std::time::Duration;

use outcry_contracts::payments::v1::payment_service_client::PaymentServiceClient;
use outcry_contracts::payments::v1::{
    CreatePaymentRequest, GetPaymentRequest, Payment, PaymentFailedEvent, PaymentStatus,
    PaymentSuccessEvent, ReceiveWebhookRequest, ReconcilePaymentsRequest,
    ReconcilePaymentsResponse,
};
use outcry_events::{Amount, SealedEvent};
use outcry_payments::provider::{Capture, Notice, Standing};
use outcry_payments::sandbox::letter;
use outcry_payments::{Config, Secret, Secrets, service};
use outcry_service::testing::{Caller, FakeClock, Platform, eventually};
use outcry_service::{Clock, Context};
use tempfile::TempDir;
use tonic::Status;
use uuid::Uuid;

pub const USER: &str = "0190a000-0000-7000-8000-00000000000a";
pub const OTHER: &str = "0190a000-0000-7000-8000-00000000000b";

/// The secret of these stories.
pub const SECRET: &str = "a secret of these stories";

/// How long a payment lives.
pub const LIFE: Duration = Duration::from_secs(15 * 60);

pub fn config() -> Config {
    Config {
        webhook_secrets: vec![Secret::new(SECRET)],
        ..Config::default()
    }
}

pub struct Rig {
    pub platform: Platform,
    pub clock: Arc<FakeClock>,
    /// Another member on the service's store, to look into it.
    pub ctx: Context,
    folder: TempDir,
}

impl Rig {
    pub async fn start() -> Rig {
        Rig::with(config()).await
    }

    pub async fn with(config: Config) -> Rig {
        Rig::on(tempfile::tempdir().unwrap(), Arc::default(), config).await
    }

    async fn on(folder: TempDir, clock: Arc<FakeClock>, config: Config) -> Rig {
        let mut platform = Platform::open_at(folder.path(), Arc::clone(&clock) as _).await;
        let ctx = platform.context("payments").await;
        let made = service(ctx.clone(), config).await.unwrap();
        platform.start([(ctx, made)]).await;
        let ctx = platform.context("payments").await;
        Rig {
            platform,
            clock,
            ctx,
            folder,
        }
    }

    /// Crashes and starts again on the same folder.
    pub async fn crashed(self) -> Rig {
        self.platform.crash().await;
        Rig::on(self.folder, self.clock, config()).await
    }

    pub fn client(&self, user: &str) -> PaymentServiceClient<Caller> {
        PaymentServiceClient::new(self.platform.user(user, "payments"))
    }

    pub fn service(&self, caller: &'static str) -> PaymentServiceClient<Caller> {
        PaymentServiceClient::new(self.platform.service(caller, "payments"))
    }

    /// Starts a payment with a request id of its own.
    pub async fn pay(&self, amount: &str) -> Payment {
        let request_id = self.clock.new_id();
        self.pay_as(request_id, amount).await
    }

    pub async fn pay_as(&self, request_id: Uuid, amount: &str) -> Payment {
        let amount: Amount = amount.parse().unwrap();
        let request = CreatePaymentRequest {
            request_id: request_id.to_string(),
            amount: Some(amount.to_money()),
        };
        let reply = self.client(USER).create_payment(request).await.unwrap();
        reply.into_inner().payment.unwrap()
    }

    pub async fn shown(&self, payment: &Payment) -> Payment {
        let request = GetPaymentRequest {
            payment_id: payment.payment_id.clone(),
        };
        let reply = self.client(USER).get_payment(request).await.unwrap();
        reply.into_inner().payment.unwrap()
    }

    pub async fn status(&self, payment: &Payment) -> PaymentStatus {
        self.shown(payment).await.status()
    }

    pub async fn becomes(&self, payment: &Payment, wanted: PaymentStatus) {
        eventually("the payment goes on", async || {
            self.status(payment).await == wanted
        })
        .await;
    }

    pub async fn reconcile(&self) -> ReconcilePaymentsResponse {
        let mut admin = PaymentServiceClient::new(self.platform.admin("payments"));
        let request = ReconcilePaymentsRequest {};
        let found = admin.reconcile_payments(request).await.unwrap();
        found.into_inner()
    }

    /// What has happened to a payment.
    pub async fn history(&self, payment: &Payment) -> Vec<SealedEvent> {
        let stream = format!("payment-{}", payment.payment_id);
        let events = self.ctx.store.read_stream(&stream, 0, 100).await.unwrap();
        events.into_iter().map(|stored| stored.event).collect()
    }

    pub async fn topics(&self, payment: &Payment) -> Vec<String> {
        let history = self.history(payment).await;
        history.iter().map(|one| one.topic().to_owned()).collect()
    }

    pub async fn success(&self, payment: &Payment) -> PaymentSuccessEvent {
        let history = self.history(payment).await;
        history.last().unwrap().payload().unwrap()
    }

    pub async fn failure(&self, payment: &Payment) -> PaymentFailedEvent {
        let history = self.history(payment).await;
        history.last().unwrap().payload().unwrap()
    }

    /// A webhook signed now with the secret of these stories.
    pub fn signed(&self, body: Vec<u8>) -> ReceiveWebhookRequest {
        let secrets = Secrets::new(vec![Secret::new(SECRET)]);
        ReceiveWebhookRequest {
            provider: "sandbox".to_owned(),
            signature: secrets.sign(&body, self.clock.now()).unwrap(),
            body,
        }
    }

    /// Sends a webhook as the gateway does; whether it was a duplicate.
    pub async fn send(&self, webhook: ReceiveWebhookRequest) -> Result<bool, Status> {
        let reply = self.service("gateway").receive_webhook(webhook).await?;
        Ok(reply.into_inner().duplicate)
    }
}

/// The body of a webhook about a payment.
pub fn body(payment: &Payment, event_id: &str, standing: Standing) -> Vec<u8> {
    letter::write(&Notice {
        event_id: event_id.to_owned(),
        payment_id: payment.payment_id.clone(),
        standing,
    })
}

pub fn captured(amount: &str, reference: &str) -> Standing {
    let amount: Amount = amount.parse().unwrap();
    Standing::Captured(Capture {
        money: amount.to_money(),
        reference: reference.to_owned(),
    })
}
