//! Calls from one service to another through the in-process channel, with real generated clients and servers.

#![expect(clippy::unwrap_used, reason = "a story that cannot go on fails there")]

#[path = "shared/probe.rs"]
mod probe;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use outcry_mesh::authorize::{Rule, Rules};
use outcry_mesh::{Channel, Directory, Identity, Role, User, acting_for, correlate, deadline};
use tokio::time::Instant;
use tonic::Code;
use tonic::service::Routes;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::HealthServer;
use tonic_types::StatusExt;
use uuid::Uuid;

use crate::probe::{Probe, Seen, WATCH, ask, customer, reason, rules};

struct Rig {
    directory: Directory,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// Services `a`, `b` and `c`, each a probe.
fn rig() -> Rig {
    let directory = Directory::with(rules(), || Uuid::from_u128(42));
    let seen = Arc::default();
    for name in ["a", "b", "c"] {
        let probe = Probe::new(name, &directory, &seen);
        directory
            .register(name, Routes::new(HealthServer::new(probe)))
            .unwrap();
    }
    Rig { directory, seen }
}

impl Rig {
    fn client(&self, caller: &'static str) -> HealthClient<Channel> {
        HealthClient::new(self.directory.channel(caller, "a"))
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn the_callee_sees_the_calling_service_and_the_user_it_acts_for() {
    let rig = rig();
    let mut request = ask("");
    acting_for(&mut request, &customer());
    rig.client("b").check(request).await.unwrap();
    rig.client("b").check(ask("")).await.unwrap();
    let seen = rig.seen();
    let caller = Some("b".to_owned());
    assert_eq!(
        seen[0].identity,
        Identity {
            caller: caller.clone(),
            user: Some(customer())
        }
    );
    assert_eq!(seen[0].cause.actor, "user:u1");
    assert_eq!(seen[1].identity, Identity { caller, user: None });
    assert_eq!(seen[1].cause.actor, "service:b");
}

#[tokio::test]
async fn identity_written_into_metadata_is_ignored() {
    let rig = rig();
    let mut request = ask("");
    for name in [
        "outcry-user",
        "outcry-caller",
        "outcry-roles",
        "outcry-identity",
    ] {
        request
            .metadata_mut()
            .insert(name, "admin".parse().unwrap());
    }
    let denied = rig.client("edge").check(request).await.unwrap_err();
    assert_eq!(denied.code(), Code::Unauthenticated);
    assert!(rig.seen().is_empty());
}

#[tokio::test]
async fn only_the_callers_of_the_rule_get_through() {
    let rig = rig();
    let denied = rig.client("stranger").check(ask("")).await.unwrap_err();
    assert_eq!(
        (denied.code(), reason(&denied).as_str()),
        (Code::PermissionDenied, "NOT_ALLOWED")
    );
    let mut request = ask("");
    acting_for(
        &mut request,
        &User {
            id: "v1".into(),
            roles: vec![Role::Viewer],
        },
    );
    let denied = rig.client("edge").check(request).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    let mut allowed = ask("");
    acting_for(&mut allowed, &customer());
    rig.client("edge").check(allowed).await.unwrap();
}

#[tokio::test]
async fn a_call_to_a_service_that_is_not_here_is_unavailable_until_it_registers() {
    let rig = rig();
    let mut late = HealthClient::new(rig.directory.channel("a", "late"));
    let missing = late.check(ask("")).await.unwrap_err();
    assert_eq!(missing.code(), Code::Unavailable);
    assert_eq!(missing.message(), "service late is not running here");
    assert!(missing.get_details_retry_info().is_some());
    let probe = Probe::new("late", &rig.directory, &Arc::default());
    let mut changes = rig.directory.changes();
    rig.directory
        .register("late", Routes::new(HealthServer::new(probe)))
        .unwrap();
    changes.changed().await.unwrap();
    late.check(ask("")).await.unwrap();
    rig.directory.deregister("late");
    assert_eq!(
        late.check(ask("")).await.unwrap_err().code(),
        Code::Unavailable
    );
}

#[tokio::test]
async fn a_service_with_a_method_nobody_may_call_is_refused() {
    let closed = rules()
        .iter()
        .map(|(path, rule)| {
            (
                path.to_owned(),
                if path == WATCH {
                    Rule::default()
                } else {
                    rule.clone()
                },
            )
        })
        .collect();
    let directory = Directory::with(closed, Uuid::now_v7);
    let probe = Probe::new("a", &directory, &Arc::default());
    let refused = directory
        .register("a", Routes::new(HealthServer::new(probe)))
        .unwrap_err();
    assert!(refused.to_string().contains(WATCH), "{refused}");
    assert!(directory.names().is_empty());
    // A service that does not serve it is not concerned.
    directory.register("b", Routes::default()).unwrap();
    assert!(directory.serving("grpc.health.v1.Health").is_empty());
    assert_eq!(
        rig().directory.serving("grpc.health.v1.Health"),
        ["a", "b", "c"]
    );
}

#[tokio::test]
async fn a_method_outside_the_contract_is_denied() {
    let directory = Directory::with(Rules::default(), Uuid::now_v7);
    let probe = Probe::new("a", &directory, &Arc::default());
    directory
        .register("a", Routes::new(HealthServer::new(probe)))
        .unwrap();
    let mut client = HealthClient::new(directory.channel("b", "a"));
    assert_eq!(
        client.check(ask("")).await.unwrap_err().code(),
        Code::PermissionDenied
    );
}

#[tokio::test]
async fn every_hop_belongs_to_the_flow_of_the_first_call() {
    let rig = rig();
    let mut request = ask("b>c>");
    let flow = outcry_events::Cause {
        correlation_id: Uuid::from_u128(7),
        causation_id: None,
        actor: "service:b".into(),
        traceparent: String::new(),
    };
    correlate(&mut request, &flow);
    rig.client("b").check(request).await.unwrap();
    rig.client("b").check(ask("")).await.unwrap();
    let seen = rig.seen();
    let flows: Vec<_> = seen
        .iter()
        .map(|one| (one.service, one.cause.correlation_id.as_u128()))
        .collect();
    assert_eq!(flows, [("a", 7), ("b", 7), ("c", 7), ("a", 42)]);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_shrinks_at_every_hop_and_ends_the_call_with_its_own_code() {
    let rig = rig();
    let mut request = ask("b>c>hang");
    request.set_timeout(Duration::from_millis(500));
    let started = Instant::now();
    let ended = rig.client("b").check(request).await.unwrap_err();
    assert_eq!(ended.code(), Code::DeadlineExceeded);
    assert_eq!(reason(&ended), "DEADLINE_EXCEEDED");
    assert!(started.elapsed() <= Duration::from_millis(500));
    let left: Vec<_> = rig
        .seen()
        .iter()
        .map(|one| one.remaining.unwrap())
        .collect();
    assert!(left[0] > left[1] && left[1] > left[2], "{left:?}");
    assert!(left[0] <= Duration::from_millis(500));
}

#[tokio::test(start_paused = true)]
async fn a_call_without_a_deadline_gets_one() {
    let rig = rig();
    let started = Instant::now();
    let ended = rig.client("b").check(ask("hang")).await.unwrap_err();
    assert_eq!(ended.code(), Code::DeadlineExceeded);
    assert!(started.elapsed() <= deadline::DEFAULT_DEADLINE + Duration::from_millis(1));
}

#[tokio::test(start_paused = true)]
async fn work_whose_deadline_is_past_is_not_begun() {
    let rig = rig();
    let mut request = ask("");
    request.set_timeout(Duration::ZERO);
    let ended = rig.client("b").check(request).await.unwrap_err();
    assert_eq!(ended.code(), Code::DeadlineExceeded);
    assert!(rig.seen().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_at_its_deadline_and_runs_on_without_one() {
    let rig = rig();
    let mut request = ask("endless");
    request.set_timeout(Duration::from_millis(100));
    let mut answers = rig.client("b").watch(request).await.unwrap().into_inner();
    assert!(answers.message().await.unwrap().is_some());
    assert_eq!(
        answers.message().await.unwrap_err().code(),
        Code::DeadlineExceeded
    );

    let mut answers = rig
        .client("b")
        .watch(ask("endless"))
        .await
        .unwrap()
        .into_inner();
    assert!(answers.message().await.unwrap().is_some());
    let silent = tokio::time::timeout(deadline::MAX_DEADLINE * 2, answers.message()).await;
    assert!(silent.is_err(), "the stream ended without a deadline");
}

#[tokio::test(start_paused = true)]
async fn calls_a_stream_makes_while_it_is_read_inherit_its_flow_and_deadline() {
    let rig = rig();
    let mut request = ask("lazy");
    request.set_timeout(Duration::from_secs(3));
    request.metadata_mut().insert(
        "outcry-correlation-id",
        Uuid::from_u128(9).to_string().parse().unwrap(),
    );
    let mut answers = rig.client("b").watch(request).await.unwrap().into_inner();
    assert!(answers.message().await.unwrap().is_some());
    assert!(answers.message().await.unwrap().is_none());
    let seen = rig.seen();
    assert_eq!(
        (seen[1].service, seen[1].cause.correlation_id.as_u128()),
        ("b", 9)
    );
    assert!(seen[1].remaining.unwrap() < Duration::from_secs(3));
}

#[tokio::test]
async fn a_panicking_handler_fails_its_call_and_nothing_else() {
    let rig = rig();
    let failed = rig.client("b").check(ask("panic")).await.unwrap_err();
    assert_eq!(
        (failed.code(), reason(&failed).as_str()),
        (Code::Internal, "HANDLER_PANICKED")
    );
    assert!(
        !failed.message().contains("as asked"),
        "the caller is told no internals"
    );
    rig.client("b").check(ask("")).await.unwrap();
}
