//! Hearing that a peer is there: a connection the system has made may wait for a process that never takes it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

/// A connection that tells when its peer has said the first thing, which in HTTP/2 it does unasked.
pub(crate) struct Greeted<T> {
    inner: T,
    heard: Option<oneshot::Sender<()>>,
}

impl<T> Greeted<T> {
    /// The connection, and what resolves once something has been read from it; it fails when the
    /// connection ends before.
    pub(crate) fn new(inner: T) -> (Greeted<T>, oneshot::Receiver<()>) {
        let (heard, hearing) = oneshot::channel();
        let greeted = Greeted {
            inner,
            heard: Some(heard),
        };
        (greeted, hearing)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Greeted<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let polled = Pin::new(&mut this.inner).poll_read(cx, buffer);
        if buffer.filled().len() > before
            && let Some(heard) = this.heard.take()
        {
            // Nobody listens any more when connecting took too long.
            let _ = heard.send(());
        }
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Greeted<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn the_first_word_is_heard_and_an_end_without_one_is_not() {
        let (near, mut far) = tokio::io::duplex(16);
        let (mut greeted, mut hearing) = Greeted::new(near);
        assert!(hearing.try_recv().is_err());
        far.write_all(b"hi").await.unwrap();
        greeted.read_u8().await.unwrap();
        hearing.await.unwrap();

        let (near, far) = tokio::io::duplex(16);
        let (mut greeted, hearing) = Greeted::new(near);
        drop(far);
        assert!(greeted.read_u8().await.is_err());
        drop(greeted);
        assert!(hearing.await.is_err());
    }
}
