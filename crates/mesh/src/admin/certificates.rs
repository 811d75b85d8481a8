//! How the process's own certificate stands, where it has one.

use std::fmt;
use std::time::UNIX_EPOCH;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::credentials::Credentials;
use crate::directory::Directory;

/// Asks the directory at each reading: certificates change while a process runs.
#[derive(Debug)]
pub(super) struct Standing {
    directory: Directory,
}

impl Standing {
    pub(super) fn of(directory: &Directory) -> Standing {
        Standing {
            directory: directory.clone(),
        }
    }
}

impl Collector for Standing {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(Credentials::Certificates(certificates)) = self.directory.credentials() else {
            return Ok(());
        };
        let status = certificates.status();
        let ends = status.not_after.duration_since(UNIX_EPOCH);
        let seconds = ends.map_or(0.0, |since| since.as_secs_f64());
        ConstGauge::new(seconds).encode(encoder.encode_descriptor(
            "outcry_mesh_certificate_not_after_timestamp_seconds",
            "When the first certificate of the chain ends, in seconds since 1970",
            None,
            MetricType::Gauge,
        )?)?;
        ConstGauge::new(i64::from(status.reload_failing)).encode(encoder.encode_descriptor(
            "outcry_mesh_certificate_reload_failing",
            "Whether the files as they are now cannot be used, so that the ones before are",
            None,
            MetricType::Gauge,
        )?)?;
        ConstCounter::new(status.reload_failures).encode(encoder.encode_descriptor(
            "outcry_mesh_certificate_reload_failures",
            "Times files were found that cannot be used",
            None,
            MetricType::Counter,
        )?)
    }
}
