//! A response body that is watched to its end: the only place a stream's status can be read.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tonic::{Code, Status};

/// Hands what a body came to, its code and its bytes, to `done`: once, and with `CANCELLED` when
/// it is dropped before its end.
pub(crate) struct Measured<B, Done: FnOnce(Code, u64) + Unpin> {
    inner: B,
    bytes: u64,
    done: Option<Done>,
}

impl<B, Done: FnOnce(Code, u64) + Unpin> Measured<B, Done> {
    /// Watches the body of a response with these headers, which already have the code of an answer
    /// without a body.
    pub(crate) fn new(headers: &HeaderMap, inner: B, done: Done) -> Measured<B, Done> {
        let mut measured = Measured {
            inner,
            bytes: 0,
            done: Some(done),
        };
        if let Some(code) = code_in(headers) {
            measured.end(code);
        }
        measured
    }

    fn end(&mut self, code: Code) {
        if let Some(done) = self.done.take() {
            done(code, self.bytes);
        }
    }
}

/// The code that headers or trailers name.
pub(crate) fn code_in(headers: &HeaderMap) -> Option<Code> {
    let code = headers.get(Status::GRPC_STATUS)?;
    Some(Code::from_bytes(code.as_bytes()))
}

impl<B, Done> HttpBody for Measured<B, Done>
where
    B: HttpBody<Data = Bytes, Error = Status> + Unpin,
    Done: FnOnce(Code, u64) + Unpin,
{
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        let polled = ready!(Pin::new(&mut this.inner).poll_frame(cx));
        match &polled {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    this.bytes += data.len() as u64;
                }
                if let Some(trailers) = frame.trailers_ref() {
                    this.end(code_in(trailers).unwrap_or(Code::Unknown));
                }
            }
            Some(Err(status)) => this.end(status.code()),
            // Without trailers nobody said how it ended.
            None => this.end(Code::Unknown),
        }
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B, Done: FnOnce(Code, u64) + Unpin> Drop for Measured<B, Done> {
    fn drop(&mut self) {
        self.end(Code::Cancelled);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use http_body_util::{BodyExt, Full, StreamBody};
    use tonic::body::Body;

    use super::*;

    type Ends = Arc<Mutex<Vec<(Code, u64)>>>;

    fn watched(
        headers: &HeaderMap,
        body: Body,
    ) -> (Ends, Measured<Body, impl FnOnce(Code, u64) + Unpin + use<>>) {
        let ends = Ends::default();
        let seen = Arc::clone(&ends);
        let done = move |code, bytes| seen.lock().unwrap().push((code, bytes));
        (ends, Measured::new(headers, body, done))
    }

    fn with_trailers(code: Code) -> Body {
        let mut trailers = HeaderMap::new();
        trailers.insert(Status::GRPC_STATUS, (code as i32).into());
        let frames = [
            Ok::<_, Status>(Frame::data(Bytes::from_static(b"12345"))),
            Ok(Frame::trailers(trailers)),
        ];
        Body::new(StreamBody::new(futures::stream::iter(frames)))
    }

    #[tokio::test]
    async fn the_code_is_read_where_it_stands() {
        let none = HeaderMap::new();
        let (ends, body) = watched(&none, with_trailers(Code::NotFound));
        body.collect().await.unwrap();
        assert_eq!(*ends.lock().unwrap(), [(Code::NotFound, 5)]);

        let mut headers = HeaderMap::new();
        headers.insert(Status::GRPC_STATUS, 8.into());
        let (ends, body) = watched(&headers, Body::empty());
        drop(body);
        assert_eq!(*ends.lock().unwrap(), [(Code::ResourceExhausted, 0)]);

        let (ends, body) = watched(&none, Body::new(Full::new(Bytes::from_static(b"1"))));
        body.collect().await.unwrap();
        assert_eq!(*ends.lock().unwrap(), [(Code::Unknown, 1)]);
    }

    #[tokio::test]
    async fn a_body_nobody_reads_to_its_end_was_cancelled() {
        let (ends, mut body) = watched(&HeaderMap::new(), with_trailers(Code::Ok));
        body.frame().await.unwrap().unwrap();
        drop(body);
        assert_eq!(*ends.lock().unwrap(), [(Code::Cancelled, 5)]);
    }
}
