//! Spans of events on their way, after OpenTelemetry's conventions for messaging.
//!
//! A message has the context of its publishing in a header, so that what is done about it comes after that in
//! its trace. The envelope keeps the context of the decision that made the event: its bytes never change.

use outcry_broker::Message;
use outcry_events::{Cause, SealedEvent};
use outcry_mesh::TRACEPARENT;
use outcry_mesh::trace::{self, CORRELATION, Described, KeyValue, Span, SpanKind, TraceContext};
use outcry_store::Parked;

/// Header with the context of the envelope, which messages of earlier versions have only.
const OF_THE_ENVELOPE: &str = "ce-traceparent";

/// What a parked event comes from: the service's own store.
const PARKED: &str = "outcry";

/// What can be done with a message.
#[derive(Clone, Copy)]
enum Operation {
    Publish,
    Process,
}

/// What a span says of a message.
struct Facts<'a> {
    system: &'static str,
    topic: &'a str,
    event_id: String,
    correlation_id: Option<&'a str>,
    group: Option<&'static str>,
}

/// The cause of what is decided here: its events belong to the span of the decision, unless the cause tells
/// of another trace. [`decide`](crate::decide) does this by itself.
#[must_use]
pub fn in_this_span(mut cause: Cause) -> Cause {
    let told = TraceContext::parse(&cause.traceparent);
    let prevailing = trace::prevailing(told);
    if let Some(context) = prevailing
        && prevailing != told
    {
        cause.traceparent = context.to_string();
    }
    cause
}

/// Begins publishing an event, and says so in its message.
pub(crate) fn publish(
    service: &'static str,
    system: &'static str,
    event: &SealedEvent,
    message: &mut Message,
) -> Span {
    let parent = TraceContext::parse(&event.envelope().traceparent);
    let span = Span::begin(service, SpanKind::Producer, parent, || {
        describe(
            Operation::Publish,
            Facts {
                system,
                topic: &message.topic,
                event_id: message.event_id.clone(),
                correlation_id: Some(&message.correlation_id),
                group: None,
            },
        )
    });
    if let Some(context) = span.context() {
        let header = (TRACEPARENT.to_owned(), context.to_string());
        message.headers.push(header);
    }
    span
}

/// Begins handling a message.
pub(crate) fn process(
    service: &'static str,
    system: &'static str,
    group: &'static str,
    message: &Message,
) -> Span {
    let parent = context_in(&message.headers);
    Span::begin(service, SpanKind::Consumer, parent, || {
        describe(
            Operation::Process,
            Facts {
                system,
                topic: &message.topic,
                event_id: message.event_id.clone(),
                correlation_id: Some(&message.correlation_id),
                group: Some(group),
            },
        )
    })
}

/// Begins handling a parked event again, in the trace it was in when it was parked.
pub(crate) fn process_again(service: &'static str, group: &'static str, row: &Parked) -> Span {
    let parent = context_in(&row.headers);
    Span::begin(service, SpanKind::Consumer, parent, || {
        describe(
            Operation::Process,
            Facts {
                system: PARKED,
                topic: &row.topic,
                event_id: row.event_id.to_string(),
                correlation_id: None,
                group: Some(group),
            },
        )
    })
}

/// Begins firing a timer. What it goes on with is in a trace of its own, and stays there.
pub(crate) fn fire(service: &'static str) -> Span {
    Span::begin(service, SpanKind::Internal, None, || Described {
        name: format!("timer {service}").into(),
        attributes: Vec::new(),
    })
}

/// The context of publishing, else that of the event.
fn context_in(headers: &[(String, String)]) -> Option<TraceContext> {
    [TRACEPARENT, OF_THE_ENVELOPE].iter().find_map(|wanted| {
        let (_, value) = headers.iter().find(|(name, _)| name == wanted)?;
        TraceContext::parse(value)
    })
}

fn describe(operation: Operation, facts: Facts<'_>) -> Described {
    let (name, kind) = match operation {
        Operation::Publish => ("publish", "send"),
        Operation::Process => ("process", "process"),
    };
    let mut attributes = vec![
        KeyValue::new("messaging.system", facts.system),
        KeyValue::new("messaging.operation.name", name),
        KeyValue::new("messaging.operation.type", kind),
        KeyValue::new("messaging.destination.name", facts.topic.to_owned()),
        KeyValue::new("messaging.message.id", facts.event_id),
    ];
    if let Some(group) = facts.group {
        attributes.push(KeyValue::new("messaging.consumer.group.name", group));
    }
    if let Some(id) = facts.correlation_id {
        let id = id.to_owned();
        attributes.push(KeyValue::new(
            "messaging.message.conversation_id",
            id.clone(),
        ));
        attributes.push(KeyValue::new(CORRELATION, id));
    }
    Described {
        name: format!("{name} {}", facts.topic).into(),
        attributes,
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use uuid::Uuid;

    use super::*;

    const ENVELOPES: &str = "00-0af7651916cd43dd8448eb211c80319c-00000000000000e1-01";
    const PUBLISHING: &str = "00-0af7651916cd43dd8448eb211c80319c-00000000000000e2-01";
    const OTHERS: &str = "00-1af7651916cd43dd8448eb211c80319c-00000000000000e3-01";

    fn header(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn publishing_comes_before_the_event_itself_and_what_is_malformed_does_not_count() {
        let event = header(OF_THE_ENVELOPE, ENVELOPES);
        let both = [event.clone(), header(TRACEPARENT, PUBLISHING)];
        assert_eq!(context_in(&both), TraceContext::parse(PUBLISHING));
        let broken = [header(TRACEPARENT, "nonsense"), event.clone()];
        assert_eq!(context_in(&broken), TraceContext::parse(ENVELOPES));
        assert_eq!(context_in(&[event]), TraceContext::parse(ENVELOPES));
        assert_eq!(context_in(&[]), None);
    }

    #[test]
    fn a_decision_belongs_to_its_span_unless_it_is_told_to_belong_elsewhere() {
        let decided = |told: &str| {
            let parent = TraceContext::parse(PUBLISHING);
            let span = Span::begin("orders", SpanKind::Consumer, parent, || unreachable!());
            let cause = Cause::root(Uuid::nil(), "service:orders").traced(told);
            let deciding = span.within(async { in_this_span(cause) });
            deciding.now_or_never().unwrap().traceparent
        };
        assert_eq!(decided(ENVELOPES), PUBLISHING);
        assert_eq!(decided(""), PUBLISHING);
        assert_eq!(decided(OTHERS), OTHERS);
        let outside = Cause::root(Uuid::nil(), "service:orders").traced(ENVELOPES);
        assert_eq!(in_this_span(outside).traceparent, ENVELOPES);
    }
}
