//! What customers can do and see.

use std::sync::Arc;
use std::time::Duration;

use outcry_contracts::payments::v1::payment_service_client::PaymentServiceClient;
use outcry_contracts::payments::v1::{
    CreatePaymentRequest, GetPaymentRequest, ListPaymentsRequest, PaymentStatus,
};
use outcry_events::Amount;
use outcry_mesh::{Directory, EDGE, Role, Rules, User, acting_for};
use outcry_payments::service;
use outcry_service::{Clock, Context};
use tonic::{Code, Request};
use uuid::Uuid;

use crate::rig::{OTHER, Rig, USER, config};

#[tokio::test]
async fn a_payment_is_captured_after_a_while_also_across_a_crash() {
    let rig = Rig::start().await;
    let payment = rig.pay("100.00").await;
    assert_eq!(payment.status(), PaymentStatus::Pending);
    let rig = rig.crashed().await;
    assert_eq!(rig.status(&payment).await, PaymentStatus::Pending);
    rig.clock.advance(Duration::from_secs(1));
    rig.becomes(&payment, PaymentStatus::Success).await;
    let success = rig.success(&payment).await;
    assert_eq!(success.amount, payment.amount);
    assert!(!success.late);
    rig.platform.stop().await;
}

#[tokio::test]
async fn a_repeated_request_is_the_same_payment() {
    let rig = Rig::start().await;
    let request_id = Uuid::from_u128(1);
    let first = rig.pay_as(request_id, "100.00").await;
    let again = rig.pay_as(request_id, "100.00").await;
    assert_eq!(first, again);
    let list = rig
        .client(USER)
        .list_payments(ListPaymentsRequest::default())
        .await
        .unwrap();
    assert_eq!(list.into_inner().payments.len(), 1);
    rig.platform.stop().await;
}

#[tokio::test]
async fn a_request_sent_to_two_processes_at_once_is_one_payment() {
    let rig = Rig::start().await;
    let (ids, clock) = (Arc::clone(&rig.clock), Arc::clone(&rig.clock));
    let directory = Directory::with(Rules::of_the_contract(), move || ids.new_id());
    let replica = Context::new("payments", rig.ctx.store.clone(), clock, directory.clone());
    let made = service(replica, config()).await.unwrap();
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
        let clients = [rig.platform.directory(), &directory]
            .map(|one| PaymentServiceClient::new(one.channel(EDGE, "payments")));
        let [mut here, mut there] = clients;
        let (here, there) =
            tokio::join!(here.create_payment(asked()), there.create_payment(asked()));
        assert_eq!(here.unwrap().into_inner(), there.unwrap().into_inner());
    }
    let list = rig
        .client(USER)
        .list_payments(ListPaymentsRequest::default())
        .await
        .unwrap();
    assert_eq!(list.into_inner().payments.len(), 20);
    rig.platform.stop().await;
}

#[tokio::test]
async fn payments_of_others_are_not_shown() {
    let rig = Rig::start().await;
    let payment = rig.pay("100.00").await;
    let request = GetPaymentRequest {
        payment_id: payment.payment_id,
    };
    let refused = rig.client(OTHER).get_payment(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    let request = ListPaymentsRequest {
        user_id: USER.to_owned(),
        ..ListPaymentsRequest::default()
    };
    let refused = rig.client(OTHER).list_payments(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    rig.platform.stop().await;
}
