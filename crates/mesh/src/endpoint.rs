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
use crate::socket::Socket;

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
    Connecting {
        outcome: Shared<BoxFuture<'static, Option<Wire>>>,
        /// It could not be reached the last time.
        again: bool,
    },
    Up(Wire),
}

/// How far calls should go to an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// As far as is known, it can be reached.
    Good,
    /// It could not be reached, and whether it can be by now is being found out.
    Doubtful,
    /// It could not be reached a moment ago.
    Failing,
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

    /// Whether calls should go there. One that was passed over for long enough is tried in the
    /// background, so that calls which others can take do not wait for it.
    pub(crate) fn standing(self: &Arc<Self>) -> Standing {
        let mut link = self.link();
        match &*link {
            Link::Failed(until) if Instant::now() < *until => Standing::Failing,
            Link::Failed(_) => {
                let _in_the_background = self.connect_again(&mut link, true);
                Standing::Doubtful
            }
            Link::Connecting { again: true, .. } => Standing::Doubtful,
            Link::Connecting { again: false, .. } | Link::Up(_) | Link::Down => Standing::Good,
        }
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
        let (wire, reused) = self.wire().await?;
        match self.send_on(wire, request.clone()).await {
            Err(Failure::NotBegun) if reused => {}
            sent => return sent.map(|response| (response, place)),
        }
        let (wire, _) = self.wire().await?;
        let sent = self.send_on(wire, request).await;
        sent.map(|response| (response, place))
    }

    async fn send_on(
        &self,
        wire: Wire,
        request: Replayable,
    ) -> Result<Response<Incoming>, Failure> {
        let Wire { mut sender, token } = wire;
        let sending = sender.try_send_request(request);
        // A request that is queued just when the connection ends is given back only after all senders
        // are gone; one held here would wait for itself.
        drop(sender);
        let mut error = match sending.await {
            Ok(response) => return Ok(response),
            Err(error) => error,
        };
        let unsent = error.take_message().is_some();
        let (not_begun, closing) = judged(error.error());
        tracing::debug!(address = %self.address, error = %error.error(), "call failed on its way");
        if unsent || closing {
            self.forget(&token);
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
                Link::Connecting { outcome, .. } => outcome.clone(),
                Link::Failed(_) => self.connect_again(&mut link, true),
                Link::Up(_) | Link::Down => self.connect_again(&mut link, false),
            }
        };
        let wire = connecting.await.ok_or(Failure::NoConnection)?;
        Ok((wire, false))
    }

    /// Connects in a task of its own: a caller that gives up leaves the others their connection.
    fn connect_again(
        self: &Arc<Self>,
        link: &mut Link,
        again: bool,
    ) -> Shared<BoxFuture<'static, Option<Wire>>> {
        let endpoint = Arc::clone(self);
        let task = tokio::spawn(async move {
            let connected = tokio::time::timeout(CONNECT_WITHIN, connect(&endpoint)).await;
            let failure = match connected {
                Ok(Ok(wire)) => {
                    // Whoever began this holds the lock until `Connecting` is in place.
                    *endpoint.link() = Link::Up(wire.clone());
                    return Some(wire);
                }
                Ok(Err(error)) => error.to_string(),
                Err(_elapsed) => "no answer".to_owned(),
            };
            tracing::debug!(address = %endpoint.address, failure, "connecting failed");
            *endpoint.link() = Link::Failed(Instant::now() + PASSED_OVER);
            None
        });
        let outcome = task.map(|ended| ended.ok().flatten()).boxed().shared();
        *link = Link::Connecting {
            outcome: outcome.clone(),
            again,
        };
        outcome
    }

    /// Lets a connection go on which nothing new is taken; calls in progress there go on.
    fn forget(&self, token: &Arc<()>) {
        let mut link = self.link();
        if matches!(&*link, Link::Up(current) if Arc::ptr_eq(&current.token, token)) {
            *link = Link::Down;
        }
    }

    fn link(&self) -> MutexGuard<'_, Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn connect(endpoint: &Arc<Endpoint>) -> io::Result<Wire> {
    let stream = TcpStream::connect(endpoint.address.authority().as_str()).await?;
    stream.set_nodelay(true)?;
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
    let wire = Wire {
        sender,
        token: Arc::new(()),
    };
    let token = Arc::clone(&wire.token);
    // Weak: an endpoint nobody knows any more takes its connection with it.
    let owner = Arc::downgrade(endpoint);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection ended");
        }
        if let Some(endpoint) = owner.upgrade() {
            endpoint.forget(&token);
        }
    });
    // A process that stops leaves connections it never took; a call sent there could be taken for begun.
    let gone = |_| io::Error::other("the connection ended before the peer said anything");
    greeting.await.map_err(gone)?;
    Ok(wire)
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
