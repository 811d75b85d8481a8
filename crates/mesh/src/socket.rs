//! A connection's socket, watched at its beginning and kept at its end, where HTTP/2 alone loses calls.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::sync::oneshot;

use crate::door::Traffic;
use crate::stream::Stream;

/// How long the peer may take to close its side of a connection that has ended.
const LINGER: Duration = Duration::from_secs(1);

/// A socket in the hands of the protocol.
pub(crate) struct Socket<S = Stream> {
    /// Always there until it is dropped.
    stream: Option<S>,
    waiting: Option<oneshot::Sender<io::Result<()>>>,
    line: Arc<Line>,
    /// Of a connection accepted here.
    visit: Option<Visit<S>>,
}

/// What is known from outside of a socket in the hands of the protocol.
#[derive(Debug, Default)]
pub(crate) struct Line {
    heard: AtomicBool,
    written: AtomicU64,
}

impl Line {
    /// The peer says something.
    pub(crate) fn hear(&self) {
        self.heard.store(true, Ordering::Relaxed);
    }

    /// Whether the peer has said anything since this was last asked.
    pub(crate) fn heard(&self) -> bool {
        self.heard.swap(false, Ordering::Relaxed)
    }

    /// Bytes that were sent, or are about to be, or may have been: as long as it stays the same, none were.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// So many bytes were written.
    fn went(&self, count: usize) {
        self.written.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// Some bytes may have been written, although that ended in an error: TLS takes bytes, sends some of them,
    /// and says nothing of those when the rest fails.
    fn may_have_gone(&self) {
        self.went(1);
    }
}

struct Visit<S> {
    traffic: Traffic,
    ended: oneshot::Sender<Ended<S>>,
}

/// Resolves once the peer has said something, which in HTTP/2 it does unasked; fails when the
/// connection ends before. The system makes connections for processes that never take them, and
/// TLS makes them before the peer has looked at our certificate.
pub(crate) type Greeting = oneshot::Receiver<io::Result<()>>;

/// Gives the socket back when the protocol has done with it.
pub(crate) struct Parting<S = Stream>(oneshot::Receiver<Ended<S>>);

struct Ended<S> {
    stream: S,
    last_words: Vec<u8>,
}

impl<S> Socket<S> {
    /// The socket of a connection made here.
    pub(crate) fn to(stream: S) -> (Socket<S>, Greeting, Arc<Line>) {
        let (waiting, greeting) = oneshot::channel();
        let line = Arc::default();
        let socket = Socket {
            stream: Some(stream),
            waiting: Some(waiting),
            line: Arc::clone(&line),
            visit: None,
        };
        (socket, greeting, line)
    }

    /// The socket of a connection accepted here.
    pub(crate) fn from(stream: S, traffic: Traffic) -> (Socket<S>, Parting<S>) {
        let (ended, parting) = oneshot::channel();
        let socket = Socket {
            stream: Some(stream),
            waiting: None,
            line: Arc::default(),
            visit: Some(Visit { traffic, ended }),
        };
        (socket, Parting(parting))
    }

    fn poll<T>(
        &mut self,
        operation: impl FnOnce(Pin<&mut S>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>>
    where
        S: Unpin,
    {
        match &mut self.stream {
            Some(stream) => operation(Pin::new(stream)),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn went(&mut self, slices: &[IoSlice<'_>], polled: &Poll<io::Result<usize>>) {
        match polled {
            Poll::Ready(Ok(count)) => {
                self.line.went(*count);
                if let Some(visit) = &mut self.visit {
                    visit.traffic.went(slices, *count);
                }
            }
            Poll::Ready(Err(_)) => self.line.may_have_gone(),
            Poll::Pending => {}
        }
    }
}

impl<S> Drop for Socket<S> {
    fn drop(&mut self) {
        if let (Some(stream), Some(visit)) = (self.stream.take(), self.visit.take()) {
            let last_words = visit.traffic.last_words();
            // Nobody waits for it when the connection is cut off: then it closes here.
            let _ = visit.ended.send(Ended { stream, last_words });
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Parting<S> {
    /// Says what is left to say, and reads on until the peer closes its side too, for a while.
    /// Closing with something unread would reset the connection, and the peer might lose the last
    /// words: which calls were not begun.
    pub(crate) async fn linger(self) {
        let Ok(Ended {
            mut stream,
            last_words,
        }) = self.0.await
        else {
            return;
        };
        let until_closed = async {
            let mut unread = [0; 4096];
            stream.write_all(&last_words).await?;
            stream.shutdown().await?;
            while stream.read(&mut unread).await? > 0 {}
            io::Result::Ok(())
        };
        if let Ok(Err(error)) = tokio::time::timeout(LINGER, until_closed).await {
            tracing::trace!(%error, "a peer was gone before it was told everything");
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Socket<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let polled = this.poll(|stream| stream.poll_read(cx, buffer));
        let news = &buffer.filled()[before..];
        let heard = match &polled {
            Poll::Ready(Ok(())) if !news.is_empty() => Ok(()),
            Poll::Ready(Err(error)) => Err(io::Error::new(error.kind(), error.to_string())),
            Poll::Ready(Ok(())) | Poll::Pending => return polled,
        };
        this.line.hear();
        if let Some(waiting) = this.waiting.take() {
            // Nobody listens any more when connecting took too long.
            let _ = waiting.send(heard);
        }
        if let Some(visit) = &mut this.visit {
            visit.traffic.came(news).map_err(io::Error::other)?;
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = this.poll(|stream| stream.poll_write(cx, bytes));
        this.went(&[IoSlice::new(bytes)], &polled);
        polled
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = this.poll(|stream| stream.poll_write_vectored(cx, bytes));
        this.went(bytes, &polled);
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream
            .as_ref()
            .is_some_and(AsyncWrite::is_write_vectored)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = this.poll(|stream| stream.poll_flush(cx));
        if let Poll::Ready(Err(_)) = &polled {
            this.line.may_have_gone();
        }
        polled
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll(|stream| stream.poll_shutdown(cx))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::door::Bounds;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
        (near.unwrap(), far.unwrap().0)
    }

    #[tokio::test]
    async fn the_first_word_is_heard_and_an_end_without_one_is_not() {
        let (near, mut far) = pair().await;
        let (mut socket, mut greeting, _) = Socket::to(Stream::Plain(near));
        assert!(greeting.try_recv().is_err());
        far.write_all(b"hi").await.unwrap();
        socket.read_u8().await.unwrap();
        greeting.await.unwrap().unwrap();

        let (near, far) = pair().await;
        let (mut socket, greeting, _) = Socket::to(Stream::Plain(near));
        drop(far);
        assert!(socket.read_u8().await.is_err());
        drop(socket);
        assert!(greeting.await.is_err());
    }

    /// Takes one write, and fails at the next.
    struct TakesOne(usize);

    impl AsyncWrite for TakesOne {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let this = self.get_mut();
            this.0 += 1;
            Poll::Ready(match this.0 {
                1 => Ok(bytes.len()),
                _ => Err(io::ErrorKind::BrokenPipe.into()),
            })
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(match self.0 {
                0 | 1 => Ok(()),
                _ => Err(io::ErrorKind::BrokenPipe.into()),
            })
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn a_write_or_flush_that_fails_may_have_sent_something() {
        let (mut socket, _, line) = Socket::to(TakesOne(0));
        socket.flush().await.unwrap();
        assert_eq!(line.written(), 0);
        socket.write_all(b"taken").await.unwrap();
        socket.flush().await.unwrap();
        assert_eq!(line.written(), 5);
        assert!(socket.write_all(b"not").await.is_err());
        let after_write = line.written();
        assert!(after_write > 5);
        assert!(socket.flush().await.is_err());
        assert!(line.written() > after_write);
    }

    #[tokio::test]
    async fn last_words_arrive_even_if_the_peers_own_were_never_read() {
        let (near, mut far) = pair().await;
        let traffic = Traffic::new(&Bounds::of_peers(), Arc::default());
        let (mut socket, parting) = Socket::from(Stream::Plain(near), traffic);
        far.write_all(b"unread").await.unwrap();
        socket.write_all(b"last words").await.unwrap();
        drop(socket);
        let parted = tokio::spawn(parting.linger());
        let mut heard = String::new();
        far.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "last words");
        drop(far);
        parted.await.unwrap();
    }
}
