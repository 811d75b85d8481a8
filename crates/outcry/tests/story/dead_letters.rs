//! A message nobody can read is parked by every consumer of its topic, and looked after by hand.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::outcry::Outcry;
use super::poison::poison;

/// How long parking may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Consumers of the topic, by name.
const CONSUMERS: [&str; 4] = ["funds", "gateway", "notifications", "reports"];

/// Waits until the listing is as wanted, and returns it.
fn listed(outcry: &Outcry, what: &str, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let end = Instant::now() + PATIENCE;
    loop {
        let listing = outcry.json(&["dlq", "list", "--json"]);
        let rows = listing.as_array().unwrap();
        if wanted(rows) {
            return rows.clone();
        }
        assert!(Instant::now() < end, "not so: {what}: {listing:#}");
        std::thread::sleep(LOOK_EVERY);
    }
}

fn of<'a>(rows: &'a [Value], group: &str) -> &'a Value {
    rows.iter().find(|row| row["group"] == group).unwrap()
}

#[test]
fn what_nobody_can_read_is_parked_shown_redriven_and_discarded() {
    let mut outcry = Outcry::new();
    outcry.up();
    outcry.stop();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(poison(&outcry));
    outcry.up();

    let rows = listed(&outcry, "parked by each consumer", |rows| {
        CONSUMERS
            .iter()
            .all(|group| rows.iter().any(|row| row["group"] == *group))
    });
    assert_eq!(rows.len(), CONSUMERS.len());
    let funds = of(&rows, "funds");
    assert_eq!(funds["key"], "poisoned");
    let position = funds["position"].to_string();

    let shown = outcry.json(&["dlq", "show", "funds", &position, "--json"]);
    assert_eq!(shown["headers"]["made-by"], "a story");
    assert!(shown["event"]["base64"].is_string(), "{shown:#}");

    let dry = outcry.json(&["dlq", "redrive", "funds", "--all", "--dry-run", "--json"]);
    assert_eq!((&dry["events"], &dry["keys"]), (&1.into(), &1.into()));
    outcry.json(&["dlq", "redrive", "funds", "--key", "poisoned", "--json"]);
    let audit = || outcry.json(&["dlq", "list", "--group", "funds", "--audit", "--json"]);
    let end = Instant::now() + PATIENCE;
    while audit().as_array().unwrap().len() < 2 {
        assert!(
            Instant::now() < end,
            "the redrive was not tried: {:#}",
            audit()
        );
        std::thread::sleep(LOOK_EVERY);
    }
    listed(&outcry, "parked again", |rows| {
        rows.iter()
            .any(|row| row["group"] == "funds" && row["redriveRequested"] == false)
    });

    for row in &rows {
        let group = row["group"].as_str().unwrap();
        let position = row["position"].to_string();
        outcry.json(&[
            "dlq",
            "discard",
            group,
            &position,
            "--reason",
            "not an event",
            "--json",
        ]);
    }
    listed(&outcry, "all are gone", <[Value]>::is_empty);
    let actions = audit();
    let discarded = &actions[0];
    assert_eq!(discarded["action"], "discard", "{actions:#}");
    assert_eq!(discarded["reason"], "not an event");
    assert!(discarded["actor"].as_str().unwrap().starts_with("user:"));

    let vague = outcry.verb(&["dlq", "redrive", "funds"]);
    assert!(!vague.status.success());
    assert!(super::outcry::complaint(&vague).contains("--all"));
    outcry.stop();
    outcry.audit();
}
