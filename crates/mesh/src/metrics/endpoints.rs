//! Connections and ejections of endpoints.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use super::{Count, Registry};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Target {
    grpc_target: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Enforced {
    grpc_target: String,
    grpc_lb_outlier_detection_detection_method: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Unenforced {
    grpc_target: String,
    grpc_lb_outlier_detection_detection_method: &'static str,
    grpc_lb_outlier_detection_unenforced_reason: &'static str,
}

/// Why an endpoint is taken for an outlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detection {
    /// Nothing but failures lately.
    ConsecutiveFailures,
    /// Too many failures among its answers.
    SuccessRate,
}

impl Detection {
    fn label(self) -> &'static str {
        match self {
            Detection::ConsecutiveFailures => "consecutive_failures",
            Detection::SuccessRate => "success_rate",
        }
    }
}

/// All instruments of endpoints.
#[derive(Debug, Default)]
pub(crate) struct Endpoints {
    succeeded: Family<Target, Count>,
    failed: Family<Target, Count>,
    disconnections: Family<Target, Count>,
    open: Family<Target, Gauge>,
    enforced: Family<Enforced, Count>,
    unenforced: Family<Unenforced, Count>,
}

impl Endpoints {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "grpc_subchannel_connection_attempts_succeeded",
            "Connections made",
            self.succeeded.clone(),
        );
        registry.register(
            "grpc_subchannel_connection_attempts_failed",
            "Connections that could not be made",
            self.failed.clone(),
        );
        registry.register(
            "grpc_subchannel_disconnections",
            "Connections that ended",
            self.disconnections.clone(),
        );
        registry.register(
            "grpc_subchannel_open_connections",
            "Connections at the moment",
            self.open.clone(),
        );
        registry.register(
            "grpc_lb_outlier_detection_ejections_enforced",
            "Endpoints that were passed over for their failures",
            self.enforced.clone(),
        );
        registry.register(
            "grpc_lb_outlier_detection_ejections_unenforced",
            "Endpoints that failed and were kept, since too many others were passed over already",
            self.unenforced.clone(),
        );
    }

    /// A connection was made.
    pub(crate) fn connected(&self, target: &str) {
        let target = labels(target);
        self.succeeded.get_or_create(&target).inc();
        self.open.get_or_create(&target).inc();
    }

    /// A connection that was made has ended.
    pub(crate) fn disconnected(&self, target: &str) {
        let target = labels(target);
        self.disconnections.get_or_create(&target).inc();
        self.open.get_or_create(&target).dec();
    }

    /// A connection could not be made.
    pub(crate) fn failed_to_connect(&self, target: &str) {
        self.failed.get_or_create(&labels(target)).inc();
    }

    /// An endpoint is passed over.
    pub(crate) fn ejected(&self, target: &str, detection: Detection) {
        let labels = Enforced {
            grpc_target: target.to_owned(),
            grpc_lb_outlier_detection_detection_method: detection.label(),
        };
        self.enforced.get_or_create(&labels).inc();
    }

    /// An endpoint would be passed over if not too many others were.
    pub(crate) fn spared(&self, target: &str, detection: Detection) {
        let labels = Unenforced {
            grpc_target: target.to_owned(),
            grpc_lb_outlier_detection_detection_method: detection.label(),
            grpc_lb_outlier_detection_unenforced_reason: "max_ejection_overflow",
        };
        self.unenforced.get_or_create(&labels).inc();
    }
}

fn labels(target: &str) -> Target {
    Target {
        grpc_target: target.to_owned(),
    }
}
