//! Profiles: changed by their owners, listed for operators.

use outcry_contracts::options::v1::Role;
use outcry_contracts::types::v1::PageRequest;
use outcry_contracts::users::v1 as wire;
use outcry_contracts::users::v1::UserStatus;
use tonic::Code;

use crate::house::{House, PASSWORD, reason};

#[tokio::test]
async fn an_address_changes_hands_only_when_it_is_free() {
    let house = House::open().await;
    let ann = house.registered("ann@example.com").await;
    house.registered("bob@example.com").await;
    let to = |email: &str| wire::UpdateProfileRequest {
        request_id: house.request(),
        display_name: String::new(),
        email: email.to_owned(),
    };
    let mut client = house.user(&ann.user_id);
    let taken = client.update_profile(to("Bob@example.com")).await;
    assert_eq!(reason(&taken.unwrap_err()), "EMAIL_TAKEN");
    let moved = client.update_profile(to("Anna@example.com")).await.unwrap();
    let moved = moved.into_inner().user.unwrap();
    assert_eq!(
        (moved.email.as_str(), moved.display_name.as_str()),
        ("anna@example.com", "Ann")
    );
    client.update_profile(to("ANNA@example.com")).await.unwrap();
    house.login("anna@example.com", PASSWORD).await.unwrap();
    house.login("ann@example.com", PASSWORD).await.unwrap_err();
    house.registered("ann@example.com").await;
    let updates = house.said().await;
    assert_eq!(
        updates.iter().filter(|one| *one == "user.updated").count(),
        1
    );
    house.platform.stop().await;
}

#[tokio::test]
async fn the_filters_of_a_listing_hold_together_and_its_pages_meet() {
    let house = House::open().await;
    let mut ids = Vec::new();
    for name in ["a", "b", "c", "d"] {
        ids.push(
            house
                .registered(&format!("{name}@example.com"))
                .await
                .user_id,
        );
    }
    let mut admin = house.admin();
    for id in [&ids[1], &ids[2]] {
        let roles = [Role::Viewer, Role::User];
        house.set_roles(id, &roles).await.unwrap();
    }
    house
        .set_status(&ids[2], UserStatus::Suspended)
        .await
        .unwrap();

    let list = |status: UserStatus, role: Role, email: &str| wire::ListUsersRequest {
        page: None,
        status: status.into(),
        role: role.into(),
        email: email.to_owned(),
        ..Default::default()
    };
    let (active, any) = (UserStatus::Active, UserStatus::Unspecified);
    for (request, expected) in [
        (list(any, Role::Unspecified, ""), vec![0, 1, 2, 3]),
        (list(active, Role::Unspecified, ""), vec![0, 1, 3]),
        (list(any, Role::Viewer, ""), vec![1, 2]),
        (list(active, Role::Viewer, ""), vec![1]),
        (list(any, Role::Unspecified, "C@example.com"), vec![2]),
        (list(active, Role::Unspecified, "c@example.com"), vec![]),
    ] {
        let listed = admin.list_users(request).await.unwrap().into_inner().users;
        let listed: Vec<&str> = listed.iter().map(|user| user.user_id.as_str()).collect();
        let expected: Vec<&str> = expected
            .into_iter()
            .map(|at: usize| ids[at].as_str())
            .collect();
        assert_eq!(listed, expected);
    }

    let (mut token, mut seen) = (String::new(), Vec::new());
    loop {
        let mut request = list(active, Role::Unspecified, "");
        request.page = Some(PageRequest { size: 2, token });
        let page = admin.list_users(request).await.unwrap().into_inner();
        seen.extend(page.users.into_iter().map(|user| user.user_id));
        token = page.page.unwrap().next_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, [ids[0].as_str(), &ids[1], &ids[3]]);
    let mut stranger = house.user(&ids[0]);
    let refused = stranger.list_users(list(any, Role::Unspecified, "")).await;
    assert_eq!(refused.unwrap_err().code(), Code::PermissionDenied);
    house.platform.stop().await;
}

#[tokio::test]
async fn names_are_found_by_their_beginning_together_with_the_other_filters() {
    let house = House::open().await;
    let mut ids = Vec::new();
    for (name, number) in [("Anna", 0), ("ANNE", 1), ("Bob", 2), ("anna-lena", 3)] {
        let mut request = house.registration(&format!("user{number}@example.com"));
        request.display_name = name.to_owned();
        let reply = house.anybody().register(request).await.unwrap();
        ids.push(reply.into_inner().user.unwrap().user_id);
    }
    house
        .set_roles(&ids[3], &[Role::Viewer, Role::User])
        .await
        .unwrap();
    house
        .set_status(&ids[1], UserStatus::Suspended)
        .await
        .unwrap();
    let mut admin = house.admin();
    let list = |prefix: &str| wire::ListUsersRequest {
        display_name_prefix: prefix.to_owned(),
        ..Default::default()
    };
    let active = wire::ListUsersRequest {
        status: UserStatus::Active.into(),
        ..list("aNn")
    };
    let viewers = wire::ListUsersRequest {
        role: Role::Viewer.into(),
        ..list("ann")
    };
    let all = wire::ListUsersRequest {
        role: Role::Viewer.into(),
        ..active.clone()
    };
    let mut by_address = wire::ListUsersRequest {
        email: "user2@example.com".to_owned(),
        ..list("B")
    };
    // By name: a hyphen comes before letters.
    for (request, expected) in [
        (list("ann"), vec![0, 3, 1]),
        (list("anna-"), vec![3]),
        (list("x"), vec![]),
        (active, vec![0, 3]),
        (viewers, vec![3]),
        (all, vec![3]),
        (by_address.clone(), vec![2]),
    ] {
        let listed = admin.list_users(request).await.unwrap().into_inner().users;
        let listed: Vec<&str> = listed.iter().map(|user| user.user_id.as_str()).collect();
        let expected: Vec<&str> = expected
            .into_iter()
            .map(|at: usize| ids[at].as_str())
            .collect();
        assert_eq!(listed, expected);
    }
    by_address.display_name_prefix = "A".to_owned();
    let none = admin.list_users(by_address).await.unwrap().into_inner();
    assert!(none.users.is_empty());

    let (mut token, mut seen) = (String::new(), Vec::new());
    loop {
        let mut request = list("a");
        request.page = Some(PageRequest { size: 1, token });
        let page = admin.list_users(request).await.unwrap().into_inner();
        seen.extend(page.users.into_iter().map(|user| user.user_id));
        token = page.page.unwrap().next_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, [ids[0].as_str(), &ids[3], &ids[1]]);

    // A new name is found, the old one is not.
    let rename = wire::UpdateProfileRequest {
        request_id: house.request(),
        display_name: "Zoe".to_owned(),
        email: String::new(),
    };
    house.user(&ids[0]).update_profile(rename).await.unwrap();
    let zoe = admin.list_users(list("zo")).await.unwrap().into_inner();
    assert_eq!(zoe.users[0].user_id, ids[0]);
    let anna = admin.list_users(list("anna")).await.unwrap().into_inner();
    assert_eq!(anna.users.len(), 1);
    house.platform.stop().await;
}

#[tokio::test]
async fn a_profile_edit_changes_name_and_address_and_nothing_else() {
    let house = House::open().await;
    let ann = house.registered("ann@example.com").await;
    let edit = wire::UpdateProfileRequest {
        request_id: house.request(),
        display_name: "Anna".to_owned(),
        email: "anna@example.com".to_owned(),
    };
    let edited = house.user(&ann.user_id).update_profile(edit).await;
    let edited = edited.unwrap().into_inner().user.unwrap();
    let expected = wire::User {
        display_name: "Anna".to_owned(),
        email: "anna@example.com".to_owned(),
        ..ann
    };
    assert_eq!(edited, expected);
    assert_eq!(house.said().await, ["user.created", "user.updated"]);
    house.platform.stop().await;
}
