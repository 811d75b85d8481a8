//! Status and roles, and who may change them.

use outcry_contracts::options::v1::Role;
use outcry_contracts::users::v1 as wire;
use outcry_contracts::users::v1::UserStatus;
use outcry_users::ensure_admin;

use crate::house::{House, OTHER, PASSWORD, reason};

#[tokio::test]
async fn a_suspended_user_cannot_sign_in_or_refresh_until_reinstated() {
    let house = House::open().await;
    let ann = house.registered("ann@example.com").await;
    let tokens = house.signed_in("ann@example.com").await;
    let suspended = house.set_status(&ann.user_id, UserStatus::Suspended).await;
    assert_eq!(suspended.unwrap().status(), UserStatus::Suspended);
    let ended = house.refresh(&tokens.refresh_token).await.unwrap_err();
    assert_eq!(reason(&ended), "BAD_REFRESH_TOKEN");
    let refused = house.login("ann@example.com", PASSWORD).await.unwrap_err();
    assert_eq!(reason(&refused), "USER_SUSPENDED");
    let wrong = house.login("ann@example.com", OTHER).await.unwrap_err();
    assert_eq!(reason(&wrong), "BAD_CREDENTIALS", "no word to strangers");
    house
        .set_status(&ann.user_id, UserStatus::Active)
        .await
        .unwrap();
    house.login("ann@example.com", PASSWORD).await.unwrap();

    house
        .set_status(&ann.user_id, UserStatus::Closed)
        .await
        .unwrap();
    let back = house.set_status(&ann.user_id, UserStatus::Active).await;
    assert_eq!(reason(&back.unwrap_err()), "USER_CLOSED");
    house.platform.stop().await;
}

#[tokio::test]
async fn the_first_administrator_is_made_once() {
    let house = House::open().await;
    house.registered("ann@example.com").await;
    let refused = ensure_admin(&house.ctx, "ann@example.com", PASSWORD).await;
    assert!(matches!(
        refused,
        Err(outcry_users::AdminError::AddressTaken)
    ));
    let made = ensure_admin(&house.ctx, "Admin@example.com", PASSWORD).await;
    let made = made.unwrap();
    let again = ensure_admin(&house.ctx, "admin@example.com", OTHER).await;
    assert_eq!(made, again.unwrap());
    let reply = house.login("admin@example.com", PASSWORD).await.unwrap();
    assert_eq!(reply.user.unwrap().roles, [i32::from(Role::Admin)]);
    house.platform.stop().await;
}

#[tokio::test]
async fn no_second_administrator_is_made_when_the_first_one_moved_or_handed_over() {
    let house = House::open().await;
    let email = "admin@example.com";
    let first = ensure_admin(&house.ctx, email, PASSWORD).await.unwrap();
    let moved = wire::UpdateProfileRequest {
        request_id: house.request(),
        display_name: String::new(),
        email: "boss@example.com".to_owned(),
    };
    house.user(&first).update_profile(moved).await.unwrap();
    let again = ensure_admin(&house.ctx, email, PASSWORD).await;
    assert_eq!(again.unwrap(), first);

    let next = house.registered(email).await.user_id;
    house.set_roles(&next, &[Role::Admin]).await.unwrap();
    house.set_roles(&first, &[Role::User]).await.unwrap();
    let again = ensure_admin(&house.ctx, "boss@example.com", PASSWORD).await;
    assert_eq!(again.unwrap(), next);
    house.platform.stop().await;
}

#[tokio::test]
async fn of_many_who_make_the_first_administrator_at_once_all_get_the_same_one() {
    let house = House::open().await;
    let make = || ensure_admin(&house.ctx, "root@example.com", PASSWORD);
    let (one, two, three) = tokio::join!(make(), make(), make());
    let (one, two, three) = (one.unwrap(), two.unwrap(), three.unwrap());
    assert_eq!((&one, &one), (&two, &three));
    assert_eq!(house.said().await, ["user.created"]);
    house.platform.stop().await;
}

#[tokio::test]
async fn the_last_active_administrator_stays_one() {
    let house = House::open().await;
    let only = ensure_admin(&house.ctx, "root@example.com", PASSWORD).await;
    let only = only.unwrap();
    // Whoever asks is an administrator of long ago, whose token still counts.
    let demoted = house.set_roles(&only, &[Role::User]).await.unwrap_err();
    assert_eq!(reason(&demoted), "LAST_ADMINISTRATOR");
    for status in [UserStatus::Suspended, UserStatus::Closed] {
        let refused = house.set_status(&only, status).await.unwrap_err();
        assert_eq!(reason(&refused), "LAST_ADMINISTRATOR");
    }
    let other = house.registered("ann@example.com").await.user_id;
    house
        .set_roles(&other, &[Role::User, Role::Admin])
        .await
        .unwrap();
    house.set_roles(&only, &[Role::User]).await.unwrap();
    let last = house.set_status(&other, UserStatus::Suspended).await;
    assert_eq!(reason(&last.unwrap_err()), "LAST_ADMINISTRATOR");
    // Further roles do no harm.
    house
        .set_roles(&other, &[Role::Viewer, Role::Admin])
        .await
        .unwrap();
    house.platform.stop().await;
}

#[tokio::test]
async fn of_administrators_who_are_demoted_at_the_same_time_one_is_left() {
    let house = House::open().await;
    let mut ids = Vec::new();
    for name in ["a", "b", "c"] {
        let id = house
            .registered(&format!("{name}@example.com"))
            .await
            .user_id;
        house.set_roles(&id, &[Role::Admin]).await.unwrap();
        ids.push(id);
    }
    let demote = |id: &str| {
        let id = id.to_owned();
        let house = &house;
        async move { house.set_roles(&id, &[Role::User]).await }
    };
    let (a, b, c) = tokio::join!(demote(&ids[0]), demote(&ids[1]), demote(&ids[2]));
    let outcomes = [a, b, c];
    let refused: Vec<_> = outcomes
        .iter()
        .filter_map(|one| one.as_ref().err())
        .collect();
    assert_eq!(refused.len(), 1, "{outcomes:?}");
    assert_eq!(reason(refused[0]), "LAST_ADMINISTRATOR");
    house.platform.stop().await;
}

#[tokio::test]
async fn other_roles_void_tokens_and_a_closed_account_stays_closed() {
    let house = House::open().await;
    let ann = house.registered("ann@example.com").await;
    let tokens = house.signed_in("ann@example.com").await;
    let roles = [Role::User, Role::Viewer];
    house.set_roles(&ann.user_id, &roles).await.unwrap();
    let void = house.refresh(&tokens.refresh_token).await.unwrap_err();
    assert_eq!(reason(&void), "BAD_REFRESH_TOKEN");
    let tokens = house.signed_in("ann@example.com").await;
    assert_eq!(house.claims(&tokens.access_token).await.epoch, 1);

    let id = ann.user_id.as_str();
    house.set_status(id, UserStatus::Closed).await.unwrap();
    for status in [UserStatus::Active, UserStatus::Suspended] {
        let refused = house.set_status(id, status).await.unwrap_err();
        assert_eq!(reason(&refused), "USER_CLOSED");
    }
    let refused = house.set_roles(id, &[Role::Admin]).await.unwrap_err();
    assert_eq!(reason(&refused), "USER_CLOSED");
    let refused = house.login("ann@example.com", PASSWORD).await.unwrap_err();
    assert_eq!(reason(&refused), "USER_CLOSED");
    house.platform.stop().await;
}
