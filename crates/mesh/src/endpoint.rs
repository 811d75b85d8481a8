//! One peer process: its connection, made when it is first needed and again when it is lost.

use std::error::Error as _;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::address::Address;

/// A connection that is not there by then counts as failed: peers are near, and others may be free.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);

/// How long an endpoint that could not be reached is passed over.
pub(crate) const PASSED_OVER: Duration = Duration::from_millis(500);

/// How often a silent peer is asked whether it is there, and how long it may take to answer.
const PING_EVERY: Duration = Duration::from_secs(10);
const PING_ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Bytes of all headers of one response: a status with details takes a few kilobytes.
const HEADER_BYTES_MAX: u32 = 64 * 1024;

/// Calls and streams in progress at one endpoint: what one peer takes at most.
const CALLS_MAX: usize = 2048;

/// A request that can be sent again.
pub(crate) type Replayable = Request<Full<Bytes>>;

/// One peer process.
#[derive(Debug)]
pub(crate) struct Endpoint {
    address: Address,
    link: Mutex<Link>,
    calls: Arc<Semaphore>,
}

#[derive(Debug)]
enum Link {
    Down,
    /// Could not be made: not tried again before this moment.
    Failed(Instant),
    Connecting(Shared<BoxFuture<'static, Option<Wire>>>),
    Up(Wire),
}

/// An established connection.
#[derive(Debug, Clone)]
struct Wire {
    sender: SendRequest<Full<Bytes>>,
    /// Tells this connection from the ones before and after.
    token: Arc<()>,
}

/// Why there is no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// There is no connection; nothing was sent.
    NoConnection,
    /// The peer did not begin with the call.
    NotBegun,
    /// Too much is in progress there; nothing was sent.
    Full,
    /// The connection was lost during the call, which may have taken effect.
    Lost,
}

impl Endpoint {
    pub(crate) fn new(address: Address) -> Endpoint {
        Endpoint {
            address,
            link: Mutex::new(Link::Down),
            calls: Arc::new(Semaphore::new(CALLS_MAX)),
        }
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Whether it is to be passed over at the moment, since it could not be reached.
    pub(crate) fn is_failing(&self, now: Instant) -> bool {
        matches!(&*self.link(), Link::Failed(until) if now < *until)
    }

    /// Sends a request. What comes with the response is held until the response has been read.
    ///
    /// # Errors
    /// [`Failure`].
    pub(crate) async fn send(
        self: &Arc<Self>,
        request: &Replayable,
    ) -> Result<(Response<Incoming>, OwnedSemaphorePermit), Failure> {
        let place = Arc::clone(&self.calls)
            .try_acquire_owned()
            .map_err(|_| Failure::Full)?;
        let mut request = request.clone();
        *request.uri_mut() = self.uri(&request).ok_or(Failure::NoConnection)?;
        // A connection in use may have been closed a moment ago: then a new one is worth a try.
        let (mut wire, reused) = self.wire().await?;
        match self.send_on(&mut wire, request.clone()).await {
            Err(Failure::NotBegun) if reused => {}
            sent => return sent.map(|response| (response, place)),
        }
        let (mut wire, _) = self.wire().await?;
        let sent = self.send_on(&mut wire, request).await;
        sent.map(|response| (response, place))
    }

    async fn send_on(
        &self,
        wire: &mut Wire,
        request: Replayable,
    ) -> Result<Response<Incoming>, Failure> {
        let mut error = match wire.sender.try_send_request(request).await {
            Ok(response) => return Ok(response),
            Err(error) => error,
        };
        let unsent = error.take_message().is_some();
        let (not_begun, closing) = judged(error.error());
        tracing::debug!(address = %self.address, error = %error.error(), "call failed on its way");
        if unsent || closing {
            self.forget(wire);
        }
        Err(if unsent || not_begun {
            Failure::NotBegun
        } else {
            Failure::Lost
        })
    }

    fn uri(&self, request: &Replayable) -> Option<Uri> {
        Uri::builder()
            .scheme("http")
            .authority(self.address.authority().clone())
            .path_and_query(request.uri().path())
            .build()
            .ok()
    }

    /// The connection, and whether it was there before; made once for all who wait for it.
    async fn wire(self: &Arc<Self>) -> Result<(Wire, bool), Failure> {
        let connecting = {
            let mut link = self.link();
            match &*link {
                Link::Up(wire) if !wire.sender.is_closed() => return Ok((wire.clone(), true)),
                Link::Failed(until) if Instant::now() < *until => {
                    return Err(Failure::NoConnection);
                }
                Link::Connecting(connecting) => connecting.clone(),
                Link::Up(_) | Link::Failed(_) | Link::Down => {
                    let connecting = self.connecting();
                    *link = Link::Connecting(connecting.clone());
                    connecting
                }
            }
        };
        let wire = connecting.await.ok_or(Failure::NoConnection)?;
        Ok((wire, false))
    }

    /// Connects in a task of its own: a caller that gives up leaves the others their connection.
    fn connecting(self: &Arc<Self>) -> Shared<BoxFuture<'static, Option<Wire>>> {
        let endpoint = Arc::clone(self);
        let task = tokio::spawn(async move {
            let connected = tokio::time::timeout(CONNECT_WITHIN, connect(&endpoint.address)).await;
            let wire = match connected {
                Ok(Ok(sender)) => Some(Wire {
                    sender,
                    token: Arc::new(()),
                }),
                Ok(Err(error)) => {
                    tracing::debug!(address = %endpoint.address, %error, "connecting failed");
                    None
                }
                Err(_elapsed) => {
                    tracing::debug!(address = %endpoint.address, "connecting took too long");
                    None
                }
            };
            // Whoever began this holds the lock until `Connecting` is in place.
            *endpoint.link() = match &wire {
                Some(wire) => Link::Up(wire.clone()),
                None => Link::Failed(Instant::now() + PASSED_OVER),
            };
            wire
        });
        task.map(|ended| ended.ok().flatten()).boxed().shared()
    }

    /// Lets a connection go on which nothing new is taken; calls in progress there go on.
    fn forget(&self, wire: &Wire) {
        let mut link = self.link();
        if matches!(&*link, Link::Up(current) if Arc::ptr_eq(&current.token, &wire.token)) {
            *link = Link::Down;
        }
    }

    fn link(&self) -> MutexGuard<'_, Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn connect(address: &Address) -> io::Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(address.authority().as_str()).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_ANSWER_WITHIN)
        .keep_alive_while_idle(true)
        .max_header_list_size(HEADER_BYTES_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    let address = address.clone();
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%address, %error, "connection ended");
        }
    });
    Ok(sender)
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
