//! Registering.

use outcry_contracts::options::v1::Role;
use outcry_contracts::users::v1 as wire;
use outcry_contracts::users::v1::UserStatus;
use outcry_users::EMITS;

use crate::house::{House, OTHER, PASSWORD, reason, stands_in};

#[tokio::test]
async fn somebody_registers_signs_in_and_is_known_by_their_token() {
    let house = House::open().await;
    let ann = house.registered("Ann@Example.com").await;
    assert_eq!(ann.email, "ann@example.com");
    assert_eq!(ann.roles, [i32::from(Role::User)]);
    assert_eq!(ann.status(), UserStatus::Active);

    let reply = house.login("ANN@example.com", PASSWORD).await.unwrap();
    let tokens = reply.tokens.unwrap();
    assert!(reply.user.unwrap().last_login_at.is_some());
    let claims = house.claims(&tokens.access_token).await;
    assert_eq!(
        (claims.sub.as_str(), claims.epoch),
        (ann.user_id.as_str(), 0)
    );
    assert_eq!(claims.exp - claims.iat, 900);

    let mut client = house.user(&ann.user_id);
    let me = client.get_me(wire::GetMeRequest {}).await;
    let me = me.unwrap().into_inner().user.unwrap();
    assert_eq!(me.email, "ann@example.com");
    assert_eq!(house.said().await, ["user.created", "user.login"]);
    assert!(
        house
            .said()
            .await
            .iter()
            .all(|topic| EMITS.contains(&topic.as_str()))
    );

    let House {
        folder, platform, ..
    } = house;
    platform.stop().await;
    assert!(stands_in(folder.path(), "ann@example.com"));
    for secret in [PASSWORD, &tokens.refresh_token, &tokens.access_token] {
        assert!(
            !stands_in(folder.path(), secret),
            "a secret is in the files"
        );
    }
}

#[tokio::test]
async fn a_registration_sent_again_is_the_same_user_and_another_with_its_id_is_refused() {
    let house = House::open().await;
    let request = house.registration("ann@example.com");
    let first = house.anybody().register(request.clone()).await.unwrap();
    let house = house.crash().await;
    let again = house.anybody().register(request.clone()).await.unwrap();
    assert_eq!(first.into_inner(), again.into_inner());

    let password = wire::RegisterRequest {
        password: OTHER.to_owned(),
        ..request.clone()
    };
    let name = wire::RegisterRequest {
        display_name: "Bob".to_owned(),
        ..request.clone()
    };
    for other in [password, name] {
        let refused = house.anybody().register(other).await.unwrap_err();
        assert_eq!(reason(&refused), "REQUEST_ID_REUSED");
    }
    let taken = house.registration("ANN@example.com");
    let refused = house.anybody().register(taken).await.unwrap_err();
    assert_eq!(reason(&refused), "EMAIL_TAKEN");
    house.platform.stop().await;
}

#[tokio::test]
async fn of_many_who_register_an_address_at_once_one_gets_it() {
    let house = House::open().await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let (mut client, request) = (house.anybody(), house.registration("ann@example.com"));
        tasks.spawn(async move { client.register(request).await });
    }
    let outcomes = tasks.join_all().await;
    let (made, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!(made.len(), 1);
    for status in refused.into_iter().filter_map(Result::err) {
        assert_eq!(reason(&status), "EMAIL_TAKEN");
    }
    assert_eq!(house.said().await, ["user.created"]);
    house.platform.stop().await;
}
