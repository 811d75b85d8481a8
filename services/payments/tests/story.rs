//! Payments on a running platform, by a clock that is set.

#![expect(clippy::unwrap_used, reason = "a story stops at the first surprise")]

use std::sync::Arc;
use std::time::Duration;

use outcry_contracts::payments::v1::payment_service_client::PaymentServiceClient;
use outcry_contracts::payments::v1::{
    CreatePaymentRequest, GetPaymentRequest, ListPaymentsRequest, Payment, PaymentStatus,
};
use outcry_events::Amount;
use outcry_mesh::{Directory, EDGE, Role, Rules, User, acting_for};
use outcry_payments::{Config, service};
use outcry_service::testing::{Caller, FakeClock, Platform, eventually};
use outcry_service::{Clock, Context};
use tonic::{Code, Request};
use uuid::Uuid;

const USER: &str = "0190a000-0000-7000-8000-00000000000a";
const OTHER: &str = "0190a000-0000-7000-8000-00000000000b";
const REQUEST: &str = "0190a000-0000-4000-8000-000000000001";

async fn open(folder: &std::path::Path, clock: Arc<dyn Clock>) -> Platform {
    let mut platform = Platform::open_at(folder, clock).await;
    let ctx = platform.context("payments").await;
    let made = service(ctx.clone(), Config::default()).await.unwrap();
    platform.start([(ctx, made)]).await;
    platform
}

fn client(platform: &Platform, user: &str) -> PaymentServiceClient<Caller> {
    PaymentServiceClient::new(platform.user(user, "payments"))
}

async fn pay(platform: &Platform, request_id: &str, amount: &str) -> Payment {
    let amount: Amount = amount.parse().unwrap();
    let request = CreatePaymentRequest {
        request_id: request_id.to_owned(),
        amount: Some(amount.to_money()),
    };
    let reply = client(platform, USER)
        .create_payment(request)
        .await
        .unwrap();
    reply.into_inner().payment.unwrap()
}

async fn status(platform: &Platform, payment: &Payment) -> PaymentStatus {
    let request = GetPaymentRequest {
        payment_id: payment.payment_id.clone(),
    };
    let reply = client(platform, USER).get_payment(request).await.unwrap();
    reply.into_inner().payment.unwrap().status()
}

async fn becomes(platform: &Platform, payment: &Payment, wanted: PaymentStatus) {
    eventually("the payment goes on", async || {
        status(platform, payment).await == wanted
    })
    .await;
}

#[tokio::test]
async fn a_payment_is_captured_after_a_while_also_across_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(FakeClock::default());
    let platform = open(folder.path(), clock.clone()).await;
    let payment = pay(&platform, REQUEST, "100.00").await;
    assert_eq!(payment.status(), PaymentStatus::Pending);

    platform.crash().await;
    let platform = open(folder.path(), clock.clone()).await;
    assert_eq!(status(&platform, &payment).await, PaymentStatus::Pending);
    clock.advance(Duration::from_secs(1));
    becomes(&platform, &payment, PaymentStatus::Success).await;
    platform.stop().await;
}

#[tokio::test]
async fn a_repeated_request_is_the_same_payment() {
    let folder = tempfile::tempdir().unwrap();
    let platform = open(folder.path(), Arc::new(FakeClock::default())).await;
    let first = pay(&platform, REQUEST, "100.00").await;
    let again = pay(&platform, REQUEST, "100.00").await;
    assert_eq!(first, again);
    let list = client(&platform, USER)
        .list_payments(ListPaymentsRequest::default())
        .await
        .unwrap();
    assert_eq!(list.into_inner().payments.len(), 1);
    platform.stop().await;
}

#[tokio::test]
async fn a_request_sent_to_two_processes_at_once_is_one_payment() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(FakeClock::default());
    let mut platform = Platform::open_at(folder.path(), clock.clone()).await;
    let ctx = platform.context("payments").await;
    let made = service(ctx.clone(), Config::default()).await.unwrap();
    platform.start([(ctx.clone(), made)]).await;
    let ids = Arc::clone(&clock);
    let directory = Directory::with(Rules::of_the_contract(), move || ids.new_id());
    let replica = Context::new("payments", ctx.store.clone(), clock, directory.clone());
    let made = service(replica, Config::default()).await.unwrap();
    directory.register("payments", made.routes).unwrap();

    let amount: Amount = "100.00".parse().unwrap();
    for round in 0..20 {
        let asked = || {
            let mut request = Request::new(CreatePaymentRequest {
                request_id: Uuid::from_u128(round).to_string(),
                amount: Some(amount.to_money()),
            });
            let user = User {
                id: USER.to_owned(),
                roles: vec![Role::User],
            };
            acting_for(&mut request, &user);
            request
        };
        let clients = [platform.directory(), &directory]
            .map(|one| PaymentServiceClient::new(one.channel(EDGE, "payments")));
        let [mut here, mut there] = clients;
        let (here, there) =
            tokio::join!(here.create_payment(asked()), there.create_payment(asked()));
        assert_eq!(here.unwrap().into_inner(), there.unwrap().into_inner());
    }
    let list = client(&platform, USER)
        .list_payments(ListPaymentsRequest::default())
        .await
        .unwrap();
    assert_eq!(list.into_inner().payments.len(), 20);
    platform.stop().await;
}

#[tokio::test]
async fn the_sandbox_declines_and_captures_late_when_asked_to() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(FakeClock::default());
    let platform = open(folder.path(), clock.clone()).await;
    let declined = pay(&platform, REQUEST, "1.13").await;
    let other_request = "0190a000-0000-4000-8000-000000000002";
    let late = pay(&platform, other_request, "1.17").await;
    clock.advance(Duration::from_secs(1));
    becomes(&platform, &declined, PaymentStatus::Failed).await;
    assert_eq!(status(&platform, &late).await, PaymentStatus::Pending);
    clock.advance(Duration::from_secs(15 * 60 - 1));
    becomes(&platform, &late, PaymentStatus::Expired).await;
    clock.advance(Duration::from_secs(1));
    becomes(&platform, &late, PaymentStatus::Success).await;
    platform.stop().await;
}

#[tokio::test]
async fn payments_of_others_are_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let platform = open(folder.path(), Arc::new(FakeClock::default())).await;
    let payment = pay(&platform, REQUEST, "100.00").await;
    let request = GetPaymentRequest {
        payment_id: payment.payment_id,
    };
    let refused = client(&platform, OTHER)
        .get_payment(request)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    let request = ListPaymentsRequest {
        user_id: USER.to_owned(),
        ..ListPaymentsRequest::default()
    };
    let refused = client(&platform, OTHER)
        .list_payments(request)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    platform.stop().await;
}
