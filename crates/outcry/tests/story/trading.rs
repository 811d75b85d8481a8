//! The platform trades, and says how.

use std::path::Path;

use serde_json::{Value, json};

use super::outcry::{Outcry, complaint, sample};
use super::recording;

/// Topics every order that is filled goes through.
const FLOW: [&str; 10] = [
    "order.created",
    "funds.locked",
    "order.validated",
    "trade.created",
    "trade.placed",
    "trade.executed",
    "funds.settled",
    "order.filled",
    RELEASED,
    "trade.closed",
];

/// What is released goes to the order that might have paid more.
const RELEASED: &str = "funds.released";

fn replay(outcry: &Outcry, file: &Path) -> Value {
    outcry.json(&["replay", file.to_str().unwrap(), "--json"])
}

/// The correlation id of an incoming order's flow, from its creation to its trade's closing. What
/// settles a match belongs to the incoming order's flow; what is released is released to the order
/// that paid less than it might have, which here is the resting one.
fn closed_flow(outcry: &Outcry) -> String {
    let export = outcry.verb(&["events", "export"]);
    assert!(export.status.success());
    let text = String::from_utf8(export.stdout).unwrap();
    let events: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let with = |topic: &str| -> Vec<&str> {
        events
            .iter()
            .map(|line| &line["event"])
            .filter(|event| event["eventType"] == topic)
            .map(|event| event["correlationId"].as_str().unwrap())
            .collect()
    };
    let settled = with("funds.settled");
    with("trade.closed")
        .into_iter()
        .find(|flow| settled.contains(flow))
        .expect("an incoming order that was filled")
        .to_owned()
}

fn topics(nodes: &Value, into: &mut Vec<String>) {
    for node in nodes.as_array().unwrap() {
        into.push(node["type"].as_str().unwrap().to_owned());
        topics(&node["causes"], into);
    }
}

/// The audit's report counts every kind of event that filling an order takes.
pub fn every_topic_of_the_flow_was_seen(report: &Value) {
    for topic in FLOW {
        let seen = report["topics"]
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["topic"] == topic)
            .unwrap();
        assert!(seen["events"].as_u64().unwrap() > 0, "{topic} was not seen");
    }
}

/// The flow of an order that was filled goes back to its placing, over all services.
pub fn a_closed_flow_is_one_tree(outcry: &Outcry) {
    let flow = closed_flow(outcry);
    let tree = outcry.json(&["trace", &flow, "--json"]);
    assert_eq!(tree.as_array().unwrap().len(), 1, "one root: {tree:#}");
    let mut found = Vec::new();
    topics(&tree, &mut found);
    assert_eq!(found[0], "order.created");
    for topic in FLOW.iter().filter(|topic| **topic != RELEASED) {
        assert!(
            found.iter().any(|one| one == topic),
            "{topic} is not in {found:?}"
        );
    }
}

#[test]
fn a_recorded_market_trades_and_every_invariant_holds() {
    let mut outcry = Outcry::new();
    outcry.up();
    let folder = tempfile::tempdir().unwrap();
    let file = recording::write(folder.path(), 7, 300);

    let result = replay(&outcry, &file);

    let executions = &result["recordedExecutions"];
    assert_eq!(
        executions["visible"], executions["sameRestingOrder"],
        "{result:#}"
    );
    assert_eq!(
        result["topOfBook"]["compared"], result["topOfBook"]["equal"],
        "{result:#}"
    );
    assert_eq!(result["orders"]["rejected"], 0, "{result:#}");
    let report = outcry.quiet_audit();
    every_topic_of_the_flow_was_seen(&report);
    a_closed_flow_is_one_tree(&outcry);
    outcry.stop();
    outcry.audit();
}

#[test]
fn an_installation_is_measured_by_orders_that_are_really_traded() {
    let mut outcry = Outcry::new();
    outcry.up();
    let few = ["--orders", "21", "--pairs", "2", "--json"];
    let [msft, nowhere] =
        ["MSFT", "NOWHERE"].map(|symbol| [&["bench", "--symbol", symbol][..], &few].concat());

    let result = outcry.json(&msft);
    assert_eq!(result["orders"], 22, "whole trips: {result:#}");
    assert_eq!(result["unsettled"], 0, "{result:#}");
    for rate in ["acknowledgedPerSecond", "settledPerSecond"] {
        assert!(result[rate].as_f64().unwrap() > 0.0, "{result:#}");
    }
    for stage in ["placeToAcknowledgedMs", "placeToSettledMs"] {
        let [p50, p99] = ["p50", "p99"].map(|half| result[stage][half].as_f64().unwrap());
        assert!(0.0 < p50 && p50 <= p99, "{result:#}");
    }
    // The same people again.
    assert_eq!(outcry.json(&msft)["unsettled"], 0);

    let refused = outcry.verb(&nowhere);
    assert!(!refused.status.success());
    assert!(
        complaint(&refused).contains("NOWHERE"),
        "{}",
        complaint(&refused)
    );
    let report = outcry.quiet_audit();
    let topics = report["topics"].as_array().unwrap();
    let closed = topics.iter().find(|row| row["topic"] == "trade.closed");
    assert_eq!(closed.unwrap()["events"], 44, "{report:#}");
    outcry.stop();
}

#[test]
fn the_recorded_sample_hits_the_same_resting_orders() {
    let Some(file) = sample() else {
        println!("the sample is not present; the story above uses a recording of our own");
        return;
    };
    let mut outcry = Outcry::new();
    outcry.up();
    let result = replay(&outcry, &file);
    let executions = &result["recordedExecutions"];
    assert_eq!(executions["visible"], 98);
    assert!(
        executions["sameRestingOrder"].as_u64().unwrap() >= 94,
        "{result:#}"
    );
    let report = outcry.quiet_audit();
    let topics = report["topics"].as_array().unwrap();
    let record = topics.iter().filter(|row| row["origin"] == "record");
    assert_eq!(record.count(), 28);
    outcry.stop();
}

#[test]
fn the_contract_lists_every_event_with_publisher_version_and_consumers() {
    let output = super::outcry::command(&["schema", "list", "--json"])
        .output()
        .unwrap();
    assert!(output.status.success());
    let events: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let (older, newest): (Vec<&Value>, Vec<&Value>) = events
        .iter()
        .partition(|event| event["supersededBy"].is_string());
    let of = |origin: &str| {
        newest
            .iter()
            .filter(|event| event["origin"] == origin)
            .count()
    };
    assert_eq!(of("record"), 28);
    assert_eq!(of("extension"), newest.len() - 28);
    let [older] = older.as_slice() else {
        panic!("{older:#?}")
    };
    assert_eq!(older["topic"], "report.requested");
    assert_eq!(older["supersededBy"], "report.requested.v2");
    assert_eq!(older["publishedUntil"], "2027-06-30");
    assert_eq!(older["consumers"], json!([]));
    for event in &newest {
        let is_second = event["topic"] == "report.requested.v2";
        assert_eq!(event["version"], json!(if is_second { 2 } else { 1 }));
        let consumers = event["consumers"].as_array().unwrap();
        assert!(consumers.contains(&json!("gateway")), "{event:#}");
        assert!(consumers.contains(&json!("notifications")), "{event:#}");
        assert!(!event["owner"].as_str().unwrap().is_empty());
    }
}

#[test]
fn the_demo_trades_within_seconds_and_goes_on_after_a_restart() {
    let mut outcry = Outcry::new();
    for _ in 0..2 {
        outcry.start(&["--demo"]);
        let tail = outcry.verb(&["events", "tail", "trade.executed", "--limit", "4", "--json"]);
        assert!(tail.status.success(), "{}", super::outcry::complaint(&tail));
        assert_eq!(String::from_utf8(tail.stdout).unwrap().lines().count(), 4);
        outcry.stop();
        outcry.audit();
    }
}
