//! Spans on their way to the collector: each as one of its service, also when several services run here.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::bail;
use opentelemetry::KeyValue;
use opentelemetry_otlp::{
    RetryPolicy, SpanExporter as Otlp, WithExportConfig as _, WithTonicConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use outcry_mesh::trace::SERVICE;
use tonic::transport::{Channel, Endpoint};
use tracing::{info, warn};
use uuid::Uuid;

use crate::services::NAMES;

/// How long connecting to the collector and one batch may take: what takes longer is dropped, so that the
/// queue behind it moves on.
const CONNECT_MAX: Duration = Duration::from_secs(2);
const SEND_MAX: Duration = Duration::from_secs(5);

/// Service of spans that name none.
const UNNAMED: &str = "outcry";

/// Sends spans in the name of their services, over one connection.
#[derive(Debug)]
pub(super) struct ByService {
    exporters: BTreeMap<&'static str, Otlp>,
    /// Whether the last batch was lost, so that a collector that is away is logged once.
    is_failing: AtomicBool,
}

impl ByService {
    /// Connects when there is something to send.
    ///
    /// # Errors
    /// The address is none that can be sent to.
    pub(super) fn new(address: &str) -> anyhow::Result<Self> {
        let endpoint = Endpoint::from_shared(address.to_owned())?;
        if endpoint.uri().scheme_str() != Some("http") {
            bail!("traces are sent in the clear, to a collector beside the process");
        }
        let channel = endpoint
            .connect_timeout(CONNECT_MAX)
            .timeout(SEND_MAX)
            .connect_lazy();
        let instance = Uuid::new_v4();
        let mut exporters = BTreeMap::new();
        for service in NAMES.into_iter().chain([UNNAMED]) {
            exporters.insert(service, exporter(service, instance, channel.clone())?);
        }
        Ok(Self {
            exporters,
            is_failing: AtomicBool::new(false),
        })
    }

    async fn send(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let mut by_service: BTreeMap<&'static str, Vec<SpanData>> = BTreeMap::new();
        for mut span in batch {
            let service = self.service_of(&mut span);
            by_service.entry(service).or_default().push(span);
        }
        for (service, spans) in by_service {
            // When one is not taken the others would wait in vain, too.
            if let Some(exporter) = self.exporters.get(service) {
                exporter.export(spans).await?;
            }
        }
        Ok(())
    }

    /// The service a span is of, which its resource says from here on.
    fn service_of(&self, span: &mut SpanData) -> &'static str {
        let place = span
            .attributes
            .iter()
            .position(|attribute| attribute.key.as_str() == SERVICE);
        let named = place.map(|place| span.attributes.swap_remove(place));
        let known = named.and_then(|named| {
            let name = named.value.as_str();
            self.exporters
                .get_key_value(name.as_ref())
                .map(|(name, _)| *name)
        });
        known.unwrap_or(UNNAMED)
    }
}

impl SpanExporter for ByService {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let sent = self.send(batch).await;
        let was_failing = self.is_failing.swap(sent.is_err(), Ordering::Relaxed);
        match &sent {
            Err(error) if !was_failing => {
                warn!(spans, %error, "traces do not reach their collector and are dropped");
            }
            Ok(()) if was_failing => info!("traces reach their collector again"),
            _ => {}
        }
        sent
    }
}

fn exporter(service: &'static str, instance: Uuid, channel: Channel) -> anyhow::Result<Otlp> {
    let mut exporter = Otlp::builder()
        .with_tonic()
        .with_channel(channel)
        .with_timeout(SEND_MAX)
        .with_retry_policy(RetryPolicy::disabled())
        .build()?;
    let resource = Resource::builder()
        .with_service_name(service)
        .with_attributes([
            KeyValue::new("service.namespace", "outcry"),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", instance.to_string()),
        ])
        .build();
    exporter.set_resource(&resource);
    Ok(exporter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_an_address_that_can_be_sent_to_is_taken() {
        assert!(ByService::new("http://127.0.0.1:4317").is_ok());
        for address in ["https://127.0.0.1:4317", "127.0.0.1:4317", "nowhere at all"] {
            assert!(ByService::new(address).is_err(), "{address}");
        }
    }
}
