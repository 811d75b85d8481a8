//! What the chart renders is what the binary accepts: the rendered processes run, on real servers, until
//! an order is filled.

use std::fs;

use outcry_servers::{Postgres, RabbitMq};
use serde_json::Value;
use tokio::sync::{Mutex, MutexGuard};

use super::cluster::Cluster;
use super::connections::allowed;
use super::namespace::{hooks, ordinary};
use super::network::permitted;
use super::operator;
use super::pod::Pod;
use super::render::{NAMESPACE, chart, objects, template};
use super::scrape::{Metrics, asked_for, scrape};
use super::tools::present;

/// The round trip is asked for with these.
const ROUND_TRIP: [&str; 8] = [
    "--set",
    "tests.orderRoundTrip.enabled=true",
    "--set",
    "tests.orderRoundTrip.symbol=TSLA",
    "--set",
    "tests.orderRoundTrip.caConfigMap=company-authorities",
    "--set",
    "monitoring.serviceMonitor.enabled=true",
];

/// One cluster at a time: machines are small.
async fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    TURN.lock().await
}

/// What the chart renders with a file of `ci`, and further arguments.
async fn rendered(values: &str, further: &[&str]) -> Vec<Value> {
    let file = chart().join("ci").join(values);
    objects(&template(&file, further).await).await
}

/// Installs as helm does: hooks first, each to its end, then everything at once.
async fn install(cluster: &mut Cluster, objects: &[Value]) {
    run_hooks(cluster, objects, "pre-install").await;
    let objects = ordinary(objects);
    for object in &objects {
        cluster.put(object.clone()).await;
    }
    cluster.schedule();
    for job in objects.iter().filter(|object| object["kind"] == "Job") {
        cluster.run(job).await;
    }
    cluster.until_ready().await;
}

async fn run_hooks(cluster: &mut Cluster, objects: &[Value], phase: &str) -> Vec<String> {
    let mut said = Vec::new();
    for hook in hooks(objects, phase) {
        if hook["kind"] == "Job" {
            said.extend(cluster.run(&hook).await.into_values());
        } else {
            cluster.put(hook).await;
        }
    }
    said
}

/// `helm test`: both containers end well, and the one that waits has seen what it waits for.
async fn round_trip(cluster: &mut Cluster, objects: &[Value]) {
    let said = run_hooks(cluster, objects, "test").await;
    assert_eq!(said.len(), 2, "{said:?}");
    let filled = said.iter().any(|log| log.contains("order.filled"));
    assert!(filled, "{said:?}");
}

/// The platform's own audit, taken beside one of its processes.
async fn audit(cluster: &Cluster, component: &str) -> Value {
    let asked = ["audit", "--json", "--config", "/etc/outcry/outcry.toml"];
    let said = cluster.exec(cluster.pod(component), &asked).await;
    let report: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}"));
    assert_eq!(report["breaches"], serde_json::json!([]), "{report:#}");
    report
}

/// How many events of each topic an audit counted.
fn topics(report: &Value) -> impl Iterator<Item = (&str, u64)> {
    let topics = report["topics"].as_array().unwrap().iter();
    topics.map(|row| {
        (
            row["topic"].as_str().unwrap(),
            row["events"].as_u64().unwrap(),
        )
    })
}

/// Every process has just what its container was promised.
fn nobody_can_do_more_than_rendered(cluster: &Cluster) {
    for pod in &cluster.pods {
        let process = pod.containers[0].process().unwrap().as_raw_nonzero();
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let field = |name: &str| {
            let mut lines = status.lines();
            let line = lines.find_map(|line| line.strip_prefix(name));
            line.unwrap()
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(field("Uid:"), "65532 65532 65532 65532");
        assert_eq!(field("Gid:"), "65532 65532 65532 65532");
        assert_eq!(field("Groups:"), "65532");
        for capabilities in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
            assert_eq!(field(capabilities), "0000000000000000", "{capabilities}");
        }
        assert_eq!(field("NoNewPrivs:"), "1");
        let mounts = fs::read_to_string(format!("/proc/{process}/mountinfo")).unwrap();
        let mut mounts = mounts
            .lines()
            .map(|line| line.split(' ').collect::<Vec<_>>());
        let root = mounts.find(|mount| mount[4] == "/").unwrap();
        assert!(root[5].split(',').any(|option| option == "ro"), "{root:?}");
    }
}

/// The platform's own log of orders that were filled, from its beginning, asked for beside the gateway.
async fn orders_filled(cluster: &Cluster) -> String {
    let host = format!("https://outcry-gateway.{NAMESPACE}.svc.cluster.local:7400");
    let (email, password) = operator::ADMINISTRATOR;
    let asked = [
        "events",
        "tail",
        "order.filled",
        "--from",
        "0",
        "--limit",
        "1",
        "--json",
    ];
    let whom = ["--address", &host, "--email", email, "--password", password];
    let authority = ["--ca", "/etc/outcry/mesh/ca.crt"];
    let command = [&asked[..], &whom, &authority].concat();
    cluster.exec(cluster.pod("gateway"), &command).await
}

/// Every metric is there by its name. Some are only from the first time that it happens, and nothing of the kind
/// happens here: no call is repeated or refused for overload, and no replica is passed over for its failures.
/// Those are at least names that the binary has.
fn alerts_and_dashboards_ask_for_what_is_there(metrics: &Metrics) {
    let mut asked = asked_for();
    assert!(asked.len() > 20, "{asked:?}");
    // Prometheus' own: whether it was answered.
    assert!(asked.remove("up"));
    let binary = fs::read(env!("CARGO_BIN_EXE_outcry")).unwrap();
    for (name, registered) in [
        ("grpc_client_call_retries_sum", "grpc_client_call_retries"),
        (
            "grpc_lb_outlier_detection_ejections_enforced_total",
            "grpc_lb_outlier_detection_ejections_enforced",
        ),
        (
            "outcry_server_calls_refused_total",
            "outcry_server_calls_refused",
        ),
    ] {
        let known = holds(&binary, registered.as_bytes());
        assert!(asked.remove(name) && known, "{name}");
    }
    let missing: Vec<_> = asked.difference(&metrics.declared).collect();
    assert!(missing.is_empty(), "no pod has {missing:?}");
    let silent: Vec<_> = asked.difference(&metrics.measured).collect();
    println!("declared, and nothing has happened yet: {silent:?}");
}

/// Whether some bytes are among others.
fn holds(all: &[u8], wanted: &[u8]) -> bool {
    all.windows(wanted.len()).any(|found| found == wanted)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rendered_processes_of_all_services_fill_an_order_on_real_servers() {
    if !present().await || !outcry_servers::present() || !permitted() {
        return;
    }
    let _turn = turn().await;
    let objects = rendered("existing-secrets-values.yaml", &ROUND_TRIP).await;
    let rabbit = RabbitMq::start().await.unwrap();
    let postgres = Postgres::start().await.unwrap();
    let mut cluster = Cluster::start().await;
    operator::secrets(&mut cluster).await;
    operator::servers(&mut cluster, &rabbit, &postgres).await;
    install(&mut cluster, &objects).await;
    assert!(cluster.pods.len() >= 11, "{}", cluster.pods.len());
    nobody_can_do_more_than_rendered(&cluster);
    round_trip(&mut cluster, &objects).await;

    let filled = orders_filled(&cluster).await;
    assert!(filled.contains("order.filled"), "{filled}");
    let edges = allowed(&cluster);
    assert!(edges.len() > 5, "{edges:?}");

    let metrics = scrape(&cluster).await;
    assert_eq!(metrics.pods, cluster.pods.len());
    alerts_and_dashboards_ask_for_what_is_there(&metrics);
    cluster.stop().await;
}

/// Values without some of `config`: the market there has hours and prices of its own, which would refuse
/// what the round trip trades.
fn without(values: &str, keys: &[&str]) -> String {
    let mut left_out = false;
    let lines = values.lines().filter(|line| {
        let inner = line.strip_prefix("  ").unwrap_or_default();
        if !line.starts_with("   ") {
            let key = inner.split(':').next().unwrap_or_default();
            left_out = keys.contains(&key);
        }
        !left_out
    });
    lines.map(|line| format!("{line}\n")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rendered_process_of_mode_single_fills_an_order_and_goes_on_from_its_volume() {
    if !present().await || !permitted() {
        return;
    }
    let _turn = turn().await;
    let file = chart().join("ci/single-values.yaml");
    let text = without(
        &fs::read_to_string(&file).unwrap(),
        &["market", "market_collar_bps"],
    );
    let values = tempfile::NamedTempFile::new().unwrap();
    fs::write(values.path(), text).unwrap();
    let objects = objects(&template(values.path(), &ROUND_TRIP).await).await;
    let mut cluster = Cluster::start().await;
    operator::secrets(&mut cluster).await;
    install(&mut cluster, &objects).await;
    nobody_can_do_more_than_rendered(&cluster);
    round_trip(&mut cluster, &objects).await;
    let before = audit(&cluster, "platform").await;

    cluster.kill_and_start_again().await;
    cluster.until_ready().await;
    let after = audit(&cluster, "platform").await;
    for (before, after) in topics(&before).zip(topics(&after)) {
        assert!(
            before.0 == after.0 && before.1 <= after.1,
            "{before:?} {after:?}"
        );
    }
    assert!(topics(&after).any(|(topic, events)| topic == "order.filled" && events > 0));
    round_trip(&mut cluster, &objects).await;
    assert_eq!(scrape(&cluster).await.pods, 1);
    cluster.stop().await;
}

/// What the gateway's process says when it is started of these objects; it must refuse them.
async fn refusal(objects: &[Value]) -> String {
    let mut cluster = Cluster::start().await;
    operator::secrets(&mut cluster).await;
    operator::nowhere(&mut cluster);
    for object in ordinary(objects) {
        cluster.put(object).await;
    }
    let deployments = cluster.namespace.of_kind("Deployment");
    let mut found = deployments.into_iter();
    let gateway = found.find(|object| object["metadata"]["name"] == "outcry-gateway");
    let template = gateway.unwrap()["spec"]["template"].clone();
    let mut pod = Pod::new(&cluster.network, &cluster.namespace, "gateway", &template);
    cluster.refuses(&mut pod).await
}

/// Puts another text in place of one that must be there.
fn replaced(objects: &[Value], text: &str, other: &str) -> Vec<Value> {
    let whole = serde_json::to_string(objects).unwrap();
    assert!(whole.contains(text), "{text}");
    serde_json::from_str(&whole.replace(text, other)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_misspelt_in_a_rendered_object_is_refused_by_its_name() {
    if !present().await || !permitted() {
        return;
    }
    let _turn = turn().await;
    let objects = rendered("existing-secrets-values.yaml", &[]).await;
    for (text, other, named) in [
        (
            "drain_delay_ms",
            "drain_delay_mss",
            "field `drain_delay_mss`",
        ),
        (
            "OUTCRY_MESH__ADDRESS",
            "OUTCRY_MESH__ADRESS",
            "field `adress`",
        ),
        // Variables of Services would be taken for settings.
        (
            "\"enableServiceLinks\":false",
            "\"enableServiceLinks\":true",
            "gateway_service_host",
        ),
        (
            "/etc/outcry/mesh/tls.key",
            "/etc/outcry/mesh/tls.kee",
            "tls.kee",
        ),
        ("\"fsGroup\":65532,", "", "Permission denied"),
    ] {
        let said = refusal(&replaced(&objects, text, other)).await;
        assert!(said.contains(named), "{other}: {said}");
    }
}
