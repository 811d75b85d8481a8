//! Everything that can say that a payment is captured, at the same time and at two replicas.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use outcry_contracts::payments::v1::payment_service_client::PaymentServiceClient;
use outcry_contracts::payments::v1::{
    Payment, PaymentStatus, ReceiveWebhookRequest, ReconcilePaymentsRequest, VerifyPaymentRequest,
};
use outcry_mesh::{Channel, Directory, EDGE, Role, Rules, User, acting_for};
use outcry_payments::service;
use outcry_service::{Clock, Context};
use tonic::{Code, Request, Status};

use crate::rig::{LIFE, Rig, USER, body, captured, config};

/// Payments this is tried with.
const PAYMENTS: usize = 12;

/// Another replica of the service, without timers.
async fn replica(rig: &Rig) -> Directory {
    let (ids, clock) = (Arc::clone(&rig.clock), Arc::clone(&rig.clock));
    let directory = Directory::with(Rules::of_the_contract(), move || ids.new_id());
    let ctx = Context::new("payments", rig.ctx.store.clone(), clock, directory.clone());
    let made = service(ctx, config()).await.unwrap();
    directory.register("payments", made.routes).unwrap();
    directory
}

fn client(directory: &Directory, caller: &'static str) -> PaymentServiceClient<Channel> {
    PaymentServiceClient::new(directory.channel(caller, "payments"))
}

fn by<T>(id: &str, role: Role, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let user = User {
        id: id.to_owned(),
        roles: vec![role],
    };
    acting_for(&mut request, &user);
    request
}

/// Whoever loses a race may be told to try again, and nothing else.
fn tolerable(outcome: Result<(), Status>) {
    if let Err(status) = outcome {
        let code = status.code();
        assert!(
            matches!(code, Code::Aborted | Code::Unavailable),
            "{status}"
        );
    }
}

/// Sends a webhook until it is taken, as a provider does.
async fn deliver(directory: &Directory, webhook: ReceiveWebhookRequest) {
    while let Err(status) = client(directory, "gateway")
        .receive_webhook(webhook.clone())
        .await
    {
        assert_eq!(status.code(), Code::Unavailable, "{status}");
    }
}

async fn everything_at_once(rig: &Rig, replicas: &[Directory; 2], payment: &Payment) {
    let reference = format!("sandbox-{}", payment.payment_id);
    let mut all = Vec::new();
    for (number, directory) in replicas.iter().cycle().take(8).enumerate() {
        // Each event twice, and four different events about the same capture.
        let event_id = format!("evt-{}", number / 2);
        let standing = captured("100.00", &reference);
        let webhook = rig.signed(body(payment, &event_id, standing));
        let verify = VerifyPaymentRequest {
            payment_id: payment.payment_id.clone(),
        };
        let reconcile = ReconcilePaymentsRequest {};
        all.push(async move {
            let (mut one, mut other) = (client(directory, EDGE), client(directory, EDGE));
            let ((), verified, reconciled) = tokio::join!(
                deliver(directory, webhook),
                one.verify_payment(by(USER, Role::User, verify)),
                other.reconcile_payments(by("admin", Role::Admin, reconcile)),
            );
            tolerable(verified.map(drop));
            tolerable(reconciled.map(drop));
        });
    }
    join_all(all).await;
}

/// I17: the timers (the sandbox's own webhooks, the end of the time, the rounds of the clock) and
/// the calls all run into one another.
#[tokio::test(flavor = "multi_thread")]
async fn a_payment_is_credited_once_when_everything_says_so_at_once() {
    let rig = Rig::start().await;
    let replicas = [rig.platform.directory().clone(), replica(&rig).await];
    let mut payments = Vec::new();
    for _ in 0..PAYMENTS {
        payments.push(rig.pay("100.00").await);
    }
    // Half of them meet the capture while their time ends.
    rig.clock.advance(LIFE - Duration::from_millis(1));
    let first = payments.iter().take(PAYMENTS / 2);
    join_all(first.map(|payment| everything_at_once(&rig, &replicas, payment))).await;
    rig.clock.advance(Duration::from_millis(2));
    let all = payments.iter();
    join_all(all.map(|payment| everything_at_once(&rig, &replicas, payment))).await;

    for payment in &payments {
        rig.becomes(payment, PaymentStatus::Success).await;
        let topics = rig.topics(payment).await;
        let successes = topics.iter().filter(|one| *one == "payment.success");
        assert_eq!(successes.count(), 1, "{topics:?}");
        assert_eq!(topics.last().unwrap(), "payment.success");
        let success = rig.success(payment).await;
        assert_eq!(success.amount, payment.amount);
        assert_eq!(success.late, topics.len() == 3, "{topics:?}");
    }
    rig.platform.stop().await;
}
