//! One connection to a peer process: how it is made, how it sends requests and when it is given up.
//!
//! It speaks HTTP/2 without a client library in between: a request goes to the connection from the task that
//! makes the call, and its answer wakes that task. Each task more on this way costs a call as much as
//! everything else the mesh does for it.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::FutureExt;
use h2::client::{Builder, SendRequest};
use h2::{Ping, PingPong};
use http::Request;
use http::uri::Scheme;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::address::Address;
use crate::credentials::{Credentials, Membership};
use crate::sent::{Broken, Sent};
use crate::socket::{Line, Socket};
use crate::stream::Stream;

/// A connection that is not there by then counts as failed: peers are near, and others may be free.
pub(crate) const CONNECT_WITHIN: Duration = Duration::from_secs(1);

/// How often a peer is asked whether it is there, and how long it may say nothing at all then.
const PING_EVERY: Duration = Duration::from_secs(10);
const PING_ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Bytes of all headers of one response: a status with details takes a few kilobytes.
const HEADER_BYTES_MAX: u32 = 64 * 1024;

/// Bytes of responses that may be on their way before somebody reads them, of one call and of all of them: as
/// much as peers on one network send while word comes back that they may go on. What nobody reads of one call
/// counts against all: twenty streams must be left unread before the other answers of a peer wait for them.
const CALL_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 20 * CALL_WINDOW;

/// A request that can be sent again.
pub(crate) type Replayable = Request<Bytes>;

/// Tells one connection from the ones before and after.
pub(crate) type Token = Arc<Line>;

/// An established connection. All clones are the same one.
#[derive(Debug, Clone)]
pub(crate) struct Wire {
    sender: SendRequest<Bytes>,
    token: Token,
    /// When the first of both sides' certificates ends; `None` without certificates.
    proven_until: Option<SystemTime>,
}

impl Wire {
    /// Connects to a peer that answers calls to `target`; `ended` is told once the connection is no more.
    ///
    /// # Errors
    /// Whatever kept it from being made. A peer that accepts and says nothing is no connection, nor is
    /// one that does not prove who it is where there are certificates.
    pub(crate) async fn connect(
        address: &Address,
        target: &str,
        membership: &Membership,
        ended: impl FnOnce(&Token) + Send + 'static,
    ) -> io::Result<Wire> {
        let made = async {
            let (stream, proven_until) = proven(address, target, membership).await?;
            Wire::over(stream, proven_until, ended).await
        };
        let made = made.await;
        if let Err(error) = &made
            && error.kind() == io::ErrorKind::InvalidData
        {
            tracing::warn!(%address, target, %error, "this process and a peer do not believe each other");
        }
        made
    }

    /// Speaks over a connection's bytes, as [`Wire::connect`] does.
    pub(crate) async fn over<S>(
        stream: S,
        proven_until: Option<SystemTime>,
        ended: impl FnOnce(&Token) + Send + 'static,
    ) -> io::Result<Wire>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (socket, greeting, token) = Socket::to(stream);
        let (sender, mut connection) = Builder::new()
            .initial_window_size(CALL_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(HEADER_BYTES_MAX)
            .enable_push(false)
            .handshake(socket)
            .await
            .map_err(io::Error::other)?;
        let pings = connection.ping_pong();
        let wire = Wire {
            sender,
            token: Arc::clone(&token),
            proven_until,
        };
        tokio::spawn(async move {
            tokio::select! {
                biased;
                end = connection => if let Err(error) = end {
                    tracing::debug!(%error, "connection ended");
                },
                () = silent(pings, &token) => tracing::debug!("a peer says nothing any more"),
            }
            ended(&token);
        });
        // A process that stops leaves connections it never took; a call sent there could be taken for begun.
        let gone = |_| io::Error::other("the connection ended before the peer said anything");
        greeting.await.map_err(gone)??;
        Ok(wire)
    }

    /// Whether a side's proof of who it is has ended: then nothing new should be sent. Whether the connection
    /// itself has ended is not asked here.
    pub(crate) fn proof_has_ended(&self) -> bool {
        let unproven = |until| until <= SystemTime::now();
        self.proven_until.is_some_and(unproven)
    }

    /// How addresses of requests on it begin.
    pub(crate) fn scheme(&self) -> Scheme {
        match self.proven_until {
            Some(_) => Scheme::HTTPS,
            None => Scheme::HTTP,
        }
    }

    pub(crate) fn token(&self) -> &Token {
        &self.token
    }

    /// Sends a request. No future of its own: it would hold the request.
    ///
    /// # Errors
    /// [`Broken`].
    pub(crate) fn send(mut self, request: Replayable) -> Result<Sent, Broken> {
        let (head, body) = request.into_parts();
        let head = Request::from_parts(head, ());
        let written = self.token.written();
        let sent = self.sender.send_request(head, body.is_empty());
        // It fails here only if the connection takes no more calls.
        let (response, mut content) = sent.map_err(|error| Broken {
            not_begun: true,
            closing: true,
            error,
        })?;
        if !body.is_empty() {
            // Where that comes too late, the response says why.
            let _ = content.send_data(body, true);
        }
        Ok(Sent {
            response,
            written,
            line: self.token,
        })
    }
}

/// Returns once a peer that was asked whether it is there has said nothing for too long.
async fn silent(pings: Option<PingPong>, line: &Line) {
    let Some(mut pings) = pings else {
        return std::future::pending().await;
    };
    loop {
        tokio::time::sleep(PING_EVERY).await;
        let _before = line.heard();
        // One that was asked before and answered with other things only is not asked again.
        let _ = pings.send_ping(Ping::opaque());
        tokio::time::sleep(PING_ANSWER_WITHIN).await;
        if !line.heard() {
            return;
        }
        let _ = std::future::poll_fn(|cx| pings.poll_pong(cx)).now_or_never();
    }
}

/// A connection's bytes, and until when both sides' proofs count.
async fn proven(
    address: &Address,
    target: &str,
    membership: &Membership,
) -> io::Result<(Stream, Option<SystemTime>)> {
    let credentials = membership.credentials();
    let certificates = match &credentials {
        Some(Credentials::Certificates(certificates)) => Some(certificates),
        Some(Credentials::Key(_)) | None => None,
    };
    address
        .fits(certificates.is_some())
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    let stream = TcpStream::connect(address.authority().as_str()).await?;
    stream.set_nodelay(true)?;
    let Some(certificates) = certificates else {
        return Ok((Stream::Plain(stream), None));
    };
    let (stream, peer) = certificates.connect(stream, target).await?;
    Ok((stream, Some(peer.not_after)))
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_peer_is_given_up_once_it_says_nothing_at_all_when_asked() {
        let (near, _far) = tokio::io::duplex(1024);
        let shaken = Builder::new().handshake::<_, Bytes>(near).await;
        let (_sender, mut connection) = shaken.unwrap();
        let (line, began) = (Line::default(), Instant::now());
        let talks = async {
            for _ in 0..11 {
                sleep(PING_ANSWER_WITHIN / 2).await;
                line.hear();
            }
        };
        tokio::join!(silent(connection.ping_pong(), &line), talks);
        // Asked for the third time, it says nothing.
        assert_eq!(began.elapsed(), (PING_EVERY + PING_ANSWER_WITHIN) * 3);
    }
}
