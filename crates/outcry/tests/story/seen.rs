//! What happens can be seen: an order is one trace across all services and the broker, every log line
//! says what it belongs to, and nothing that is seen tells a secret.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use outcry_contracts::orders::v1::{
    GetOrderRequest, Order, OrderStatus, PlaceOrderRequest, RejectReason, Side,
};
use outcry_contracts::portfolio::v1::ListPositionsRequest;
use outcry_contracts::users::v1::user_service_client::UserServiceClient;
use outcry_contracts::users::v1::{GetMeRequest, LoginRequest};
use serde_json::Value;
use tonic::transport::Channel;
use tonic::{Code, Request};

use super::backbone::Backbone;
use super::cluster::free_ports;
use super::collector::{Collector, Seen, Trace};
use super::distributed::turn;
use super::outcry::Outcry;
use super::person::{Person, arrives, connect, deposit, fresh, issue, limit};

/// What is traded.
const SYMBOL: &str = "AAPL";

/// The trace that Ada's own program has begun, and her place in it.
const ADAS_TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const ADAS_SPAN: &str = "b7ad6b7169203331";

/// How the call that places an order is called.
const PLACING: &str = "outcry.orders.v1.OrderService/PlaceOrder";

/// What nobody must be able to read.
const ADA: (&str, &str, &str) = (
    "ada.secret@story.example",
    "horse-battery-ada",
    "Ada Lovelorn",
);
const BOB: (&str, &str, &str) = (
    "bob.secret@story.example",
    "staple-battery-bob",
    "Bob Bashful",
);

/// Who takes part in an order that is filled.
const PARTICIPANTS: [&str; 7] = [
    "funds",
    "gateway",
    "ledger",
    "notifications",
    "orders",
    "portfolio",
    "trades",
];

/// How long a process may take to be there or to end: generous, for a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Places an order, again while the account is still being opened; with a trace of the client's own or none.
async fn place(person: &Person, side: Side, traceparent: Option<&str>) -> Order {
    arrives("an open account", async || {
        let mut request = Request::new(PlaceOrderRequest {
            request_id: fresh(),
            client_order_id: String::new(),
            terms: Some(limit(SYMBOL, side, 10, "100")),
        });
        if let Some(traceparent) = traceparent {
            let metadata = request.metadata_mut();
            metadata.insert("traceparent", traceparent.parse().unwrap());
        }
        let placed = person.orders().place_order(request).await.unwrap();
        let order = placed.into_inner().order.unwrap();
        (order.reject_reason() != RejectReason::AccountNotReady).then_some(order)
    })
    .await
}

async fn is_filled(person: &Person, order: &Order) {
    arrives("the fill", async || {
        let order_id = order.order_id.clone();
        let asked = GetOrderRequest { order_id };
        let shown = person.orders().get_order(asked).await.unwrap();
        let shown = shown.into_inner().order.unwrap();
        (shown.status() == OrderStatus::Filled).then_some(())
    })
    .await;
}

/// Registers Ada and Bob, gives them money and shares, and has Ada buy from Bob in a trace of her own.
async fn ada_buys_from_bob(channel: &Channel, data: &Path) {
    let admin = Person::administrator(channel, data).await;
    let ada = Person::register(channel, ADA.0, ADA.1, ADA.2).await;
    let bob = Person::register(channel, BOB.0, BOB.1, BOB.2).await;
    deposit(&ada, "5000").await;
    ada.has_cash("5000", "0").await;
    bob.has_cash("0", "0").await;
    issue(&admin, &bob, SYMBOL, 10).await;
    let sells = place(&bob, Side::Sell, None).await;
    let traceparent = format!("00-{ADAS_TRACE}-{ADAS_SPAN}-01");
    let buys = place(&ada, Side::Buy, Some(&traceparent)).await;
    is_filled(&ada, &buys).await;
    is_filled(&bob, &sells).await;
    arrives("the shares", async || {
        let asked = ListPositionsRequest::default();
        let listed = ada.portfolios().list_positions(asked).await.unwrap();
        let positions = listed.into_inner().positions;
        positions
            .iter()
            .any(|held| held.quantity == 10)
            .then_some(())
    })
    .await;
}

/// Everything in Ada's trace comes from the edge, which goes on with her span.
fn begins_at_the_edge(trace: &Trace) {
    let roots = trace.without_a_parent();
    assert!(!roots.is_empty());
    // More than one when her account was not open yet at first.
    for root in roots {
        assert_eq!(root.parent, ADAS_SPAN, "nobody knows its parent: {root:#?}");
        let of = (root.service.as_str(), root.kind);
        assert_eq!(of, ("gateway", SpanKind::Server));
        assert_eq!(root.name, PLACING);
        for (attribute, value) in [
            ("rpc.system", "grpc"),
            ("rpc.service", "outcry.orders.v1.OrderService"),
            ("rpc.method", "PlaceOrder"),
            ("rpc.grpc.status_code", "0"),
        ] {
            assert_eq!(root.attributes[attribute], value);
        }
    }
}

/// Every call has a side that makes it and one that answers it.
fn calls_have_two_sides(trace: &Trace) {
    let mut pairs = BTreeSet::new();
    for answered in trace.of_kind(SpanKind::Server) {
        if let Some(made) = trace.parent_of(answered) {
            assert_eq!(made.kind, SpanKind::Client, "{answered:#?}");
            assert_eq!(made.name, answered.name);
            pairs.insert((made.service.as_str(), answered.service.as_str()));
        }
    }
    for pair in [
        ("gateway", "orders"),
        ("orders", "funds"),
        ("orders", "trades"),
    ] {
        assert!(pairs.contains(&pair), "{pair:?} is not among {pairs:?}");
    }
}

/// Every event is handled after it was published, which comes after what made it.
fn events_cross_the_broker(trace: &Trace, system: &str) {
    let mut handled = BTreeSet::new();
    for process in trace.of_kind(SpanKind::Consumer) {
        let publish = trace.parent_of(process).unwrap();
        assert_eq!(publish.kind, SpanKind::Producer, "{process:#?}");
        let of = |span: &Seen, attribute: &str| span.attributes[attribute].clone();
        for attribute in ["messaging.message.id", "messaging.destination.name"] {
            assert_eq!(of(process, attribute), of(publish, attribute));
        }
        for span in [process, publish] {
            assert_eq!(of(span, "messaging.system"), system);
        }
        assert_eq!(of(process, "messaging.operation.type"), "process");
        assert_eq!(of(publish, "messaging.operation.type"), "send");
        let decided = trace.parent_of(publish).unwrap();
        assert!(matches!(
            decided.kind,
            SpanKind::Server | SpanKind::Consumer
        ));
        handled.insert(process.service.clone());
    }
    for service in ["portfolio", "ledger", "notifications", "funds", "orders"] {
        assert!(
            handled.contains(service),
            "{service} handled none: {handled:?}"
        );
    }
}

/// Bob's order begins a trace by itself.
fn an_order_without_a_trace_begins_one(collector: &Collector) {
    let spans = collector.spans();
    let mut begun = spans
        .iter()
        .filter(|span| span.parent.is_empty() && span.name == PLACING)
        .map(|root| collector.trace(&root.trace));
    let taken = begun.find(|trace| trace.services().contains("trades"));
    assert_eq!(taken.unwrap().without_a_parent().len(), 1);
}

fn nothing_tells_a_secret(text: &str, secrets: &[String]) {
    for secret in secrets {
        let place = text.find(secret.as_str());
        let line = place.map(|place| {
            let begin = text[..place].rfind('\n').map_or(0, |end| end + 1);
            text[begin..].lines().next().unwrap_or_default()
        });
        assert_eq!(line, None, "this line has `{secret}` in it");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_one_trace_from_its_client_to_the_last_reaction() {
    let (collector, address) = Collector::start().await;
    let mut outcry = Outcry::with(vec![("OUTCRY_TELEMETRY__OTLP".to_owned(), address)]);
    tokio::task::block_in_place(|| outcry.up());
    let channel = connect(&outcry.data()).await;
    ada_buys_from_bob(&channel, &outcry.data()).await;
    tokio::task::block_in_place(|| {
        outcry.quiet_audit();
        // What has not been sent by then is sent before the process ends.
        outcry.stop();
    });

    let trace = collector.trace(ADAS_TRACE);
    let services = trace.services();
    let missing: Vec<_> = PARTICIPANTS
        .iter()
        .filter(|service| !services.contains(*service))
        .collect();
    assert!(missing.is_empty(), "{missing:?} are not among {services:?}");
    begins_at_the_edge(&trace);
    calls_have_two_sides(&trace);
    events_cross_the_broker(&trace, "outcry");
    an_order_without_a_trace_begins_one(&collector);
    let everything = format!("{:#?}", collector.spans());
    let secrets = [ADA, BOB].map(|who| [who.0, who.1, who.2].map(str::to_owned));
    nothing_tells_a_secret(&everything, secrets.as_flattened());
    println!(
        "{} spans of {} in the order's trace",
        trace.spans.len(),
        collector.spans().len()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_away_stops_nobody() {
    let ports = free_ports(1);
    let nowhere = format!("http://127.0.0.1:{}", ports[0]);
    let mut outcry = Outcry::with(vec![("OUTCRY_TELEMETRY__OTLP".to_owned(), nowhere)]);
    let log = outcry.folder().join("log");
    tokio::task::block_in_place(|| outcry.up_with_log(&log));
    let channel = connect(&outcry.data()).await;
    ada_buys_from_bob(&channel, &outcry.data()).await;
    tokio::task::block_in_place(|| outcry.stop());
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("traces do not reach their collector"), "{log}");
}

/// What is secret in a run: passwords, names, addresses and tokens of everybody.
async fn secrets(channel: &Channel, data: &Path) -> Vec<String> {
    let mut secrets: Vec<String> = [ADA, BOB]
        .iter()
        .flat_map(|who| [who.0, who.1, who.2])
        .map(str::to_owned)
        .collect();
    let mut users = UserServiceClient::new(channel.clone());
    for (email, password, _) in [ADA, BOB] {
        let request = LoginRequest {
            email: email.to_owned(),
            password: password.to_owned(),
        };
        let tokens = users.login(request).await.unwrap().into_inner();
        let tokens = tokens.tokens.unwrap();
        secrets.extend([tokens.access_token, tokens.refresh_token]);
    }
    let kept = std::fs::read_to_string(data.join("administrator.toml")).unwrap();
    let administrator: toml::Table = toml::from_str(&kept).unwrap();
    for field in ["email", "password"] {
        secrets.push(administrator[field].as_str().unwrap().to_owned());
    }
    // Whatever token it was: the platform's all begin alike.
    secrets.push("Bearer ".to_owned());
    secrets.push("eyJ".to_owned());
    secrets
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_line_says_what_it_belongs_to_and_none_tells_a_secret() {
    let mut outcry = Outcry::with(vec![
        ("OUTCRY_LOG".to_owned(), "warn,outcry=trace".to_owned()),
        ("OUTCRY_TELEMETRY__LOG_FORMAT".to_owned(), "json".to_owned()),
    ]);
    let log = outcry.folder().join("log");
    tokio::task::block_in_place(|| outcry.up_with_log(&log));
    let channel = connect(&outcry.data()).await;
    ada_buys_from_bob(&channel, &outcry.data()).await;
    let wrong = Person::try_sign_in(&channel, ADA.0, "a-wrong-password").await;
    assert!(wrong.is_err());
    let mut secrets = secrets(&channel, &outcry.data()).await;
    let mut forged = Request::new(GetMeRequest {});
    let token = "Bearer forged.by.somebody".parse().unwrap();
    forged.metadata_mut().insert("authorization", token);
    let refused = UserServiceClient::new(channel).get_me(forged).await;
    assert_eq!(refused.unwrap_err().code(), Code::Unauthenticated);
    secrets.extend(["a-wrong-password", "forged.by.somebody"].map(str::to_owned));
    tokio::task::block_in_place(|| outcry.stop());

    let log = std::fs::read_to_string(log).unwrap();
    nothing_tells_a_secret(&log, &secrets);
    let mut kinds = BTreeSet::new();
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        let Some(span) = line.get("span") else {
            continue;
        };
        let name = span["name"].as_str().unwrap().to_owned();
        // What is done by the clock belongs to no call.
        if name != "timer" {
            let id = span["correlation_id"].as_str().unwrap_or_default();
            assert!(!id.is_empty(), "{line:#}");
        }
        kinds.insert(name);
    }
    for name in ["edge", "rpc", "react"] {
        assert!(kinds.contains(name), "{name} is not among {kinds:?}");
    }
}

/// A process with some of the services.
struct Part {
    process: Child,
}

impl Part {
    fn start(outcry: &Outcry, services: &[&str], port: u16) -> Self {
        let log = outcry.folder().join(format!("{}.log", services[0]));
        let file = File::create(&log).unwrap();
        let mut arguments = vec!["serve"];
        arguments.extend(services);
        let mut process = outcry
            .command(&arguments)
            .env("OUTCRY_MESH__LISTEN", format!("127.0.0.1:{port}"))
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let end = Instant::now() + PATIENCE;
        loop {
            let text = std::fs::read_to_string(&log).unwrap();
            if text.contains("running, reached at") {
                return Self { process };
            }
            let ended = process.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < end, "{text}");
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn stop(mut self) {
        let asked = Command::new("kill")
            .args(["-TERM", &self.process.id().to_string()])
            .status()
            .unwrap();
        assert!(asked.success());
        assert!(self.process.wait().unwrap().success());
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _killed = self.process.kill();
        let _ended = self.process.wait();
    }
}

/// Services of the process that people meet, and of the one behind it.
const IN_FRONT: [&str; 5] = ["gateway", "users", "orders", "payments", "reports"];
const BEHIND: [&str; 5] = ["trades", "funds", "ledger", "portfolio", "notifications"];

#[test]
fn the_trace_of_an_order_crosses_processes_and_rabbitmq() {
    let _turn = turn();
    let Some(backbone) = Backbone::start() else {
        return;
    };
    let (collector, address) = backbone.block_on(Collector::start());
    let ports = free_ports(3);
    let mut variables = backbone.variables();
    for (services, port) in [(IN_FRONT, ports[0]), (BEHIND, ports[1])] {
        for service in services {
            let name = format!("OUTCRY_MESH__PEERS__{}", service.to_uppercase());
            variables.push((name, format!("[\"http://127.0.0.1:{port}\"]")));
        }
    }
    variables.push((
        "OUTCRY_LISTEN".to_owned(),
        format!("127.0.0.1:{}", ports[2]),
    ));
    variables.push(("OUTCRY_TELEMETRY__OTLP".to_owned(), address));
    let outcry = Outcry::with(variables);
    outcry.json(&["topology", "apply", "--json"]);
    let behind = Part::start(&outcry, &BEHIND, ports[1]);
    let in_front = Part::start(&outcry, &IN_FRONT, ports[0]);
    backbone.block_on(async {
        let channel = connect(&outcry.data()).await;
        ada_buys_from_bob(&channel, &outcry.data()).await;
    });
    outcry.quiet_audit();
    in_front.stop();
    behind.stop();

    let trace = collector.trace(ADAS_TRACE);
    for service in PARTICIPANTS {
        assert!(trace.services().contains(service), "{service} is missing");
    }
    begins_at_the_edge(&trace);
    calls_have_two_sides(&trace);
    events_cross_the_broker(&trace, "rabbitmq");
}
