//! Which flow a call belongs to, and what led to it.

use http::HeaderName;
use outcry_events::Cause;
use tonic::Request;
use tonic::metadata::MetadataMap;
use uuid::Uuid;

use crate::identity::{EDGE, identity};

/// Metadata key of the flow's correlation id.
pub const CORRELATION_ID: &str = "outcry-correlation-id";
/// Metadata key of the event or command that led to a call.
pub const CAUSATION_ID: &str = "outcry-causation-id";
/// Metadata key of one command's id, the same at every attempt.
pub const REQUEST_ID: &str = "outcry-request-id";
/// Metadata key of the W3C trace context.
pub const TRACEPARENT: &str = "traceparent";

/// The same as headers, which need not be parsed at each call.
pub(crate) const CORRELATION_HEADER: HeaderName = HeaderName::from_static(CORRELATION_ID);
const REQUEST_HEADER: HeaderName = HeaderName::from_static(REQUEST_ID);
pub(crate) const TRACE_HEADER: HeaderName = HeaderName::from_static(TRACEPARENT);

/// Prefix of all metadata that only the platform itself may send; the public edge strips it.
pub const INTERNAL_PREFIX: &str = "outcry-";

/// The correlation id a server settled on for a call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Correlation(pub(crate) Uuid);

/// What led to a call, for the envelopes of the events it brings about.
///
/// The correlation id is the caller's, else the request id, else new; the actor is the user
/// the call is made for, else the calling service.
pub fn cause<T>(request: &Request<T>) -> Cause {
    let metadata = request.metadata();
    let settled = request
        .extensions()
        .get::<Correlation>()
        .map(|found| found.0);
    let correlation_id = settled
        .or_else(|| uuid_in(metadata, CORRELATION_ID))
        .or_else(|| uuid_in(metadata, REQUEST_ID))
        .unwrap_or_else(Uuid::now_v7);
    let who = identity(request);
    let actor = match (&who.user, &who.caller) {
        (Some(user), _) => format!("user:{}", user.id),
        (None, Some(caller)) if caller == EDGE => "user:anonymous".to_owned(),
        (None, Some(caller)) => format!("service:{caller}"),
        (None, None) => "service:unknown".to_owned(),
    };
    let mut cause = Cause::root(correlation_id, actor);
    cause.causation_id = uuid_in(metadata, CAUSATION_ID);
    cause.traced(
        metadata
            .get(TRACEPARENT)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default(),
    )
}

/// Puts an outgoing request into the flow of a cause.
pub fn correlate<T>(request: &mut Request<T>, cause: &Cause) {
    let metadata = request.metadata_mut();
    put(metadata, CORRELATION_ID, &cause.correlation_id.to_string());
    if let Some(causation) = cause.causation_id {
        put(metadata, CAUSATION_ID, &causation.to_string());
    }
    if !cause.traceparent.is_empty() {
        put(metadata, TRACEPARENT, &cause.traceparent);
    }
}

/// The correlation id of HTTP headers, or the request id in its place.
pub(crate) fn in_headers(headers: &http::HeaderMap) -> Option<Uuid> {
    [CORRELATION_HEADER, REQUEST_HEADER].iter().find_map(|key| {
        let value = headers.get(key)?.to_str().ok()?;
        Uuid::parse_str(value).ok()
    })
}

fn uuid_in(metadata: &MetadataMap, key: &str) -> Option<Uuid> {
    Uuid::parse_str(metadata.get(key)?.to_str().ok()?).ok()
}

/// Ids and trace contexts are plain ASCII; a value that is not would be dropped rather than sent broken.
fn put(metadata: &mut MetadataMap, key: &'static str, value: &str) {
    if let Ok(value) = value.parse() {
        metadata.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn an_outgoing_request_is_read_back_as_the_same_flow() {
        let sent = Cause {
            correlation_id: Uuid::from_u128(7),
            causation_id: Some(Uuid::from_u128(8)),
            actor: "service:orders".into(),
            traceparent: TRACE.into(),
        };
        let mut request = Request::new(());
        correlate(&mut request, &sent);
        let received = cause(&request);
        assert_eq!(received.correlation_id, sent.correlation_id);
        assert_eq!(received.causation_id, sent.causation_id);
        assert_eq!(received.traceparent, sent.traceparent);
    }

    #[test]
    fn the_request_id_starts_a_flow_when_nothing_else_does() {
        let mut request = Request::new(());
        let id = Uuid::from_u128(9);
        request
            .metadata_mut()
            .insert(REQUEST_ID, id.to_string().parse().unwrap());
        assert_eq!(cause(&request).correlation_id, id);
        let fresh = cause(&Request::new(())).correlation_id;
        assert_ne!(fresh, Uuid::nil());
    }
}
