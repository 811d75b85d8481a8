//! Who gets a call, who gets none, and what is done when nobody answers it: with real sockets.

#![expect(clippy::unwrap_used, reason = "a story that cannot go on fails there")]

#[path = "shared/replica.rs"]
mod replica;

use std::time::{Duration, Instant};

use outcry_mesh::Directory;
use outcry_mesh::overview::{Endpoint, State};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::replica::{Mood, Replica, ask, caller_of, client, knows};

/// Longest wait for something that must happen.
const PATIENCE: Duration = Duration::from_secs(30);

fn unavailable() -> Status {
    Status::unavailable("as told")
}

fn with_pushback(text: &'static str) -> Mood {
    let mut status = unavailable();
    let word = tonic::metadata::MetadataValue::from_static(text);
    status.metadata_mut().insert("grpc-retry-pushback-ms", word);
    Mood::Failing(status)
}

fn reason(status: &Status) -> String {
    let info = status.get_details_error_info();
    info.map(|info| info.reason).unwrap_or_default()
}

async fn call(directory: &Directory) -> Result<(), Status> {
    client(directory).check(ask()).await.map(|_| ())
}

/// Calls made together.
async fn calls(directory: &Directory, count: usize) -> Vec<Result<(), Status>> {
    futures::future::join_all((0..count).map(|_| call(directory))).await
}

async fn until(mut condition: impl AsyncFnMut() -> bool) {
    let met = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, met).await.unwrap();
}

fn seen(directory: &Directory, replica: &Replica) -> Endpoint {
    let overview = directory.overview();
    let mut endpoints = overview.targets.into_iter().flat_map(|one| one.endpoints);
    endpoints
        .find(|one| one.address == replica.address)
        .unwrap()
}

fn metrics(directory: &Directory) -> String {
    let mut registry = Registry::default();
    directory.metrics().register(&mut registry);
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    text
}

/// A caller of two replicas, of which the second has been ejected for its failures.
async fn with_one_ejected() -> (Directory, Replica, Replica) {
    let good = Replica::start("a", Mood::Well).await;
    let bad = Replica::start("a", Mood::Held(Some(unavailable()))).await;
    let directory = caller_of(false, "a", &[&good, &bad]);
    let burst = calls(&directory, 40);
    // The bad one fails only after the good one has answered: only then is it the exception.
    let let_fail = async {
        until(async || good.calls() + bad.calls() == 40).await;
        until(async || seen(&directory, &good).in_flight == 0).await;
        bad.gate.add_permits(bad.calls());
    };
    let (answers, ()) = tokio::join!(burst, let_fail);
    let failed = answers.iter().filter(|answer| answer.is_err()).count();
    assert_eq!(failed, bad.calls());
    assert!(
        failed >= 5,
        "a newcomer takes its share of a burst: {failed}"
    );
    (directory, good, bad)
}

#[tokio::test]
async fn a_replica_that_died_fails_no_call_whatever_the_call_does() {
    let mut dying = Replica::start("a", Mood::Well).await;
    let (one, other) = (
        Replica::start("a", Mood::Well).await,
        Replica::start("a", Mood::Well).await,
    );
    let directory = caller_of(false, "a", &[&dying, &one, &other]);
    until(async || {
        call(&directory).await.unwrap();
        dying.calls() > 0
    })
    .await;
    dying.kill().await;
    let before = one.calls() + other.calls();
    for _ in 0..10 {
        for answer in calls(&directory, 20).await {
            answer.unwrap();
        }
    }
    assert_eq!(one.calls() + other.calls(), before + 200);
}

#[tokio::test]
async fn a_replica_that_fails_at_once_gets_few_calls() {
    for failure in [unavailable(), Status::internal("as told")] {
        let bad = Replica::start("a", Mood::Failing(failure)).await;
        let (one, other) = (
            Replica::start("a", Mood::Well).await,
            Replica::start("a", Mood::Well).await,
        );
        let directory = caller_of(false, "a", &[&bad, &one, &other]);
        let mut failed = 0;
        for _ in 0..500 {
            failed += usize::from(call(&directory).await.is_err());
        }
        assert_eq!(failed, bad.calls());
        assert!((1..25).contains(&failed), "{failed} of 500");
        // Both of the others share what there is.
        assert!(one.calls() > 100 && other.calls() > 100);
    }
}

#[tokio::test]
async fn a_slow_replica_gets_few_calls() {
    let slow = Replica::start("a", Mood::Slow(Duration::from_millis(500))).await;
    let fast = Replica::start("a", Mood::Well).await;
    let directory = caller_of(false, "a", &[&slow, &fast]);
    let caller = async || {
        for _ in 0..100 {
            call(&directory).await.unwrap();
        }
    };
    futures::future::join_all((0..4).map(|_| caller())).await;
    assert_eq!(slow.calls() + fast.calls(), 400);
    assert!((1..20).contains(&slow.calls()), "{} of 400", slow.calls());
}

#[tokio::test]
async fn one_that_keeps_failing_is_passed_over_and_comes_back_by_exactly_one_call() {
    let (directory, good, bad) = with_one_ejected().await;
    let State::Ejected { .. } = seen(&directory, &bad).state else {
        panic!("{:?}", seen(&directory, &bad));
    };
    let ejections = "grpc_lb_outlier_detection_ejections_enforced_total{grpc_target=\"a\",\
                     grpc_lb_outlier_detection_detection_method=\"consecutive_failures\"} 1";
    assert!(metrics(&directory).contains(ejections));
    let failed = bad.calls();
    for answer in calls(&directory, 20).await {
        answer.unwrap();
    }
    let due = State::Ejected { for_ms: 0 };
    if seen(&directory, &bad).state != due {
        assert_eq!(bad.calls(), failed, "it got calls while it was passed over");
    }

    bad.set(Mood::Held(None));
    until(async || seen(&directory, &bad).state == due).await;
    let (probed, before) = (bad.calls(), good.calls());
    let burst = calls(&directory, 10);
    let finding_out = async {
        until(async || good.calls() == before + 9).await;
        assert_eq!(bad.calls(), probed + 1);
        assert_eq!(seen(&directory, &bad).state, State::HalfOpen);
        bad.set(Mood::Well);
        bad.gate.add_permits(1);
    };
    let (answers, ()) = tokio::join!(burst, finding_out);
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(seen(&directory, &bad).state, State::Up);
    // It is used again like any other, once the time of the held probe is forgotten.
    until(async || {
        call(&directory).await.unwrap();
        bad.calls() > probed + 1
    })
    .await;
}

#[tokio::test]
async fn a_probe_that_fails_keeps_it_out() {
    let (directory, _good, bad) = with_one_ejected().await;
    bad.set(Mood::Failing(unavailable()));
    let due = State::Ejected { for_ms: 0 };
    until(async || seen(&directory, &bad).state == due).await;
    let before = bad.calls();
    call(&directory).await.unwrap_err();
    assert_eq!(bad.calls(), before + 1);
    assert_eq!(seen(&directory, &bad).ejections, 2);
    call(&directory).await.unwrap();
}

#[tokio::test]
async fn the_last_replica_gets_calls_however_often_it_fails() {
    let only = Replica::start("a", Mood::Failing(unavailable())).await;
    let directory = caller_of(false, "a", &[&only]);
    for _ in 0..30 {
        call(&directory).await.unwrap_err();
    }
    assert_eq!(only.calls(), 30);
    assert_eq!(seen(&directory, &only).state, State::Up);
    only.set(Mood::Well);
    call(&directory).await.unwrap();
}

#[tokio::test]
async fn where_all_fail_alike_none_is_passed_over() {
    let failing = || Replica::start("a", Mood::Failing(unavailable()));
    let (one, other) = (failing().await, failing().await);
    let directory = caller_of(false, "a", &[&one, &other]);
    for _ in 0..60 {
        call(&directory).await.unwrap_err();
    }
    for replica in [&one, &other] {
        assert!(replica.calls() >= 5, "{}", replica.calls());
        assert_eq!(seen(&directory, replica).state, State::Up);
    }
}

#[tokio::test]
async fn a_service_that_only_fails_gets_a_fifth_more_attempts_than_calls() {
    let bad = Replica::start("a", Mood::Failing(unavailable())).await;
    let directory = caller_of(true, "a", &[&bad]);
    let began = Instant::now();
    let mut made: u32 = 0;
    for _ in 0..20 {
        for answer in calls(&directory, 20).await {
            made += u32::from(reason(&answer.unwrap_err()) != "THROTTLED");
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    let attempts = f64::from(u32::try_from(bad.calls()).unwrap());
    let allowed = f64::from(made) * 1.2 + (seconds + 1.0) * 10.0;
    assert!(attempts <= allowed, "{attempts} attempts of {made} calls");
    assert!(attempts > f64::from(made), "nothing was repeated");
}

#[tokio::test]
async fn a_call_is_repeated_elsewhere_and_says_how_often_it_was() {
    let bad = Replica::start("a", Mood::Failing(unavailable())).await;
    let directory = caller_of(true, "a", &[&bad]);
    call(&directory).await.unwrap_err();
    let expected = [None, Some("1".to_owned()), Some("2".to_owned())];
    assert_eq!(bad.previous(), expected);
    let method = "grpc_method=\"grpc.health.v1.Health/Check\",grpc_target=\"a\"";
    for line in [
        format!("grpc_client_attempt_started_total{{{method}}} 3"),
        format!(
            "grpc_client_call_duration_seconds_count{{{method},grpc_status=\"UNAVAILABLE\"}} 1"
        ),
        format!("grpc_client_call_retries_sum{{{method}}} 2.0"),
        "grpc_subchannel_open_connections{grpc_target=\"a\"} 1".to_owned(),
    ] {
        let text = metrics(&directory);
        assert!(text.contains(&line), "{line} is not in\n{text}");
    }

    let good = Replica::start("a", Mood::Well).await;
    knows(&directory, "a", &[&bad, &good]);
    for _ in 0..20 {
        call(&directory).await.unwrap();
    }
}

#[tokio::test]
async fn what_the_callee_says_about_repeating_is_heeded() {
    for (word, attempts) in [("-1", 1), ("soon", 1), ("0", 3), ("999999", 1)] {
        let bad = Replica::start("a", with_pushback(word)).await;
        let directory = caller_of(true, "a", &[&bad]);
        call(&directory).await.unwrap_err();
        assert_eq!(bad.calls(), attempts, "{word}");
    }
}

#[tokio::test]
async fn of_a_chain_only_the_caller_next_to_the_failure_repeats_the_call() {
    let last = Replica::start("d", Mood::Failing(unavailable())).await;
    let third = Replica::start("c", Mood::Asking("d")).await;
    let second = Replica::start("b", Mood::Asking("c")).await;
    let first = Replica::start("a", Mood::Asking("b")).await;
    knows(&third.directory, "d", &[&last]);
    knows(&second.directory, "c", &[&third]);
    knows(&first.directory, "b", &[&second]);
    let directory = caller_of(true, "a", &[&first]);
    let failed = call(&directory).await.unwrap_err();
    assert_eq!(failed.code(), Code::Unavailable);
    let counts = [&first, &second, &third, &last].map(Replica::calls);
    assert_eq!(counts, [1, 1, 1, 3]);
}

#[tokio::test]
async fn of_a_chain_only_the_caller_next_to_the_failure_keeps_calls_back() {
    let last = Replica::start("c", Mood::Failing(unavailable())).await;
    let second = Replica::start("b", Mood::Asking("c")).await;
    let first = Replica::start("a", Mood::Asking("b")).await;
    knows(&second.directory, "c", &[&last]);
    knows(&first.directory, "b", &[&second]);
    let directory = caller_of(true, "a", &[&first]);
    for _ in 0..200 {
        call(&directory).await.unwrap_err();
    }
    let kept_back = [&directory, &first.directory, &second.directory].map(|one| {
        let levels = one.overview().targets[0].kept_back.clone();
        levels.into_values().fold(0.0, f64::max)
    });
    assert_eq!(kept_back[..2], [0.0, 0.0]);
    assert!(kept_back[2] > 0.5, "{kept_back:?}");
    assert_eq!([&first, &second].map(Replica::calls), [200, 200]);
}

#[tokio::test]
async fn calls_that_would_be_refused_are_kept_back_until_they_are_accepted_again() {
    let busy = Status::resource_exhausted("as told");
    let replica = Replica::start("a", Mood::Failing(busy)).await;
    let directory = caller_of(false, "a", &[&replica]);
    let mut kept_back = 0;
    for _ in 0..400 {
        let refused = call(&directory).await.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted);
        if reason(&refused) == "THROTTLED" {
            assert!(refused.get_details_retry_info().is_some());
            kept_back += 1;
        }
    }
    assert_eq!(replica.calls() + kept_back, 400);
    assert!((150..300).contains(&kept_back), "{kept_back}");
    let share = || directory.overview().targets[0].kept_back["CRITICAL"];
    assert!(share() > 0.5);

    replica.set(Mood::Well);
    until(async || {
        let _refused_or_not = call(&directory).await;
        share() == 0.0
    })
    .await;
    for _ in 0..20 {
        call(&directory).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_known_of_a_replica_can_be_looked_at() {
    let replica = Replica::start("a", Mood::Well).await;
    let directory = caller_of(false, "a", &[&replica]);
    assert_eq!(seen(&directory, &replica).state, State::Idle);
    for _ in 0..3 {
        call(&directory).await.unwrap();
    }
    replica.set(Mood::Failing(unavailable()));
    call(&directory).await.unwrap_err();
    let written = serde_json::to_value(directory.overview()).unwrap();
    let target = &written["targets"][0];
    assert_eq!(target["name"], "a");
    assert_eq!(target["source"], replica.address);
    let endpoint = &target["endpoints"][0];
    for (key, value) in [
        ("started", 4),
        ("succeeded", 3),
        ("failed", 1),
        ("in_flight", 0),
    ] {
        assert_eq!(endpoint[key], value, "{key}");
    }
    assert_eq!(endpoint["state"], "up");
    assert!(endpoint["average_ms"].as_f64().unwrap() > 0.0);
    assert!(endpoint["latest_call_ms"].is_u64());
}
