//! Spans of calls, after OpenTelemetry's conventions for RPC.

use http::{HeaderMap, Request, Response};
use opentelemetry::KeyValue;
use tonic::body::Body;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::identity::EDGE;

use super::{CORRELATION, Described, Span, SpanKind, TraceContext, prevailing};

/// Name of methods that the contract does not have: what strangers call must not become names of spans.
const OTHER: &str = "_OTHER";

/// The service that the public edge is a part of.
const GATEWAY: &str = "gateway";

/// The span of one call, at the side that makes it or at the one that answers.
///
/// It ends with the head of the answer: a stream of answers may go on behind it.
#[must_use]
pub struct CallSpan {
    span: Span,
    kind: SpanKind,
}

impl CallSpan {
    /// The span of answering a call. `known` says whether the contract has the method.
    pub fn server(
        service: &str,
        path: &str,
        known: bool,
        parent: Option<TraceContext>,
        correlation_id: Uuid,
    ) -> CallSpan {
        let kind = SpanKind::Server;
        let span = Span::begin(service, kind.clone(), parent, || {
            let mut described = described(if known { path } else { OTHER });
            let id = KeyValue::new(CORRELATION, correlation_id.to_string());
            described.attributes.push(id);
            described
        });
        CallSpan { span, kind }
    }

    /// The span of answering a call whose context is in its headers. These have the span's own afterwards,
    /// so that the events of the call belong to it.
    pub(crate) fn received(
        service: &str,
        path: &str,
        known: bool,
        headers: &mut HeaderMap,
        correlation_id: Uuid,
    ) -> CallSpan {
        let parent = TraceContext::in_headers(headers);
        let call = CallSpan::server(service, path, known, parent, correlation_id);
        call.hand_on(parent, headers);
        call
    }

    /// The span of making a call, whose headers have its context afterwards.
    pub(crate) fn client<B>(
        caller: &str,
        address: Option<&str>,
        request: &mut Request<B>,
    ) -> CallSpan {
        let told = TraceContext::in_headers(request.headers());
        let kind = SpanKind::Client;
        let caller = if caller == EDGE { GATEWAY } else { caller };
        let span = Span::begin(caller, kind.clone(), prevailing(told), || {
            let mut described = described(request.uri().path());
            let place = address.into_iter().flat_map(place);
            described.attributes.extend(place);
            described
        });
        let call = CallSpan { span, kind };
        call.hand_on(told, request.headers_mut());
        call
    }

    fn hand_on(&self, there: Option<TraceContext>, headers: &mut HeaderMap) {
        if let Some(context) = self.span.context()
            && there != Some(context)
        {
            context.put(headers);
        }
    }

    /// Waits for the answer within the span, and notes how it came out.
    pub async fn run(mut self, call: impl Future<Output = Response<Body>>) -> Response<Body> {
        let response = self.span.within(call).await;
        self.note(response.headers());
        response
    }

    /// Ends it with an answer that there was at once.
    pub(crate) fn end(mut self, headers: &HeaderMap) {
        self.note(headers);
    }

    /// A failed unary call shows its status in the head of the answer.
    fn note(&mut self, headers: &HeaderMap) {
        if !self.span.is_made() {
            return;
        }
        let status = Status::from_header_map(headers);
        let code = status.map_or(Code::Ok, |status| status.code());
        self.span
            .set("rpc.grpc.status_code", i64::from(code as i32));
        if is_error(code, &self.kind) {
            self.span.failed(format!("{code:?}"));
        }
    }
}

fn described(path: &str) -> Described {
    let name = path.strip_prefix('/').unwrap_or(path);
    let mut attributes = vec![KeyValue::new("rpc.system", "grpc")];
    if let Some((service, method)) = name.split_once('/') {
        attributes.push(KeyValue::new("rpc.service", service.to_owned()));
        attributes.push(KeyValue::new("rpc.method", method.to_owned()));
    } else {
        attributes.push(KeyValue::new("rpc.method", name.to_owned()));
    }
    Described {
        name: name.to_owned().into(),
        attributes,
    }
}

/// Where a call goes, when it goes to a certain address.
fn place(address: &str) -> Vec<KeyValue> {
    let Ok(uri) = address.parse::<http::Uri>() else {
        return Vec::new();
    };
    let host = uri
        .host()
        .map(|host| KeyValue::new("server.address", host.to_owned()));
    let port = uri
        .port_u16()
        .map(|port| KeyValue::new("server.port", i64::from(port)));
    host.into_iter().chain(port).collect()
}

/// Whether a status is an error in the sense of the conventions: to its caller every one is, to who answers
/// only those that are not the caller's own doing.
fn is_error(code: Code, kind: &SpanKind) -> bool {
    match kind {
        SpanKind::Server => matches!(
            code,
            Code::Unknown
                | Code::DeadlineExceeded
                | Code::Unimplemented
                | Code::Internal
                | Code::Unavailable
                | Code::DataLoss
        ),
        _ => code != Code::Ok,
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use http::HeaderValue;

    use super::*;
    use crate::correlation::TRACEPARENT;
    use crate::trace::current;

    const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const OTHER_TRACE: &str = "00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const METHOD: &str = "/outcry.orders.v1.OrderService/PlaceOrder";

    fn headers(trace: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(TRACEPARENT, trace.parse::<HeaderValue>().unwrap());
        headers
    }

    /// The headers a call is made with.
    fn sent(headers: HeaderMap) -> HeaderMap {
        let mut request = Request::post(METHOD).body(()).unwrap();
        *request.headers_mut() = headers;
        let _span = CallSpan::client("orders", None, &mut request);
        request.headers().clone()
    }

    #[test]
    fn without_a_tracer_a_context_goes_on_as_it_came_and_none_is_made() {
        let mut arrived = headers(TRACE);
        let call = CallSpan::received("orders", METHOD, true, &mut arrived, Uuid::nil());
        assert_eq!(arrived, headers(TRACE));
        let within = async {
            assert_eq!(sent(HeaderMap::new()), headers(TRACE));
            // What a timer or a batch does for somebody else stays in that trace.
            assert_eq!(sent(headers(OTHER_TRACE)), headers(OTHER_TRACE));
            Response::new(Body::empty())
        };
        call.run(within).now_or_never().unwrap();
        assert_eq!(current(), None);
        assert!(sent(HeaderMap::new()).is_empty());
    }

    #[test]
    fn names_and_attributes_are_those_of_the_conventions() {
        let described = described(METHOD);
        assert_eq!(described.name, "outcry.orders.v1.OrderService/PlaceOrder");
        assert_eq!(
            described.attributes,
            [
                KeyValue::new("rpc.system", "grpc"),
                KeyValue::new("rpc.service", "outcry.orders.v1.OrderService"),
                KeyValue::new("rpc.method", "PlaceOrder"),
            ]
        );
        assert_eq!(
            place("http://orders:7401"),
            [
                KeyValue::new("server.address", "orders"),
                KeyValue::new("server.port", 7401),
            ]
        );
        assert!(place("nowhere at all").is_empty());
    }

    #[test]
    fn a_refusal_is_the_callers_error_and_not_the_servers() {
        assert!(is_error(Code::NotFound, &SpanKind::Client));
        assert!(!is_error(Code::NotFound, &SpanKind::Server));
        assert!(is_error(Code::Internal, &SpanKind::Server));
        assert!(!is_error(Code::Ok, &SpanKind::Client));
    }
}
