//! What a running process tells its operators: log lines, and traces for a collector.

mod export;

use std::io::IsTerminal as _;
use std::time::Duration;

use anyhow::{Context as _, bail};
use opentelemetry::global::BoxedTracer;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider,
};
use serde::{Deserialize, Serialize};
use tracing::warn;
use tracing_subscriber::EnvFilter;

use crate::telemetry::export::ByService;

/// Spans that wait for the collector at most, about ten megabytes; further ones are dropped, so that a
/// collector that is slow or away costs memory up to here and time never.
const QUEUE_MAX: usize = 8_192;

/// Spans sent together at most.
const BATCH_MAX: usize = 512;

/// How long a span waits for company before it is sent.
const BATCH_WAIT: Duration = Duration::from_secs(1);

/// How long a stop may wait for the collector: a process has to be gone before it is killed.
const FLUSH_MAX: Duration = Duration::from_secs(5);

/// How a running process is seen.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetryConfig {
    /// How log lines are written: `text`, or `json` with one object per line.
    pub log_format: LogFormat,
    /// Collector that traces are sent to by OTLP over gRPC, as `http://host:4317`; empty for none.
    pub otlp: String,
    /// Part of the traces begun here that is recorded, from 0 to 1. Traces begun by somebody else are recorded
    /// when they say so.
    pub sample_ratio: f64,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// Log and traces of this process. Without a collector there are no traces.
#[must_use]
pub struct Telemetry {
    traces: Option<SdkTracerProvider>,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self {
            log_format: LogFormat::Text,
            otlp: String::new(),
            sample_ratio: 1.0,
        }
    }
}

// === impl Telemetry ===

impl Telemetry {
    /// Starts log and traces. `filter` says what is logged.
    ///
    /// # Errors
    /// The filter is none, or traces cannot be sent to such an address.
    pub fn start(config: &TelemetryConfig, filter: &str) -> anyhow::Result<Self> {
        start_log(config.log_format, filter)?;
        if !(0.0..=1.0).contains(&config.sample_ratio) {
            bail!(
                "`sample_ratio = {}` in [telemetry] is none: it goes from 0 to 1",
                config.sample_ratio
            );
        }
        if config.otlp.is_empty() {
            return Ok(Self { traces: None });
        }
        let exporter = ByService::new(&config.otlp).with_context(|| {
            format!(
                "`otlp = \"{}\"` in [telemetry]; write http://host:4317",
                config.otlp
            )
        })?;
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE_MAX)
            .with_max_export_batch_size(BATCH_MAX)
            .with_scheduled_delay(BATCH_WAIT)
            .build();
        let processor = BatchSpanProcessor::builder(exporter)
            .with_batch_config(batches)
            .build();
        let ratio = Sampler::TraceIdRatioBased(config.sample_ratio);
        let provider = SdkTracerProvider::builder()
            .with_span_processor(processor)
            .with_sampler(Sampler::ParentBased(Box::new(ratio)))
            .build();
        let tracer = provider.tracer("outcry");
        outcry_mesh::trace::install(BoxedTracer::new(Box::new(tracer)));
        Ok(Self {
            traces: Some(provider),
        })
    }

    /// Sends what is left, for at most [`FLUSH_MAX`].
    pub async fn flush(self) {
        let Some(traces) = self.traces else { return };
        // It waits for a thread that sends by this runtime, which must not wait meanwhile.
        let flushed =
            tokio::task::spawn_blocking(move || traces.shutdown_with_timeout(FLUSH_MAX)).await;
        if !matches!(flushed, Ok(Ok(()))) {
            warn!("the last traces did not reach their collector");
        }
    }
}

fn start_log(format: LogFormat, filter: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter)
        .with_context(|| format!("`log = \"{filter}\"` is not a filter"))?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).init(),
        // The innermost span says which call or event a line is about; those around it repeat that.
        LogFormat::Json => log
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .init(),
    }
    Ok(())
}
