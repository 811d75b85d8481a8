//! People on a running platform: registering, signing in, and what ends a session.

#![expect(clippy::unwrap_used, reason = "a story that cannot go on fails there")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use outcry_contracts::options::v1::Role;
use outcry_contracts::types::v1::PageRequest;
use outcry_contracts::users::v1 as wire;
use outcry_contracts::users::v1::UserStatus;
use outcry_contracts::users::v1::user_service_client::UserServiceClient;
use outcry_mesh::token::{Claims, PublicKey, Verifier};
use outcry_mesh::{Channel, Directory, EDGE, Rules};
use outcry_service::testing::{Caller, FakeClock, Platform};
use outcry_service::{Clock, Context};
use outcry_store::ReadAll;
use outcry_users::{Config, EMITS, StartError, ensure_admin};
use tempfile::TempDir;
use tonic::{Code, Status};
use tonic_types::StatusExt;

const PASSWORD: &str = "correct horse battery";
const OTHER: &str = "another long password";

struct House {
    folder: TempDir,
    clock: Arc<FakeClock>,
    platform: Platform,
    ctx: Context,
}

impl House {
    async fn open() -> Self {
        let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::new(FakeClock::default()));
        let platform = Platform::open_at(folder.path(), clock.clone()).await;
        Self::start(folder, clock, platform).await
    }

    async fn start(folder: TempDir, clock: Arc<FakeClock>, mut platform: Platform) -> Self {
        let ctx = platform.context("users").await;
        let config = Config {
            keys_dir: keys(folder.path()),
        };
        let service = outcry_users::service(ctx.clone(), config).await.unwrap();
        platform.start([(ctx.clone(), service)]).await;
        Self {
            folder,
            clock,
            platform,
            ctx,
        }
    }

    async fn crash(self) -> Self {
        let platform = self.platform.crash_and_restart().await;
        Self::start(self.folder, self.clock, platform).await
    }

    fn anybody(&self) -> UserServiceClient<Caller> {
        UserServiceClient::new(self.platform.anybody("users"))
    }

    fn user(&self, id: &str) -> UserServiceClient<Caller> {
        UserServiceClient::new(self.platform.user(id, "users"))
    }

    fn admin(&self) -> UserServiceClient<Caller> {
        UserServiceClient::new(self.platform.admin("users"))
    }

    fn request(&self) -> String {
        self.clock.new_id().to_string()
    }

    fn registration(&self, email: &str) -> wire::RegisterRequest {
        wire::RegisterRequest {
            request_id: self.request(),
            email: email.to_owned(),
            password: PASSWORD.to_owned(),
            display_name: "Ann".to_owned(),
        }
    }

    /// One more process of the service on the same store, with its own copy of a key.
    async fn replica(&self, keys_dir: std::path::PathBuf) -> Result<Replica, StartError> {
        let ids = Arc::clone(&self.clock);
        let directory = Directory::with(Rules::of_the_contract(), move || ids.new_id());
        let (store, clock) = (Arc::clone(&self.ctx.store), Arc::clone(&self.clock));
        let ctx = Context::new("users", store, clock, directory.clone());
        let service = outcry_users::service(ctx, Config { keys_dir }).await?;
        directory.register("users", service.routes).unwrap();
        Ok(Replica { directory })
    }

    async fn registered(&self, email: &str) -> wire::User {
        let reply = self.anybody().register(self.registration(email)).await;
        reply.unwrap().into_inner().user.unwrap()
    }

    async fn login(&self, email: &str, password: &str) -> Result<wire::LoginResponse, Status> {
        let request = wire::LoginRequest {
            email: email.to_owned(),
            password: password.to_owned(),
        };
        Ok(self.anybody().login(request).await?.into_inner())
    }

    async fn signed_in(&self, email: &str) -> wire::Tokens {
        self.login(email, PASSWORD).await.unwrap().tokens.unwrap()
    }

    async fn refresh(&self, token: &str) -> Result<wire::Tokens, Status> {
        let refresh_token = token.to_owned();
        let request = wire::RefreshRequest { refresh_token };
        let reply = self.anybody().refresh(request).await?;
        Ok(reply.into_inner().tokens.unwrap())
    }

    async fn set_status(&self, user_id: &str, status: UserStatus) -> Result<wire::User, Status> {
        let request = wire::SetUserStatusRequest {
            request_id: self.request(),
            user_id: user_id.to_owned(),
            status: status.into(),
            reason: "documents".to_owned(),
        };
        let reply = self.admin().set_user_status(request).await?;
        Ok(reply.into_inner().user.unwrap())
    }

    /// What an access token says, by the keys the service publishes.
    async fn claims(&self, token: &str) -> Claims {
        let mut gateway = UserServiceClient::new(self.platform.service("gateway", "users"));
        let keys = gateway.get_signing_keys(wire::GetSigningKeysRequest {});
        let keys = keys.await.unwrap().into_inner().jwks_json;
        let x = keys.split("\"x\":\"").nth(1).unwrap();
        let x = x.split('"').next().unwrap();
        let kid = keys.split("\"kid\":\"").nth(1).unwrap();
        let kid = kid.split('"').next().unwrap();
        let key = PublicKey::from_x(kid, x).unwrap();
        Verifier::new([&key])
            .verify(token, self.clock.now())
            .unwrap()
    }

    /// Topics of all events, in order.
    async fn said(&self) -> Vec<String> {
        let all = ReadAll {
            limit: 1000,
            ..ReadAll::default()
        };
        let events = self.ctx.store.read_all(&all).await.unwrap();
        events
            .iter()
            .map(|stored| stored.event.topic().to_owned())
            .collect()
    }
}

/// One more process of the service.
struct Replica {
    directory: Directory,
}

impl Replica {
    fn anybody(&self) -> UserServiceClient<Channel> {
        UserServiceClient::new(self.directory.channel(EDGE, "users"))
    }

    async fn login(&self, email: &str, password: &str) -> Result<wire::LoginResponse, Status> {
        let request = wire::LoginRequest {
            email: email.to_owned(),
            password: password.to_owned(),
        };
        Ok(self.anybody().login(request).await?.into_inner())
    }

    async fn refresh(&self, token: &str) -> Result<wire::Tokens, Status> {
        let refresh_token = token.to_owned();
        let request = wire::RefreshRequest { refresh_token };
        let reply = self.anybody().refresh(request).await?;
        Ok(reply.into_inner().tokens.unwrap())
    }
}

fn keys(folder: &Path) -> std::path::PathBuf {
    folder.join("keys")
}

fn reason(status: &Status) -> String {
    status.get_details_error_info().unwrap().reason
}

/// Whether a text stands anywhere in the platform's files.
fn stands_in(folder: &Path, text: &str) -> bool {
    let files = std::fs::read_dir(folder).unwrap();
    let paths = files.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.is_file()).any(|path| {
        let bytes = std::fs::read(path).unwrap();
        bytes
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    })
}

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
    outcry_service::testing::eventually("failures are forgotten", async || {
        let scan = outcry_store::Scan::new("attempts");
        house.ctx.store.scan(&scan).await.unwrap().is_empty()
    })
    .await;
    house.platform.stop().await;
}

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
    outcry_service::testing::eventually("sessions are forgotten", async || {
        let scan = outcry_store::Scan::new("sessions");
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
        let request = wire::SetUserRolesRequest {
            request_id: house.request(),
            user_id: id.clone(),
            roles: vec![Role::Viewer.into(), Role::User.into()],
        };
        admin.set_user_roles(request).await.unwrap();
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
async fn the_first_administrator_is_made_once() {
    let house = House::open().await;
    let made = ensure_admin(&house.ctx, "Admin@example.com", PASSWORD).await;
    let again = ensure_admin(&house.ctx, "admin@example.com", OTHER).await;
    assert_eq!(made.unwrap(), again.unwrap());
    let reply = house.login("admin@example.com", PASSWORD).await.unwrap();
    assert_eq!(reply.user.unwrap().roles, [i32::from(Role::Admin)]);
    house.registered("ann@example.com").await;
    let refused = ensure_admin(&house.ctx, "ann@example.com", PASSWORD).await;
    assert!(matches!(
        refused,
        Err(outcry_users::AdminError::AddressTaken)
    ));
    house.platform.stop().await;
}

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
async fn wrong_passwords_count_wherever_they_are_tried() {
    let house = House::open().await;
    house.registered("ann@example.com").await;
    let other = house.replica(keys(house.folder.path())).await.unwrap();
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

#[tokio::test]
async fn a_session_begun_at_one_process_goes_on_at_another_and_tokens_of_both_count() {
    let house = House::open().await;
    let user = house.registered("ann@example.com").await;
    let other = house.replica(keys(house.folder.path())).await.unwrap();
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

#[tokio::test]
async fn a_process_with_another_key_does_not_start_while_somebody_signs() {
    let house = House::open().await;
    let elsewhere = house.folder.path().join("elsewhere");
    for _ in 0..2 {
        let refused = house.replica(elsewhere.clone()).await.err().unwrap();
        assert!(
            matches!(refused, StartError::OtherKey { .. }),
            "{refused:?}"
        );
        assert!(refused.to_string().contains("keys_dir"), "{refused}");
    }
    house.replica(keys(house.folder.path())).await.unwrap();
    // Nobody signs any more, so another key can take over.
    house.clock.advance(Duration::from_secs(31));
    house.replica(elsewhere).await.unwrap();
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
