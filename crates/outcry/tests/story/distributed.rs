//! The same stories on RabbitMQ and PostgreSQL: in one process, and with every service in a
//! process of its own.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use outcry_broker::{Broker as _, Group, RabbitMq, RabbitOptions};
use serde_json::Value;

use super::backbone::Backbone;
use super::cluster::Cluster;
use super::observer::Observer;
use super::outcry::{Outcry, complaint, sample};
use super::recording;
use super::trading;

/// How long RabbitMQ may take to notice that somebody is gone: generous, for a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often that is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Stories of many processes take turns: two at once would be too much for a small machine.
pub fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The recorded sample where it is present, else one of our own.
fn market_data(outcry: &Outcry) -> PathBuf {
    sample().unwrap_or_else(|| recording::write(outcry.folder(), 11, 600))
}

/// The order flow, the replay and the audit, on a platform that runs.
fn trades_and_adds_up(outcry: &Outcry) {
    let file = market_data(outcry);
    let result = outcry.json(&["replay", file.to_str().unwrap(), "--json"]);
    let executions = &result["recordedExecutions"];
    let hit = |field: &str| executions[field].as_u64().unwrap();
    // The sample has four executions against orders that were there before it begins.
    assert!(hit("sameRestingOrder") + 4 >= hit("visible"), "{result:#}");
    assert!(hit("visible") > 0);
    assert_eq!(result["orders"]["rejected"], 0, "{result:#}");
    let report: Value = outcry.quiet_audit();
    trading::every_topic_of_the_flow_was_seen(&report);
    trading::a_closed_flow_is_one_tree(outcry);
}

/// On a broker that has nothing yet.
fn the_topology_is_planned_and_applied(outcry: &Outcry) {
    for _ in 0..2 {
        let plan = outcry.verb(&["topology", "plan", "--json"]);
        assert_eq!(plan.status.code(), Some(1), "{}", complaint(&plan));
        let plan: Value = serde_json::from_slice(&plan.stdout).unwrap();
        let drifts = plan["drifts"].as_array().unwrap();
        assert!(drifts.len() > 50, "planning changes nothing: {plan:#}");
    }
    let applied = outcry.json(&["topology", "apply", "--json"]);
    assert!(
        applied["done"].as_array().unwrap().len() > 50,
        "{applied:#}"
    );
    let again = outcry.json(&["topology", "apply", "--json"]);
    assert_eq!(again["done"], serde_json::json!([]));
    let plan = outcry.json(&["topology", "plan", "--json"]);
    assert_eq!(plan["drifts"], serde_json::json!([]));
}

/// As before an upgrade: replicas of the version before are there, and have a group the new one does not know.
fn what_an_old_version_still_consumes_stops_no_upgrade(outcry: &Outcry, backbone: &Backbone) {
    let old = Group {
        name: "fraud",
        topics: vec!["order.*".to_owned()],
        partitions: 1,
        prefetch: 8,
    };
    let consumer = backbone.block_on(async {
        let options = RabbitOptions::new(backbone.rabbit.url(), "fraud");
        let broker = RabbitMq::connect(options).await.unwrap();
        broker.declare(&old).await.unwrap();
        let subscription = broker.subscribe(&old, 0).await.unwrap();
        (broker, subscription)
    });
    // The plan looks at counts that may be seconds old; what is done does not.
    let applied = outcry.json(&["topology", "apply", "--json"]);
    let done = applied["done"].as_array().unwrap().iter();
    let left: Vec<&Value> = done.filter(|one| !one["left"].is_null()).collect();
    assert_eq!(left.len(), 1, "{applied:#}");
    assert_eq!(left[0]["needed"], false);
    assert_eq!(left[0]["left"], "it has 1 consumers");
    let strict = outcry.verb(&["topology", "apply", "--strict"]);
    assert_eq!(strict.status.code(), Some(1));
    let told = String::from_utf8(strict.stdout).unwrap();
    assert!(
        told.contains("left for later: queue outcry.fraud.000"),
        "{told}"
    );
    // Once they are gone, so is it.
    drop(consumer);
    let end = Instant::now() + PATIENCE;
    while !outcry
        .verb(&["topology", "apply", "--strict"])
        .status
        .success()
    {
        assert!(Instant::now() < end, "{}", backbone.queues());
        std::thread::sleep(LOOK_EVERY);
    }
}

#[test]
fn one_process_on_rabbitmq_and_postgresql_trades_and_adds_up() {
    let _turn = turn();
    let Some(backbone) = Backbone::start() else {
        return;
    };
    let mut outcry = Outcry::with(backbone.variables());
    the_topology_is_planned_and_applied(&outcry);
    outcry.up();
    trades_and_adds_up(&outcry);
    what_an_old_version_still_consumes_stops_no_upgrade(&outcry, &backbone);
    outcry.stop();
    outcry.audit();
    let plan = outcry.verb(&["topology", "plan", "--json"]);
    assert!(
        plan.status.success(),
        "{}",
        String::from_utf8_lossy(&plan.stdout)
    );
}

#[test]
fn every_service_in_its_own_process_with_replicas_trades_and_adds_up() {
    let _turn = turn();
    let Some(backbone) = Backbone::start() else {
        return;
    };
    let mut cluster = Cluster::start(&backbone);
    trades_and_adds_up(&cluster.outcry);
    cluster.stop_all();
    cluster.outcry.audit();
}

/// Messages of the recording that is played while replicas are restarted.
const ROLLING_MESSAGES: usize = 600;

#[test]
fn a_rolling_restart_under_load_loses_nothing_and_keeps_the_order() {
    let _turn = turn();
    let Some(backbone) = Backbone::start() else {
        return;
    };
    let observer = Observer::begin(&backbone);
    let mut cluster = Cluster::start(&backbone);
    let file = recording::write(cluster.outcry.folder(), 13, ROLLING_MESSAGES);
    let mut player = cluster
        .outcry
        .spawn(&["replay", file.to_str().unwrap(), "--json"]);
    let mut rounds = 0;
    // Round after round until the market has come to its end, once at least.
    loop {
        for service in ["orders", "trades", "funds", "portfolio"] {
            for number in 0..3 {
                let index = cluster.index(service, number);
                cluster.stop(index);
                cluster.begin(index);
                cluster.until_there(index);
            }
        }
        rounds += 1;
        if player.try_wait().unwrap().is_some() {
            break;
        }
    }
    let output = player.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", complaint(&output));
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(result["orders"]["rejected"], 0, "{result:#}");
    let executions = &result["recordedExecutions"];
    assert_eq!(
        executions["visible"], executions["sameRestingOrder"],
        "{result:#}"
    );
    cluster.outcry.quiet_audit();
    let verdict = observer.verdict(&backbone);
    println!("{rounds} rolling restarts of twelve replicas: {verdict:?}");
    assert_eq!((verdict.lost, verdict.invented), (0, 0));
    assert_eq!(verdict.reordered_keys, 0);
    // Nobody lets go of the observer, and relays finish what they have begun before they stop.
    assert_eq!(verdict.repeated, 0, "delivered again without need");
    cluster.stop_all();
}
