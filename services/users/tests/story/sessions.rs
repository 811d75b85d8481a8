//! Sessions: refresh tokens that work once, and what ends a session.

use std::time::Duration;

use outcry_contracts::users::v1 as wire;
use outcry_service::testing::eventually;

use crate::house::{House, keys, reason};

#[tokio::test]
async fn a_refresh_token_works_once_and_using_it_again_ends_the_session() {
    let house = House::open().await;
    house.registered("ann@example.com").await;
    let (first, other) = (
        house.signed_in("ann@example.com").await,
        house.signed_in("ann@example.com").await,
    );
    let second = house.refresh(&first.refresh_token).await.unwrap();
    assert_ne!(second.refresh_token, first.refresh_token);
    assert_eq!(house.claims(&second.access_token).await.epoch, 0);

    let reused = house.refresh(&first.refresh_token).await.unwrap_err();
    assert_eq!(reason(&reused), "REFRESH_TOKEN_REUSED");
    let ended = house.refresh(&second.refresh_token).await.unwrap_err();
    assert_eq!(reason(&ended), "BAD_REFRESH_TOKEN");
    house.refresh(&other.refresh_token).await.unwrap();
    let made_up = house.refresh("AAAA").await.unwrap_err();
    assert_eq!(reason(&made_up), "BAD_REFRESH_TOKEN");
    house.platform.stop().await;
}

#[tokio::test]
async fn of_many_who_use_a_refresh_token_at_once_one_gets_tokens_and_the_session_ends() {
    let house = House::open().await;
    house.registered("ann@example.com").await;
    let tokens = house.signed_in("ann@example.com").await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let mut client = house.anybody();
        let refresh_token = tokens.refresh_token.clone();
        tasks.spawn(async move {
            let request = wire::RefreshRequest { refresh_token };
            client.refresh(request).await
        });
    }
    let outcomes = tasks.join_all().await;
    let mut lucky = outcomes.into_iter().filter_map(Result::ok);
    let next = lucky.next().unwrap().into_inner().tokens.unwrap();
    assert!(lucky.next().is_none());
    let ended = house.refresh(&next.refresh_token).await.unwrap_err();
    assert_eq!(reason(&ended), "BAD_REFRESH_TOKEN");
    house.platform.stop().await;
}

#[tokio::test]
async fn a_session_ends_by_logout_and_by_age() {
    let house = House::open().await;
    house.registered("ann@example.com").await;
    let (one, two) = (
        house.signed_in("ann@example.com").await,
        house.signed_in("ann@example.com").await,
    );
    let logout = wire::LogoutRequest {
        refresh_token: one.refresh_token.clone(),
    };
    house.anybody().logout(logout.clone()).await.unwrap();
    house.anybody().logout(logout).await.unwrap();
    let ended = house.refresh(&one.refresh_token).await.unwrap_err();
    assert_eq!(reason(&ended), "BAD_REFRESH_TOKEN");
    house.clock.advance(Duration::from_secs(31 * 24 * 3600));
    let ended = house.refresh(&two.refresh_token).await.unwrap_err();
    assert_eq!(reason(&ended), "BAD_REFRESH_TOKEN");
    eventually("sessions are forgotten", async || {
        let scan = outcry_store::Scan::new("sessions");
        house.ctx.store.scan(&scan).await.unwrap().is_empty()
    })
    .await;
    house.platform.stop().await;
}

#[tokio::test]
async fn a_session_begun_at_one_process_goes_on_at_another_and_tokens_of_both_count() {
    let house = House::open().await;
    let user = house.registered("ann@example.com").await;
    let other = house.replica(keys(house.folder.path())).await;
    let begun = house.signed_in("ann@example.com").await;
    let gone_on = other.refresh(&begun.refresh_token).await.unwrap();
    assert_eq!(
        house.claims(&gone_on.access_token).await.sub,
        user.user_id,
        "signed by one, verified with the keys of the other"
    );
    let reused = house.refresh(&begun.refresh_token).await.unwrap_err();
    assert_eq!(reason(&reused), "REFRESH_TOKEN_REUSED");
    let over = other.refresh(&gone_on.refresh_token).await.unwrap_err();
    assert_eq!(reason(&over), "BAD_REFRESH_TOKEN");
    house.platform.stop().await;
}
