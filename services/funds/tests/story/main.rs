//! Funds on a running platform: what comes in by events and calls, and what is then held.

#![expect(clippy::unwrap_used, reason = "a story that cannot go on fails there")]

mod bank;
mod house;
mod operators;
mod outside;
mod withdrawals;

use outcry_contracts::funds::v1 as wire;
use outcry_contracts::orders::v1::Side;
use outcry_contracts::trades::v1::Liquidity;
use outcry_funds::domain::Standing;
use outcry_service::testing::{eventually, found};
use tonic::Code;
use uuid::Uuid;

use crate::house::{House, cash, reason, shares};
use crate::outside::Fill;

/// Ten ACME at 20, the taker's side.
const TAKEN: Fill<'static> = Fill {
    match_id: "ACME-1",
    quantity: 10,
    cumulative: 10,
    price: 20,
    liquidity: Liquidity::Taker,
};

#[tokio::test]
async fn a_match_pays_both_sides_and_what_is_left_goes_back_when_the_orders_end() {
    let house = House::open().await;
    let (ann, bob) = (house.customer(1000, 0).await, house.customer(0, 50).await);
    let buy = house.outside.order(&ann, Side::Buy);
    let sell = house.outside.order(&bob, Side::Sell);
    house.lock(&buy, cash(210)).await.unwrap();
    house.lock(&sell, shares(10)).await.unwrap();

    let taken = house.outside.matched(&buy, &sell, TAKEN).await;
    house.eventually_holds(&ann, 790, 10).await;
    house.eventually_holds(&bob, 199, 40).await;
    let filled = house.outside.filled(&buy, 10).await;
    house.outside.filled(&sell, 10).await;
    house.eventually_holds(&ann, 799, 10).await;

    let settled = house.said("funds.settled").await;
    assert_eq!(settled.len(), 1);
    assert_eq!(settled[0].correlation_id(), buy.flow, "the taker's flow");
    assert_eq!(settled[0].causation_id(), Some(taken.id()));
    let released = house.said("funds.released").await;
    assert_eq!(released.len(), 1, "the seller's lock was used up");
    assert_eq!(released[0].causation_id(), Some(filled.id()));
    assert_eq!(released[0].correlation_id(), buy.flow);
    house.check().await;

    let mut client = house.user(&ann);
    let lock = client.get_lock(wire::GetLockRequest {
        lock_id: buy.order_id.clone(),
    });
    let lock = lock.await.unwrap().into_inner().lock.unwrap();
    assert_eq!(lock.status(), wire::LockStatus::Released);
    let open = client.list_locks(wire::ListLocksRequest::default());
    assert!(open.await.unwrap().into_inner().locks.is_empty());
    let listed = client.list_transactions(wire::ListTransactionsRequest::default());
    let listed = listed.await.unwrap().into_inner().transactions;
    let topics: Vec<&str> = listed.iter().map(|one| one.r#type.as_str()).collect();
    assert_eq!(
        topics,
        [
            "funds.released",
            "funds.settled",
            "funds.locked",
            "funds.deposited"
        ]
    );
    house.platform.stop().await;
}

#[tokio::test]
async fn an_order_that_ends_before_its_fills_are_settled_gets_the_rest_back_with_the_last() {
    let house = House::open().await;
    let (ann, bob) = (house.customer(1000, 0).await, house.customer(0, 50).await);
    let buy = house.outside.order(&ann, Side::Buy);
    let sell = house.outside.order(&bob, Side::Sell);
    house.lock(&buy, cash(500)).await.unwrap();
    house.lock(&sell, shares(20)).await.unwrap();

    let cancelled = house.outside.cancelled(&buy, 10).await;
    eventually("the end is remembered", async || {
        house
            .ctx
            .store
            .is_handled("funds", cancelled.id())
            .await
            .unwrap()
    })
    .await;
    assert!(house.said("funds.released").await.is_empty());
    house.outside.executed(&buy, TAKEN).await;

    let house = house.crash().await;
    let liquidity = Liquidity::Maker;
    house
        .outside
        .executed(&sell, Fill { liquidity, ..TAKEN })
        .await;
    house.eventually_holds(&ann, 799, 10).await;
    let released = house.said("funds.released").await;
    assert_eq!(released[0].causation_id(), Some(cancelled.id()));
    assert_eq!(released[0].correlation_id(), buy.flow);
    let late = house.lock(&buy, cash(1)).await.unwrap_err();
    assert_eq!(reason(&late), "ORDER_ENDED");
    house.check().await;
    house.platform.stop().await;
}

#[tokio::test]
async fn a_payment_that_comes_before_the_news_of_its_user_opens_the_account() {
    let house = House::open().await;
    let ann = Uuid::now_v7().to_string();
    let payment = Uuid::now_v7().to_string();
    house.outside.paid(&payment, &ann, 100).await;
    house.eventually_available(&ann, 100).await;
    let created = house.outside.created(&ann).await;
    eventually("the news of the user is handled", async || {
        let handled = house.ctx.store.is_handled("funds", created.id()).await;
        handled.unwrap()
    })
    .await;
    assert_eq!(house.holds(&ann).await.0, 100);
    house.check().await;
    house.outside.suspended(&ann).await;
    eventually("the account is suspended", async || {
        let account = house.account(&ann).await.unwrap();
        account.standing == Standing::Suspended
    })
    .await;
    house.platform.stop().await;
}

#[tokio::test]
async fn a_payment_is_credited_once_however_often_it_is_told() {
    let house = House::open().await;
    let ann = house.outside.registered().await;
    let payment = Uuid::now_v7().to_string();
    for _ in 0..3 {
        house.outside.paid(&payment, &ann, 100).await;
    }
    let after = Uuid::now_v7().to_string();
    house.outside.paid(&after, &ann, 7).await;
    house.eventually_available(&ann, 107).await;
    eventually("all news is handled", async || {
        house
            .platform
            .broker()
            .groups()
            .await
            .unwrap()
            .iter()
            .all(|group| group.name != "funds" || group.lag == 0)
    })
    .await;
    assert_eq!(house.said("funds.deposited").await.len(), 2);
    house.check().await;
    house.platform.stop().await;
}

#[tokio::test]
async fn a_lock_is_refused_for_what_is_missing() {
    let house = House::open().await;
    let stranger = house.outside.order(&Uuid::now_v7().to_string(), Side::Buy);
    let refused = house.lock(&stranger, cash(1)).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused)),
        (Code::FailedPrecondition, "ACCOUNT_NOT_READY".to_owned())
    );
    let ann = house.customer(10, 1).await;
    let buy = house.outside.order(&ann, Side::Buy);
    for (amount, expected) in [
        (cash(11), "INSUFFICIENT_FUNDS"),
        (shares(2), "INSUFFICIENT_HOLDINGS"),
    ] {
        let refused = house.lock(&buy, amount).await.unwrap_err();
        assert_eq!(reason(&refused), expected);
    }
    house.outside.suspended(&ann).await;
    let refusal = found("the suspension arrives", async || {
        house
            .lock(&buy, cash(11))
            .await
            .err()
            .map(|one| reason(&one))
            .filter(|reason| reason == "USER_NOT_ACTIVE")
    });
    refusal.await;
    house.check().await;
    house.platform.stop().await;
}

#[tokio::test]
async fn a_release_that_overtakes_its_lock_bars_it() {
    let house = House::open().await;
    let ann = house.customer(10, 0).await;
    let buy = house.outside.order(&ann, Side::Buy);
    let release = wire::ReleaseFundsRequest {
        order_id: buy.order_id.clone(),
        user_id: ann.clone(),
        reason: wire::ReleaseReason::Rejected.into(),
    };
    let released = house.orders().release_funds(release.clone()).await;
    assert_eq!(released.unwrap().into_inner().lock, None);
    let late = house.lock(&buy, cash(1)).await.unwrap_err();
    assert_eq!(reason(&late), "ORDER_ENDED");

    let other = house.outside.order(&ann, Side::Buy);
    house.lock(&other, cash(4)).await.unwrap();
    let release = wire::ReleaseFundsRequest {
        order_id: other.order_id.clone(),
        ..release
    };
    for _ in 0..2 {
        let released = house.orders().release_funds(release.clone()).await;
        let lock = released.unwrap().into_inner().lock.unwrap();
        assert_eq!(lock.status(), wire::LockStatus::Released);
    }
    house.eventually_available(&ann, 10).await;
    house.check().await;
    house.platform.stop().await;
}

#[tokio::test]
async fn a_settlement_that_is_not_covered_stops_its_symbol_and_no_other() {
    let house = House::open().await;
    let (ann, bob) = (
        house.customer(1000, 0).await,
        house.customer(1000, 50).await,
    );
    let buy = house.outside.order(&ann, Side::Buy);
    let sell = house.outside.order(&bob, Side::Sell);
    house.lock(&buy, cash(10)).await.unwrap();
    house.lock(&sell, shares(10)).await.unwrap();
    house.outside.matched(&buy, &sell, TAKEN).await;
    found("the symbol is parked", async || {
        let keys = house.ctx.store.parked_keys("funds").await.unwrap();
        keys.into_iter().find(|(key, _)| key == "ACME")
    })
    .await;
    assert!(house.said("funds.settled").await.is_empty());
    house
        .outside
        .paid(&Uuid::now_v7().to_string(), &ann, 5)
        .await;
    house.eventually_available(&ann, 995).await;
    house.check().await;
    house.platform.stop().await;
}

#[tokio::test]
async fn customers_see_their_own_account_and_operators_all() {
    let house = House::open().await;
    let (ann, bob) = (house.customer(100, 3).await, house.customer(1, 0).await);
    let of_ann = || wire::GetBalancesRequest {
        user_id: ann.clone(),
    };
    let refused = house.user(&bob).get_balances(of_ann()).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let seen = house.admin().get_balances(of_ann()).await.unwrap();
    let own = wire::GetBalancesRequest::default();
    let own = house.user(&ann).get_balances(own).await.unwrap();
    assert_eq!(seen.get_ref(), own.get_ref());
    let balances = own.into_inner().balances;
    assert_eq!(balances[0].available, Some(cash(100)));
    assert_eq!(balances[1].available, Some(shares(3)));

    let buy = house.outside.order(&ann, Side::Buy);
    house.lock(&buy, cash(1)).await.unwrap();
    let asked = wire::GetLockRequest {
        lock_id: buy.order_id.clone(),
    };
    let hidden = house.user(&bob).get_lock(asked.clone()).await.unwrap_err();
    assert_eq!(hidden.code(), Code::NotFound);
    assert!(house.orders().get_lock(asked).await.is_ok());
    house.platform.stop().await;
}
