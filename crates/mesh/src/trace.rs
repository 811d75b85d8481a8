//! What belongs together across services and the broker: W3C trace contexts and OpenTelemetry spans.
//!
//! A context arrives as `traceparent`, is the [current] one of whatever is done within its span, and goes on
//! with every call, event and message made there. Spans exist only where a tracer is [installed](install).
//! Without one, a context that arrives is handed on as it came, none is made, and nothing is allocated.
//!
//! Spans are made from nothing but what the platform knows of the call or the message: names, ids and codes.
//! What a request says never gets into one.

mod context;
mod rpc;

use std::borrow::Cow;
use std::sync::OnceLock;

use opentelemetry::global::{BoxedSpan, BoxedTracer};
use opentelemetry::trace::{Span as _, SpanBuilder, Tracer as _};

pub use opentelemetry::KeyValue;
pub use opentelemetry::trace::SpanKind;

pub use self::context::TraceContext;
pub use self::rpc::CallSpan;

/// Attribute with the name of the service that a span is of. Whoever exports spans makes it the name of their
/// resource, so that services of one process are shown as those of many.
pub const SERVICE: &str = "service.name";

/// Attribute with the correlation id, by which spans and log lines are found from one another.
pub const CORRELATION: &str = "outcry.correlation_id";

static TRACER: OnceLock<BoxedTracer> = OnceLock::new();

tokio::task_local! {
    static CURRENT: TraceContext;
}

/// Has spans of this process made by this tracer from now on. Only the first tracer counts.
pub fn install(tracer: BoxedTracer) {
    // A second one would take spans apart that belong together.
    let _ = TRACER.set(tracer);
}

/// The context of what is being done; `None` when that is in no trace.
pub fn current() -> Option<TraceContext> {
    CURRENT.try_with(|context| *context).ok()
}

/// The context of something that is done here and was told to belong somewhere.
///
/// Within the same trace that is the current span. What belongs to another trace, as when a
/// timer goes on with an order, stays there.
pub fn prevailing(told: Option<TraceContext>) -> Option<TraceContext> {
    match (told, current()) {
        (Some(told), Some(current)) if told.is_of_the_trace_of(&current) => Some(current),
        (told, current) => told.or(current),
    }
}

/// One thing this process does. It ends when this is dropped, also when it is broken off.
#[must_use]
pub struct Span {
    span: Option<BoxedSpan>,
    context: Option<TraceContext>,
}

/// What a span is called, and its attributes.
pub struct Described {
    /// Low in cardinality: no ids.
    pub name: Cow<'static, str>,
    /// Beginning with those that its semantic convention demands.
    pub attributes: Vec<KeyValue>,
}

impl Span {
    /// Begins a span of a service. It is described only where spans are made.
    pub fn begin(
        service: &str,
        kind: SpanKind,
        parent: Option<TraceContext>,
        describe: impl FnOnce() -> Described,
    ) -> Span {
        let Some(tracer) = TRACER.get() else {
            return Span {
                span: None,
                context: parent,
            };
        };
        let Described {
            name,
            mut attributes,
        } = describe();
        attributes.push(KeyValue::new(SERVICE, service.to_owned()));
        let builder = SpanBuilder::from_name(name)
            .with_kind(kind)
            .with_attributes(attributes);
        let parent = parent.map_or_else(opentelemetry::Context::new, TraceContext::remote);
        let span = tracer.build_with_context(builder, &parent);
        let context = TraceContext::of(span.span_context());
        Span {
            span: Some(span),
            context,
        }
    }

    /// The context that what is done within it belongs to.
    pub fn context(&self) -> Option<TraceContext> {
        self.context
    }

    /// Whether it is really there. Without a tracer, spans only hand on.
    pub fn is_made(&self) -> bool {
        self.span.is_some()
    }

    /// Adds an attribute.
    pub fn set(&mut self, key: &'static str, value: impl Into<opentelemetry::Value>) {
        if let Some(span) = &mut self.span {
            span.set_attribute(KeyValue::new(key, value));
        }
    }

    /// Notes that it failed. The reason is one of few: no text that tells of anybody.
    pub fn failed(&mut self, reason: impl Into<Cow<'static, str>>) {
        if let Some(span) = &mut self.span {
            span.set_status(opentelemetry::trace::Status::error(reason));
        }
    }

    /// Does something within it.
    pub async fn within<F: Future>(&self, work: F) -> F::Output {
        match self.context {
            Some(context) => CURRENT.scope(context, work).await,
            None => work.await,
        }
    }
}
