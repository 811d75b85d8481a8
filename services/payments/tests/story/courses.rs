//! The courses that the cents of an amount choose, from the payment's side.

use std::time::Duration;

use outcry_contracts::payments::v1::PaymentFailure;
use outcry_contracts::payments::v1::PaymentStatus::{Expired, Failed, Pending, Success};
use outcry_events::Amount;
use outcry_service::Clock;
use outcry_service::testing::eventually;

use crate::rig::{LIFE, Rig};

const SECOND: Duration = Duration::from_secs(1);

/// Waits until the sandbox has sent all webhooks of all payments, so that what is not so then never
/// comes to be by one.
async fn all_webhooks_are_sent(rig: &Rig) {
    let waiting = |timer: &str| timer.starts_with("provider/") || timer.starts_with("submit/");
    eventually("all webhooks are sent", async || {
        let now = rig.clock.now();
        let due = rig.ctx.store.timers_due(now, 100).await.unwrap();
        !due.iter().any(|timer| waiting(&timer.id))
    })
    .await;
}

#[tokio::test]
async fn a_payment_ends_as_its_cents_choose() {
    let rig = Rig::start().await;
    let [repeated, declined, less, foreign, out_of_order] = [
        rig.pay("5.12").await,
        rig.pay("5.13").await,
        rig.pay("5.14").await,
        rig.pay("5.15").await,
        rig.pay("5.19").await,
    ];
    let mistaken = rig.pay("5.21").await;
    let authorized = rig.pay("5.16").await;
    rig.clock.advance(SECOND);
    for (payment, wanted) in [
        (&repeated, Success),
        (&declined, Failed),
        (&less, Failed),
        (&foreign, Failed),
        (&out_of_order, Success),
        (&mistaken, Failed),
    ] {
        rig.becomes(payment, wanted).await;
    }
    all_webhooks_are_sent(&rig).await;
    assert_eq!(
        rig.status(&authorized).await,
        Pending,
        "a promise is no success"
    );
    rig.clock.advance(SECOND * 9);
    rig.becomes(&authorized, Success).await;
    rig.becomes(&mistaken, Success).await;
    assert!(rig.shown(&mistaken).await.late);
    all_webhooks_are_sent(&rig).await;

    for payment in [&repeated, &out_of_order, &authorized] {
        let topics = rig.topics(payment).await;
        assert_eq!(topics, ["payment.created", "payment.success"]);
    }
    let failed = rig.failure(&less).await;
    assert_eq!(failed.reason(), PaymentFailure::AmountMismatch);
    let captured: Amount = "5.13".parse().unwrap();
    assert_eq!(failed.captured, Some(captured.to_money()));
    let failed = rig.failure(&foreign).await;
    assert_eq!(failed.reason(), PaymentFailure::CurrencyMismatch);
    assert_eq!(failed.captured.unwrap().currency_code, "EUR");
    let failed = rig.failure(&declined).await;
    assert_eq!(failed.reason(), PaymentFailure::Declined);
    assert_eq!(failed.captured, None);
    rig.platform.stop().await;
}

#[tokio::test]
async fn a_capture_after_the_end_of_its_time_is_a_late_success() {
    let rig = Rig::start().await;
    let late = rig.pay("1.17").await;
    let never = rig.pay("1.22").await;
    rig.clock.advance(SECOND);
    all_webhooks_are_sent(&rig).await;
    assert_eq!(rig.status(&late).await, Pending);
    rig.clock.advance(LIFE - SECOND);
    rig.becomes(&late, Expired).await;
    rig.becomes(&never, Expired).await;
    rig.clock.advance(SECOND);
    rig.becomes(&late, Success).await;
    assert!(rig.success(&late).await.late);
    assert_eq!(rig.status(&never).await, Expired);
    rig.platform.stop().await;
}

#[tokio::test]
async fn what_lost_webhooks_would_have_said_is_found_by_asking() {
    let rig = Rig::start().await;
    let lost = rig.pay("1.11").await;
    let late_and_lost = rig.pay("1.18").await;
    rig.clock.advance(SECOND);
    all_webhooks_are_sent(&rig).await;
    assert_eq!(rig.status(&lost).await, Pending);
    rig.clock.advance(SECOND * 30);
    rig.becomes(&lost, Success).await;
    assert!(!rig.success(&lost).await.late);
    rig.clock.advance(LIFE - SECOND * 31);
    rig.becomes(&late_and_lost, Expired).await;
    rig.clock.advance(SECOND * 31);
    rig.becomes(&late_and_lost, Success).await;
    assert!(rig.success(&late_and_lost).await.late);
    rig.platform.stop().await;
}

#[tokio::test]
async fn a_lost_webhook_is_no_reason_to_expire_and_a_slow_one_changes_nothing_any_more() {
    let rig = Rig::start().await;
    let (lost, slow) = (rig.pay("1.11").await, rig.pay("1.23").await);
    // The clock jumps over all rounds: the end of its time asks by itself.
    rig.clock.advance(LIFE);
    for payment in [&lost, &slow] {
        rig.becomes(payment, Success).await;
        assert!(!rig.success(payment).await.late);
    }
    all_webhooks_are_sent(&rig).await;
    let topics = rig.topics(&slow).await;
    assert_eq!(topics, ["payment.created", "payment.success"]);
    rig.platform.stop().await;
}

#[tokio::test]
async fn a_provider_with_an_outage_hears_of_the_payment_when_it_is_back() {
    let rig = Rig::start().await;
    let payment = rig.pay("1.24").await;
    assert_eq!(rig.reconcile().await.unanswered, 1);
    rig.clock.advance(SECOND * 3);
    rig.becomes(&payment, Success).await;
    assert_eq!(rig.reconcile().await.checked, 0);
    rig.platform.stop().await;
}
