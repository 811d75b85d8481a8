//! A request on its way to a peer, and what it means for the call when no response comes.

use h2::RecvStream;
use h2::client::ResponseFuture;
use http::Response;

use crate::wire::Token;

/// A request on its way, whose response is to come.
pub(crate) struct Sent {
    pub(crate) response: ResponseFuture,
    /// Bytes that went over the connection before.
    pub(crate) written: u64,
    pub(crate) line: Token,
}

impl Sent {
    /// The response.
    ///
    /// # Errors
    /// [`Broken`].
    pub(crate) async fn response(self) -> Result<Response<RecvStream>, Broken> {
        let error = match self.response.await {
            Ok(response) => return Ok(response),
            Err(error) => error,
        };
        // The connection ended with the request still in hand, as one does whose peer died before.
        let unsent = error.is_io() && self.line.written() == self.written;
        // A GOAWAY fails only the streams beyond the last one it names, which the peer never saw;
        // streams it did see end by a broken pipe when the connection breaks.
        let gone = error.is_go_away() && error.is_remote();
        let refused = error.is_reset()
            && error.is_remote()
            && error.reason() == Some(h2::Reason::REFUSED_STREAM);
        Err(Broken {
            not_begun: unsent || gone || refused,
            closing: unsent || gone,
            error,
        })
    }
}

/// Why a request sent on a connection has no response.
#[derive(Debug)]
pub(crate) struct Broken {
    /// The peer provably did not begin with the call.
    pub(crate) not_begun: bool,
    /// The connection takes no more calls.
    pub(crate) closing: bool,
    /// What happened, for the log.
    pub(crate) error: h2::Error,
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::pin::Pin;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, Mutex};
    use std::task::{Context, Poll};

    use bytes::Bytes;
    use h2::Reason;
    use h2::server::{Connection, SendResponse};
    use http::Request;
    use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};

    use super::*;
    use crate::wire::{Replayable, Wire};

    /// What a stream holds before its writer waits.
    const HELD: usize = 64 * 1024;

    fn request() -> Replayable {
        let mut request = Request::new(Bytes::from_static(b"question"));
        *request.uri_mut() = "http://peer/service/method".parse().unwrap();
        request
    }

    /// A connection and a peer that speaks HTTP/2 and does nothing else by itself.
    async fn connected<S>(near: S, far: DuplexStream) -> (Wire, Connection<DuplexStream, Bytes>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (wire, peer) = tokio::join!(Wire::over(near, None, |_| ()), h2::server::handshake(far));
        (wire.unwrap(), peer.unwrap())
    }

    fn send(wire: &Wire) -> Sent {
        wire.clone().send(request()).expect("an open connection")
    }

    /// What becomes of a request whose beginning a peer reads, and then does something.
    async fn what_becomes_of(
        sent: Sent,
        peer: &mut Connection<DuplexStream, Bytes>,
        then: impl FnOnce(SendResponse<Bytes>),
    ) -> Result<Response<RecvStream>, Broken> {
        let (_request, respond) = peer.accept().await.unwrap().unwrap();
        then(respond);
        let response = sent.response();
        tokio::pin!(response);
        tokio::select! {
            outcome = &mut response => outcome,
            _another = peer.accept() => response.await,
        }
    }

    fn answer(mut respond: SendResponse<Bytes>) {
        respond.send_response(Response::new(()), true).unwrap();
    }

    #[tokio::test]
    async fn a_refused_request_was_not_begun_and_its_connection_goes_on() {
        let (near, far) = tokio::io::duplex(HELD);
        let (wire, mut peer) = connected(near, far).await;
        let refuse = |mut respond: SendResponse<Bytes>| respond.send_reset(Reason::REFUSED_STREAM);
        let refused = what_becomes_of(send(&wire), &mut peer, refuse).await;
        let broken = refused.unwrap_err();
        assert!(broken.not_begun && !broken.closing, "{broken:?}");
        let answered = what_becomes_of(send(&wire), &mut peer, answer).await;
        assert!(answered.is_ok());
    }

    #[tokio::test]
    async fn a_request_beyond_the_last_one_a_leaving_peer_names_was_not_begun() {
        const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
        const HEADERS: u8 = 1;
        /// The last stream and the reason are zero.
        const GOAWAY: [u8; 17] = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let (near, mut far) = tokio::io::duplex(HELD);
        far.write_all(&SETTINGS).await.unwrap();
        let wire = Wire::over(near, None, |_| ()).await.unwrap();
        let sent = send(&wire);
        let leaving = async {
            let mut preface = [0; 24];
            far.read_exact(&mut preface).await.unwrap();
            let mut head = [0; 9];
            while head[3] != HEADERS {
                far.read_exact(&mut head).await.unwrap();
                let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
                let mut payload = vec![0; length.try_into().unwrap()];
                far.read_exact(&mut payload).await.unwrap();
            }
            far.write_all(&GOAWAY).await.unwrap();
        };
        let (outcome, ()) = tokio::join!(sent.response(), leaving);
        let broken = outcome.unwrap_err();
        assert!(broken.not_begun && broken.closing, "{broken:?}");
    }

    #[tokio::test]
    async fn a_request_on_a_connection_that_ends_once_it_was_read_is_lost() {
        let (near, far) = tokio::io::duplex(HELD);
        let (wire, mut peer) = connected(near, far).await;
        let sent = send(&wire);
        let _read = peer.accept().await.unwrap().unwrap();
        drop(peer);
        let broken = sent.response().await.unwrap_err();
        assert!(!broken.not_begun, "{broken:?}");
    }

    #[tokio::test]
    async fn a_request_on_a_connection_that_had_ended_unnoticed_was_not_begun() {
        let (near, far) = tokio::io::duplex(HELD);
        let (wire, peer) = connected(near, far).await;
        drop(peer);
        // Nothing has run since: the connection's end is still to be read.
        let broken = send(&wire).response().await.unwrap_err();
        assert!(broken.not_begun && broken.closing, "{broken:?}");
    }

    /// Sends what it is given and says that it failed, as TLS does when only the last record fails.
    struct SendsAndFails {
        /// Shared with the test, so that the peer can read it after its end.
        stream: Arc<Mutex<DuplexStream>>,
        failing: Arc<AtomicBool>,
    }

    impl AsyncRead for SendsAndFails {
        fn poll_read(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut *self.stream.lock().unwrap()).poll_read(cx, buffer)
        }
    }

    impl AsyncWrite for SendsAndFails {
        fn poll_write(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let polled = Pin::new(&mut *self.stream.lock().unwrap()).poll_write(cx, bytes);
            if self.failing.load(Ordering::Relaxed) {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            polled
        }

        fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut *self.stream.lock().unwrap()).poll_flush(cx)
        }

        fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut *self.stream.lock().unwrap()).poll_shutdown(cx)
        }
    }

    #[tokio::test]
    async fn a_request_that_was_read_is_lost_even_if_sending_it_failed() {
        let (near, far) = tokio::io::duplex(HELD);
        let failing = Arc::new(AtomicBool::new(false));
        let near = Arc::new(Mutex::new(near));
        let sends_and_fails = SendsAndFails {
            stream: Arc::clone(&near),
            failing: Arc::clone(&failing),
        };
        let (wire, mut peer) = connected(sends_and_fails, far).await;
        // Only the request is left to be written after one that was answered.
        let answered = what_becomes_of(send(&wire), &mut peer, answer).await;
        assert!(answered.is_ok());
        failing.store(true, Ordering::Relaxed);
        let broken = send(&wire).response().await.unwrap_err();
        let read = peer.accept().await.expect("a request");
        assert!(read.is_ok());
        assert!(!broken.not_begun, "{broken:?}");
    }
}
