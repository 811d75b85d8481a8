//! Calls and attempts, on both sides.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use tokio::time::Instant;
use tonic::Code;
use uuid::Uuid;

use super::served::{Served, Tally};
use super::slowest::{SlowCall, Slowest};
use super::{Count, Registry, Unit, bytes, retries, seconds};
use crate::refusal::code_name;

/// Label of a method, and of a target where the caller counts. The metrics of one pair are looked
/// up once per call, the rest of a call touches no map.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Client {
    grpc_method: String,
    grpc_target: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClientEnd {
    grpc_method: String,
    grpc_target: String,
    grpc_status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Server {
    grpc_method: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ServerEnd {
    grpc_method: String,
    grpc_status: &'static str,
}

type Histograms<Labels> = Family<Labels, Histogram, fn() -> Histogram>;

fn histograms<Labels: Clone + std::hash::Hash + Eq>(make: fn() -> Histogram) -> Histograms<Labels> {
    Family::new_with_constructor(make)
}

/// How many attempts a call took beyond the first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tries {
    /// Repetitions that the contract allows.
    pub(crate) retries: u32,
    /// Repetitions of what was provably not begun.
    pub(crate) transparent: u32,
    /// Time between the attempts.
    pub(crate) delay: Duration,
}

/// All instruments of calls.
#[derive(Debug)]
pub(super) struct Calls {
    attempts_started: Family<Client, Count>,
    attempts: Histograms<ClientEnd>,
    attempts_sent: Histograms<ClientEnd>,
    attempts_received: Histograms<ClientEnd>,
    client_calls: Histograms<ClientEnd>,
    retries: Histograms<Client>,
    transparent_retries: Histograms<Client>,
    retry_delay: Histograms<Client>,
    calls_started: Family<Server, Count>,
    server_calls: Histograms<ServerEnd>,
    server_sent: Histograms<ServerEnd>,
    server_received: Histograms<ServerEnd>,
    clients: RwLock<HashMap<String, HashMap<String, Arc<ClientMeter>>>>,
    servers: RwLock<HashMap<String, Arc<ServerMeter>>>,
    slowest: Arc<Slowest>,
}

impl Default for Calls {
    fn default() -> Calls {
        Calls {
            attempts_started: Family::default(),
            attempts: histograms(seconds),
            attempts_sent: histograms(bytes),
            attempts_received: histograms(bytes),
            client_calls: histograms(seconds),
            retries: histograms(retries),
            transparent_retries: histograms(retries),
            retry_delay: histograms(seconds),
            calls_started: Family::default(),
            server_calls: histograms(seconds),
            server_sent: histograms(bytes),
            server_received: histograms(bytes),
            clients: RwLock::default(),
            servers: RwLock::default(),
            slowest: Arc::default(),
        }
    }
}

impl Calls {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "grpc_client_attempt_started",
            "Attempts begun, those still going on included",
            self.attempts_started.clone(),
        );
        registry.register_with_unit(
            "grpc_client_attempt_duration",
            "Time of an attempt until its last byte",
            Unit::Seconds,
            self.attempts.clone(),
        );
        registry.register_with_unit(
            "grpc_client_attempt_sent_total_compressed_message_size",
            "Bytes of all messages sent by an attempt",
            Unit::Bytes,
            self.attempts_sent.clone(),
        );
        registry.register_with_unit(
            "grpc_client_attempt_rcvd_total_compressed_message_size",
            "Bytes of all messages received by an attempt",
            Unit::Bytes,
            self.attempts_received.clone(),
        );
        registry.register_with_unit(
            "grpc_client_call_duration",
            "Time of a call with all its attempts",
            Unit::Seconds,
            self.client_calls.clone(),
        );
        registry.register(
            "grpc_client_call_retries",
            "Retries of the calls that had any",
            self.retries.clone(),
        );
        registry.register(
            "grpc_client_call_transparent_retries",
            "Transparent retries of the calls that had any",
            self.transparent_retries.clone(),
        );
        registry.register_with_unit(
            "grpc_client_call_retry_delay",
            "Time without an attempt, of the calls that had retries",
            Unit::Seconds,
            self.retry_delay.clone(),
        );
        registry.register(
            "grpc_server_call_started",
            "Calls begun, those still going on included",
            self.calls_started.clone(),
        );
        registry.register_with_unit(
            "grpc_server_call_duration",
            "Time of a call until its last byte",
            Unit::Seconds,
            self.server_calls.clone(),
        );
        registry.register_with_unit(
            "grpc_server_call_sent_total_compressed_message_size",
            "Bytes of all messages of an answer",
            Unit::Bytes,
            self.server_sent.clone(),
        );
        registry.register_with_unit(
            "grpc_server_call_rcvd_total_compressed_message_size",
            "Bytes of all messages of a request",
            Unit::Bytes,
            self.server_received.clone(),
        );
    }

    pub(super) fn client(&self, path: &str, target: &str) -> Arc<ClientMeter> {
        let known = self.clients.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(meter) = known.get(path).and_then(|targets| targets.get(target)) {
            return Arc::clone(meter);
        }
        drop(known);
        let labels = Client {
            grpc_method: method(path),
            grpc_target: target.to_owned(),
        };
        let meter = Arc::new(ClientMeter {
            started: self.attempts_started.get_or_create_owned(&labels),
            attempts: ByCode::new(&self.attempts, &labels),
            sent: ByCode::new(&self.attempts_sent, &labels),
            received: ByCode::new(&self.attempts_received, &labels),
            calls: ByCode::new(&self.client_calls, &labels),
            retries: self.retries.clone(),
            transparent_retries: self.transparent_retries.clone(),
            retry_delay: self.retry_delay.clone(),
            labels,
        });
        let mut known = self.clients.write().unwrap_or_else(PoisonError::into_inner);
        let targets = known.entry(path.to_owned()).or_default();
        Arc::clone(targets.entry(target.to_owned()).or_insert(meter))
    }

    pub(super) fn server(&self, path: &str) -> Arc<ServerMeter> {
        let known = self.servers.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(meter) = known.get(path) {
            return Arc::clone(meter);
        }
        drop(known);
        let labels = Server {
            grpc_method: method(path),
        };
        let meter = Arc::new(ServerMeter {
            started: self.calls_started.get_or_create_owned(&labels),
            calls: ByCode::new(&self.server_calls, &labels),
            sent: ByCode::new(&self.server_sent, &labels),
            received: ByCode::new(&self.server_received, &labels),
            tally: Tally::default(),
            path: path.into(),
            slowest: Arc::clone(&self.slowest),
        });
        let mut known = self.servers.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(path.to_owned()).or_insert(meter))
    }

    /// The slowest calls of late.
    pub(super) fn slowest(&self) -> Vec<SlowCall> {
        self.slowest.list()
    }

    /// What was answered of each method, in no order.
    pub(super) fn served(&self) -> Vec<Served> {
        let known = self.servers.read().unwrap_or_else(PoisonError::into_inner);
        known
            .iter()
            .map(|(path, meter)| meter.tally.read(path))
            .collect()
    }
}

/// A method's label: its path without the first slash.
fn method(path: &str) -> String {
    path.strip_prefix('/').unwrap_or(path).to_owned()
}

/// Histograms by the code of the end; that of success, which is nearly always meant, at hand.
#[derive(Debug)]
struct ByCode<Labels, End: Clone + std::hash::Hash + Eq> {
    ok: Histogram,
    all: Histograms<End>,
    labels: Labels,
}

/// Labels that become those of an end.
trait Ending<End>: Clone {
    fn with(&self, code: Code) -> End;
}

impl Ending<ClientEnd> for Client {
    fn with(&self, code: Code) -> ClientEnd {
        ClientEnd {
            grpc_method: self.grpc_method.clone(),
            grpc_target: self.grpc_target.clone(),
            grpc_status: code_name(code),
        }
    }
}

impl Ending<ServerEnd> for Server {
    fn with(&self, code: Code) -> ServerEnd {
        ServerEnd {
            grpc_method: self.grpc_method.clone(),
            grpc_status: code_name(code),
        }
    }
}

impl<Labels, End> ByCode<Labels, End>
where
    Labels: Ending<End>,
    End: Clone + std::hash::Hash + Eq,
{
    fn new(all: &Histograms<End>, labels: &Labels) -> Self {
        ByCode {
            ok: all.get_or_create_owned(&labels.with(Code::Ok)),
            all: all.clone(),
            labels: labels.clone(),
        }
    }

    fn observe(&self, code: Code, value: f64) {
        if code == Code::Ok {
            self.ok.observe(value);
        } else {
            let labels = self.labels.with(code);
            self.all.get_or_create(&labels).observe(value);
        }
    }
}

/// What a caller counts of one method of one target.
#[derive(Debug)]
pub(crate) struct ClientMeter {
    labels: Client,
    started: Count,
    attempts: ByCode<Client, ClientEnd>,
    sent: ByCode<Client, ClientEnd>,
    received: ByCode<Client, ClientEnd>,
    calls: ByCode<Client, ClientEnd>,
    retries: Histograms<Client>,
    transparent_retries: Histograms<Client>,
    retry_delay: Histograms<Client>,
}

impl ClientMeter {
    /// Counts the beginning of an attempt.
    pub(crate) fn attempt(self: &Arc<Self>, started: Instant) -> Attempt {
        self.started.inc();
        Attempt {
            meter: Meter::Client(Arc::clone(self)),
            started,
            ended: false,
        }
    }

    /// Counts a call that has ended, all its attempts included.
    pub(crate) fn call_ended(&self, code: Code, took: Duration, tries: Tries) {
        self.calls.observe(code, took.as_secs_f64());
        if tries.retries > 0 {
            let retries = self.retries.get_or_create(&self.labels);
            retries.observe(f64::from(tries.retries));
        }
        if tries.transparent > 0 {
            let retries = self.transparent_retries.get_or_create(&self.labels);
            retries.observe(f64::from(tries.transparent));
        }
        if tries.retries + tries.transparent > 0 {
            let delay = self.retry_delay.get_or_create(&self.labels);
            delay.observe(tries.delay.as_secs_f64());
        }
    }
}

/// What the server of one method counts.
#[derive(Debug)]
pub(crate) struct ServerMeter {
    started: Count,
    calls: ByCode<Server, ServerEnd>,
    sent: ByCode<Server, ServerEnd>,
    received: ByCode<Server, ServerEnd>,
    tally: Tally,
    path: Arc<str>,
    slowest: Arc<Slowest>,
}

impl ServerMeter {
    /// Counts the beginning of a call, of this flow; of none when its time says nothing, as that of a stream.
    pub(crate) fn call(self: &Arc<Self>, flow: Option<Uuid>) -> Attempt {
        self.started.inc();
        self.tally.started();
        Attempt {
            meter: Meter::Server(Arc::clone(self), flow),
            started: Instant::now(),
            ended: false,
        }
    }
}

#[derive(Debug)]
enum Meter {
    Client(Arc<ClientMeter>),
    Server(Arc<ServerMeter>, Option<Uuid>),
}

/// An attempt of a caller, or a call at a server, until it ends; dropped before, it was cancelled.
#[derive(Debug)]
pub(crate) struct Attempt {
    meter: Meter,
    started: Instant,
    ended: bool,
}

impl Attempt {
    /// When it began.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// Counts its end, with the bytes of all messages sent and received on this side.
    pub(crate) fn end(mut self, code: Code, sent: u64, received: u64) {
        self.count(code, sent, received);
    }

    fn count(&mut self, code: Code, sent: u64, received: u64) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let elapsed = self.started.elapsed();
        let took = elapsed.as_secs_f64();
        // Exact up to 2^53 bytes.
        #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^53")]
        let (sent, received) = (sent as f64, received as f64);
        match &self.meter {
            Meter::Client(meter) => {
                meter.attempts.observe(code, took);
                meter.sent.observe(code, sent);
                meter.received.observe(code, received);
            }
            Meter::Server(meter, flow) => {
                if let Some(flow) = flow {
                    let began = self.started;
                    meter
                        .slowest
                        .ended(&meter.path, *flow, began, elapsed, code);
                }
                meter.tally.ended(code, took);
                meter.calls.observe(code, took);
                meter.sent.observe(code, sent);
                meter.received.observe(code, received);
            }
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.count(Code::Cancelled, 0, 0);
    }
}
