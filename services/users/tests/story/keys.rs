//! The keys that tokens are signed with.

use std::fs;
use std::time::Duration;

use outcry_mesh::token::TokenError;
use outcry_service::testing::eventually;

use crate::house::{House, keys};

#[tokio::test]
async fn after_a_restart_the_keys_are_the_same_and_sessions_go_on() {
    let house = House::open().await;
    let ann = house.registered("ann@example.com").await;
    let tokens = house.signed_in("ann@example.com").await;
    let house = house.crash().await;
    assert_eq!(house.claims(&tokens.access_token).await.sub, ann.user_id);
    let next = house.refresh(&tokens.refresh_token).await.unwrap();
    assert_eq!(house.claims(&next.access_token).await.sub, ann.user_id);
    house.platform.stop().await;
}

#[tokio::test]
async fn a_new_key_takes_over_and_tokens_of_the_old_one_count_until_they_expire() {
    let house = House::open().await;
    house.registered("ann@example.com").await;
    let old = house.signed_in("ann@example.com").await.access_token;
    let file = keys(house.folder.path()).join("access-token.key");
    fs::remove_file(&file).unwrap();
    house.clock.advance(Duration::from_secs(10));
    eventually("there are two keys", async || house.keys().await.len() == 2).await;

    eventually("the new key is signed with", async || {
        let new = house.signed_in("ann@example.com").await.access_token;
        new.split('.').next() != old.split('.').next()
    })
    .await;
    let new = house.signed_in("ann@example.com").await.access_token;
    house.claims(&old).await;
    house.claims(&new).await;
    // Seen by other processes, too, whose own key is another one still.
    let other = house.replica(house.folder.path().join("elsewhere")).await;
    assert_eq!(house.keys().await.len(), 3);
    let theirs = other
        .login("ann@example.com", crate::house::PASSWORD)
        .await
        .unwrap();
    house.claims(&theirs.tokens.unwrap().access_token).await;

    // The last token of the old key has expired.
    house.clock.advance(Duration::from_secs(20 * 60));
    let gone = house.verified(&old).await.unwrap_err();
    assert!(matches!(gone, TokenError::UnknownKey), "{gone:?}");
    assert_eq!(house.keys().await.len(), 1);
    house.platform.stop().await;
}

#[tokio::test]
async fn a_key_that_was_signed_with_for_three_months_makes_way_for_a_new_one() {
    let house = House::open().await;
    house.registered("ann@example.com").await;
    let first = house.keys().await;
    let file = keys(house.folder.path()).join("access-token.key");
    let before = fs::read(&file).unwrap();
    house.clock.advance(Duration::from_secs(91 * 24 * 3600));
    eventually("there is a new key", async || house.keys().await.len() == 2).await;
    assert!(house.keys().await.contains(&first[0]));
    assert_ne!(fs::read(&file).unwrap(), before);
    house.platform.stop().await;
}
