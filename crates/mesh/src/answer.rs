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
    let concluded = head.headers.contains_key(Status::GRPC_STATUS);
    if head.status != StatusCode::OK {
        inner = None;
        head = not_grpc(head.status).into_http::<()>().into_parts().0;
    }
    let body = ReceivedBody {
        inner,
        concluded,
        _place: place,
    };
    Response::from_parts(head, body)
}

/// The body of a peer's response: a lost connection ends it with a status, like everything else.
pub(crate) struct ReceivedBody {
    /// `None` once it ended or broke off, or if it is not worth reading.
    inner: Option<RecvStream>,
    /// Its head says already how the call ended.
    concluded: bool,
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
            Ok(frame) => {
                // Nothing comes after the trailers but, perhaps, word to stop sending.
                if frame.as_ref().is_none_or(Frame::is_trailers) {
                    this.inner = None;
                }
                frame
            }
            // Told to stop sending by a peer that has answered: that answer counts.
            Err(error) if this.concluded && error.reason() == Some(Reason::NO_ERROR) => {
                this.inner = None;
                None
            }
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
    Poll::Ready(ended.map(|trailers| trailers.map(Frame::trailers)))
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use h2::server::SendResponse;
    use http::{HeaderMap, Request};
    use http_body_util::BodyExt;
    use tokio::sync::Semaphore;

    use super::*;

    /// What a caller reads of an answer that a peer gives as it likes, while the request goes on.
    async fn read<F: Future<Output = ()>>(
        answer: impl FnOnce(SendResponse<Bytes>) -> F,
    ) -> Vec<Frame<Bytes>> {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let shaken = tokio::join!(
            h2::client::handshake::<_>(near),
            h2::server::handshake::<_>(far)
        );
        let ((sender, client), mut server) = (shaken.0.unwrap(), shaken.1.unwrap());
        tokio::spawn(client);
        let mut sender = sender.ready().await.unwrap();
        let (response, _unfinished) = sender.send_request(Request::new(()), false).unwrap();
        let (_request, respond) = server.accept().await.unwrap().unwrap();
        tokio::spawn(async move { while server.accept().await.is_some() {} });
        let read = async {
            let place = Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap();
            let mut body = received(response.await.unwrap(), place).into_body();
            let mut frames = Vec::new();
            while let Some(frame) = body.frame().await {
                frames.push(frame.unwrap());
            }
            frames
        };
        tokio::join!(read, answer(respond)).0
    }

    /// What the last of a body's frames says, if it is trailers.
    fn status(frames: Vec<Frame<Bytes>>) -> Option<Status> {
        let trailers = frames.into_iter().next_back()?.into_trailers().ok()?;
        Status::from_header_map(&trailers)
    }

    fn head(status: Option<&str>) -> Response<()> {
        let mut head = Response::new(());
        if let Some(status) = status {
            let status = status.parse().unwrap();
            head.headers_mut().insert(Status::GRPC_STATUS, status);
        }
        head
    }

    /// Until the head is on its way: a reset would overtake it.
    async fn head_sent() {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn an_answer_cut_off_before_its_status_is_none_however_politely() {
        let frames = read(async |mut respond| {
            let mut stream = respond.send_response(head(None), false).unwrap();
            head_sent().await;
            stream.send_reset(Reason::NO_ERROR);
        });
        let cut_off = status(frames.await).expect("a status");
        assert_eq!(cut_off.code(), Code::Unavailable);
    }

    #[tokio::test]
    async fn a_peer_that_has_said_how_the_call_ended_may_stop_its_request() {
        let frames = read(async |mut respond| {
            let mut stream = respond.send_response(head(Some("5")), false).unwrap();
            head_sent().await;
            stream.send_reset(Reason::NO_ERROR);
        });
        assert!(frames.await.is_empty());
        let frames = read(async |mut respond| {
            let mut stream = respond.send_response(head(None), false).unwrap();
            stream
                .send_data(Bytes::from_static(b"answer"), false)
                .unwrap();
            let trailers = HeaderMap::from_iter([(Status::GRPC_STATUS, "0".parse().unwrap())]);
            // The rest of the request is not waited for.
            stream.send_trailers(trailers).unwrap();
        });
        let frames = frames.await;
        assert_eq!(frames.len(), 2);
        assert_eq!(status(frames).expect("a status").code(), Code::Ok);
    }
}
