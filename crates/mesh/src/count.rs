//! How many connections there are, counted as they come and go.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::metrics::MeshMetrics;

/// Counts one connection's beginning and end, in this order, whichever is known first.
pub(crate) struct Count {
    target: Arc<str>,
    metrics: MeshMetrics,
    stage: AtomicU8,
}

impl Count {
    const NEW: u8 = 0;
    const CONNECTED: u8 = 1;
    const ENDED: u8 = 2;

    pub(crate) fn new(target: &Arc<str>, metrics: &MeshMetrics) -> Count {
        Count {
            target: Arc::clone(target),
            metrics: metrics.clone(),
            stage: AtomicU8::new(Count::NEW),
        }
    }

    /// It is there.
    pub(crate) fn connected(&self) {
        let endpoints = self.metrics.endpoints();
        endpoints.connected(&self.target);
        if self.stage.swap(Count::CONNECTED, Ordering::AcqRel) == Count::ENDED {
            endpoints.disconnected(&self.target);
        }
    }

    /// One that ended before it was one is no connection that ended.
    pub(crate) fn ended(&self) {
        if self.stage.swap(Count::ENDED, Ordering::AcqRel) == Count::CONNECTED {
            self.metrics.endpoints().disconnected(&self.target);
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn open_connections_are_counted_right_whichever_end_is_known_first() {
        let metrics = MeshMetrics::default();
        let count = || Count::new(&"funds".into(), &metrics);
        let (ordinary, early, never) = (count(), count(), count());
        ordinary.connected();
        early.ended();
        early.connected();
        never.ended();
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for line in [
            "grpc_subchannel_open_connections{grpc_target=\"funds\"} 1",
            "grpc_subchannel_disconnections_total{grpc_target=\"funds\"} 1",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
