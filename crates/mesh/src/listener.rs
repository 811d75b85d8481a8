//! The port for the services of other processes: HTTP/2, accepted up to a bound, closed in order.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::credentials::Credentials;
use crate::directory::Directory;
use crate::reception::Reception;
use crate::socket::Socket;

/// How long calls in progress may take to end once the process drains: the time a call has that names
/// none, and shorter than an orchestrator waits before it kills.
pub const DRAIN_MAX: Duration = Duration::from_secs(10);

/// Connections at most: one per peer process, and probes.
const CONNECTIONS_MAX: usize = 1024;
/// Streams of one connection: all calls of one peer process share it.
const STREAMS_PER_CONNECTION_MAX: u32 = 2048;
/// A connection that asks for nothing by then is closed: it is a mistake or an attack.
const FIRST_REQUEST_WITHIN: Duration = Duration::from_secs(10);
/// How often a silent peer is asked whether it is there, and how long it may take to answer.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// Bytes of all headers of one request: token and metadata take a few kilobytes.
const HEADER_BYTES_MAX: u32 = 16 * 1024;
/// Streams a peer may reset before they were accepted, and resets its errors may cause, until it is cut off.
const PENDING_RESETS_MAX: usize = 20;
const ERROR_RESETS_MAX: usize = 1024;
/// Wait after a failed accept: descriptors run out, and come back as connections close.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// Serves the services of this process to its peers until `shutdown`; then refuses calls, tells peers
/// to go elsewhere, and lets what is in progress end (at most [`DRAIN_MAX`]).
///
/// Peers prove who they are by certificates, or by a token of the key, with which this process's own
/// calls are proven, too, even before the future is polled. Certificates are taken anew when their
/// files change. `grpc.health.v1` answers anybody who can connect: `SERVING` while the process is
/// [ready](Directory::set_ready) and does not drain.
///
/// Services should stay registered until this returns.
pub fn listen(
    directory: Directory,
    listener: TcpListener,
    credentials: impl Into<Credentials>,
    shutdown: CancellationToken,
) -> impl Future<Output = ()> + Send + 'static {
    let credentials = credentials.into();
    directory.join(credentials.clone());
    let (reporter, health) = tonic_health::server::health_reporter();
    let reception = Reception::new(
        directory.clone(),
        credentials.clone(),
        tonic::service::Routes::new(health),
        shutdown.clone(),
    );
    async move {
        // Nobody is told "serving" before it is true.
        report(&reporter, directory.is_ready()).await;
        tokio::join!(
            keep(reporter, directory, shutdown.clone()),
            credentials.clone().watch(shutdown.clone()),
            accept(listener, credentials, reception, shutdown),
        );
    }
}

/// Reports whether the process is ready, and from `shutdown` on that it is not.
async fn keep(reporter: HealthReporter, directory: Directory, shutdown: CancellationToken) {
    let mut readiness = directory.readiness();
    loop {
        let ready = *readiness.borrow_and_update();
        report(&reporter, ready).await;
        tokio::select! {
            () = shutdown.cancelled() => break,
            changed = readiness.changed() => if changed.is_err() { break },
        }
    }
    report(&reporter, false).await;
}

async fn report(reporter: &HealthReporter, ready: bool) {
    let status = if ready {
        ServingStatus::Serving
    } else {
        ServingStatus::NotServing
    };
    reporter.set_service_status("", status).await;
}

async fn accept(
    listener: TcpListener,
    credentials: Credentials,
    reception: Reception,
    shutdown: CancellationToken,
) {
    let http = Arc::new(protocol());
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            Some(_ended) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((_, peer)) if connections.len() >= CONNECTIONS_MAX => {
                tracing::warn!(%peer, "peer refused: too many connections are open");
            }
            Ok((stream, peer)) => {
                let (http, stop) = (Arc::clone(&http), shutdown.clone());
                let (reception, credentials) = (reception.clone(), credentials.clone());
                connections.spawn(one(stream, peer, credentials, reception, http, stop));
            }
            Err(error) => {
                tracing::warn!(%error, "accepting a peer failed");
                tokio::time::sleep(ACCEPT_BACKOFF).await;
            }
        }
    }
    drop(listener);
    let all_closed = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN_MAX, all_closed).await.is_err() {
        tracing::warn!(
            connections = connections.len(),
            "peers cut off after the drain time"
        );
        connections.shutdown().await;
    }
}

fn protocol() -> http2::Builder<TokioExecutor> {
    let mut http = http2::Builder::new(TokioExecutor::new());
    http.timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_PER_CONNECTION_MAX)
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
    credentials: Credentials,
    reception: Reception,
    http: Arc<http2::Builder<TokioExecutor>>,
    stop: CancellationToken,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "the peer was gone before its first request");
        return;
    }
    let accepted = tokio::select! {
        biased;
        () = stop.cancelled() => return,
        accepted = credentials.accept(stream) => accepted,
    };
    let (stream, proven) = match accepted {
        Ok(accepted) => accepted,
        Err(error) => {
            tracing::info!(%peer, %error, "a peer was not let in");
            return;
        }
    };
    let proven = proven.map(Arc::new);
    let used = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&used);
    let service = service_fn(move |request: Request<Incoming>| {
        asked.store(true, Ordering::Relaxed);
        let (reception, proven) = (reception.clone(), proven.clone());
        let request = request.map(Body::new);
        async move { Ok::<_, Infallible>(reception.answer(request, proven.as_deref()).await) }
    });
    let (socket, parting) = Socket::from(stream);
    let connection = http.serve_connection(TokioIo::new(socket), service);
    serve(connection, peer, &used, &stop).await;
    parting.linger().await;
}

/// Serves a connection until it ends.
async fn serve<S>(
    connection: http2::Connection<TokioIo<Socket>, S, TokioExecutor>,
    peer: SocketAddr,
    used: &AtomicBool,
    stop: &CancellationToken,
) where
    S: HttpService<Incoming, ResBody = Body, Error = Infallible>,
    S::Future: Send + 'static,
{
    tokio::pin!(connection);
    let first_request = tokio::time::sleep(FIRST_REQUEST_WITHIN);
    tokio::pin!(first_request);
    let (mut waiting, mut closing) = (true, false);
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%peer, %error, "connection ended");
                }
                return;
            }
            // From here on only calls in progress keep it open; the drain time bounds them.
            () = stop.cancelled(), if !closing => {
                connection.as_mut().graceful_shutdown();
                closing = true;
            }
            () = first_request.as_mut(), if waiting => {
                if !used.load(Ordering::Relaxed) {
                    return;
                }
                waiting = false;
            }
        }
    }
}
