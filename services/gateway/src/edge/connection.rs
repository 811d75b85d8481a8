//! Sockets: accepted up to a bound, kept only while they are used, closed in order.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::Service;

use crate::config::Config;

/// A connection that asks for nothing by then is closed: it is a mistake or an attack.
const FIRST_REQUEST_WITHIN: Duration = Duration::from_secs(10);
/// A connection without calls is closed after this time: clients open a new one when they need it.
const IDLE_MAX: Duration = Duration::from_secs(600);
/// What a connection that was told to close gets for it.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);
/// HTTP/1 headers must have come by then.
const HEADERS_WITHIN: Duration = Duration::from_secs(10);
/// How often a silent peer is asked whether it is there, and how long it may take to answer.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// Bytes of all headers of one request: tokens and metadata take a few kilobytes.
const HEADER_BYTES_MAX: u32 = 16 * 1024;
/// Streams a peer may reset before they were accepted, and resets its errors may cause, until it is cut off.
const PENDING_RESETS_MAX: usize = 20;
const ERROR_RESETS_MAX: usize = 1024;
/// Wait after a failed accept: descriptors run out, and come back as connections close.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// The address a request came from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) SocketAddr);

/// Serves connections until `stop`, then lets calls in progress end for at most the drain time.
pub(super) async fn serve(
    listener: TcpListener,
    app: axum::Router,
    config: &Config,
    stop: CancellationToken,
) {
    let http = Arc::new(protocol(config));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(_ended) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((_, peer)) if connections.len() >= config.connections_max => {
                tracing::warn!(%peer, connections = connections.len(), "connection refused: too many are open");
            }
            Ok((stream, peer)) => {
                let connection = one(stream, peer, app.clone(), Arc::clone(&http), stop.clone());
                connections.spawn(connection);
            }
            Err(error) => {
                tracing::warn!(%error, "accepting a connection failed");
                tokio::time::sleep(ACCEPT_BACKOFF).await;
            }
        }
    }
    drop(listener);
    let all_closed = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(config.drain(), all_closed)
        .await
        .is_err()
    {
        tracing::warn!(
            connections = connections.len(),
            "connections cut off after the drain time"
        );
        connections.shutdown().await;
    }
}

fn protocol(config: &Config) -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN);
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(config.calls_per_connection_max)
        .max_header_list_size(HEADER_BYTES_MAX)
        .max_pending_accept_reset_streams(PENDING_RESETS_MAX)
        .max_local_error_reset_streams(ERROR_RESETS_MAX)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_ANSWER_WITHIN);
    http
}

/// One connection from its first byte to its last.
async fn one(
    stream: TcpStream,
    peer: SocketAddr,
    app: axum::Router,
    http: Arc<auto::Builder<TokioExecutor>>,
    stop: CancellationToken,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "the peer was gone before its first request");
        return;
    }
    let activity = Arc::new(Activity::new());
    let service = Tracked {
        app,
        peer,
        activity: Arc::clone(&activity),
    };
    let connection = http
        .serve_connection(TokioIo::new(stream), service)
        .into_owned();
    tokio::pin!(connection);
    let mut close_by: Option<Instant> = None;
    loop {
        let look_at = close_by.unwrap_or_else(|| activity.idle_until());
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%peer, error, "connection ended");
                }
                return;
            }
            // From here on only calls in progress keep it open; the drain time bounds them.
            () = stop.cancelled(), if close_by.is_none() => {
                connection.as_mut().graceful_shutdown();
                close_by = Some(Instant::now() + FAR_AWAY);
            }
            () = tokio::time::sleep_until(look_at) => match close_by {
                Some(_) => return,
                None if activity.idle_until() <= Instant::now() => {
                    connection.as_mut().graceful_shutdown();
                    close_by = Some(Instant::now() + CLOSE_WITHIN);
                }
                None => {}
            },
        }
    }
}

/// Stands for "no bound of its own": longer than any drain time.
const FAR_AWAY: Duration = Duration::from_secs(24 * 3600);

/// What is going on on one connection.
struct Activity {
    calls: AtomicUsize,
    used: AtomicBool,
    since: Mutex<Instant>,
}

impl Activity {
    fn new() -> Activity {
        Activity {
            calls: AtomicUsize::new(0),
            used: AtomicBool::new(false),
            since: Mutex::new(Instant::now()),
        }
    }

    fn begin(self: &Arc<Activity>) -> InCall {
        self.used.store(true, Ordering::Relaxed);
        self.calls.fetch_add(1, Ordering::Relaxed);
        InCall(Arc::clone(self))
    }

    /// When the connection will have been idle for too long, as things are.
    fn idle_until(&self) -> Instant {
        if self.calls.load(Ordering::Relaxed) > 0 {
            return Instant::now() + IDLE_MAX;
        }
        let patience = if self.used.load(Ordering::Relaxed) {
            IDLE_MAX
        } else {
            FIRST_REQUEST_WITHIN
        };
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) + patience
    }
}

/// One call in progress, until its response has been sent or given up.
struct InCall(Arc<Activity>);

impl Drop for InCall {
    fn drop(&mut self) {
        *self.0.since.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The application as one connection sees it.
struct Tracked {
    app: axum::Router,
    peer: SocketAddr,
    activity: Arc<Activity>,
}

impl hyper::service::Service<Request<Incoming>> for Tracked {
    type Response = Response<TrackedBody>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<TrackedBody>, Infallible>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let in_call = self.activity.begin();
        request.extensions_mut().insert(Peer(self.peer));
        let answer = self.app.clone().call(request);
        Box::pin(async move {
            let response = answer.await?;
            Ok(response.map(|inner| TrackedBody {
                inner,
                _in_call: in_call,
            }))
        })
    }
}

struct TrackedBody {
    inner: axum::body::Body,
    _in_call: InCall,
}

impl HttpBody for TrackedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.get_mut().inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
