//! Calls from one process to another: the same services, with sockets in between.

#![expect(clippy::unwrap_used, reason = "a story that cannot go on fails there")]

#[path = "shared/probe.rs"]
mod probe;

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use outcry_events::Cause;
use outcry_mesh::authorize::Rules;
use outcry_mesh::{
    Channel, Directory, Endpoints, Identity, MeshKey, Role, User, acting_for, correlate, listen,
};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::metadata::AsciiMetadataValue;
use tonic::service::Routes;
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::HealthServer;
use tonic_types::StatusExt;
use uuid::Uuid;

use crate::probe::{CHECK, Probe, Seen, WATCH, ask, customer, reason, rules};

/// Longest wait for something that must happen.
const PATIENCE: Duration = Duration::from_secs(20);

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn key() -> MeshKey {
    MeshKey::from_secret(&[7; 32])
}

/// Rules by which `Check` may be repeated.
fn repeatable() -> Rules {
    let rules = rules();
    let changed = rules.iter().map(|(path, rule)| {
        let mut rule = rule.clone();
        rule.idempotent = path == CHECK;
        (path.to_owned(), rule)
    });
    changed.collect()
}

/// A process that serves some probes.
struct Peer {
    directory: Directory,
    address: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    gate: Arc<Semaphore>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Peer {
    async fn start(services: &[&'static str]) -> Peer {
        Peer::start_at("127.0.0.1:0", services, rules()).await
    }

    async fn start_at(address: &str, services: &[&'static str], rules: Rules) -> Peer {
        let directory = Directory::with(rules, || Uuid::from_u128(42));
        let (seen, gate) = (Arc::default(), Arc::new(Semaphore::new(0)));
        for name in services {
            let mut probe = Probe::new(name, &directory, &seen);
            probe.gate = Arc::clone(&gate);
            let routes = Routes::new(HealthServer::new(probe));
            directory.register(name, routes).unwrap();
        }
        directory.set_ready(true);
        let listener = TcpListener::bind(address).await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let task = tokio::spawn(listen(directory.clone(), listener, key(), stop.clone()));
        Peer {
            directory,
            address,
            seen,
            gate,
            stop,
            task,
        }
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Ends as a process does that is asked to.
    async fn stop(self) {
        self.stop.cancel();
        in_time(self.task).await.unwrap();
    }

    /// Ends as a process does that is killed.
    async fn kill(self) {
        self.task.abort();
        in_time(self.task).await.unwrap_err();
    }
}

/// A process that serves nothing and knows one service `a` at some peers.
fn caller_of(peers: &[&Peer]) -> Directory {
    caller_by(rules(), peers)
}

fn caller_by(rules: Rules, peers: &[&Peer]) -> Directory {
    let directory = Directory::with(rules, || Uuid::from_u128(43));
    directory.join(key());
    let addresses = peers.iter().map(|peer| peer.address.as_str());
    directory.remote("a", Endpoints::at(addresses).unwrap());
    directory
}

fn client(directory: &Directory, caller: &'static str) -> HealthClient<Channel> {
    HealthClient::new(directory.channel(caller, "a"))
}

async fn in_time<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.unwrap()
}

async fn until(condition: impl Fn() -> bool) {
    in_time(async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

fn outcome<T>(answer: Result<T, Status>) -> (Code, String) {
    match answer {
        Ok(_) => (Code::Ok, String::new()),
        Err(status) => (status.code(), reason(&status)),
    }
}

#[tokio::test]
async fn the_callee_sees_caller_user_flow_and_deadline_as_in_one_process() {
    let peer = Peer::start(&["a"]).await;
    let directory = caller_of(&[&peer]);
    let flow = Cause {
        correlation_id: Uuid::from_u128(7),
        causation_id: Some(Uuid::from_u128(8)),
        actor: "service:b".into(),
        traceparent: TRACE.into(),
    };
    let mut request = ask("");
    correlate(&mut request, &flow);
    acting_for(&mut request, &customer());
    request.set_timeout(Duration::from_secs(3));
    client(&directory, "b").check(request).await.unwrap();
    client(&directory, "b").check(ask("")).await.unwrap();
    let seen = peer.seen();
    let caller = Some("b".to_owned());
    let user = Some(customer());
    assert_eq!(
        seen[0].identity,
        Identity {
            caller: caller.clone(),
            user
        }
    );
    assert_eq!(
        seen[0].cause,
        Cause {
            actor: "user:u1".into(),
            ..flow
        }
    );
    assert!(seen[0].remaining.unwrap() <= Duration::from_secs(3));
    assert_eq!(seen[1].identity, Identity { caller, user: None });
    assert_eq!(seen[1].cause.actor, "service:b");
    assert_eq!(seen[1].cause.correlation_id, Uuid::from_u128(42));
    peer.stop().await;
}

#[tokio::test]
async fn calls_are_let_in_and_refused_exactly_as_in_one_process() {
    let peer = Peer::start(&["a"]).await;
    let remote = caller_of(&[&peer]);
    let user = |role| User {
        id: "u1".into(),
        roles: vec![role],
    };
    let users = [
        None,
        Some(user(Role::User)),
        Some(user(Role::Admin)),
        Some(user(Role::Viewer)),
        Some(user(Role::Unspecified)),
    ];
    let mut codes = std::collections::BTreeSet::new();
    for caller in ["edge", "a", "b", "stranger"] {
        for acting in &users {
            let request = || {
                let mut request = ask("");
                if let Some(user) = acting {
                    acting_for(&mut request, user);
                }
                request
            };
            let near = outcome(client(&peer.directory, caller).check(request()).await);
            let far = outcome(client(&remote, caller).check(request()).await);
            assert_eq!(near, far, "check by {caller} for {acting:?}");
            codes.insert(format!("{:?}", far.0));
            let near = outcome(client(&peer.directory, caller).watch(request()).await);
            let far = outcome(client(&remote, caller).watch(request()).await);
            assert_eq!(near, far, "watch by {caller} for {acting:?}");
        }
    }
    let codes: Vec<_> = codes.into_iter().collect();
    assert_eq!(codes, ["Ok", "PermissionDenied", "Unauthenticated"]);
    let panicked = client(&remote, "b").check(ask("panic")).await;
    assert_eq!(
        outcome(panicked),
        (Code::Internal, "HANDLER_PANICKED".to_owned())
    );
    peer.stop().await;
}

#[tokio::test]
async fn a_method_without_a_rule_is_denied_whatever_the_caller_believes() {
    let strict = Rules::default();
    let peer = Peer::start_at("127.0.0.1:0", &["a"], strict).await;
    let directory = caller_of(&[&peer]);
    let denied = client(&directory, "b").check(ask("")).await;
    assert_eq!(
        outcome(denied),
        (Code::PermissionDenied, "NOT_ALLOWED".to_owned())
    );
    assert!(peer.seen().is_empty());
    peer.stop().await;
}

/// Calls `a` as any program could that reaches the port.
async fn outsider(peer: &Peer, metadata: &[(&'static str, &str)]) -> Result<(), Status> {
    let channel = tonic::transport::Endpoint::from_shared(peer.address.clone())
        .unwrap()
        .connect()
        .await
        .unwrap();
    let mut request = ask("");
    for (name, value) in metadata {
        let value: AsciiMetadataValue = value.parse().unwrap();
        request.metadata_mut().insert(*name, value);
    }
    HealthClient::new(channel).check(request).await.map(|_| ())
}

#[tokio::test]
async fn nobody_gets_in_without_a_token_whatever_else_it_says() {
    let peer = Peer::start(&["a"]).await;
    let forged = [
        ("outcry-target", "a"),
        ("outcry-caller", "b"),
        ("outcry-user", "u1"),
        ("outcry-roles", "user,admin"),
    ];
    let refused = outsider(&peer, &forged).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::Unauthenticated, "NOT_A_PEER")
    );
    let now = SystemTime::now();
    let token = |key: MeshKey, target: &str, at| key.token("b", target, at).unwrap();
    let minutes = Duration::from_secs(300);
    let stolen = MeshKey::from_secret(&[8; 32]);
    for (token, why) in [
        ("nonsense".to_owned(), "TOKEN_MALFORMED"),
        (token(stolen, "a", now), "TOKEN_BAD_SIGNATURE"),
        (token(key(), "c", now), "TOKEN_WRONG_AUDIENCE"),
        (token(key(), "a", now - minutes), "TOKEN_EXPIRED"),
        (token(key(), "a", now + minutes), "TOKEN_NOT_YET_VALID"),
    ] {
        let metadata = [("outcry-target", "a"), ("outcry-mesh-token", &token)];
        let refused = outsider(&peer, &metadata).await.unwrap_err();
        assert_eq!(
            (refused.code(), reason(&refused).as_str()),
            (Code::Unauthenticated, why)
        );
    }
    assert!(peer.seen().is_empty());
    let good = token(key(), "a", now);
    let metadata = [
        ("outcry-target", "a"),
        ("outcry-mesh-token", good.as_str()),
        ("outcry-caller", "stranger"),
    ];
    outsider(&peer, &metadata).await.unwrap();
    assert_eq!(peer.seen()[0].identity.caller.as_deref(), Some("b"));
    peer.stop().await;
}

#[tokio::test]
async fn what_a_callers_code_writes_into_metadata_claims_nothing() {
    let peer = Peer::start(&["a"]).await;
    let directory = caller_of(&[&peer]);
    let mut request = ask("");
    for name in ["outcry-user", "outcry-roles", "outcry-target"] {
        request.metadata_mut().insert(name, "user".parse().unwrap());
    }
    let denied = client(&directory, "edge").check(request).await.unwrap_err();
    assert_eq!(denied.code(), Code::Unauthenticated);
    assert!(peer.seen().is_empty());
    peer.stop().await;
}

#[tokio::test]
async fn a_user_that_cannot_be_named_is_not_left_out() {
    let peer = Peer::start(&["a"]).await;
    let directory = caller_of(&[&peer]);
    let mut request = ask("");
    acting_for(
        &mut request,
        &User {
            id: "u\n1".into(),
            roles: vec![Role::User],
        },
    );
    let refused = client(&directory, "b").check(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(peer.seen().is_empty());
    peer.stop().await;
}

#[tokio::test]
async fn without_credentials_no_other_process_is_called() {
    let peer = Peer::start(&["a"]).await;
    let directory = Directory::with(rules(), Uuid::now_v7);
    directory.remote("a", peer.address.parse().unwrap());
    let refused = client(&directory, "b").check(ask("")).await;
    assert_eq!(
        outcome(refused),
        (Code::FailedPrecondition, "NO_CREDENTIALS".to_owned())
    );
    directory.join(key());
    client(&directory, "b").check(ask("")).await.unwrap();
    peer.stop().await;
}

#[tokio::test]
async fn a_service_of_this_process_is_preferred_to_its_replicas() {
    let (here, there) = (Peer::start(&["a"]).await, Peer::start(&["a"]).await);
    let mut changes = here.directory.changes();
    here.directory.remote("a", there.address.parse().unwrap());
    here.directory.remote("z", there.address.parse().unwrap());
    assert!(changes.has_changed().unwrap());
    changes.mark_unchanged();
    assert_eq!(here.directory.names(), ["a", "z"]);
    assert_eq!(here.directory.local_names(), ["a"]);
    client(&here.directory, "b").check(ask("")).await.unwrap();
    assert_eq!((here.seen().len(), there.seen().len()), (1, 0));
    here.directory.deregister("a");
    assert_eq!(here.directory.names(), ["a", "z"]);
    client(&here.directory, "b").check(ask("")).await.unwrap();
    assert_eq!((here.seen().len(), there.seen().len()), (1, 1));
    here.stop().await;
    there.stop().await;
}

#[tokio::test]
async fn all_replicas_get_calls_and_one_that_stopped_is_passed_over_without_a_failure() {
    let (one, other) = (Peer::start(&["a"]).await, Peer::start(&["a"]).await);
    let directory = caller_of(&[&one, &other]);
    for _ in 0..30 {
        client(&directory, "b").check(ask("")).await.unwrap();
    }
    let (ones, others) = (one.seen().len(), other.seen().len());
    assert_eq!(ones + others, 30);
    assert!(ones > 0 && others > 0, "{ones} and {others}");
    one.stop().await;
    for _ in 0..10 {
        client(&directory, "b").check(ask("")).await.unwrap();
    }
    assert_eq!(other.seen().len(), others + 10);
    other.stop().await;
}

#[tokio::test]
async fn when_all_are_down_calls_fail_at_once_and_work_again_once_one_is_back() {
    let peer = Peer::start(&["a"]).await;
    let directory = caller_of(&[&peer]);
    let address = peer.address.clone();
    client(&directory, "b").check(ask("")).await.unwrap();
    peer.stop().await;
    for _ in 0..3 {
        let down = client(&directory, "b").check(ask("")).await.unwrap_err();
        assert_eq!(
            (down.code(), reason(&down).as_str()),
            (Code::Unavailable, "SERVICE_UNREACHABLE")
        );
        assert!(down.get_details_retry_info().is_some());
    }
    let socket = address.strip_prefix("http://").unwrap();
    let peer = Peer::start_at(socket, &["a"], rules()).await;
    in_time(async {
        while client(&directory, "b").check(ask("")).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert_eq!(peer.seen().len(), 1);
    peer.stop().await;
}

#[tokio::test]
async fn a_certain_replica_is_called_by_its_address() {
    let (one, other) = (Peer::start(&["a"]).await, Peer::start(&["a"]).await);
    let directory = caller_of(&[&one]);
    for _ in 0..3 {
        let channel = directory.channel_at("b", "a", other.address.as_str());
        HealthClient::new(channel).check(ask("")).await.unwrap();
    }
    assert_eq!((one.seen().len(), other.seen().len()), (0, 3));
    for nowhere in ["", "nonsense", "http://127.0.0.1:1"] {
        let channel = directory.channel_at("b", "a", nowhere);
        let refused = HealthClient::new(channel).check(ask("")).await;
        assert_eq!(
            outcome(refused),
            (Code::Unavailable, "SERVICE_UNREACHABLE".to_owned())
        );
    }
    one.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn all_addresses_of_a_name_are_endpoints() {
    let peer = Peer::start(&["a"]).await;
    let port = peer.address.rsplit(':').next().unwrap();
    let directory = Directory::with(rules(), Uuid::now_v7);
    directory.join(key());
    directory.remote("a", format!("dns:///localhost:{port}").parse().unwrap());
    client(&directory, "b").check(ask("")).await.unwrap();
    assert_eq!(peer.seen().len(), 1);
    peer.stop().await;
}

#[tokio::test]
async fn a_call_no_handler_began_with_goes_to_the_next_endpoint_whatever_it_does() {
    let (one, other) = (Peer::start(&["a"]).await, Peer::start(&["a"]).await);
    let directory = caller_of(&[&one, &other]);
    one.directory.deregister("a");
    for _ in 0..4 {
        client(&directory, "b").check(ask("")).await.unwrap();
    }
    other.directory.deregister("a");
    let missing = client(&directory, "b").check(ask("")).await;
    assert_eq!(
        outcome(missing),
        (Code::Unavailable, "SERVICE_NOT_RUNNING".to_owned())
    );
    one.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn only_a_method_that_changes_nothing_more_is_repeated_after_a_handler_began() {
    for (by, calls) in [(rules(), 1), (repeatable(), 3)] {
        let (one, other) = (Peer::start(&["a"]).await, Peer::start(&["a"]).await);
        let directory = caller_by(by, &[&one, &other]);
        let answer = client(&directory, "b").check(ask("unavailable")).await;
        assert_eq!(answer.unwrap_err().code(), Code::Unavailable);
        assert_eq!(one.seen().len() + other.seen().len(), calls);
        one.stop().await;
        other.stop().await;
    }
}

#[tokio::test]
async fn a_call_whose_peer_dies_is_lost_unless_it_may_be_repeated() {
    for may_be_repeated in [false, true] {
        let by = if may_be_repeated {
            repeatable()
        } else {
            rules()
        };
        let (one, other) = (Peer::start(&["a"]).await, Peer::start(&["a"]).await);
        let directory = caller_by(by, &[&one, &other]);
        let mut calling = client(&directory, "b");
        let call = tokio::spawn(async move { calling.check(ask("gate")).await });
        until(|| one.seen().len() + other.seen().len() == 1).await;
        let (dying, living) = if one.seen().is_empty() {
            (other, one)
        } else {
            (one, other)
        };
        living.gate.add_permits(1);
        dying.kill().await;
        let answer = outcome(in_time(call).await.unwrap());
        if may_be_repeated {
            assert_eq!(answer.0, Code::Ok);
            assert_eq!(living.seen().len(), 1);
        } else {
            assert_eq!(answer, (Code::Unavailable, "CONNECTION_LOST".to_owned()));
            assert!(living.seen().is_empty());
        }
        living.stop().await;
    }
}

#[tokio::test]
async fn a_draining_peer_finishes_what_it_began_and_new_calls_go_elsewhere() {
    let (one, other) = (Peer::start(&["a"]).await, Peer::start(&["a"]).await);
    let directory = caller_of(&[&one, &other]);
    let mut calling = client(&directory, "b");
    let begun = tokio::spawn(async move { calling.check(ask("gate")).await });
    until(|| one.seen().len() + other.seen().len() == 1).await;
    let (draining, living) = if one.seen().is_empty() {
        (other, one)
    } else {
        (one, other)
    };
    draining.stop.cancel();
    for _ in 0..10 {
        client(&directory, "b").check(ask("")).await.unwrap();
    }
    assert_eq!((draining.seen().len(), living.seen().len()), (1, 10));
    assert!(!begun.is_finished());
    draining.gate.add_permits(1);
    in_time(begun).await.unwrap().unwrap();
    draining.stop().await;
    living.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarts_under_load_fail_no_call_and_repeat_none() {
    const ROUNDS: usize = 6;
    let mut peers = vec![Peer::start(&["a"]).await, Peer::start(&["a"]).await];
    let directory = caller_of(&[&peers[0], &peers[1]]);
    let stop = CancellationToken::new();
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let (mut calling, stop) = (client(&directory, "b"), stop.clone());
            tokio::spawn(async move {
                let mut answered = 0;
                while !stop.is_cancelled() {
                    calling.check(ask("")).await?;
                    answered += 1;
                }
                Ok::<_, Status>(answered)
            })
        })
        .collect();
    let mut handled = 0;
    for _ in 0..ROUNDS {
        let peer = peers.remove(0);
        let (address, seen) = (peer.address.clone(), Arc::clone(&peer.seen));
        peer.stop().await;
        handled += seen.lock().unwrap().len();
        let socket = address.strip_prefix("http://").unwrap();
        let fresh = Peer::start_at(socket, &["a"], rules()).await;
        // The next one stops only once this one takes its share again.
        until(|| fresh.seen().len() > 20).await;
        peers.push(fresh);
    }
    stop.cancel();
    let mut answered = 0;
    for caller in callers {
        answered += in_time(caller).await.unwrap().unwrap();
    }
    for peer in peers {
        handled += peer.seen().len();
        peer.stop().await;
    }
    assert_eq!(answered, handled);
}

#[tokio::test]
async fn a_call_ends_at_its_deadline_even_if_the_peer_never_answers() {
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", mute.local_addr().unwrap());
    let directory = Directory::with(rules(), Uuid::now_v7);
    directory.join(key());
    directory.remote("a", address.parse().unwrap());
    for wait in [Duration::ZERO, Duration::from_millis(100)] {
        let mut request = ask("");
        request.set_timeout(wait);
        let ended = in_time(client(&directory, "b").check(request)).await;
        assert_eq!(
            outcome(ended),
            (Code::DeadlineExceeded, "DEADLINE_EXCEEDED".to_owned())
        );
    }
}

#[tokio::test]
async fn a_handlers_own_calls_to_other_processes_inherit_flow_and_deadline() {
    let far = Peer::start(&["b"]).await;
    let near = Peer::start(&["a"]).await;
    near.directory.remote("b", far.address.parse().unwrap());
    let directory = caller_of(&[&near]);
    let mut request = ask("b>");
    request.set_timeout(Duration::from_secs(5));
    client(&directory, "c").check(request).await.unwrap();
    let (first, second) = (near.seen().remove(0), far.seen().remove(0));
    assert_eq!(second.service, "b");
    assert_eq!(second.identity.caller.as_deref(), Some("a"));
    assert_eq!(first.cause.correlation_id, second.cause.correlation_id);
    assert!(second.remaining.unwrap() < first.remaining.unwrap());
    // A failure further on is told as it is, and is not taken for one of the first hop.
    far.stop().await;
    let failed = client(&directory, "c").check(ask("b>")).await;
    assert_eq!(
        outcome(failed),
        (Code::Unavailable, "SERVICE_UNREACHABLE".to_owned())
    );
    assert_eq!(near.seen().len(), 2);
    near.stop().await;
}

#[tokio::test]
async fn a_stream_flows_ends_at_its_deadline_and_runs_on_without_one() {
    let peer = Peer::start(&["a"]).await;
    let directory = caller_of(&[&peer]);
    let mut answers = client(&directory, "b")
        .watch(ask(""))
        .await
        .unwrap()
        .into_inner();
    assert!(answers.message().await.unwrap().is_some());
    assert!(answers.message().await.unwrap().is_none());

    let mut request = ask("endless");
    request.set_timeout(Duration::from_millis(300));
    let mut answers = client(&directory, "b")
        .watch(request)
        .await
        .unwrap()
        .into_inner();
    assert!(answers.message().await.unwrap().is_some());
    let ended = in_time(answers.message()).await.unwrap_err();
    assert_eq!(ended.code(), Code::DeadlineExceeded);

    // Without a deadline it ends when the peer drains, so that its reader goes on elsewhere.
    let mut answers = client(&directory, "b")
        .watch(ask("endless"))
        .await
        .unwrap()
        .into_inner();
    assert!(answers.message().await.unwrap().is_some());
    let silent = tokio::time::timeout(Duration::from_millis(50), answers.message()).await;
    assert!(silent.is_err(), "the stream ended without a deadline");
    let (ended, ()) = tokio::join!(in_time(answers.message()), peer.stop());
    assert_eq!(outcome(ended), (Code::Unavailable, "DRAINING".to_owned()));
}

#[tokio::test]
async fn a_stream_whose_peer_dies_ends_as_unavailable() {
    let peer = Peer::start(&["a"]).await;
    let directory = caller_of(&[&peer]);
    let mut answers = client(&directory, "b")
        .watch(ask("endless"))
        .await
        .unwrap()
        .into_inner();
    assert!(answers.message().await.unwrap().is_some());
    peer.kill().await;
    assert_eq!(
        outcome(in_time(answers.message()).await),
        (Code::Unavailable, "CONNECTION_LOST".to_owned())
    );
}

#[tokio::test]
async fn health_needs_no_token_and_tells_whether_the_process_is_ready() {
    const SERVING: i32 = 1;
    const NOT_SERVING: i32 = 2;
    let peer = Peer::start(&["a"]).await;
    let channel = tonic::transport::Endpoint::from_shared(peer.address.clone())
        .unwrap()
        .connect()
        .await
        .unwrap();
    let mut probe = HealthClient::new(channel);
    let whole = || Request::new(HealthCheckRequest::default());
    let mut changes = probe.watch(whole()).await.unwrap().into_inner();
    let mut status = async || in_time(changes.message()).await;
    assert_eq!(status().await.unwrap().unwrap().status, SERVING);
    peer.directory.set_ready(false);
    assert_eq!(status().await.unwrap().unwrap().status, NOT_SERVING);
    let answer = probe.check(whole()).await.unwrap().into_inner();
    assert_eq!(answer.status, NOT_SERVING);
    peer.directory.set_ready(true);
    assert_eq!(status().await.unwrap().unwrap().status, SERVING);
    // The probe service's own health methods, which are called as a service's, saw none of this.
    assert!(peer.seen().is_empty());
    peer.stop.cancel();
    assert_eq!(status().await.unwrap().unwrap().status, NOT_SERVING);
    assert_eq!(status().await.unwrap_err().code(), Code::Unavailable);
    peer.stop().await;
}

#[test]
fn the_rules_of_these_stories_are_of_the_methods_called() {
    let rules = rules();
    let paths: Vec<_> = rules.iter().map(|(path, _)| path).collect();
    assert_eq!(paths, [CHECK, WATCH]);
}
