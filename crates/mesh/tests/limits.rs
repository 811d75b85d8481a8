//! What a server does when not everything can be done: which calls it takes, which it lets go, and how it is
//! made to fail on purpose.

#![expect(clippy::unwrap_used, reason = "a story that cannot go on fails there")]

#[path = "shared/probe.rs"]
mod probe;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use outcry_mesh::authorize::Rules;
use outcry_mesh::criticality::{CRITICALITY, Level};
use outcry_mesh::faults::{FAULT, Faults};
use outcry_mesh::{Channel, Directory, Endpoints, MeshKey, listen};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::{Code, Request, Status, Streaming};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_types::StatusExt;
use uuid::Uuid;

use crate::probe::{Inside, Probe, Seen, ask, reason, rules};

/// Longest wait for something that must happen.
const PATIENCE: Duration = Duration::from_secs(20);

fn key() -> MeshKey {
    MeshKey::from_secret(&[7; 32])
}

async fn in_time<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.unwrap()
}

async fn until(condition: impl Fn() -> bool) {
    in_time(async {
        while !condition() {
            tokio::task::yield_now().await;
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

fn busy() -> (Code, String) {
    (Code::ResourceExhausted, "TOO_BUSY".to_owned())
}

/// A process with some probes that answers others, too.
struct Process {
    directory: Directory,
    address: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    gate: Arc<Semaphore>,
    inside: Inside,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Process {
    async fn start(services: &[&'static str], rules: Rules) -> Process {
        let directory = Directory::with(rules, Uuid::now_v7);
        let (seen, gate, inside) = (
            Arc::default(),
            Arc::new(Semaphore::new(0)),
            Inside::default(),
        );
        for name in services {
            let mut probe = Probe::new(name, &directory, &seen);
            probe.gate = Arc::clone(&gate);
            probe.inside = inside.clone();
            let routes = Routes::new(HealthServer::new(probe));
            directory.register(name, routes).unwrap();
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let task = tokio::spawn(listen(directory.clone(), listener, key(), stop.clone()));
        Process {
            directory,
            address,
            seen,
            gate,
            inside,
            stop,
            task,
        }
    }

    /// Another process that knows where some services of this one are.
    fn caller_of(peers: &[&Process]) -> Directory {
        let directory = Directory::with(rules(), Uuid::now_v7);
        directory.join(key());
        let addresses = peers.iter().map(|peer| peer.address.as_str());
        directory.remote("a", Endpoints::at(addresses).unwrap());
        directory
    }

    /// Takes every place of `a` that calls of a level get, and holds them until the gate opens.
    async fn fill(&self, level: Level) -> Vec<JoinHandle<Result<(), Status>>> {
        let mut held = Vec::new();
        loop {
            let before = self.inside.count();
            let mut client = self.client("b", "a");
            let request = ask_at(level.name(), "gate");
            let call = tokio::spawn(async move { client.check(request).await.map(|_| ()) });
            until(|| self.inside.count() > before || call.is_finished()).await;
            if call.is_finished() {
                let refused = call.await.unwrap();
                assert_eq!(outcome(refused), busy());
                return held;
            }
            held.push(call);
        }
    }

    /// Lets all go that wait at the gate.
    async fn let_go(&self, held: Vec<JoinHandle<Result<(), Status>>>) {
        self.gate.add_permits(held.len());
        for call in held {
            in_time(call).await.unwrap().unwrap();
        }
    }

    fn counted(&self) -> String {
        let mut registry = Registry::default();
        self.directory.metrics().register(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        text
    }

    fn client(&self, caller: &'static str, target: &'static str) -> HealthClient<Channel> {
        HealthClient::new(self.directory.channel(caller, target))
    }

    fn levels(&self) -> Vec<(&'static str, Level)> {
        let seen = self.seen.lock().unwrap();
        seen.iter()
            .map(|one| (one.service, one.level.unwrap()))
            .collect()
    }

    async fn stop(self) {
        self.stop.cancel();
        in_time(self.task).await.unwrap();
    }
}

/// A question that matters as much as its caller says.
fn ask_at(level: &'static str, what: &str) -> Request<HealthCheckRequest> {
    let mut request = ask(what);
    let value = level.parse().unwrap();
    request.metadata_mut().insert(CRITICALITY, value);
    request
}

#[tokio::test]
async fn calls_made_meanwhile_matter_as_much_over_two_hops_and_over_the_network() {
    let far = Process::start(&["c"], rules()).await;
    let near = Process::start(&["a", "b"], rules()).await;
    let address = far.address.parse().unwrap();
    near.directory.remote("c", address);
    for level in Level::ALL {
        let request = ask_at(level.name(), "b>c>");
        let mut client = near.client("b", "a");
        client.check(request).await.unwrap();
        assert_eq!(near.levels(), [("a", level), ("b", level)]);
        assert_eq!(far.levels(), [("c", level)]);
        near.seen.lock().unwrap().clear();
        far.seen.lock().unwrap().clear();
    }
    // Nothing said, or nothing meant: the method's own level.
    near.client("b", "a").check(ask("b>c>")).await.unwrap();
    let nonsense = ask_at("MOST_IMPORTANT_OF_ALL", "");
    near.client("b", "a").check(nonsense).await.unwrap();
    let own = Level::Critical;
    assert_eq!(near.levels(), [("a", own), ("b", own), ("a", own)]);
    assert_eq!(far.levels(), [("c", own)]);
    near.stop().await;
    far.stop().await;
}

#[tokio::test]
async fn when_sheddable_calls_fill_their_lane_a_cancellation_still_passes() {
    let process = Process::start(&["a"], rules()).await;
    let far = Process::caller_of(&[&process]);
    let mut held = process.fill(Level::Sheddable).await;
    assert!(!held.is_empty());
    let near = process.client("b", "a");
    let far = HealthClient::new(far.channel("b", "a"));
    for client in [near, far] {
        let mut client = client;
        for level in Level::ALL {
            let answer = client.check(ask_at(level.name(), "")).await;
            let refused = level == Level::Sheddable;
            let expected = if refused {
                busy()
            } else {
                (Code::Ok, String::new())
            };
            assert_eq!(outcome(answer), expected, "{level:?}");
        }
        let request = ask_at(Level::Sheddable.name(), "");
        let refused = client.check(request).await.unwrap_err();
        assert!(refused.get_details_retry_info().is_some());
        assert!(refused.metadata().contains_key("grpc-retry-pushback-ms"));
    }
    // The same at every level: the next one up still has places.
    for level in [Level::SheddablePlus, Level::Critical] {
        held.extend(process.fill(level).await);
        let request = ask_at(Level::CriticalPlus.name(), "");
        process.client("b", "a").check(request).await.unwrap();
    }
    process.let_go(held).await;
    let again = ask_at(Level::Sheddable.name(), "");
    process.client("b", "a").check(again).await.unwrap();
    process.stop().await;
}

#[tokio::test]
async fn a_service_that_calls_itself_while_it_is_full_is_refused_and_never_waits() {
    let process = Process::start(&["a", "b"], rules()).await;
    let held = process.fill(Level::CriticalPlus).await;
    let through_another = ask_at(Level::CriticalPlus.name(), "a>");
    let refused = process.client("c", "b").check(through_another).await;
    assert_eq!(outcome(refused), busy());
    // One place is free: the call gets it, and its own call to the same service finds none.
    process.gate.add_permits(1);
    until(|| held.iter().any(JoinHandle::is_finished)).await;
    let begun = process.seen.lock().unwrap().len();
    let to_itself = ask_at(Level::CriticalPlus.name(), "a>");
    let refused = process.client("c", "a").check(to_itself).await;
    assert_eq!(outcome(refused), busy());
    assert_eq!(process.seen.lock().unwrap().len(), begun + 1);
    process.let_go(held).await;
    process.stop().await;
}

#[tokio::test]
async fn a_call_refused_for_its_place_goes_to_the_next_endpoint() {
    let full = Process::start(&["a"], rules()).await;
    let free = Process::start(&["a"], rules()).await;
    let held = full.fill(Level::Critical).await;
    let directory = Process::caller_of(&[&full, &free]);
    for _ in 0..4 {
        let mut client = HealthClient::new(directory.channel("b", "a"));
        client.check(ask("")).await.unwrap();
    }
    assert_eq!(free.seen.lock().unwrap().len(), 4);
    full.let_go(held).await;
    full.stop().await;
    free.stop().await;
}

#[tokio::test]
async fn a_handler_cannot_have_its_call_made_again_whatever_it_answers() {
    let processes = [
        Process::start(&["a", "b"], rules()).await,
        Process::start(&["a", "b"], rules()).await,
    ];
    let directory = Process::caller_of(&[&processes[0], &processes[1]]);
    let begun = || -> usize {
        let of = |process: &Process| process.seen.lock().unwrap().len();
        processes.iter().map(of).sum()
    };
    let mut client = HealthClient::new(directory.channel("c", "a"));
    let failed = client.check(ask("untouched")).await.unwrap_err();
    assert_eq!(failed.code(), Code::Unavailable);
    assert!(!failed.metadata().contains_key("outcry-not-begun"));
    assert_eq!(begun(), 1);
    // Nor by passing on that its own call was refused: `b` asks `a`, which is full.
    let held = [
        processes[0].fill(Level::Critical).await,
        processes[1].fill(Level::Critical).await,
    ];
    let addresses = processes.iter().map(|process| process.address.as_str());
    directory.remote("b", Endpoints::at(addresses).unwrap());
    let before = begun();
    let mut client = HealthClient::new(directory.channel("c", "b"));
    let failed = client.check(ask("a>")).await;
    assert_eq!(outcome(failed), busy());
    assert_eq!(begun(), before + 1);
    for (process, held) in processes.into_iter().zip(held) {
        process.let_go(held).await;
        process.stop().await;
    }
}

/// Opens an endless stream of a level, once the first answer has come.
async fn open(
    client: &mut HealthClient<Channel>,
    level: Level,
) -> Result<Streaming<HealthCheckResponse>, Status> {
    let answer = client.watch(ask_at(level.name(), "endless")).await?;
    let mut answers = answer.into_inner();
    assert!(in_time(answers.message()).await?.is_some());
    Ok(answers)
}

#[tokio::test]
async fn streams_take_no_places_of_calls_and_free_theirs_when_their_readers_go_away() {
    let process = Process::start(&["a"], rules()).await;
    let far = Process::caller_of(&[&process]);
    let (mut near, mut far) = (
        process.client("b", "a"),
        HealthClient::new(far.channel("b", "a")),
    );
    let mut streams = Vec::new();
    let refused = loop {
        match open(&mut near, Level::Sheddable).await {
            Ok(stream) => streams.push(stream),
            Err(refused) => break refused,
        }
    };
    assert_eq!(outcome::<()>(Err(refused)), busy());
    // Neither calls nor streams that matter more are kept out.
    let call = ask_at(Level::Sheddable.name(), "");
    near.check(call).await.unwrap();
    drop(open(&mut near, Level::SheddablePlus).await.unwrap());
    // A reader in this process goes away, one of another process takes its place and goes away, too.
    let all = process.inside.count();
    drop(streams.pop());
    assert_eq!(process.inside.count(), all - 1);
    let stream = open(&mut far, Level::Sheddable).await.unwrap();
    let refused = open(&mut near, Level::Sheddable).await;
    assert_eq!(outcome(refused), busy());
    drop(stream);
    until(|| process.inside.count() == all - 1).await;
    drop(open(&mut near, Level::Sheddable).await.unwrap());
    drop(streams);
    assert_eq!(process.inside.count(), 0);
    process.stop().await;
}

#[tokio::test]
async fn the_handlers_of_a_call_nobody_waits_for_any_more_are_dropped_at_every_hop() {
    let far = Process::start(&["c"], rules()).await;
    let near = Process::start(&["a", "b"], rules()).await;
    let address = far.address.parse().unwrap();
    near.directory.remote("c", address);
    let outside = Process::caller_of(&[&near]);
    for directory in [&near.directory, &outside] {
        let mut client = HealthClient::new(directory.channel("b", "a"));
        let call = tokio::spawn(async move { client.check(ask("b>c>hang")).await });
        until(|| far.inside.count() == 1).await;
        assert_eq!(near.inside.count(), 2);
        call.abort();
        until(|| near.inside.count() + far.inside.count() == 0).await;
        // And by its deadline, without an abort.
        let mut client = HealthClient::new(directory.channel("b", "a"));
        let mut request = ask("b>c>hang");
        request.set_timeout(Duration::from_millis(200));
        let ended = in_time(client.check(request)).await;
        assert_eq!(
            outcome(ended),
            (Code::DeadlineExceeded, "DEADLINE_EXCEEDED".to_owned())
        );
        until(|| near.inside.count() + far.inside.count() == 0).await;
    }
    near.stop().await;
    far.stop().await;
}

#[tokio::test]
async fn calls_are_counted_on_both_sides_and_made_up_methods_under_one_name() {
    let process = Process::start(&["a"], rules()).await;
    let far = Process::caller_of(&[&process]);
    process.client("b", "a").check(ask("")).await.unwrap();
    let mut client = HealthClient::new(far.channel("b", "a"));
    client.check(ask("")).await.unwrap();
    process
        .client("b", "a")
        .check(ask("unavailable"))
        .await
        .unwrap_err();
    drop(
        open(&mut process.client("b", "a"), Level::Critical)
            .await
            .unwrap(),
    );
    let mut made_up = process.directory.channel("b", "a");
    for path in ["/x.X/One", "/x.X/Two"] {
        let request = http::Request::post(path).body(tonic::body::Body::empty());
        let _denied = tower::Service::call(&mut made_up, request.unwrap()).await;
    }
    let held = process.fill(Level::Sheddable).await;
    let text = process.counted();
    let check = "grpc_method=\"grpc.health.v1.Health/Check\"";
    let watch = "grpc_method=\"grpc.health.v1.Health/Watch\"";
    let count = "grpc_server_call_duration_seconds_count";
    for line in [
        format!("{count}{{{check},grpc_status=\"OK\"}} 2"),
        format!("{count}{{{check},grpc_status=\"UNAVAILABLE\"}} 1"),
        format!("{count}{{{check},grpc_status=\"RESOURCE_EXHAUSTED\"}} 1"),
        format!("{count}{{{watch},grpc_status=\"CANCELLED\"}} 1"),
        format!("{count}{{grpc_method=\"other\",grpc_status=\"PERMISSION_DENIED\"}} 2"),
        format!(
            "grpc_client_call_duration_seconds_count{{{check},grpc_target=\"a\",\
             grpc_status=\"OK\"}} 1"
        ),
        // Five bytes of frame around nothing, and the answer's status.
        format!(
            "grpc_client_attempt_sent_total_compressed_message_size_bytes_sum{{{check},\
             grpc_target=\"a\",grpc_status=\"OK\"}} 5.0"
        ),
        format!(
            "grpc_server_call_rcvd_total_compressed_message_size_bytes_sum{{{check},\
             grpc_status=\"OK\"}} 10.0"
        ),
        format!(
            "grpc_server_call_sent_total_compressed_message_size_bytes_sum{{{check},\
             grpc_status=\"OK\"}} 14.0"
        ),
        "outcry_server_calls_refused_total{service=\"a\",criticality=\"SHEDDABLE\"} 1".to_owned(),
        "outcry_server_limit{service=\"a\",kind=\"calls\"}".to_owned(),
    ] {
        assert!(text.contains(&line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("x.X"), "{text}");
    process.let_go(held).await;
    process.stop().await;
}

impl Process {
    /// Makes calls of `a` fail as the configuration says.
    fn inject(&self, faults: &str) {
        let faults = serde_json::from_str(faults).unwrap();
        let faults = Faults::new(faults, self.directory.rules(), &["a"]).unwrap();
        self.directory.inject(faults);
    }
}

#[tokio::test(start_paused = true)]
async fn an_injected_delay_ends_at_the_deadline_and_the_handler_is_not_run() {
    let process = Process::start(&["a"], rules()).await;
    let call = async |wait_ms| {
        let mut request = ask("");
        request.set_timeout(Duration::from_millis(wait_ms));
        outcome(process.client("b", "a").check(request).await)
    };
    let exceeded = (Code::DeadlineExceeded, "DEADLINE_EXCEEDED".to_owned());
    for longer_or_just_as_long_ms in [60_000, 100] {
        process.inject(&format!(
            r#"[{{"at": "a", "delay_ms": {longer_or_just_as_long_ms}}}]"#
        ));
        assert_eq!(call(100).await, exceeded);
    }
    assert!(process.seen.lock().unwrap().is_empty());
    // A handler that was begun after a delay is dropped at the same deadline.
    process.inject(r#"[{"at": "a", "delay_ms": 50}]"#);
    let mut request = ask("hang");
    request.set_timeout(Duration::from_millis(100));
    let mut client = process.client("b", "a");
    let calling = tokio::spawn(async move { client.check(request).await });
    let began = Instant::now();
    tokio::time::timeout_at(
        began + Duration::from_millis(60),
        std::future::pending::<()>(),
    )
    .await
    .unwrap_err();
    assert_eq!(process.inside.count(), 1);
    assert_eq!(outcome(calling.await.unwrap()), exceeded);
    assert_eq!(process.inside.count(), 0);
    assert!(began.elapsed() <= Duration::from_millis(101));
    // And a call that has the time is handled.
    assert_eq!(call(100).await.0, Code::Ok);
    process.stop().await;
}

#[tokio::test]
async fn an_injected_abort_says_that_it_is_one_and_only_to_those_who_asked() {
    let process = Process::start(&["a"], rules()).await;
    let far = Process::caller_of(&[&process]);
    process.inject(r#"[{"at": "/grpc.health.v1.Health/Check", "abort": "ABORTED", "only": "me"}]"#);
    for directory in [&process.directory, &far] {
        let mut client = HealthClient::new(directory.channel("b", "a"));
        client.check(ask("")).await.unwrap();
        let mut request = ask("");
        request.metadata_mut().insert(FAULT, "me".parse().unwrap());
        let begun = process.seen.lock().unwrap().len();
        let aborted = client.check(request).await;
        assert_eq!(
            outcome(aborted),
            (Code::Aborted, "FAULT_INJECTED".to_owned())
        );
        assert_eq!(process.seen.lock().unwrap().len(), begun);
    }
    process.inject("[]");
    let mut request = ask("");
    request.metadata_mut().insert(FAULT, "me".parse().unwrap());
    process.client("b", "a").check(request).await.unwrap();
    process.stop().await;
}
