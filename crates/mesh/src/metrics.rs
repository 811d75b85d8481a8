//! What the mesh counts and times, under the names other gRPC libraries use, so that their
//! dashboards work unchanged.
//!
//! Names, labels and bounds of buckets: gRFC A66 (calls), A96 (retries), A94 (connections) and A91
//! (ejections), written as OpenTelemetry's names become Prometheus': dots are underscores, units
//! and `_total` are appended.

mod body;
mod calls;
mod doors;
mod endpoints;
mod limits;
mod request;
mod served;
mod slowest;

use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

pub(crate) use self::body::{Measured, code_in};
pub(crate) use self::calls::{Attempt, ClientMeter, ServerMeter, Tries};
pub(crate) use self::doors::{CertificateMeter, DoorMeter};
pub(crate) use self::endpoints::Detection;
pub(crate) use self::request::RequestBytes;
pub use self::served::Served;
pub use self::slowest::SlowCall;

use crate::authorize::Rule;

use self::calls::Calls;
use self::doors::Doors;
use self::endpoints::Endpoints;
use self::limits::Limits;

/// Bounds of durations in seconds, as A66 has them.
const SECONDS: [f64; 41] = [
    0.0, 0.000_01, 0.000_05, 0.000_1, 0.000_3, 0.000_6, 0.000_8, 0.001, 0.002, 0.003, 0.004, 0.005,
    0.006, 0.008, 0.01, 0.013, 0.016, 0.02, 0.025, 0.03, 0.04, 0.05, 0.065, 0.08, 0.1, 0.13, 0.16,
    0.2, 0.25, 0.3, 0.4, 0.5, 0.65, 0.8, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0,
];

/// Bounds of sizes in bytes, as A66 has them.
const BYTES: [f64; 14] = [
    0.0,
    1024.0,
    2048.0,
    4096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
    268_435_456.0,
    1_073_741_824.0,
    4_294_967_296.0,
];

/// Bounds of numbers of retries, as A96 has them.
const RETRIES: [f64; 5] = [1.0, 2.0, 3.0, 4.0, 5.0];

/// The mesh's counters of one process. Cheap to clone; all clones count together.
#[derive(Debug, Clone, Default)]
pub struct MeshMetrics {
    calls: Arc<Calls>,
    endpoints: Arc<Endpoints>,
    limits: Arc<Limits>,
    doors: Arc<Doors>,
}

impl MeshMetrics {
    /// Adds everything to a registry, under the names of the gRFCs.
    pub fn register(&self, registry: &mut Registry) {
        self.calls.register(registry);
        self.endpoints.register(registry);
        self.limits.register(registry);
        self.doors.register(registry);
    }

    /// What a caller of `path` at `target` counts.
    pub(crate) fn client(&self, path: &str, target: &str) -> Arc<ClientMeter> {
        self.calls.client(path, target)
    }

    /// What the server of `path` counts.
    pub(crate) fn server(&self, path: &str) -> Arc<ServerMeter> {
        self.calls.server(path)
    }

    /// What the servers of this process answered so far, by method and in no order.
    pub fn served(&self) -> Vec<Served> {
        self.calls.served()
    }

    /// The slowest calls that this process answered of late, one of each flow, the slowest first; no streams.
    pub fn slowest(&self) -> Vec<SlowCall> {
        self.calls.slowest()
    }

    /// What a service lets in.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What a door of this name counts.
    pub(crate) fn door(&self, name: &'static str) -> DoorMeter {
        self.doors.door(name)
    }

    /// What the certificate of a door of this name counts.
    pub(crate) fn certificate(&self, door: &'static str) -> CertificateMeter {
        self.doors.certificate(door)
    }

    /// What is counted of connections and ejections.
    pub(crate) fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }
}

/// The label of a method: its path, or one name for all paths that are in no contract, since anybody may make
/// those up.
pub(crate) fn label<'path>(rule: Option<&Rule>, path: &'path str) -> &'path str {
    match rule {
        Some(_) => path,
        None => "other",
    }
}

fn seconds() -> Histogram {
    Histogram::new(SECONDS)
}

fn bytes() -> Histogram {
    Histogram::new(BYTES)
}

fn retries() -> Histogram {
    Histogram::new(RETRIES)
}

/// A counter nobody looks at, for what is outside the contract.
type Count = Counter<u64>;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use prometheus_client::encoding::text::encode;
    use tokio::time::Instant;
    use tonic::Code;

    use super::*;

    const PATH: &str = "/outcry.orders.v1.OrderService/PlaceOrder";

    fn written(metrics: &MeshMetrics) -> String {
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        text
    }

    #[test]
    fn a_call_with_a_retry_is_counted_under_the_names_of_the_grfcs() {
        let metrics = MeshMetrics::default();
        let client = metrics.client(PATH, "orders");
        client.attempt(Instant::now()).end(Code::Unavailable, 0, 0);
        client.attempt(Instant::now()).end(Code::Ok, 10, 2000);
        client.call_ended(
            Code::Ok,
            Duration::from_millis(3),
            Tries {
                retries: 1,
                ..Tries::default()
            },
        );
        let server = metrics.server(PATH);
        server.call(None).end(Code::Ok, 2000, 10);
        let text = written(&metrics);
        let method = "grpc_method=\"outcry.orders.v1.OrderService/PlaceOrder\"";
        for line in [
            format!("grpc_client_attempt_started_total{{{method},grpc_target=\"orders\"}} 2"),
            format!(
                "grpc_client_attempt_duration_seconds_count{{{method},grpc_target=\"orders\",\
                 grpc_status=\"UNAVAILABLE\"}} 1"
            ),
            format!(
                "grpc_client_call_duration_seconds_bucket{{le=\"0.003\",{method},\
                 grpc_target=\"orders\",grpc_status=\"OK\"}} 1"
            ),
            format!(
                "grpc_client_call_retries_bucket{{le=\"1.0\",{method},grpc_target=\"orders\"}} 1"
            ),
            format!("grpc_server_call_started_total{{{method}}} 1"),
            format!(
                "grpc_server_call_rcvd_total_compressed_message_size_bytes_sum{{{method},\
                 grpc_status=\"OK\"}} 10.0"
            ),
        ] {
            assert!(text.contains(&line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn a_call_without_retries_says_nothing_about_retries() {
        let metrics = MeshMetrics::default();
        let client = metrics.client(PATH, "orders");
        client.call_ended(Code::Ok, Duration::ZERO, Tries::default());
        let text = written(&metrics);
        assert!(!text.contains("grpc_client_call_retries_count{"), "{text}");
    }

    #[test]
    fn connections_and_ejections_are_counted_by_target() {
        let metrics = MeshMetrics::default();
        let endpoints = metrics.endpoints();
        endpoints.connected("funds");
        endpoints.connected("funds");
        endpoints.disconnected("funds");
        endpoints.failed_to_connect("funds");
        endpoints.ejected("funds", Detection::ConsecutiveFailures);
        endpoints.spared("funds", Detection::SuccessRate);
        let text = written(&metrics);
        for line in [
            "grpc_subchannel_connection_attempts_succeeded_total{grpc_target=\"funds\"} 2",
            "grpc_subchannel_connection_attempts_failed_total{grpc_target=\"funds\"} 1",
            "grpc_subchannel_disconnections_total{grpc_target=\"funds\"} 1",
            "grpc_subchannel_open_connections{grpc_target=\"funds\"} 1",
            "grpc_lb_outlier_detection_ejections_enforced_total{grpc_target=\"funds\",\
             grpc_lb_outlier_detection_detection_method=\"consecutive_failures\"} 1",
            "grpc_lb_outlier_detection_ejections_unenforced_total{grpc_target=\"funds\",\
             grpc_lb_outlier_detection_detection_method=\"success_rate\",\
             grpc_lb_outlier_detection_unenforced_reason=\"max_ejection_overflow\"} 1",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
