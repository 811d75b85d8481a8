//! The door in front of peers: attacks, bounds, and connections that grow old.

#![expect(clippy::unwrap_used, reason = "a story that cannot go on fails there")]

#[path = "shared/stranger.rs"]
mod stranger;

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use outcry_mesh::authorize::{Rule, Rules};
use outcry_mesh::door::{App, DoorView, RemoteAddress, Transport};
use outcry_mesh::{Bounds, Channel, Directory, Door, Endpoints, MeshKey, listen_within};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_stream::Stream;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::{Code, Request, Response, Status};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_types::StatusExt;
use uuid::Uuid;

use crate::stranger::{
    ENHANCE_YOUR_CALM, PREFACE, Stranger, call, endless_headers, more_headers, reset, resident,
};

const CHECK: &str = "/grpc.health.v1.Health/Check";
const WATCH: &str = "/grpc.health.v1.Health/Watch";

/// Longest wait for something that must happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// Longer than any of these stories takes.
const NEVER: Duration = Duration::from_secs(3600);

/// Held by stories that look at the memory of this process, or use much of it.
static MEMORY: Mutex<()> = Mutex::const_new(());

async fn alone() -> MutexGuard<'static, ()> {
    MEMORY.lock().await
}

/// A service that counts: each of its streams goes on from the position it is asked for.
struct Counting;

type Numbers = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

#[tonic::async_trait]
impl Health for Counting {
    async fn check(
        &self,
        _: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        Ok(Response::new(HealthCheckResponse { status: 1 }))
    }

    type WatchStream = Numbers;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Numbers>, Status> {
        let after: i32 = request.into_inner().service.parse().unwrap();
        let numbers = futures::stream::unfold(after, |last| async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            let status = last + 1;
            Some((Ok(HealthCheckResponse { status }), status))
        });
        Ok(Response::new(Box::pin(numbers)))
    }
}

/// Anybody may call, and nothing may be called twice.
fn rules() -> Rules {
    let rule = |streaming| Rule {
        callers: vec!["b".to_owned()],
        streaming,
        ..Rule::default()
    };
    [(CHECK, rule(false)), (WATCH, rule(true))]
        .into_iter()
        .map(|(path, rule)| (path.to_owned(), rule))
        .collect()
}

fn key() -> MeshKey {
    MeshKey::from_secret(&[7; 32])
}

/// A process that serves the counting service `a`.
struct Peer {
    directory: Directory,
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Peer {
    async fn start(bounds: Bounds) -> Peer {
        let directory = Directory::with(rules(), || Uuid::from_u128(42));
        let routes = Routes::new(HealthServer::new(Counting));
        directory.register("a", routes).unwrap();
        directory.set_ready(true);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let serving = listen_within(bounds, directory.clone(), listener, key(), stop.clone());
        Peer {
            directory,
            address,
            stop,
            task: tokio::spawn(serving),
        }
    }

    /// A client of `a` in another process.
    fn client(&self) -> HealthClient<Channel> {
        let directory = Directory::with(rules(), || Uuid::from_u128(43));
        directory.join(key());
        let address = format!("http://{}", self.address);
        directory.remote("a", Endpoints::at([address.as_str()]).unwrap());
        HealthClient::new(directory.channel("b", "a"))
    }

    fn door(&self) -> DoorView {
        self.directory.doors().remove(0)
    }

    fn ended(&self, reason: &str) -> u64 {
        self.door().ended.get(reason).copied().unwrap_or(0)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Calls on and on until the guard is dropped; answers how many calls there were. None may fail.
struct Honest {
    stop: Arc<AtomicBool>,
    task: JoinHandle<u64>,
}

impl Honest {
    fn calls(mut client: HealthClient<Channel>) -> Honest {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            let mut count = 0;
            while !stopped.load(Ordering::Relaxed) {
                client.check(ask("")).await.unwrap();
                count += 1;
            }
            count
        });
        Honest { stop, task }
    }

    async fn count(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        in_time(self.task).await.unwrap()
    }
}

fn ask(what: &str) -> Request<HealthCheckRequest> {
    Request::new(HealthCheckRequest {
        service: what.to_owned(),
    })
}

async fn in_time<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.unwrap()
}

async fn until(condition: impl Fn() -> bool) {
    in_time(async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// Reads until the other side closes.
async fn closed(stream: &mut TcpStream) {
    // A reset is an end, too.
    let _ = in_time(stream.read_to_end(&mut Vec::new())).await;
}

#[tokio::test]
async fn streams_begun_and_reset_without_end_close_their_connection_and_nobody_elses() {
    let _alone = alone().await;
    let peer = Peer::start(Bounds::of_peers()).await;
    let mut client = peer.client();
    client.check(ask("")).await.unwrap();
    let honest = Honest::calls(client);
    let before = resident();
    let (mut writer, goodbye) = Stranger::connect(peer.address).await.listening();
    for number in 0..20_000 {
        let stream = 2 * number + 1;
        let both = [call(stream, CHECK), reset(stream)].concat();
        if writer.write_all(&both).await.is_err() {
            break;
        }
    }
    assert_eq!(in_time(goodbye).await.unwrap(), Some(ENHANCE_YOUR_CALM));
    let grown = resident().saturating_sub(before);
    assert!(grown < 64 << 20, "grown by {grown} bytes");
    assert!(honest.count().await > 0);
    until(|| peer.ended("flood") == 1).await;
}

#[tokio::test]
async fn streams_reset_after_they_were_taken_count_as_well() {
    const AT_ONCE: u32 = 300;
    let peer = Peer::start(Bounds {
        resets_at_once_max: AT_ONCE,
        resets_per_second_max: 0,
        ..Bounds::of_peers()
    })
    .await;
    let honest = Honest::calls(peer.client());
    let mut stranger = Stranger::connect(peer.address).await;
    // Few at a time, each taken before it is reset: no bound on waiting streams sees this.
    for number in 0..AT_ONCE {
        let stream = 2 * number + 1;
        stranger.send(&call(stream, WATCH)).await.unwrap();
        assert!(stranger.is_heard().await);
        stranger.send(&reset(stream)).await.unwrap();
    }
    assert!(stranger.is_heard().await, "as many as are allowed");
    let last = 2 * AT_ONCE + 1;
    stranger.send(&call(last, WATCH)).await.unwrap();
    assert!(stranger.is_heard().await);
    stranger.send(&reset(last)).await.unwrap();
    let (_writer, goodbye) = stranger.listening();
    assert_eq!(in_time(goodbye).await.unwrap(), Some(ENHANCE_YOUR_CALM));
    assert!(honest.count().await > 0);
    until(|| peer.ended("flood") == 1).await;
}

#[tokio::test]
async fn headers_that_never_end_are_cut_off_before_they_are_kept() {
    let _alone = alone().await;
    let peer = Peer::start(Bounds::of_peers()).await;
    let honest = Honest::calls(peer.client());
    let before = resident();
    let (mut writer, goodbye) = Stranger::connect(peer.address).await.listening();
    writer.write_all(&endless_headers(1)).await.unwrap();
    let more = more_headers(1);
    for _ in 0..2_000 {
        if writer.write_all(&more).await.is_err() {
            break;
        }
    }
    assert_eq!(in_time(goodbye).await.unwrap(), Some(ENHANCE_YOUR_CALM));
    let grown = resident().saturating_sub(before);
    assert!(grown < 5 << 20, "grown by {grown} bytes");
    assert!(honest.count().await > 0);
    until(|| peer.ended("flood") == 1).await;
}

#[tokio::test]
async fn a_thousand_connections_that_only_greet_are_all_closed() {
    const SOCKETS: usize = 1000;
    let _alone = alone().await;
    let peer = Peer::start(Bounds {
        first_request_within: Duration::from_millis(500),
        close_within: Duration::from_millis(100),
        ..Bounds::of_peers()
    })
    .await;
    let mut client = peer.client();
    client.check(ask("")).await.unwrap();
    let honest = Honest::calls(client);
    let mut sockets = Vec::new();
    for _ in 0..SOCKETS {
        let mut socket = TcpStream::connect(peer.address).await.unwrap();
        socket.write_all(PREFACE).await.unwrap();
        sockets.push(socket);
    }
    for mut socket in sockets {
        closed(&mut socket).await;
    }
    until(|| peer.ended("first_request_late") == SOCKETS as u64).await;
    assert!(honest.count().await > 0);
    let door = peer.door();
    assert_eq!(door.accepted, SOCKETS as u64 + 1);
    // The one of the honest client.
    until(|| peer.door().connections.len() == 1).await;
    assert!(peer.door().connections[0].streams_started > 0);
    assert!(peer.door().connections[0].bytes_in > 0 && peer.door().connections[0].bytes_out > 0);
}

#[tokio::test]
async fn an_address_gets_so_many_connections_and_its_place_back() {
    let peer = Peer::start(Bounds {
        connections_per_address_max: 2,
        ..Bounds::of_peers()
    })
    .await;
    let mut client = peer.client();
    client.check(ask("")).await.unwrap();
    let second = Stranger::connect(peer.address).await;
    until(|| peer.door().connections.len() == 2).await;
    let mut third = TcpStream::connect(peer.address).await.unwrap();
    closed(&mut third).await;
    assert_eq!(peer.ended("too_many_of_address"), 1);
    drop(second);
    until(|| peer.door().connections.len() == 1).await;
    let mut again = Stranger::connect(peer.address).await;
    assert!(in_time(again.is_heard()).await);
    client.check(ask("")).await.unwrap();
}

#[tokio::test]
async fn peers_speak_http_2_or_nothing() {
    let peer = Peer::start(Bounds::of_peers()).await;
    for said in [
        &b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 no TLS here",
        &[0xff; 300],
    ] {
        let mut socket = TcpStream::connect(peer.address).await.unwrap();
        socket.write_all(said).await.unwrap();
        closed(&mut socket).await;
    }
    until(|| peer.ended("broken") == 3).await;
    peer.client().check(ask("")).await.unwrap();
}

#[tokio::test]
async fn old_connections_are_changed_without_a_failed_call_or_a_gap() {
    const ROTATIONS: u64 = 20;
    let peer = Peer::start(Bounds {
        age_max: Duration::from_millis(100),
        age_grace: Duration::from_millis(30),
        ..Bounds::of_peers()
    })
    .await;
    let client = peer.client();
    let callers = [(); 4].map(|()| Honest::calls(client.clone()));
    let position = Arc::new(AtomicU64::new(0));
    let at = Arc::clone(&position);
    let mut streams = client.clone();
    let reader = tokio::spawn(async move {
        let mut resumed = 0;
        while resumed < ROTATIONS {
            let after = at.load(Ordering::Relaxed);
            let mut numbers = streams.watch(ask(&after.to_string())).await.unwrap();
            loop {
                match numbers.get_mut().message().await {
                    Ok(number) => {
                        let last = at.fetch_add(1, Ordering::Relaxed);
                        assert_eq!(u64::try_from(number.unwrap().status).unwrap(), last + 1);
                    }
                    Err(ended) => {
                        let reason = ended.get_details_error_info().unwrap().reason;
                        assert_eq!(
                            (ended.code(), reason.as_str()),
                            (Code::Unavailable, "RECONNECT")
                        );
                        break;
                    }
                }
            }
            resumed += 1;
        }
    });
    in_time(reader).await.unwrap();
    until(|| peer.ended("aged") >= ROTATIONS).await;
    for caller in callers {
        assert!(caller.count().await > ROTATIONS);
    }
    assert!(position.load(Ordering::Relaxed) > ROTATIONS);
    let ended = peer.door().ended;
    assert_eq!(ended.get("cut_off"), None, "{ended:?}");
    assert_eq!(ended.get("broken"), None, "{ended:?}");
}

#[tokio::test]
async fn a_door_that_is_to_close_stays_open_while_balancers_find_out() {
    const NOT_SERVING: i32 = 2;
    let peer = Peer::start(Bounds {
        drain_delay: NEVER,
        ..Bounds::of_peers()
    })
    .await;
    let address = format!("http://{}", peer.address);
    let channel = tonic::transport::Endpoint::from_shared(address).unwrap();
    let mut probe = HealthClient::new(channel.connect().await.unwrap());
    peer.stop.cancel();
    in_time(async {
        while probe.check(ask("")).await.unwrap().into_inner().status != NOT_SERVING {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // A connection made now is served as before.
    peer.client().check(ask("")).await.unwrap();
}

/// A certificate of its own for `localhost`.
fn certificate() -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    (made.cert.der().clone(), key)
}

/// A door that speaks TLS, and says to everybody where he came from.
async fn encrypted(bounds: Bounds) -> (Directory, SocketAddr, TlsConnector, CancellationToken) {
    let (certificate, key) = certificate();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let server = Arc::new(server);
    let directory = Directory::with(rules(), || Uuid::from_u128(42));
    let transport = Transport::Tls(Arc::new(move || Arc::clone(&server)));
    let door = Door::new("public", bounds, transport, &directory);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app: App = Arc::new(|request| {
        let RemoteAddress(remote) = *request.extensions().get().unwrap();
        Box::pin(async move { http::Response::new(Body::new(remote.to_string())) })
    });
    let stop = CancellationToken::new();
    tokio::spawn(door.serve(listener, app, stop.clone()));
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (
        directory,
        address,
        TlsConnector::from(Arc::new(client)),
        stop,
    )
}

#[tokio::test]
async fn half_a_handshake_is_given_up_and_keeps_nobody_out() {
    const HALVES: usize = 20;
    let (directory, address, connector, _stop) = encrypted(Bounds {
        http1: true,
        handshakes_max: HALVES / 2,
        handshake_within: Duration::from_millis(500),
        ..Bounds::of_peers()
    })
    .await;
    let mut halves = Vec::new();
    for _ in 0..HALVES {
        let mut half = TcpStream::connect(address).await.unwrap();
        // The beginning of a hello that is announced to be longer.
        half.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
            .await
            .unwrap();
        halves.push(half);
    }
    for mut half in halves {
        closed(&mut half).await;
    }
    let ended = directory.doors()[0].ended.clone();
    assert_eq!(
        ended.get("handshake_failed"),
        Some(&(HALVES as u64)),
        "{ended:?}"
    );
    // The next one finds its turn free.
    let stream = TcpStream::connect(address).await.unwrap();
    let here = stream.local_addr().unwrap().to_string();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = in_time(connector.connect(name, stream)).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    in_time(stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.ends_with(&here), "{answer}");
}
