//! One connection, from its first byte to its last.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::body::Body;

use super::App;
use super::bounds::Bounds;
use super::course::{Course, Step};
use super::departure::{Announcer, Departure, departure};
use super::register::{End, Entry, InCall, Open};
use super::traffic::Traffic;
use super::transport::Transport;
use crate::certificates::Peer;
use crate::socket::Socket;

/// The address a request came from. Among the extensions of every request that came in by a door.
#[derive(Debug, Clone, Copy)]
pub struct RemoteAddress(pub SocketAddr);

/// What all connections of a door have in common.
pub(super) struct Host {
    pub(super) bounds: Bounds,
    pub(super) transport: Transport,
    pub(super) handshakes: Semaphore,
    pub(super) http: auto::Builder<TokioExecutor>,
    pub(super) app: App,
    pub(super) draining: CancellationToken,
}

/// The smallest buffer HTTP/1 works with.
const HTTP1_BUFFER_MIN: usize = 8192;

/// HTTP within the bounds.
pub(super) fn protocol(bounds: &Bounds) -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1()
        .timer(TokioTimer::new())
        .max_buf_size(HTTP1_BUFFER_MIN.max(bounds.header_bytes_max as usize))
        .header_read_timeout(bounds.headers_within);
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(bounds.streams_per_connection_max)
        .max_header_list_size(bounds.header_bytes_max)
        .max_frame_size(bounds.frame_bytes_max)
        .max_pending_accept_reset_streams(bounds.pending_resets_max)
        .max_local_error_reset_streams(bounds.error_resets_max)
        .keep_alive_interval(bounds.ping_every)
        .keep_alive_timeout(bounds.ping_answer_within);
    if bounds.http1 {
        http
    } else {
        http.http2_only()
    }
}

impl Host {
    /// Serves a connection that was let in, until it ends.
    pub(super) async fn welcome(self: Arc<Host>, stream: TcpStream, mut open: Open) {
        let remote = open.entry.remote();
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%remote, %error, "the peer was gone before its first request");
            return open.ends(End::Left);
        }
        let (transport, within) = (&self.transport, self.bounds.handshake_within);
        let shaken = tokio::select! {
            () = self.draining.cancelled() => return open.ends(End::Drained),
            shaken = transport.accept(stream, &self.handshakes, within) => shaken,
        };
        let (stream, peer) = match shaken {
            Ok(begun) => begun,
            Err(error) => {
                tracing::info!(%remote, %error, "a connection was not let in");
                return open.ends(End::HandshakeFailed);
            }
        };
        let traffic = Traffic::new(&self.bounds, Arc::clone(&open.entry.counts));
        let (socket, parting) = Socket::from(stream, traffic);
        let (announcer, departure) = departure();
        let calls = Calls {
            app: Arc::clone(&self.app),
            entry: Arc::clone(&open.entry),
            departure,
            peer: peer.map(Arc::new),
        };
        open.ends(self.serve(socket, calls, &announcer, &open.entry).await);
        parting.linger().await;
    }

    /// Serves a connection until it ends, and says how.
    async fn serve(
        &self,
        socket: Socket,
        calls: Calls,
        announcer: &Announcer,
        entry: &Entry,
    ) -> End {
        let connection = self.http.serve_connection(TokioIo::new(socket), calls);
        let mut connection = Box::pin(connection);
        let mut course = Course::new(&self.bounds, Instant::now(), fastrand::f64());
        let mut draining = false;
        loop {
            let look_at = match course.step(Instant::now(), entry.activity()) {
                Step::WaitUntil(moment) => moment,
                // From here on only calls in progress keep it open.
                Step::Leave => {
                    connection.as_mut().graceful_shutdown();
                    continue;
                }
                Step::EndStreams(why) => {
                    announcer.end_streams(why);
                    continue;
                }
                Step::CutOff => {
                    return match course.why() {
                        // Nothing went on there, whoever did not answer.
                        Some(why @ (End::FirstRequestLate | End::Idle)) => why,
                        _ => End::CutOff,
                    };
                }
            };
            tokio::select! {
                ended = connection.as_mut() => {
                    return ending(ended, &course, entry);
                }
                () = self.draining.cancelled(), if !draining => {
                    draining = true;
                    announcer.refuse();
                    course.drain(Instant::now());
                }
                () = tokio::time::sleep_until(look_at) => {}
            }
        }
    }
}

/// How a connection ended that ended by itself.
fn ending(
    outcome: Result<(), Box<dyn Error + Send + Sync>>,
    course: &Course,
    entry: &Entry,
) -> End {
    let remote = entry.remote();
    if entry.counts.flooded.load(Ordering::Relaxed) {
        tracing::warn!(%remote, "connection closed: its streams were reset too often");
        return End::Flood;
    }
    let Err(error) = outcome else {
        return course.why().unwrap_or(End::Left);
    };
    tracing::debug!(%remote, error, "connection ended");
    let blamed = source::<h2::Error>(error.as_ref())
        .filter(|error| error.is_library())
        .and_then(h2::Error::reason);
    match (blamed, course.why()) {
        (Some(h2::Reason::ENHANCE_YOUR_CALM), _) => End::Flood,
        (_, Some(why)) => why,
        (_, None) => End::Broken,
    }
}

/// The first of its kind among the causes of an error.
fn source<'error, E: Error + 'static>(error: &'error (dyn Error + 'static)) -> Option<&'error E> {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    causes
        .into_iter()
        .find_map(<dyn Error + 'static>::downcast_ref)
}

/// The application as one connection sees it.
struct Calls {
    app: App,
    entry: Arc<Entry>,
    departure: Departure,
    peer: Option<Arc<Peer>>,
}

impl hyper::service::Service<Request<Incoming>> for Calls {
    type Response = Response<InCallBody>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<InCallBody>, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let in_call = self.entry.begin();
        let mut request = request.map(Body::new);
        let extensions = request.extensions_mut();
        extensions.insert(RemoteAddress(self.entry.remote()));
        extensions.insert(self.departure.clone());
        if let Some(peer) = &self.peer {
            extensions.insert(Arc::clone(peer));
        }
        let answer = (self.app)(request);
        Box::pin(async move {
            let response = answer.await;
            Ok(response.map(|inner| InCallBody {
                inner,
                _in_call: in_call,
            }))
        })
    }
}

/// A response body that keeps its call in progress.
struct InCallBody {
    inner: Body,
    _in_call: InCall,
}

impl HttpBody for InCallBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Pin::new(&mut self.get_mut().inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
