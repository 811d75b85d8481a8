//! Asking the provider: by a customer, by an operator, by the clock.

use std::time::{Duration, SystemTime};

use outcry_contracts::payments::v1::payment_service_client::PaymentServiceClient;
use outcry_contracts::payments::v1::{
    Payment, PaymentStatus, ReconcilePaymentsRequest, VerifyPaymentRequest,
};
use outcry_service::Clock;
use outcry_service::testing::{Caller, found};
use tonic::{Code, Status};

use crate::rig::{LIFE, OTHER, Rig, USER, config};

async fn verify(
    mut client: PaymentServiceClient<Caller>,
    payment: &Payment,
) -> Result<Payment, Status> {
    let request = VerifyPaymentRequest {
        payment_id: payment.payment_id.clone(),
    };
    let reply = client.verify_payment(request).await?;
    Ok(reply.into_inner().payment.unwrap())
}

#[tokio::test]
async fn the_owner_and_an_administrator_can_have_the_provider_asked_and_nobody_else() {
    let rig = Rig::start().await;
    let (mine, also_mine) = (rig.pay("1.11").await, rig.pay("2.11").await);
    let open = verify(rig.client(USER), &mine).await.unwrap();
    assert_eq!(open.status(), PaymentStatus::Pending);
    rig.clock.advance(Duration::from_secs(1));
    let refused = verify(rig.client(OTHER), &mine).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    let done = verify(rig.client(USER), &mine).await.unwrap();
    assert_eq!(done.status(), PaymentStatus::Success);
    let again = verify(rig.client(USER), &mine).await.unwrap();
    assert_eq!(again, done);
    let admin = PaymentServiceClient::new(rig.platform.admin("payments"));
    let done = verify(admin, &also_mine).await.unwrap();
    assert_eq!(done.status(), PaymentStatus::Success);
    rig.platform.stop().await;
}

#[tokio::test]
async fn a_provider_that_does_not_answer_is_told_as_such() {
    let rig = Rig::start().await;
    let payment = rig.pay("1.24").await;
    let refused = verify(rig.client(USER), &payment).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    rig.platform.stop().await;
}

#[tokio::test]
async fn a_reconciliation_is_for_administrators_and_goes_through_all_batches() {
    let rig = Rig::start().await;
    let refused = rig
        .client(USER)
        .reconcile_payments(ReconcilePaymentsRequest {})
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    const PAYMENTS: i32 = 70;
    for _ in 0..PAYMENTS {
        rig.pay("1.11").await;
    }
    rig.pay("1.22").await;
    rig.clock.advance(Duration::from_secs(1));
    let found = rig.reconcile().await;
    assert_eq!((found.checked, found.changed), (PAYMENTS + 1, PAYMENTS));
    let again = rig.reconcile().await;
    assert_eq!((again.checked, again.changed), (1, 0));
    rig.platform.stop().await;
}

#[tokio::test]
async fn a_round_of_the_clock_goes_through_all_batches() {
    let rig = Rig::start().await;
    let mut payments = Vec::new();
    for _ in 0..70 {
        payments.push(rig.pay("1.11").await);
    }
    // Three batches, each a moment after the one before.
    for number in [69, 30, 0] {
        assert_eq!(rig.status(&payments[number]).await, PaymentStatus::Pending);
        let due = next_batch(&rig).await;
        rig.clock.set(due);
        rig.becomes(&payments[number], PaymentStatus::Success).await;
    }
    rig.platform.stop().await;
}

/// When the next batch of a round is due, once the one before is done.
async fn next_batch(rig: &Rig) -> SystemTime {
    found("the next batch is set", async || {
        let now = rig.clock.now();
        let soon = now + Duration::from_secs(60);
        let timers = rig.ctx.store.timers_due(soon, 1000).await.unwrap();
        let mut rounds = timers
            .iter()
            .filter(|timer| timer.id.starts_with("reconcile/"));
        rounds.find(|timer| timer.due > now).map(|timer| timer.due)
    })
    .await
}

#[tokio::test]
async fn a_payment_that_ended_long_ago_is_not_asked_about_any_more() {
    let rig = Rig::with(outcry_payments::Config {
        reconcile_for_s: 60,
        ..config()
    })
    .await;
    let payment = rig.pay("1.22").await;
    rig.clock.advance(LIFE);
    rig.becomes(&payment, PaymentStatus::Expired).await;
    assert_eq!(rig.reconcile().await.checked, 1);
    rig.clock.advance(Duration::from_secs(61));
    assert_eq!(rig.reconcile().await.checked, 0);
    rig.platform.stop().await;
}
