//! A collector of traces: takes what is exported by OTLP and keeps it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

/// One span, as a person would read it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Name of the service, as its resource has it.
    pub service: String,
    pub trace: String,
    pub id: String,
    /// Empty for the root of a trace.
    pub parent: String,
    pub name: String,
    pub kind: SpanKind,
    pub attributes: BTreeMap<String, String>,
}

/// All spans of one trace, by id.
pub struct Trace {
    pub spans: BTreeMap<String, Seen>,
}

/// Keeps every span it is sent.
#[derive(Clone, Default)]
pub struct Collector {
    spans: Arc<Mutex<Vec<Seen>>>,
}

// === impl Collector ===

impl Collector {
    /// Listens on a free port; the collector and its address.
    pub async fn start() -> (Self, String) {
        let collector = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let service = TraceServiceServer::new(collector.clone());
        let serving = Server::builder()
            .add_service(service)
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(serving);
        (collector, address)
    }

    /// Everything that has come.
    pub fn spans(&self) -> Vec<Seen> {
        self.spans.lock().unwrap().clone()
    }

    /// What has come of one trace.
    pub fn trace(&self, trace: &str) -> Trace {
        let spans = self.spans().into_iter().filter(|span| span.trace == trace);
        Trace {
            spans: spans.map(|span| (span.id.clone(), span)).collect(),
        }
    }
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut spans = self.spans.lock().unwrap();
        for of_resource in request.into_inner().resource_spans {
            let resource = texts(&of_resource.resource.unwrap_or_default().attributes);
            for span in of_resource.scope_spans.into_iter().flat_map(|of| of.spans) {
                spans.push(Seen {
                    service: resource["service.name"].clone(),
                    trace: hex(&span.trace_id),
                    id: hex(&span.span_id),
                    parent: hex(&span.parent_span_id),
                    kind: span.kind(),
                    attributes: texts(&span.attributes),
                    name: span.name,
                });
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |attribute: &KeyValue| match attribute.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        other => Some(format!("{other:?}")),
    };
    attributes
        .iter()
        .map(|attribute| (attribute.key.clone(), text(attribute).unwrap_or_default()))
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

// === impl Trace ===

impl Trace {
    /// The services that took part.
    pub fn services(&self) -> BTreeSet<&str> {
        self.spans
            .values()
            .map(|span| span.service.as_str())
            .collect()
    }

    pub fn parent_of(&self, span: &Seen) -> Option<&Seen> {
        self.spans.get(&span.parent)
    }

    /// The spans whose parent nobody has exported.
    pub fn without_a_parent(&self) -> Vec<&Seen> {
        let all = self.spans.values();
        all.filter(|span| self.parent_of(span).is_none()).collect()
    }

    pub fn of_kind(&self, kind: SpanKind) -> impl Iterator<Item = &Seen> {
        self.spans.values().filter(move |span| span.kind == kind)
    }
}
