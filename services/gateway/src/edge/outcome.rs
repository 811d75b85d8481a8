//! The last touch on what leaves the platform: every failure explained, no internals told,
//! and streams ended when their time is over.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use outcry_mesh::{CORRELATION_ID, deadline, refusal};
use tonic::body::Body;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};
use uuid::Uuid;

use super::admission::Ticket;
use super::framing::Meter;

/// For gRPC clients that try again by themselves: how long to wait, in milliseconds.
pub(super) const RETRY_PUSHBACK: &str = "grpc-retry-pushback-ms";

/// Ends a stream with the status it resolves to.
pub(super) type End = BoxFuture<'static, Status>;

/// Completes a response: correlation id, explained failure, messages of at most `bytes_max` bytes,
/// and for streams the end of their time.
pub(super) fn complete(
    response: Response<Body>,
    correlation_id: Uuid,
    bytes_max: u32,
    ticket: Option<Ticket>,
    end: Option<End>,
) -> Response<Body> {
    let (mut parts, inner) = response.into_parts();
    explain_in(&mut parts.headers, correlation_id);
    if let Ok(id) = HeaderValue::from_str(&correlation_id.to_string()) {
        parts.headers.insert(CORRELATION_ID, id);
    }
    let body = OutgoingBody {
        inner,
        meter: Meter::new(bytes_max),
        correlation_id,
        end,
        ended: false,
        _ticket: ticket,
    };
    Response::from_parts(parts, Body::new(body))
}

/// A response that is nothing but a failure.
pub(super) fn failed(status: Status, correlation_id: Uuid) -> Response<Body> {
    // There is no message in it to be bounded.
    complete(status.into_http(), correlation_id, 0, None, None)
}

/// What a client is told of a failure: its reason always, its innards never.
pub(super) fn told(status: Status, correlation_id: Uuid) -> Status {
    if !matches!(
        status.code(),
        Code::Internal | Code::Unknown | Code::DataLoss
    ) {
        return refusal::explained(status);
    }
    let reason = match status.get_details_error_info() {
        Some(info) if !info.reason.is_empty() => info.reason,
        _ => "INTERNAL".to_owned(),
    };
    let metadata = [("correlation_id".to_owned(), correlation_id.to_string())];
    let details = ErrorDetails::with_error_info(reason, refusal::DOMAIN, metadata);
    let message = format!(
        "something failed inside the platform; read the state before you repeat the call, \
         and give the operator the correlation id {correlation_id}"
    );
    Status::with_error_details(status.code(), message, details)
}

/// Explains the failure a head or trailers may carry.
fn explain_in(headers: &mut HeaderMap, correlation_id: Uuid) {
    let Some(status) = Status::from_header_map(headers) else {
        return;
    };
    if status.code() == Code::Ok {
        return;
    }
    let bare = Status::with_details(
        status.code(),
        status.message(),
        Bytes::copy_from_slice(status.details()),
    );
    for name in ["grpc-status", "grpc-message", "grpc-status-details-bin"] {
        headers.remove(name);
    }
    let told = told(bare, correlation_id);
    if told.add_header(headers).is_err() {
        headers.insert(Status::GRPC_STATUS, HeaderValue::from(told.code() as i32));
    }
    push_back(&told, headers);
}

/// Says in gRPC's own way what the details say of when to come back, and nothing else: that nobody
/// should come back is what services say to one another so that only one of them repeats a call.
fn push_back(told: &Status, headers: &mut HeaderMap) {
    headers.remove(RETRY_PUSHBACK);
    let wait = told
        .get_details_retry_info()
        .and_then(|info| info.retry_delay);
    if let Some(wait) = wait {
        let wait = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let name = HeaderName::from_static(RETRY_PUSHBACK);
        headers.insert(name, HeaderValue::from(wait));
    }
}

/// Response body on its way out.
struct OutgoingBody {
    inner: Body,
    meter: Meter,
    correlation_id: Uuid,
    end: Option<End>,
    ended: bool,
    _ticket: Option<Ticket>,
}

impl OutgoingBody {
    fn close(&mut self, status: Status) -> Frame<Bytes> {
        self.ended = true;
        self.inner = Body::empty();
        self.end = None;
        let told = told(status, self.correlation_id);
        let Ok(mut trailers) = deadline::closing_frame(&told).into_trailers() else {
            return Frame::trailers(HeaderMap::new());
        };
        push_back(&told, &mut trailers);
        Frame::trailers(trailers)
    }
}

impl HttpBody for OutgoingBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        if this.ended {
            return Poll::Ready(None);
        }
        // First of all: a stream that always has something to say must end on time, too.
        if let Some(end) = &mut this.end
            && let Poll::Ready(status) = end.as_mut().poll(cx)
        {
            return Poll::Ready(Some(Ok(this.close(status))));
        }
        match std::task::ready!(Pin::new(&mut this.inner).poll_frame(cx)) {
            // A body's error would reset the HTTP/2 stream and lose the status.
            Some(Err(status)) => Poll::Ready(Some(Ok(this.close(status)))),
            Some(Ok(frame)) => Poll::Ready(Some(Ok(match frame.into_trailers() {
                Ok(mut trailers) => {
                    explain_in(&mut trailers, this.correlation_id);
                    Frame::trailers(trailers)
                }
                Err(frame) => match frame.data_ref().map(|data| this.meter.pass_answer(data)) {
                    Some(Err(too_large)) => this.close(too_large),
                    _ => frame,
                },
            }))),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended || (self.end.is_none() && self.inner.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        if self.end.is_some() {
            SizeHint::default()
        } else {
            self.inner.size_hint()
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    const ID: Uuid = Uuid::from_u128(5);

    #[test]
    fn a_client_is_told_the_reason_but_never_the_innards() {
        let inside = Status::internal("disk /var/lib/x is full");
        let told = told(inside, ID);
        assert!(!told.message().contains("disk"), "{}", told.message());
        let info = told.get_details_error_info().unwrap();
        assert_eq!(info.reason, "INTERNAL");
        assert_eq!(info.metadata["correlation_id"], ID.to_string());
    }

    #[test]
    fn a_refusal_passes_as_it_is() {
        let refused = refusal::invalid("quantity", "must be positive");
        let told = told(refused.clone(), ID);
        assert_eq!(
            (told.message(), told.details()),
            (refused.message(), refused.details())
        );
    }

    #[test]
    fn a_failed_head_is_explained_once_and_names_its_flow() {
        let mut response = Status::not_found("no such order").into_http::<Body>();
        response
            .headers_mut()
            .insert("x-kept", HeaderValue::from_static("1"));
        let response = complete(response, ID, 100, None, None);
        let status = Status::from_header_map(response.headers()).unwrap();
        assert_eq!(status.get_details_error_info().unwrap().reason, "NOT_FOUND");
        assert_eq!(response.headers()["x-kept"], "1");
        assert_eq!(response.headers()[CORRELATION_ID], ID.to_string());
        assert_eq!(response.headers().get_all("grpc-status").iter().count(), 1);
    }

    #[tokio::test]
    async fn a_stream_ends_with_a_status_when_its_time_is_over() {
        let busy = futures::stream::repeat_with(|| {
            Ok::<_, Status>(Frame::data(Bytes::from_static(&[0; 5])))
        });
        let body = Body::new(http_body_util::StreamBody::new(busy));
        let end: End = Box::pin(async { Status::unauthenticated("over") });
        let response = complete(Response::new(body), ID, 100, None, Some(end));
        let collected = response.into_body().collect().await.unwrap();
        let status = Status::from_header_map(collected.trailers().unwrap()).unwrap();
        assert_eq!(
            (status.code(), status.message()),
            (Code::Unauthenticated, "over")
        );
    }

    #[tokio::test]
    async fn a_broken_body_becomes_a_status() {
        let broken = futures::stream::iter([Err::<Frame<Bytes>, _>(Status::unavailable("gone"))]);
        let body = Body::new(http_body_util::StreamBody::new(broken));
        let response = complete(Response::new(body), ID, 100, None, None);
        let collected = response.into_body().collect().await.unwrap();
        let status = Status::from_header_map(collected.trailers().unwrap()).unwrap();
        assert_eq!(
            (status.code(), status.message()),
            (Code::Unavailable, "gone")
        );
        assert!(status.get_details_error_info().is_some());
    }

    #[tokio::test]
    async fn an_answer_that_is_too_large_becomes_a_status() {
        let message = [&[0, 0, 0, 0, 101][..], &[9; 101]].concat();
        let body = Body::new(http_body_util::Full::new(Bytes::from(message)));
        let response = complete(Response::new(body), ID, 100, None, None);
        let collected = response.into_body().collect().await.unwrap();
        let status = Status::from_header_map(collected.trailers().unwrap()).unwrap();
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert!(collected.to_bytes().is_empty());
    }

    #[test]
    fn a_wait_is_told_to_programs_that_know_nothing_but_grpc() {
        let wait = std::time::Duration::from_millis(1500);
        let busy = refusal::retry_after(Code::ResourceExhausted, "TOO_BUSY", "busy", wait);
        assert_eq!(failed(busy, ID).headers()[RETRY_PUSHBACK], "1500");
        let mut inner = Status::unavailable("nobody is there");
        let never = tonic::metadata::MetadataValue::from_static("-1");
        inner.metadata_mut().insert(RETRY_PUSHBACK, never);
        let told = complete(inner.into_http(), ID, 100, None, None);
        assert!(!told.headers().contains_key(RETRY_PUSHBACK));
        let gone = failed(Status::not_found("no such order"), ID);
        assert!(!gone.headers().contains_key(RETRY_PUSHBACK));
    }
}
