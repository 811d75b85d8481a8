//! `kill -9` in the middle of a replay, again and again: nothing is lost, nothing is doubled.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::outcry::{Outcry, complaint};
use super::recording::{self, Dice};

/// Kills before the replay is let through to its end.
const KILLS: u64 = 12;

/// Longest time between a start and the kill.
const MOMENT_MAX_MS: u64 = 1_500;

/// Names the variable that makes the kills of an earlier run happen again.
const SEED: &str = "CRASH_SEED";

fn seed() -> u64 {
    match std::env::var(SEED) {
        Ok(seed) => seed.parse().expect("a number"),
        Err(_) => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            u64::from(now.subsec_nanos())
        }
    }
}

#[test]
fn a_platform_killed_in_the_middle_of_a_replay_loses_and_doubles_nothing() {
    let seed = seed();
    println!("{SEED}={seed}");
    let mut dice = Dice::new(seed);
    let mut outcry = Outcry::new();
    let file = recording::write(outcry.folder(), seed, 400);
    let replay = ["replay", file.to_str().unwrap(), "--json"];
    for _ in 0..KILLS {
        outcry.up();
        let mut player = outcry.spawn(&replay);
        // Not waiting for anything: the point is to kill at a moment nobody chose.
        std::thread::sleep(Duration::from_millis(dice.below(MOMENT_MAX_MS)));
        outcry.kill();
        let _gave_up = player.kill();
        player.wait().unwrap();
    }
    outcry.up();
    let result = outcry.json(&replay);
    assert_eq!(result["orders"]["rejected"], 0, "{result:#}");
    let executions = &result["recordedExecutions"];
    assert_eq!(
        executions["visible"], executions["sameRestingOrder"],
        "{result:#}"
    );

    let report = outcry.quiet_audit();

    let created = report["topics"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["topic"] == "order.created")
        .unwrap();
    assert_eq!(
        created["events"], result["orders"]["sent"],
        "an order was doubled or lost"
    );
    let again = outcry.verb(&replay);
    assert!(again.status.success(), "{}", complaint(&again));
    let repeated = outcry.quiet_audit();
    // Whoever comes again signs in again; that is all.
    let before = counts(&report);
    let changed: Vec<_> = counts(&repeated)
        .into_iter()
        .filter(|(topic, events)| before[topic] != *events)
        .map(|(topic, events)| format!("{topic}: {} became {events}", before[topic]))
        .collect();
    assert!(
        changed.is_empty(),
        "repeating changed something: {changed:?}"
    );
    outcry.stop();
}

/// Events by topic, sign-ins aside.
fn counts(report: &Value) -> BTreeMap<&str, u64> {
    let topics = report["topics"].as_array().unwrap();
    topics
        .iter()
        .map(|row| {
            (
                row["topic"].as_str().unwrap(),
                row["events"].as_u64().unwrap(),
            )
        })
        .filter(|(topic, _)| *topic != "user.login")
        .collect()
}
