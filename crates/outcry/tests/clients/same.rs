//! What one language sees, all see.

use std::collections::BTreeMap;

use outcry_contracts::events::v1::EventEnvelope;
use outcry_events::json::{self, Personal};
use prost::Message as _;
use serde_json::{Value, json};
use tokio::process::Child;

use super::fixtures::{self, Fixture};
use super::language::{self, Language, root, turn};
use super::market::{Market, SYMBOL};
use super::queue::{Lying, Queues, is_consumed};

/// The topic that everything here is about.
const TOPIC: &str = "order.filled";

/// A topic that nobody's group is bound to by name: what is not genuine goes there.
const STRANGERS: &str = "stranger.wrote";

/// The commands that read a queue.
const CONSUME: &str = "consume";
const CLOUD_EVENTS: &str = "cloudevents";

/// How long the consumers of a story wait for their messages.
const WITHIN: &str = "600";

/// The JSON of an event as this contract's own Rust sees it.
fn seen_by_rust(body: &[u8]) -> Value {
    json::bytes(body, Personal::Shown)
}

/// Starts a command of a language on a queue of its own, and waits until it consumes.
async fn reader(market: &Market, language: &Language, command: &str, count: usize) -> Child {
    let queue = queue_of(language, command);
    let count = count.to_string();
    let mut arguments = vec![command, "--queue", &queue, "--topic", TOPIC];
    if command == CONSUME {
        arguments.extend(["--topic", STRANGERS]);
    }
    arguments.extend(["--count", &count, "--within", WITHIN]);
    let mut child = language.start(&arguments, &market.variables(language.name));
    tokio::select! {
        () = is_consumed(&market.rabbit, &queue) => child,
        ended = child.wait() => {
            let said = child.wait_with_output().await;
            panic!("`{command}` of {} ended too soon: {ended:?} {said:?}", language.name);
        }
    }
}

fn queue_of(language: &Language, command: &str) -> String {
    format!("{command}.{}", language.name)
}

/// What a client's `trade` printed is a story that was told to its end.
pub fn traded(name: &str, printed: &[Value]) {
    let [told] = printed else {
        panic!("{name}: {printed:#?}");
    };
    assert_eq!(told["status"], "FILLED", "{name}: {told:#}");
    assert_eq!(told["quantity"], "1", "{name}: {told:#}");
    assert_eq!(told["average_price"], "100", "{name}: {told:#}");
    let updates = json!([
        "order.created",
        "order.validated",
        "trade.placed",
        "order.filled"
    ]);
    assert_eq!(told["updates"], updates, "{name}: {told:#}");
    assert!(told["cancelled"].is_string(), "{name}: {told:#}");
    let refusal = json!({
        "code": "INVALID_ARGUMENT",
        "reason": "INVALID_REQUEST",
        "violations": [{"field": "terms.quantity", "rule": "INT64_GTE_LTE"}],
    });
    assert_eq!(told["refusal"], refusal, "{name}: {told:#}");
}

/// One line of `consume` for one body.
fn handled(line: &Value, body: &Lying, whose: &str) {
    let event = seen_by_rust(&body.body);
    assert_eq!(line["action"], "handled", "{whose}: {line:#}");
    assert_eq!(line["schema"], "same", "{whose}: {line:#}");
    assert_eq!(line["topic"], TOPIC, "{whose}: {line:#}");
    assert_eq!(
        line["type"], "outcry.orders.v1.OrderFilledEvent",
        "{whose}: {line:#}"
    );
    assert_eq!(line["event_id"], event["eventId"], "{whose}: {line:#}");
    assert_eq!(line["event"], event, "{whose} reads it otherwise than Rust");
}

/// What a client put aside is what was sent, with the reason and the rule.
fn put_aside(dead: &[Lying], fixtures: &[Fixture], whose: &str) {
    let expected: Vec<&Fixture> = fixtures.iter().filter(|one| one.action == "dead").collect();
    assert_eq!(dead.len(), expected.len(), "{whose}: {dead:#?}");
    for (dead, fixture) in dead.iter().zip(expected) {
        assert!(
            dead.body == fixture.body,
            "{whose} changed a body: {dead:?}"
        );
        let header = |name: &str| dead.headers.get(name).map(String::as_str);
        assert_eq!(
            header("outcry-reason"),
            Some(fixture.reason),
            "{whose}: {dead:?}"
        );
        assert_eq!(
            header("outcry-rules").unwrap_or_default(),
            fixture.rules,
            "{whose}: {dead:?}"
        );
        assert_eq!(header("outcry-queue"), Some(&*format!("{CONSUME}.{whose}")));
        assert_eq!(header("made-by"), Some("a story"), "{whose} lost a header");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_client_trades_and_all_see_the_same_events() {
    let _turn = turn().await;
    if !outcry_servers::present() {
        return;
    }
    let languages = language::built().await;
    let market = Market::open().await;
    let queues = Queues::open(&market.rabbit).await;
    queues.bind("consume.rust", &[TOPIC]).await;

    // Every purchase is a fill of the buyer's order and one of the seller's.
    let fills = 2 * languages.len();
    let strange = fixtures::COUNT;
    let mut consumers = Vec::new();
    for language in languages {
        let reading = reader(&market, language, CLOUD_EVENTS, fills).await;
        let consuming = reader(&market, language, CONSUME, fills + strange).await;
        consumers.push((*language, consuming, reading));
    }
    for language in languages {
        let variables = market.variables(language.name);
        let told = language
            .run(&["trade", "--symbol", SYMBOL], &variables)
            .await;
        traded(language.name, &told);
    }
    let mut genuine = queues.take("consume.rust", fills).await;
    // What is published at the same time lies in each queue in an order of its own.
    genuine.sort_by_key(|one| seen_by_rust(&one.body)["eventId"].to_string());
    let fixtures = fixtures::all(&genuine[0].body);
    let headers = BTreeMap::from([("made-by".to_owned(), "a story".to_owned())]);
    for fixture in &fixtures {
        queues.publish(STRANGERS, &headers, &fixture.body).await;
    }

    let mut first: Option<(&str, Vec<Value>)> = None;
    for (language, consuming, reading) in consumers {
        let name = language.name;
        let mut lines = language.ended(consuming).await;
        assert_eq!(lines.len(), fills + strange, "{name}: {lines:#?}");
        lines[..fills].sort_by_key(|line| line["event_id"].to_string());
        for (line, body) in lines.iter().zip(&genuine) {
            handled(line, body, name);
        }
        let actions: Vec<_> = lines[fills..].iter().map(|line| &line["action"]).collect();
        let expected: Vec<_> = fixtures.iter().map(|fixture| fixture.action).collect();
        assert_eq!(actions, expected, "{name}");
        put_aside(
            &queues
                .take(
                    &format!("{}.dead", queue_of(language, CONSUME)),
                    dead(&fixtures),
                )
                .await,
            &fixtures,
            name,
        );
        let mut read = language.ended(reading).await;
        read.sort_by_key(|line| line["id"].to_string());
        as_cloud_events(&read, &genuine, name);
        match &first {
            None => first = Some((name, lines)),
            Some((other, same)) => assert_eq!(&lines, same, "{name} and {other} differ"),
        }
    }
    let strangers: Vec<String> = fixtures
        .iter()
        .filter_map(|one| EventEnvelope::decode(one.body.as_slice()).ok())
        .map(|envelope| envelope.event_id)
        .collect();
    market.close_after(&strangers);
    println!(
        "{} clients and Rust saw the same {fills} fills and put the same {} of {strange} messages aside",
        languages.len(),
        dead(&fixtures),
    );
}

fn dead(fixtures: &[Fixture]) -> usize {
    fixtures.iter().filter(|one| one.action == "dead").count()
}

/// What the official CloudEvents SDK of a language says of the events.
fn as_cloud_events(lines: &[Value], genuine: &[Lying], whose: &str) {
    assert_eq!(lines.len(), genuine.len(), "{whose}: {lines:#?}");
    for (line, lying) in lines.iter().zip(genuine) {
        let event = seen_by_rust(&lying.body);
        for (attribute, field) in [
            ("id", "eventId"),
            ("source", "source"),
            ("type", "eventType"),
        ] {
            assert_eq!(line[attribute], event[field], "{whose}: {line:#}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_packages_own_tests_pass_against_the_platform() {
    let _turn = turn().await;
    if !outcry_servers::present() {
        return;
    }
    let languages = language::built().await;
    let market = Market::open().await;
    for language in languages {
        let name = format!("tests.{}", language.name);
        language.test(&market.variables(&name)).await;
    }
    market.close();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_fixtures_break_the_same_rules_in_every_language() {
    let _turn = turn().await;
    let languages = language::built().await;
    let file = root().join("contracts/parity.json");
    let text = std::fs::read_to_string(&file).unwrap();
    let parity: Value = serde_json::from_str(&text).unwrap();
    let cases = parity["cases"].as_array().unwrap();
    let expected: Vec<Value> = cases
        .iter()
        .map(|case| json!({"case": case["name"], "violations": case["violations"]}))
        .collect();
    for language in languages {
        let found = language.run(&["parity", file.to_str().unwrap()], &[]).await;
        assert_eq!(found.len(), expected.len(), "{}", language.name);
        let differ: Vec<_> = found
            .iter()
            .zip(&expected)
            .filter(|(found, expected)| found != expected)
            .collect();
        assert!(differ.is_empty(), "{}: {differ:#?}", language.name);
    }
    let violations = cases
        .iter()
        .filter_map(|case| case["violations"].as_array());
    let violations: usize = violations.map(Vec::len).sum();
    println!(
        "{} cases with {violations} violations are judged alike by Rust and {} languages",
        cases.len(),
        languages.len(),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_language_reads_every_golden_event() {
    let _turn = turn().await;
    let languages = language::built().await;
    let folder = root().join("contracts/golden");
    let mut counts = BTreeMap::new();
    for language in languages {
        let lines = language
            .run(&["golden", folder.to_str().unwrap()], &[])
            .await;
        let differ: Vec<_> = lines.iter().filter(|line| line["same"] != true).collect();
        assert!(differ.is_empty(), "{}: {differ:#?}", language.name);
        counts.insert(language.name, lines.len());
    }
    let events = outcry_contracts::EVENTS.len();
    assert!(counts.values().all(|count| *count >= events), "{counts:?}");
    assert!(
        counts
            .values()
            .all(|count| Some(count) == counts.values().next())
    );
    println!("golden events read by each language: {counts:?}");
}
