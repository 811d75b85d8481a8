//! Passwords: wrong ones, and new ones.

use std::time::Duration;

use outcry_contracts::users::v1 as wire;
use outcry_service::testing::eventually;
use tonic::Code;
use tonic_types::StatusExt;

use crate::house::{House, OTHER, PASSWORD, keys, reason};

#[tokio::test]
async fn wrong_passwords_and_unknown_addresses_are_refused_and_locked_out_alike() {
    let house = House::open().await;
    house.registered("ann@example.com").await;
    for email in ["ann@example.com", "nobody@example.com"] {
        for _ in 0..5 {
            let refused = house.login(email, OTHER).await.unwrap_err();
            assert_eq!(refused.code(), Code::Unauthenticated);
            assert_eq!(reason(&refused), "BAD_CREDENTIALS");
        }
        let locked = house.login(email, PASSWORD).await.unwrap_err();
        assert_eq!(reason(&locked), "LOGIN_LOCKED");
        let wait = locked.get_details_retry_info().unwrap().retry_delay;
        assert_eq!(wait, Some(Duration::from_secs(900)));
    }
    let house = house.crash().await;
    let locked = house.login("ann@example.com", PASSWORD).await.unwrap_err();
    assert_eq!(reason(&locked), "LOGIN_LOCKED");
    house.clock.advance(Duration::from_secs(900));
    house.login("ann@example.com", PASSWORD).await.unwrap();
    eventually("failures are forgotten", async || {
        let scan = outcry_store::Scan::new("attempts");
        house.ctx.store.scan(&scan).await.unwrap().is_empty()
    })
    .await;
    house.platform.stop().await;
}

#[tokio::test]
async fn another_password_voids_the_sessions_of_the_old_one() {
    let house = House::open().await;
    let ann = house.registered("ann@example.com").await;
    let tokens = house.signed_in("ann@example.com").await;
    let change = |old: &str, new: &str| wire::ChangePasswordRequest {
        request_id: house.request(),
        old_password: old.to_owned(),
        new_password: new.to_owned(),
    };
    let mut client = house.user(&ann.user_id);
    let wrong = client.change_password(change(OTHER, OTHER)).await;
    assert_eq!(reason(&wrong.unwrap_err()), "BAD_CREDENTIALS");
    let right = change(PASSWORD, OTHER);
    client.change_password(right.clone()).await.unwrap();
    client.change_password(right).await.unwrap();

    let ended = house.refresh(&tokens.refresh_token).await.unwrap_err();
    assert_eq!(reason(&ended), "BAD_REFRESH_TOKEN");
    let refused = house.login("ann@example.com", PASSWORD).await.unwrap_err();
    assert_eq!(reason(&refused), "BAD_CREDENTIALS");
    let tokens = house.login("ann@example.com", OTHER).await.unwrap().tokens;
    let claims = house.claims(&tokens.unwrap().access_token).await;
    assert_eq!(claims.epoch, 1);
    let changes = house.said().await;
    let changes = changes.iter().filter(|one| *one == "user.password_changed");
    assert_eq!(changes.count(), 1);
    house.platform.stop().await;
}

#[tokio::test]
async fn wrong_passwords_count_wherever_they_are_tried() {
    let house = House::open().await;
    house.registered("ann@example.com").await;
    let other = house.replica(keys(house.folder.path())).await;
    for _ in 0..2 {
        house.login("ann@example.com", OTHER).await.unwrap_err();
        other.login("ann@example.com", OTHER).await.unwrap_err();
    }
    let fifth = other.login("ann@example.com", OTHER).await.unwrap_err();
    assert_eq!(reason(&fifth), "BAD_CREDENTIALS");
    let locked = house.login("ann@example.com", PASSWORD).await.unwrap_err();
    assert_eq!(reason(&locked), "LOGIN_LOCKED");
    let locked = other.login("ann@example.com", PASSWORD).await.unwrap_err();
    assert_eq!(reason(&locked), "LOGIN_LOCKED");
    house.platform.stop().await;
}
