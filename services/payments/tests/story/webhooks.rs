//! Webhooks as the gateway hands them in.

use std::sync::Arc;
use std::time::Duration;

use outcry_contracts::payments::v1::payment_service_client::PaymentServiceClient;
use outcry_contracts::payments::v1::{PaymentStatus, ReceiveWebhookRequest};
use outcry_mesh::{Directory, Rules};
use outcry_payments::provider::Standing;
use outcry_payments::views::{STRAYS, StrayRow};
use outcry_payments::{Config, Secret, Secrets, service};
use outcry_service::testing::FakeClock;
use outcry_service::{Clock, Context};
use outcry_sqlite::Database;
use outcry_store::SqliteStore;
use tonic::Code;

use crate::rig::{Rig, SECRET, USER, body, captured, config};

#[tokio::test]
async fn a_signed_capture_is_a_success_and_its_copies_are_duplicates() {
    let rig = Rig::start().await;
    let payment = rig.pay("100.00").await;
    let webhook = rig.signed(body(&payment, "evt-1", captured("100.00", "r-1")));
    assert!(!rig.send(webhook.clone()).await.unwrap());
    assert_eq!(rig.status(&payment).await, PaymentStatus::Success);
    assert!(rig.send(webhook.clone()).await.unwrap());
    // Signed anew, as a provider does when it tries again.
    rig.clock.advance(Duration::from_secs(60));
    let again = rig.signed(webhook.body);
    assert!(rig.send(again).await.unwrap());
    let other_event = rig.signed(body(&payment, "evt-2", captured("100.00", "r-1")));
    assert!(!rig.send(other_event).await.unwrap());
    let history = rig.history(&payment).await;
    assert_eq!(history.len(), 2);
    let actor = &history[1].envelope().actor;
    assert_eq!(actor, "provider:sandbox");
    rig.platform.stop().await;
}

#[tokio::test]
async fn a_webhook_that_is_not_the_providers_is_refused_and_changes_nothing() {
    let rig = Rig::start().await;
    let payment = rig.pay("100.00").await;
    let good = rig.signed(body(&payment, "evt-1", captured("100.00", "r-1")));
    let with = |change: &dyn Fn(&mut ReceiveWebhookRequest)| {
        let mut changed = good.clone();
        change(&mut changed);
        changed
    };
    let strangers = Secrets::new(vec![Secret::new("the secret of somebody else")]);
    let strangers = strangers.sign(&good.body, rig.clock.now()).unwrap();
    let lessened = String::from_utf8(good.body.clone()).unwrap();
    let lessened = lessened.replace("100.00", "999.00").into_bytes();
    for (what, webhook) in [
        ("body", with(&|it| it.body.clone_from(&lessened))),
        ("space", with(&|it| it.body.push(b' '))),
        ("no header", with(&|it| it.signature.clear())),
        ("half a header", with(&|it| it.signature.truncate(20))),
        ("secret", with(&|it| it.signature.clone_from(&strangers))),
    ] {
        let refused = rig.send(webhook).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated, "{what}");
    }
    let elsewhere = with(&|it| it.provider = "elsewhere".to_owned());
    let refused = rig.send(elsewhere).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    let large = rig.signed(vec![b' '; 64 * 1024 + 1]);
    let refused = rig.send(large).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let not_a_letter = rig.signed(b"{}".to_vec());
    let refused = rig.send(not_a_letter).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(rig.status(&payment).await, PaymentStatus::Pending);
    assert!(!rig.send(good).await.unwrap());
    rig.platform.stop().await;
}

#[tokio::test]
async fn a_webhook_signed_too_long_ago_or_ahead_of_our_time_is_refused() {
    let rig = Rig::start().await;
    let payment = rig.pay("1.22").await;
    let start = rig.clock.now();
    let webhook = rig.signed(body(&payment, "evt-1", Standing::Authorized));
    for away in [
        start + Duration::from_secs(301),
        start - Duration::from_secs(301),
    ] {
        rig.clock.set(away);
        let refused = rig.send(webhook.clone()).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);
    }
    rig.clock.set(start + Duration::from_secs(300));
    rig.send(webhook).await.unwrap();
    rig.platform.stop().await;
}

#[tokio::test]
async fn while_the_secret_is_changed_both_count() {
    let next = Secret::new("the secret that comes next");
    let rig = Rig::with(Config {
        webhook_secrets: vec![next.clone(), Secret::new(SECRET)],
        ..Config::default()
    })
    .await;
    let (one, other) = (rig.pay("1.22").await, rig.pay("2.22").await);
    let old = rig.signed(body(&one, "evt-1", captured("1.22", "r-1")));
    rig.send(old).await.unwrap();
    assert_eq!(rig.status(&one).await, PaymentStatus::Success);
    let new = body(&other, "evt-2", captured("2.22", "r-2"));
    let new = ReceiveWebhookRequest {
        signature: Secrets::new(vec![next])
            .sign(&new, rig.clock.now())
            .unwrap(),
        ..rig.signed(new)
    };
    rig.send(new).await.unwrap();
    assert_eq!(rig.status(&other).await, PaymentStatus::Success);
    rig.platform.stop().await;
}

#[tokio::test]
async fn without_a_secret_every_webhook_is_refused_and_payments_succeed_by_asking() {
    let rig = Rig::with(Config::default()).await;
    let payment = rig.pay("100.00").await;
    let webhook = rig.signed(body(&payment, "evt-1", captured("100.00", "r-1")));
    let refused = rig.send(webhook).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    rig.clock.advance(Duration::from_secs(30));
    rig.becomes(&payment, PaymentStatus::Success).await;
    rig.platform.stop().await;
}

#[tokio::test]
async fn only_the_gateway_hands_in_webhooks() {
    let rig = Rig::start().await;
    let payment = rig.pay("1.22").await;
    let webhook = rig.signed(body(&payment, "evt-1", captured("1.22", "r-1")));
    let refused = rig
        .client(USER)
        .receive_webhook(webhook.clone())
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let refused = rig
        .service("orders")
        .receive_webhook(webhook)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    rig.platform.stop().await;
}

#[tokio::test]
async fn a_refusal_of_any_length_is_a_refusal() {
    let rig = Rig::start().await;
    let payment = rig.pay("100.00").await;
    let message = "é".repeat(1000);
    let declined = rig.signed(body(&payment, "evt-1", Standing::Declined { message }));
    rig.send(declined).await.unwrap();
    let failed = rig.failure(&payment).await;
    assert_eq!(failed.message, "é".repeat(256));
    rig.platform.stop().await;
}

#[tokio::test]
async fn money_that_fits_no_payment_is_taken_note_of_for_a_person() {
    let rig = Rig::start().await;
    let paid = rig.pay("100.00").await;
    let mut nobodys = paid.clone();
    nobodys.payment_id = rig.clock.new_id().to_string();
    let first = rig.signed(body(&paid, "evt-1", captured("100.00", "r-1")));
    rig.send(first).await.unwrap();
    let twice = rig.signed(body(&paid, "evt-2", captured("100.00", "r-2")));
    let of_nobody = rig.signed(body(&nobodys, "evt-3", captured("7.00", "r-3")));
    for webhook in [twice, of_nobody] {
        assert!(!rig.send(webhook.clone()).await.unwrap());
        assert!(rig.send(webhook).await.unwrap());
    }
    let declined = Standing::Declined {
        message: "no".to_owned(),
    };
    let of_nobody = rig.signed(body(&nobodys, "evt-4", declined));
    rig.send(of_nobody).await.unwrap();
    assert_eq!(rig.history(&paid).await.len(), 2);
    let strays = rig.ctx.store.scan(&outcry_store::Scan::new(STRAYS)).await;
    let strays: Vec<StrayRow> = strays
        .unwrap()
        .iter()
        .map(|row| row.decode().unwrap())
        .collect();
    let named: Vec<(&str, i64)> = strays
        .iter()
        .map(|stray| (stray.reference.as_str(), stray.units))
        .collect();
    assert_eq!(named, [("r-2", 100), ("r-3", 7)]);
    rig.platform.stop().await;
}

#[tokio::test]
async fn a_webhook_that_cannot_be_stored_is_to_be_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&folder.path().join("outcry.db")).unwrap();
    let store = Arc::new(SqliteStore::open(&database, "payments").await.unwrap());
    let clock = Arc::new(FakeClock::default());
    let ids = Arc::clone(&clock);
    let directory = Directory::with(Rules::of_the_contract(), move || ids.new_id());
    let ctx = Context::new(
        "payments",
        store,
        Arc::clone(&clock) as _,
        directory.clone(),
    );
    let made = service(ctx, config()).await.unwrap();
    directory.register("payments", made.routes).unwrap();

    let payment = outcry_contracts::payments::v1::Payment {
        payment_id: clock.new_id().to_string(),
        ..Default::default()
    };
    let body = body(&payment, "evt-1", captured("100.00", "r-1"));
    let secrets = Secrets::new(vec![Secret::new(SECRET)]);
    let webhook = ReceiveWebhookRequest {
        provider: "sandbox".to_owned(),
        signature: secrets.sign(&body, clock.now()).unwrap(),
        body,
    };
    let mut client = PaymentServiceClient::new(directory.channel("gateway", "payments"));
    database.close().await.unwrap();
    let refused = client.receive_webhook(webhook).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
}
