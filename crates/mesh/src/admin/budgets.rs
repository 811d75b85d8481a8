//! How many retries calls to other services may cost at the moment.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::directory::Directory;

/// Asks the directory at each reading: budgets fill with time, whether calls are made or not.
#[derive(Debug)]
pub(super) struct Budgets {
    directory: Directory,
}

impl Budgets {
    pub(super) fn of(directory: &Directory) -> Budgets {
        Budgets {
            directory: directory.clone(),
        }
    }
}

impl Collector for Budgets {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut family = encoder.encode_descriptor(
            "outcry_retry_budget_left",
            "Retries that calls to a service may cost at the moment; below 1 failures are handed on",
            None,
            MetricType::Gauge,
        )?;
        for (target, left) in self.directory.retries_left() {
            let labels = [("grpc_target", target.as_str())];
            ConstGauge::new(left).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
