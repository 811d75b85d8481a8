//! What a service lets in. No gRFC names these.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use super::{Count, Registry};
use crate::criticality::Level;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Limited {
    service: String,
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Refused {
    service: String,
    criticality: &'static str,
}

/// All instruments of limits.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    limits: Family<Limited, Gauge>,
    refused: Family<Refused, Count>,
}

impl Limits {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "outcry_server_limit",
            "Calls or streams of a service that may be in progress at the moment",
            self.limits.clone(),
        );
        registry.register(
            "outcry_server_calls_refused",
            "Calls a service refused since too many were in progress, by how much they matter",
            self.refused.clone(),
        );
    }

    /// Shows how many calls of a service may be in progress.
    pub(crate) fn calls(&self, service: &str) -> Gauge {
        self.of(service, "calls")
    }

    /// Shows how many streams of a service may be in progress.
    pub(crate) fn streams(&self, service: &str) -> Gauge {
        self.of(service, "streams")
    }

    /// A call was refused.
    pub(crate) fn refused(&self, service: &str, level: Level) {
        let labels = Refused {
            service: service.to_owned(),
            criticality: level.name(),
        };
        self.refused.get_or_create(&labels).inc();
    }

    fn of(&self, service: &str, kind: &'static str) -> Gauge {
        let labels = Limited {
            service: service.to_owned(),
            kind,
        };
        self.limits.get_or_create_owned(&labels)
    }
}
