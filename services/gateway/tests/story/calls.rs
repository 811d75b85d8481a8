//! Unary calls from outside.

use std::time::Duration;

use outcry_contracts::eventlog::v1::{SubscribeRequest, SubscribeResponse};
use outcry_contracts::users::v1::{
    GetMeRequest, GetSigningKeysRequest, GetUserRequest, LoginRequest, UpdateProfileRequest,
};
use outcry_gateway::Config;
use outcry_mesh::token::{Claims, SigningKey};
use outcry_mesh::{EDGE, Role};
use outcry_service::Clock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt;
use uuid::Uuid;

use crate::rig::{Rig, TOKEN_LIFETIME, bearing, user};

fn reason(status: &Status) -> String {
    status
        .get_details_error_info()
        .map(|info| info.reason)
        .unwrap_or_default()
}

fn refused(status: &Status) -> (Code, String) {
    (status.code(), reason(status))
}

fn profile(display_name: &str) -> UpdateProfileRequest {
    UpdateProfileRequest {
        request_id: Uuid::from_u128(1).to_string(),
        display_name: display_name.to_owned(),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_signed_in_user_reaches_a_service_as_that_user() {
    let rig = Rig::start().await;
    let request = rig.by(&user(7), Role::User, GetMeRequest {});
    let answer = rig.users().await.get_me(request).await.unwrap();
    let shown = answer
        .metadata()
        .get("outcry-correlation-id")
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    assert_eq!(answer.into_inner().user.unwrap().user_id, user(7));
    let seen = rig.last_seen();
    assert_eq!(seen.identity.caller.as_deref(), Some(EDGE));
    assert_eq!(seen.identity.user.unwrap().id, user(7));
    assert_eq!(
        seen.correlation_id, shown,
        "the client is told the flow's id"
    );
    assert_eq!(seen.client_address.as_deref(), Some("127.0.0.1"));
    assert!(
        seen.metadata.get("authorization").is_none(),
        "tokens end at the edge"
    );
}

#[tokio::test]
async fn what_a_client_claims_about_itself_is_dropped() {
    let rig = Rig::start().await;
    let mut request = rig.by(&user(7), Role::User, GetMeRequest {});
    let forged = Uuid::from_u128(99).to_string();
    for (name, value) in [
        ("outcry-correlation-id", forged.as_str()),
        ("outcry-causation-id", forged.as_str()),
        ("outcry-user", "admin"),
        ("outcry-caller", "users"),
        ("outcry-client-address", "203.0.113.9"),
        ("grpc-previous-rpc-attempts", "7"),
        ("x-forwarded-for", "203.0.113.9"),
    ] {
        request.metadata_mut().insert(name, value.parse().unwrap());
    }
    rig.users().await.get_me(request).await.unwrap();
    let seen = rig.last_seen();
    assert_ne!(seen.correlation_id, forged);
    assert_eq!(seen.client_address.as_deref(), Some("127.0.0.1"));
    for name in [
        "outcry-causation-id",
        "outcry-user",
        "outcry-caller",
        "grpc-previous-rpc-attempts",
    ] {
        assert!(seen.metadata.get(name).is_none(), "{name}");
    }
    let user = seen.identity.user.unwrap();
    assert_eq!(
        (user.id, user.roles),
        (crate::rig::user(7), vec![Role::User])
    );
}

#[tokio::test]
async fn without_a_token_only_public_methods_answer() {
    let rig = Rig::start().await;
    let mut users = rig.users().await;
    let denied = users.get_me(GetMeRequest {}).await.unwrap_err();
    assert_eq!(
        refused(&denied),
        (Code::Unauthenticated, "NOT_SIGNED_IN".into())
    );
    let login = LoginRequest {
        email: "a@example.com".into(),
        password: "secret".into(),
    };
    let answered = users.login(login.clone()).await.unwrap_err();
    assert_eq!(answered.message(), "wrong e-mail or password");
    // One signs in again with a token that has run out.
    let stale = rig.token(&user(7), Role::User);
    rig.clock.advance(TOKEN_LIFETIME * 2);
    let answered = users.login(bearing(&stale, login)).await.unwrap_err();
    assert_eq!(answered.message(), "wrong e-mail or password");
    assert!(rig.last_seen().identity.user.is_none());
}

#[tokio::test]
async fn internal_methods_and_foreign_roles_are_refused() {
    let rig = Rig::start().await;
    let mut users = rig.users().await;
    let request = rig.by(&user(1), Role::Admin, GetSigningKeysRequest {});
    let hidden = users.get_signing_keys(request).await.unwrap_err();
    assert_eq!(
        refused(&hidden),
        (Code::Unimplemented, "NO_SUCH_METHOD".into())
    );
    let asked = GetUserRequest { user_id: user(2) };
    let request = rig.by(&user(1), Role::User, asked);
    let denied = users.get_user(request).await.unwrap_err();
    assert_eq!(
        refused(&denied),
        (Code::PermissionDenied, "NOT_ALLOWED".into())
    );
}

#[tokio::test]
async fn tokens_that_do_not_count_are_refused_with_the_reason() {
    let rig = Rig::start().await;
    let mut users = rig.users().await;
    let mut try_with = async |token: &str| {
        let status = users
            .get_me(bearing(token, GetMeRequest {}))
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated, "{token}");
        reason(&status)
    };
    let stranger = SigningKey::from_seed(&[9; 32]);
    let now = rig.clock.now();
    let claims = Claims::new(
        &user(7),
        &[Role::Admin],
        0,
        Uuid::nil(),
        now,
        TOKEN_LIFETIME,
    );
    assert_eq!(try_with("nonsense").await, "TOKEN_MALFORMED");
    assert_eq!(
        try_with(&stranger.sign(&claims).unwrap()).await,
        "TOKEN_UNKNOWN_KEY"
    );
    let good = rig.token(&user(7), Role::User);
    let (signed, _) = good.rsplit_once('.').unwrap();
    assert_eq!(
        try_with(&format!("{signed}.AAAA")).await,
        "TOKEN_BAD_SIGNATURE"
    );
    // {"alg":"none","typ":"JWT"}
    let (_, body) = signed.split_once('.').unwrap();
    let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{body}.");
    assert_eq!(try_with(&unsigned).await, "TOKEN_WRONG_ALGORITHM");
    rig.revoke(&user(7), 1).await;
    assert_eq!(try_with(&good).await, "TOKEN_REVOKED");
    let other = rig.token(&user(8), Role::User);
    rig.clock.advance(TOKEN_LIFETIME * 2);
    assert_eq!(try_with(&other).await, "TOKEN_EXPIRED");
    assert!(
        rig.seen.lock().unwrap().is_empty(),
        "none of them reached the service"
    );
}

#[tokio::test]
async fn revocations_outlive_a_restart() {
    let rig = Rig::start().await;
    rig.revoke(&user(7), 3).await;
    let rig = rig.restarted().await;
    let request = rig.by(&user(7), Role::User, GetMeRequest {});
    let denied = rig.users().await.get_me(request).await.unwrap_err();
    assert_eq!(reason(&denied), "TOKEN_REVOKED");
}

#[tokio::test]
async fn a_failure_inside_is_told_without_its_innards() {
    let rig = Rig::start().await;
    let request = rig.by(&user(7), Role::User, profile("panic"));
    let failed = rig.users().await.update_profile(request).await.unwrap_err();
    assert_eq!(failed.code(), Code::Internal);
    assert!(!failed.message().contains("disk"), "{}", failed.message());
    let info = failed.get_details_error_info().unwrap();
    assert_eq!(
        info.metadata["correlation_id"],
        rig.last_seen().correlation_id
    );
}

#[tokio::test]
async fn an_invalid_request_names_the_field() {
    let rig = Rig::start().await;
    let mut invalid = profile("x");
    invalid.request_id = "no uuid".into();
    let request = rig.by(&user(7), Role::User, invalid);
    let failed = rig.users().await.update_profile(request).await.unwrap_err();
    assert_eq!(failed.code(), Code::InvalidArgument);
    let violations = failed.get_details_bad_request().unwrap().field_violations;
    assert_eq!(violations[0].field, "request_id");
}

#[tokio::test]
async fn every_call_is_bounded_in_time_and_the_clients_deadline_is_kept() {
    let rig = Rig::with(Config {
        call_deadline_ms: 300,
        ..Config::default()
    })
    .await;
    let mut users = rig.users().await;
    let request = rig.by(&user(7), Role::User, profile("hang"));
    let ended = users.update_profile(request).await.unwrap_err();
    assert_eq!(
        refused(&ended),
        (Code::DeadlineExceeded, "DEADLINE_EXCEEDED".into())
    );
    assert!(rig.last_seen().remaining.unwrap() <= Duration::from_millis(300));
    let mut request = rig.by(&user(7), Role::User, profile("x"));
    request.set_timeout(Duration::from_millis(200));
    users.update_profile(request).await.unwrap();
    assert!(rig.last_seen().remaining.unwrap() <= Duration::from_millis(200));
}

#[tokio::test]
async fn a_stream_whose_request_never_comes_is_given_up() {
    let rig = Rig::with(Config {
        call_deadline_ms: 200,
        ..Config::default()
    })
    .await;
    let mut grpc = tonic::client::Grpc::new(rig.connect().await);
    grpc.ready().await.unwrap();
    let codec: tonic_prost::ProstCodec<SubscribeRequest, SubscribeResponse> = Default::default();
    let path = "/outcry.eventlog.v1.EventLogService/Subscribe"
        .parse()
        .unwrap();
    let silence = rig.by(
        &user(7),
        Role::User,
        tokio_stream::pending::<SubscribeRequest>(),
    );
    let ended = match grpc.streaming(silence, path, codec).await {
        Ok(answer) => answer.into_inner().message().await.unwrap_err(),
        Err(status) => status,
    };
    assert_eq!(
        refused(&ended),
        (Code::DeadlineExceeded, "DEADLINE_EXCEEDED".into())
    );
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused() {
    let rig = Rig::with(Config {
        message_bytes_max: 1000,
        ..Config::default()
    })
    .await;
    let large = profile(&"x".repeat(2000));
    let request = rig.by(&user(7), Role::User, large);
    let refused_call = rig.users().await.update_profile(request).await.unwrap_err();
    assert_eq!(
        refused(&refused_call),
        (Code::ResourceExhausted, "MESSAGE_TOO_LARGE".into())
    );
    assert!(rig.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn one_caller_can_only_have_so_many_calls_in_progress() {
    let config = Config {
        calls_per_caller_max: 1,
        call_deadline_ms: 2_000,
        ..Config::default()
    };
    let rig = Rig::with(config).await;
    let mut users = rig.users().await;
    let hanging = {
        let (mut users, request) = (users.clone(), rig.by(&user(7), Role::User, profile("hang")));
        tokio::spawn(async move { users.update_profile(request).await })
    };
    outcry_service::testing::eventually("the first call is in progress", async || {
        !rig.seen.lock().unwrap().is_empty()
    })
    .await;
    let request = rig.by(&user(7), Role::User, GetMeRequest {});
    let second = users.get_me(request).await.unwrap_err();
    assert_eq!(
        refused(&second),
        (Code::ResourceExhausted, "TOO_MANY_AT_ONCE".into())
    );
    assert!(second.get_details_retry_info().is_some());
    let request = rig.by(&user(8), Role::User, GetMeRequest {});
    users.get_me(request).await.unwrap();
    hanging.await.unwrap().unwrap_err();
}

#[tokio::test]
async fn a_rotated_signing_key_is_learnt() {
    let rig = Rig::start().await;
    // Learnt with the first token, so nothing is known yet and no cooldown runs.
    rig.keys
        .lock()
        .unwrap()
        .insert(0, SigningKey::from_seed(&[2; 32]));
    let request = rig.by(&user(7), Role::User, GetMeRequest {});
    rig.users().await.get_me(request).await.unwrap();
}

#[tokio::test]
async fn health_follows_the_services() {
    let rig = Rig::start().await;
    let mut health = HealthClient::new(rig.connect().await);
    let mut status = async |service: &str| {
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        health
            .check(request)
            .await
            .map(|answer| answer.into_inner().status)
            .ok()
    };
    assert_eq!(status("").await, Some(1));
    outcry_service::testing::eventually("users serves", async || {
        status("outcry.users.v1.UserService").await == Some(1)
    })
    .await;
    assert_eq!(status("outcry.orders.v1.OrderService").await, Some(2));
    rig.directory.deregister("users");
    outcry_service::testing::eventually("users serves no more", async || {
        status("outcry.users.v1.UserService").await == Some(2)
    })
    .await;
    let gone = rig
        .users()
        .await
        .get_me(rig.by(&user(7), Role::User, GetMeRequest {}))
        .await;
    assert_eq!(gone.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn reflection_answers_only_where_it_is_wanted() {
    use tonic_reflection::pb::v1::ServerReflectionRequest;
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    for wanted in [false, true] {
        let rig = Rig::with(Config {
            reflection: wanted,
            ..Config::default()
        })
        .await;
        let mut reflection = ServerReflectionClient::new(rig.connect().await);
        let request = ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::ListServices(String::new())),
        };
        let asked = reflection
            .server_reflection_info(tokio_stream::once(request))
            .await;
        match asked {
            Ok(answers) => {
                assert!(wanted);
                assert!(answers.into_inner().message().await.unwrap().is_some());
            }
            Err(status) => assert_eq!((wanted, status.code()), (false, Code::Unimplemented)),
        }
    }
}

#[tokio::test]
async fn connections_beyond_the_bound_are_closed_at_once() {
    let rig = Rig::with(Config {
        connections_max: 1,
        ..Config::default()
    })
    .await;
    let mut users = rig.users().await;
    users
        .get_me(rig.by(&user(7), Role::User, GetMeRequest {}))
        .await
        .unwrap();
    let mut second = TcpStream::connect(rig.address).await.unwrap();
    let _ = second
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        .await;
    let mut answer = Vec::new();
    let _ = second.read_to_end(&mut answer).await;
    assert!(answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
    users
        .get_me(rig.by(&user(7), Role::User, GetMeRequest {}))
        .await
        .unwrap();
}

#[tokio::test]
async fn calls_in_progress_finish_when_the_gateway_stops() {
    let rig = Rig::with(Config {
        call_deadline_ms: 500,
        ..Config::default()
    })
    .await;
    let mut users = rig.users().await;
    let request = rig.by(&user(7), Role::User, profile("hang"));
    let hanging = tokio::spawn(async move { users.update_profile(request).await });
    outcry_service::testing::eventually("the call is in progress", async || {
        !rig.seen.lock().unwrap().is_empty()
    })
    .await;
    rig.stop.cancel();
    // It ends by its own deadline, not cut off.
    assert_eq!(
        hanging.await.unwrap().unwrap_err().code(),
        Code::DeadlineExceeded
    );
    rig.serving.await.unwrap();
    assert!(
        TcpStream::connect(rig.address).await.is_err(),
        "nobody listens any more"
    );
}

#[tokio::test]
async fn a_method_that_does_not_exist_is_named() {
    let rig = Rig::start().await;
    let mut grpc = tonic::client::Grpc::new(rig.connect().await);
    grpc.ready().await.unwrap();
    let codec: tonic_prost::ProstCodec<(), ()> = tonic_prost::ProstCodec::default();
    let path = "/outcry.users.v1.UserService/Nothing".parse().unwrap();
    let unknown = grpc.unary(Request::new(()), path, codec).await.unwrap_err();
    assert_eq!(unknown.code(), Code::Unimplemented);
    assert!(
        unknown.message().contains("UserService/Nothing"),
        "{}",
        unknown.message()
    );
}
