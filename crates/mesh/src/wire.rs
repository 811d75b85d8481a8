//! One connection to a peer process: how it is made, and what a call lost on it means.

use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::uri::Scheme;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;

use crate::address::Address;
use crate::credentials::{Credentials, Membership};
use crate::socket::Socket;
use crate::stream::Stream;

/// A connection that is not there by then counts as failed: peers are near, and others may be free.
pub(crate) const CONNECT_WITHIN: Duration = Duration::from_secs(1);

/// How often a silent peer is asked whether it is there, and how long it may take to answer.
const PING_EVERY: Duration = Duration::from_secs(10);
const PING_ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Bytes of all headers of one response: a status with details takes a few kilobytes.
const HEADER_BYTES_MAX: u32 = 64 * 1024;

/// A request that can be sent again.
pub(crate) type Replayable = Request<Full<Bytes>>;

/// Tells one connection from the ones before and after.
pub(crate) type Token = Arc<()>;

/// An established connection. All clones are the same one.
#[derive(Debug, Clone)]
pub(crate) struct Wire {
    sender: SendRequest<Full<Bytes>>,
    token: Token,
    /// When the first of both sides' certificates ends; `None` without certificates.
    proven_until: Option<SystemTime>,
}

/// Why a request sent on a connection has no response.
#[derive(Debug)]
pub(crate) struct Broken {
    /// The peer provably did not begin with the call.
    pub(crate) not_begun: bool,
    /// The connection takes no more calls.
    pub(crate) closing: bool,
    /// What happened, for the log.
    pub(crate) error: hyper::Error,
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

    async fn over(
        stream: Stream,
        proven_until: Option<SystemTime>,
        ended: impl FnOnce(&Token) + Send + 'static,
    ) -> io::Result<Wire> {
        let (socket, greeting) = Socket::to(stream);
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_ANSWER_WITHIN)
            .keep_alive_while_idle(true)
            .max_header_list_size(HEADER_BYTES_MAX)
            .handshake(TokioIo::new(socket))
            .await
            .map_err(io::Error::other)?;
        let token = Token::default();
        let wire = Wire {
            sender,
            token: Arc::clone(&token),
            proven_until,
        };
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection ended");
            }
            ended(&token);
        });
        // A process that stops leaves connections it never took; a call sent there could be taken for begun.
        let gone = |_| io::Error::other("the connection ended before the peer said anything");
        greeting.await.map_err(gone)??;
        Ok(wire)
    }

    /// Whether nothing new should be sent on it: a proof that has ended is none.
    pub(crate) fn is_closed(&self) -> bool {
        let unproven = |until| until <= SystemTime::now();
        self.sender.is_closed() || self.proven_until.is_some_and(unproven)
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

    /// Sends a request.
    ///
    /// # Errors
    /// [`Broken`].
    pub(crate) async fn send(self, request: Replayable) -> Result<Response<Incoming>, Broken> {
        let mut sender = self.sender;
        let sending = sender.try_send_request(request);
        // A request that is queued just when the connection ends is given back only after all senders
        // are gone; one held here would wait for itself.
        drop(sender);
        let mut error = match sending.await {
            Ok(response) => return Ok(response),
            Err(error) => error,
        };
        let unsent = error.take_message().is_some();
        let error = error.into_error();
        let (not_begun, closing) = judged(&error);
        Err(Broken {
            not_begun: unsent || not_begun,
            closing: unsent || closing,
            error,
        })
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

/// Whether the peer provably did not begin with a failed call, and whether the connection takes no more.
fn judged(error: &hyper::Error) -> (bool, bool) {
    let Some(error) = error
        .source()
        .and_then(|source| source.downcast_ref::<h2::Error>())
    else {
        return (false, false);
    };
    // A GOAWAY fails only the streams beyond the last one it names, which the peer never saw;
    // streams it did see end by a broken pipe when the connection breaks.
    let gone = error.is_go_away() && error.is_remote();
    let refused =
        error.is_reset() && error.is_remote() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
    (gone || refused, gone)
}
