//! What a caller gets when a peer answers, and when none does.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;
use tonic::body::Body;
use tonic::{Code, Status};

use crate::deadline;
use crate::endpoint::PASSED_OVER_MAX;
use crate::network::NOT_BEGUN;
use crate::refusal;

/// A peer's response as the caller sees it.
pub(crate) fn received(
    response: Response<Incoming>,
    place: OwnedSemaphorePermit,
) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    head.headers.remove(NOT_BEGUN);
    if head.status != StatusCode::OK {
        return not_grpc(head.status).into_http();
    }
    let body = ReceivedBody {
        inner: body,
        ended: false,
        _place: place,
    };
    Response::from_parts(head, Body::new(body))
}

/// The body of a peer's response: a lost connection ends it with a status, like everything else.
struct ReceivedBody {
    inner: Incoming,
    ended: bool,
    _place: OwnedSemaphorePermit,
}

impl HttpBody for ReceivedBody {
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
        match std::task::ready!(Pin::new(&mut this.inner).poll_frame(cx)) {
            Some(Err(error)) => {
                tracing::debug!(%error, "a response broke off");
                this.ended = true;
                let frame = deadline::closing_frame(&broken_off());
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Ok(frame)) => Poll::Ready(Some(Ok(frame))),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        // Unknown: a body that breaks off is shorter than it announced.
        SizeHint::default()
    }
}

pub(crate) fn unreachable(target: &str) -> Status {
    retry_soon(
        "SERVICE_UNREACHABLE",
        format!("no replica of service {target} can be reached"),
    )
}

pub(crate) fn full(target: &str) -> Status {
    refusal::retry_after(
        Code::ResourceExhausted,
        "TOO_BUSY",
        format!("too many calls to service {target} are in progress"),
        RETRY_AFTER,
    )
}

pub(crate) fn lost(target: &str) -> Status {
    retry_soon(
        "CONNECTION_LOST",
        format!(
            "the connection to service {target} was lost during the call, which may have taken \
             effect: repeat it with the same request id, or read the state"
        ),
    )
}

fn broken_off() -> Status {
    retry_soon(
        "CONNECTION_LOST",
        "the connection was lost before the whole answer had come".to_owned(),
    )
}

fn retry_soon(reason: &str, message: String) -> Status {
    refusal::retry_after(Code::Unavailable, reason, message, RETRY_AFTER)
}

/// When a failed call is worth repeating: unreachable endpoints are tried again by then.
const RETRY_AFTER: Duration = PASSED_OVER_MAX;

/// What an HTTP status means where gRPC was expected, as the gRPC specification has it.
fn not_grpc(status: StatusCode) -> Status {
    let code = match status.as_u16() {
        400 => Code::Internal,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::Unimplemented,
        429 | 502 | 503 | 504 => Code::Unavailable,
        _ => Code::Unknown,
    };
    refusal::with_reason(
        code,
        "NOT_A_PEER",
        format!("something between the services answered with HTTP status {status}"),
    )
}
