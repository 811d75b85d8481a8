//! The bytes of a request, counted as they are read.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Request;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;

/// How many bytes of a request were read so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct RequestBytes(Arc<AtomicU64>);

impl RequestBytes {
    /// Counts a request's bytes from now on; where a caller in this process does so already, together with it.
    pub(crate) fn of(request: &mut Request<Body>) -> RequestBytes {
        if let Some(counted) = request.extensions_mut().remove::<RequestBytes>() {
            return counted;
        }
        let counted = RequestBytes::default();
        let inner = std::mem::take(request.body_mut());
        *request.body_mut() = Body::new(CountedBody {
            inner,
            bytes: counted.clone(),
        });
        counted
    }

    /// The same for a request that is handed on to a server in this process.
    pub(crate) fn handed_on(request: &mut Request<Body>) -> RequestBytes {
        let counted = RequestBytes::of(request);
        request.extensions_mut().insert(counted.clone());
        counted
    }

    pub(crate) fn so_far(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

struct CountedBody {
    inner: Body,
    bytes: RequestBytes,
}

impl HttpBody for CountedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.inner).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            let bytes = &this.bytes.0;
            bytes.fetch_add(data.len() as u64, Ordering::Relaxed);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, Full};

    use super::*;

    #[tokio::test]
    async fn caller_and_server_count_a_request_once_and_together() {
        let body = Body::new(Full::new(Bytes::from_static(b"12345")));
        let mut request = Request::new(body);
        let caller = RequestBytes::handed_on(&mut request);
        let server = RequestBytes::of(&mut request);
        assert!(request.extensions().get::<RequestBytes>().is_none());
        assert_eq!(server.so_far(), 0);
        request.into_body().collect().await.unwrap();
        assert_eq!((caller.so_far(), server.so_far()), (5, 5));
    }
}
