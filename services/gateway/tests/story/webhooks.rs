//! Webhooks of a payment provider, as raw bytes over a socket, with the real payments service
//! behind the edge.

use std::sync::Arc;
use std::time::Duration;

use outcry_contracts::payments::v1::payment_service_client::PaymentServiceClient;
use outcry_contracts::payments::v1::{
    CreatePaymentRequest, GetPaymentRequest, Payment, PaymentStatus,
};
use outcry_events::Amount;
use outcry_mesh::Role;
use outcry_payments::provider::{Capture, Notice, Standing};
use outcry_payments::sandbox::letter;
use outcry_payments::{Config, Secret, Secrets, service};
use outcry_service::{Clock, Context};
use outcry_sqlite::Database;
use outcry_store::SqliteStore;
use tempfile::TempDir;

use crate::browsers::exchange;
use crate::rig::{Rig, user};

const OLD: &str = "the secret until yesterday";
const NEW: &str = "the secret since yesterday";

/// The gateway with payments behind it.
struct Desk {
    rig: Rig,
    payments: Database,
    _folder: TempDir,
}

impl Desk {
    async fn open() -> Desk {
        let rig = Rig::start().await;
        let folder = tempfile::tempdir().unwrap();
        let payments = Database::open(&folder.path().join("payments.db")).unwrap();
        let store = SqliteStore::open(&payments, "payments").await.unwrap();
        let clock = Arc::clone(&rig.clock);
        let ctx = Context::new("payments", Arc::new(store), clock, rig.directory.clone());
        let config = Config {
            webhook_secrets: vec![Secret::new(NEW), Secret::new(OLD)],
            ..Config::default()
        };
        let made = service(ctx, config).await.unwrap();
        rig.directory.register("payments", made.routes).unwrap();
        Desk {
            rig,
            payments,
            _folder: folder,
        }
    }

    async fn client(&self) -> PaymentServiceClient<tonic::transport::Channel> {
        PaymentServiceClient::new(self.rig.connect().await)
    }

    async fn pay(&self) -> Payment {
        let request = CreatePaymentRequest {
            request_id: self.rig.clock.new_id().to_string(),
            amount: Some(Amount::from_units(100).to_money()),
        };
        let request = self.rig.by(&user(7), Role::User, request);
        let reply = self.client().await.create_payment(request).await.unwrap();
        reply.into_inner().payment.unwrap()
    }

    async fn status(&self, payment: &Payment) -> PaymentStatus {
        let request = GetPaymentRequest {
            payment_id: payment.payment_id.clone(),
        };
        let request = self.rig.by(&user(7), Role::User, request);
        let reply = self.client().await.get_payment(request).await.unwrap();
        reply.into_inner().payment.unwrap().status()
    }

    /// The header for a body signed now.
    fn signature(&self, secret: &str, body: &[u8]) -> String {
        let secrets = Secrets::new(vec![Secret::new(secret)]);
        secrets.sign(body, self.rig.clock.now()).unwrap()
    }

    /// Posts a webhook; the status and what the answer says.
    async fn post(&self, path: &str, signature: &str, body: &[u8]) -> (u16, String) {
        let head = format!(
            "POST {path} HTTP/1.1\ncontent-type: application/json\noutcry-signature: {signature}"
        );
        self.send(&head, body).await
    }

    async fn send(&self, head: &str, body: &[u8]) -> (u16, String) {
        let (head, body) = exchange(&self.rig, head, body).await;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        assert!(
            head.contains("outcry-correlation-id") || matches!(status, 404 | 405),
            "{head}"
        );
        (status, String::from_utf8(body).unwrap())
    }
}

const PATH: &str = "/webhooks/payments/sandbox";

/// A capture of the payment, with white space that only the exact bytes keep.
fn capture(payment: &Payment, event_id: &str) -> Vec<u8> {
    let letter = letter::write(&Notice {
        event_id: event_id.to_owned(),
        payment_id: payment.payment_id.clone(),
        standing: Standing::Captured(Capture {
            money: Amount::from_units(100).to_money(),
            reference: "r-1".to_owned(),
        }),
    });
    [b"\r\n  ", letter.as_slice(), b"\t\n"].concat()
}

#[tokio::test]
async fn a_signed_webhook_over_http_is_a_success_once_however_often_it_comes() {
    let desk = Desk::open().await;
    let payment = desk.pay().await;
    let body = capture(&payment, "evt-1");
    let signature = desk.signature(NEW, &body);
    let first = desk.post(PATH, &signature, &body).await;
    assert_eq!(first, (200, r#"{"duplicate":false}"#.to_owned()));
    assert_eq!(desk.status(&payment).await, PaymentStatus::Success);
    let again = desk.post(PATH, &signature, &body).await;
    assert_eq!(again, (200, r#"{"duplicate":true}"#.to_owned()));
}

#[tokio::test]
async fn a_webhook_signed_with_the_secret_before_counts_while_secrets_change() {
    let desk = Desk::open().await;
    let payment = desk.pay().await;
    let body = capture(&payment, "evt-1");
    let signature = desk.signature(OLD, &body);
    assert_eq!(desk.post(PATH, &signature, &body).await.0, 200);
    assert_eq!(desk.status(&payment).await, PaymentStatus::Success);
}

#[tokio::test]
async fn a_forged_old_or_early_webhook_is_refused_and_changes_nothing() {
    let desk = Desk::open().await;
    let payment = desk.pay().await;
    let body = capture(&payment, "evt-1");
    let good = desk.signature(NEW, &body);

    let tampered = String::from_utf8(body.clone()).unwrap();
    let tampered = tampered.replace("100.00", "900.00");
    let trimmed = body.trim_ascii();
    let strangers = desk.signature("a secret of somebody else", &body);
    for (what, signature, body) in [
        ("tampered", &good, tampered.as_bytes()),
        ("trimmed", &good, trimmed),
        ("by a stranger", &strangers, &body),
        ("empty", &String::new(), &body),
        ("twice", &format!("{good}\noutcry-signature: {good}"), &body),
    ] {
        let (status, answer) = desk.post(PATH, signature, body).await;
        assert_eq!(status, 401, "{what}: {answer}");
    }
    let unsigned = format!("POST {PATH} HTTP/1.1\ncontent-type: application/json");
    assert_eq!(desk.send(&unsigned, &body).await.0, 401);

    let start = desk.rig.clock.now();
    for away in [
        start + Duration::from_secs(301),
        start - Duration::from_secs(301),
    ] {
        desk.rig.clock.set(away);
        assert_eq!(desk.post(PATH, &good, &body).await.0, 401);
    }
    desk.rig.clock.set(start);
    assert_eq!(desk.status(&payment).await, PaymentStatus::Pending);
    assert_eq!(desk.post(PATH, &good, &body).await.0, 200);
}

#[tokio::test]
async fn what_is_no_webhook_is_never_answered_with_a_yes() {
    let desk = Desk::open().await;
    let largest = vec![b' '; 64 * 1024];
    let signature = desk.signature(NEW, &largest);
    let (status, answer) = desk.post(PATH, &signature, &largest).await;
    assert_eq!(status, 400, "signed, and none of the provider's: {answer}");
    let large = vec![b' '; 64 * 1024 + 1];
    let signature = desk.signature(NEW, &large);
    assert_eq!(desk.post(PATH, &signature, &large).await.0, 413);

    let body = b"{}";
    let signature = desk.signature(NEW, body);
    let long_name = format!("/webhooks/payments/{}", "x".repeat(65));
    for path in [
        "/webhooks/payments/elsewhere",
        "/webhooks/payments/",
        "/webhooks/payments/sandbox/more",
        "/webhooks/payments",
        &long_name,
    ] {
        assert_eq!(desk.post(path, &signature, body).await.0, 404, "{path}");
    }
    for method in ["GET", "PUT", "DELETE"] {
        let head = format!("{method} {PATH} HTTP/1.1\noutcry-signature: {signature}");
        assert_eq!(desk.send(&head, body).await.0, 405, "{method}");
    }
}

#[tokio::test]
async fn a_webhook_that_cannot_be_stored_or_delivered_is_to_be_sent_again() {
    let desk = Desk::open().await;
    let payment = desk.pay().await;
    let body = capture(&payment, "evt-1");
    let signature = desk.signature(NEW, &body);
    desk.payments.clone().close().await.unwrap();
    let head = format!("POST {PATH} HTTP/1.1\noutcry-signature: {signature}");
    let (head, answer) = exchange(&desk.rig, &head, &body).await;
    assert!(head.starts_with("http/1.1 503"), "{head}");
    assert!(head.contains("retry-after"), "{head}");
    let answer = String::from_utf8(answer).unwrap();
    assert!(!answer.contains("database"), "{answer}");

    let nobody = Rig::start().await;
    let head = format!("POST {PATH} HTTP/1.1\noutcry-signature: {signature}");
    let (head, _) = exchange(&nobody, &head, &body).await;
    assert!(
        head.starts_with("http/1.1 503"),
        "payments is not there: {head}"
    );
}
