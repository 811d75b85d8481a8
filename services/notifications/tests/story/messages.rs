//! Events become messages, and what users do with them.

use std::time::Duration;

use outcry_contracts::funds::v1::{FundsReleasedEvent, LockPurpose, ReleaseReason};
use outcry_contracts::notifications::v1 as wire;
use outcry_contracts::notifications::v1::{MarkReadRequest, SetPreferencesRequest};
use outcry_contracts::orders::v1::{CancelReason, OrderCancelledEvent, Side};
use outcry_contracts::payments::v1::{PaymentExpiredEvent, PaymentFailedEvent, PaymentFailure};
use outcry_contracts::trades::v1::TradeCancelledEvent;
use outcry_contracts::types::v1::asset_amount::Asset;
use outcry_contracts::types::v1::{AssetAmount, PageRequest};
use outcry_events::Amount;
use outcry_notifications::service;
use outcry_service::Clock;
use outcry_store::ReadAll;
use tonic::Code;

use crate::house::{House, USER, here};

#[tokio::test]
async fn an_event_is_one_message_to_the_user_it_is_about() {
    let house = House::open().await;
    house.reject("first").await;
    house.has(1).await;
    house.reject("second").await;
    house.has(2).await;

    let list = house.list().await;
    assert_eq!(list[0].body, "second", "newest first");
    let sequences: Vec<u64> = list.iter().map(|one| one.sequence).collect();
    assert_eq!(sequences, [2, 1]);
    assert_eq!(house.unread().await, 2);

    let request = MarkReadRequest {
        notification_ids: vec![list[0].notification_id.clone()],
    };
    let reply = house.client().mark_read(request.clone()).await.unwrap();
    assert_eq!(reply.into_inner().changed, 1);
    let again = house.client().mark_read(request).await.unwrap();
    assert_eq!(again.into_inner().changed, 0);
    let all = MarkReadRequest::default();
    let reply = house.client().mark_read(all).await.unwrap();
    assert_eq!(reply.into_inner().changed, 1);
    assert_eq!(house.unread().await, 0);
    house.platform.stop().await;
}

#[tokio::test]
async fn the_end_of_an_order_is_one_message_however_many_events_it_makes() {
    let house = House::open().await;
    let order_id = house.clock.new_id().to_string();
    let price = Some(Amount::from_units(10).to_money());
    let trade = TradeCancelledEvent {
        trade_id: house.clock.new_id().to_string(),
        order_id: order_id.clone(),
        user_id: USER.to_owned(),
        symbol: "AAPL".to_owned(),
        cumulative_quantity: 0,
        cancelled_quantity: 5,
        reason: CancelReason::User.into(),
        venue_sequence: 1,
    };
    let order = OrderCancelledEvent {
        order_id: order_id.clone(),
        user_id: USER.to_owned(),
        symbol: "AAPL".to_owned(),
        side: Side::Buy.into(),
        cancelled_quantity: 5,
        reason: CancelReason::User.into(),
        ..Default::default()
    };
    let cash = |money| AssetAmount {
        asset: Some(Asset::Cash(money)),
    };
    let funds = FundsReleasedEvent {
        user_id: USER.to_owned(),
        lock_id: order_id.clone(),
        purpose: LockPurpose::Order.into(),
        amount: price.clone().map(cash),
        remaining: Some(cash(Amount::from_units(0).to_money())),
        reason: ReleaseReason::Cancelled.into(),
    };
    for event in [
        house.happens(&trade).await,
        house.happens(&order).await,
        house.happens(&funds).await,
    ] {
        house.dealt_with(event).await;
    }
    let list = house.list().await;
    assert_eq!(list.len(), 1, "{list:?}");
    assert_eq!(list[0].topic, "order.cancelled");
    assert_eq!(list[0].reference, order_id);
    house.platform.stop().await;
}

#[tokio::test]
async fn payments_that_fail_or_expire_are_told_to_who_wanted_to_pay() {
    let house = House::open().await;
    let ten = Some(Amount::from_units(10).to_money());
    let payment_id = house.clock.new_id().to_string();
    let failed = PaymentFailedEvent {
        payment_id: payment_id.clone(),
        user_id: USER.to_owned(),
        amount: ten.clone(),
        reason: PaymentFailure::AmountMismatch.into(),
        message: "Another amount arrived.".to_owned(),
        captured: Some(Amount::from_units(9).to_money()),
        provider_reference: "c-1".to_owned(),
    };
    let expired = PaymentExpiredEvent {
        payment_id: house.clock.new_id().to_string(),
        user_id: USER.to_owned(),
        amount: ten,
    };
    for event in [house.happens(&failed).await, house.happens(&expired).await] {
        house.dealt_with(event).await;
    }
    let mut told: Vec<(String, String)> = house
        .list()
        .await
        .into_iter()
        .map(|one| (one.topic, one.title))
        .collect();
    told.sort();
    let told: Vec<(&str, &str)> = told
        .iter()
        .map(|(topic, title)| (topic.as_str(), title.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("payment.expired", "Deposit of 10.00 USD expired"),
            ("payment.failed", "Deposit of 10.00 USD failed"),
        ]
    );
    let all = house.list().await;
    let failed = all.iter().find(|one| one.reference == payment_id).unwrap();
    assert!(failed.body.contains("9.00 USD"), "{failed:?}");
    house.platform.stop().await;
}

#[tokio::test]
async fn what_is_muted_makes_no_message_and_security_cannot_be_muted() {
    let house = House::open().await;
    let mute = |topic: &str| SetPreferencesRequest {
        muted_topics: vec![topic.to_owned()],
        mute_all: false,
    };
    let mut client = house.client();
    for topic in [
        "user.login",
        "user.password_changed",
        "user.status_changed",
        "user.role_changed",
        "order.eaten",
    ] {
        let refused = client.set_preferences(mute(topic)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{topic}");
    }
    client
        .set_preferences(mute("order.rejected"))
        .await
        .unwrap();
    let muted = house.reject("muted").await;
    house.dealt_with(muted).await;
    client
        .set_preferences(SetPreferencesRequest::default())
        .await
        .unwrap();
    house.reject("heard").await;
    house.has(1).await;
    assert_eq!(house.list().await[0].body, "heard");
    house.platform.stop().await;
}

#[tokio::test]
async fn who_mutes_everything_still_hears_about_security() {
    let house = House::open().await;
    let mut client = house.client();
    let all = SetPreferencesRequest {
        muted_topics: Vec::new(),
        mute_all: true,
    };
    let set = client.set_preferences(all).await.unwrap().into_inner();
    assert!(set.mute_all);
    let shown = client.get_preferences(wire::GetPreferencesRequest {}).await;
    let shown = shown.unwrap().into_inner();
    assert!(shown.mute_all);
    assert_eq!(shown.unmutable_topics.len(), 4);

    let muted = house.reject("muted").await;
    house.dealt_with(muted).await;
    house.sign_in(USER).await;
    house.has(1).await;
    assert_eq!(house.list().await[0].topic, "user.login");
    house.platform.stop().await;
}

#[tokio::test]
async fn an_archived_message_leaves_the_listing_and_counts_as_read() {
    let house = House::open().await;
    for body in ["first", "second", "third"] {
        let event = house.reject(body).await;
        house.dealt_with(event).await;
    }
    let ids: Vec<String> = house
        .list()
        .await
        .into_iter()
        .map(|one| one.notification_id)
        .collect();
    let request = wire::ArchiveNotificationsRequest {
        notification_ids: vec![ids[0].clone(), ids[2].clone(), ids[0].clone()],
    };
    let mut client = house.client();
    let reply = client.archive_notifications(request.clone()).await.unwrap();
    assert_eq!(reply.into_inner().changed, 2);
    let again = client.archive_notifications(request).await.unwrap();
    assert_eq!(again.into_inner().changed, 0);
    assert_eq!(house.unread().await, 1);
    let left: Vec<String> = house.list().await.into_iter().map(|one| one.body).collect();
    assert_eq!(left, ["second"]);

    let mut token = String::new();
    let mut all = Vec::new();
    loop {
        let request = wire::ListNotificationsRequest {
            page: Some(PageRequest { size: 2, token }),
            unread_only: false,
            include_archived: true,
        };
        let page = client.list_notifications(request).await.unwrap();
        let page = page.into_inner();
        all.extend(page.notifications.into_iter().map(|one| one.archived));
        token = page.page.unwrap().next_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(all, [true, false, true]);
    house.platform.stop().await;
}

#[tokio::test]
async fn a_deleted_message_is_gone_for_good_and_for_its_owner_only() {
    let house = House::open().await;
    house.reject("secret").await;
    house.has(1).await;
    let request = wire::DeleteNotificationsRequest {
        notification_ids: vec![house.list().await[0].notification_id.clone()],
    };
    let mut stranger = house.client_of("0190a000-0000-7000-8000-00000000000b");
    let nothing = stranger.delete_notifications(request.clone()).await;
    assert_eq!(nothing.unwrap().into_inner().deleted, 0);
    let mut client = house.client();
    let gone = client.delete_notifications(request.clone()).await.unwrap();
    assert_eq!(gone.into_inner().deleted, 1);
    let again = client.delete_notifications(request).await.unwrap();
    assert_eq!(again.into_inner().deleted, 0);
    assert_eq!((house.list().await.len(), house.unread().await), (0, 0));
    repeated(&house).await;
    house.platform.stop().await;
}

#[tokio::test]
async fn an_event_that_comes_again_after_its_mark_is_forgotten_makes_no_second_message() {
    let house = House::open().await;
    house.reject("once").await;
    house.has(1).await;
    repeated(&house).await;
    house.platform.stop().await;
}

/// The event comes again after its mark is forgotten, and has no effect.
async fn repeated(house: &House) {
    let all = ReadAll {
        after: 0,
        partition_key: None,
        limit: 10,
    };
    let events = house.orders.store.read_all(&all).await.unwrap();
    let ctx = house.ctx.clone();
    let later = ctx.clock.now() + Duration::from_secs(3600);
    ctx.store.forget(later, 100).await.unwrap();
    let again = service(ctx, here()).await.unwrap();
    let commit = again.reactions[0].react(&events[0].event).await.unwrap();
    assert!(commit.is_empty());
}
