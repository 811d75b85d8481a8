//! What a caller gets when a peer answers, and when none does.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::{Reason, RecvStream};
use http::{Response, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;
use tonic::{Code, Status};

use crate::deadline;
use crate::endpoint::PASSED_OVER_MAX;
use crate::network::NOT_BEGUN;
use crate::refusal;

/// A peer's response as the caller sees it.
pub(crate) fn received(
    response: Response<RecvStream>,
    place: OwnedSemaphorePermit,
) -> Response<ReceivedBody> {
    let (mut head, body) = response.into_parts();
    head.headers.remove(NOT_BEGUN);
    let mut inner = Some(body);
    if head.status != StatusCode::OK {
        inner = None;
        head = not_grpc(head.status).into_http::<()>().into_parts().0;
    }
    let body = ReceivedBody {
        inner,
        _place: place,
    };
    Response::from_parts(head, body)
}

/// The body of a peer's response: a lost connection ends it with a status, like everything else.
pub(crate) struct ReceivedBody {
    /// `None` once it broke off, or if it is not worth reading.
    inner: Option<RecvStream>,
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
        let Some(inner) = &mut this.inner else {
            return Poll::Ready(None);
        };
        let frame = match ready!(next(inner, cx)) {
            Ok(frame) => frame,
            Err(error) => {
                tracing::debug!(%error, "a response broke off");
                this.inner = None;
                Some(deadline::closing_frame(&broken_off()))
            }
        };
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(RecvStream::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        // Unknown: a body that breaks off is shorter than it announced.
        SizeHint::default()
    }
}

/// The next frame of a response; `None` after the last.
fn next(
    stream: &mut RecvStream,
    cx: &mut Context<'_>,
) -> Poll<Result<Option<Frame<Bytes>>, h2::Error>> {
    // Once there is no more data, this says so each time.
    let ended = match ready!(stream.poll_data(cx)) {
        Some(Ok(data)) => {
            // A stream that was reset meanwhile has no window to open again.
            let _ = stream.flow_control().release_capacity(data.len());
            return Poll::Ready(Ok(Some(Frame::data(data))));
        }
        Some(Err(error)) => Err(error),
        None => ready!(stream.poll_trailers(cx)),
    };
    Poll::Ready(match ended {
        // Told to stop sending by a peer that has answered: that answer counts.
        Err(error) if error.reason() == Some(Reason::NO_ERROR) => Ok(None),
        ended => ended.map(|trailers| trailers.map(Frame::trailers)),
    })
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
