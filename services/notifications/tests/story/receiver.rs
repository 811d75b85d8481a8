//! A user's own server: takes webhooks, checks their signatures, and misbehaves when told to.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use hmac::{Hmac, Mac};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use outcry_notifications::signature::SIGNATURE;
use outcry_service::testing::eventually;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::Sha256;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// What the receiver does with what it gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Manner {
    /// Answers with a status.
    Answer(u16),
    /// Sends the caller elsewhere.
    Redirect(String),
    /// Takes the message and hangs up without an answer.
    HangUp,
    /// Takes the message and never answers.
    Stall,
    /// Answers with success and a head larger than anybody needs.
    LargeHead,
}

/// A message as it came.
#[derive(Debug, Clone)]
pub struct Taken {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

#[derive(Debug)]
struct Shared {
    manner: Mutex<Manner>,
    taken: Mutex<Vec<Taken>>,
}

pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    tls: Option<TlsAcceptor>,
    running: JoinSet<()>,
}

impl Receiver {
    /// A receiver that takes everything.
    pub async fn open() -> Self {
        Self::start(None).await
    }

    /// The same over TLS, with a certificate and its key in PEM.
    pub async fn open_tls(certificate: &str, key: &str) -> Self {
        let chain = CertificateDer::pem_slice_iter(certificate.as_bytes());
        let chain: Vec<_> = chain.collect::<Result<_, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        Self::start(Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn start(tls: Option<TlsAcceptor>) -> Self {
        let mut receiver = Self {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            shared: Arc::new(Shared {
                manner: Mutex::new(Manner::Answer(200)),
                taken: Mutex::default(),
            }),
            tls,
            running: JoinSet::new(),
        };
        receiver.listen();
        receiver
    }

    fn listen(&mut self) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(self.address).unwrap();
        let listener = socket.listen(64).unwrap();
        self.address = listener.local_addr().unwrap();
        let (shared, tls) = (Arc::clone(&self.shared), self.tls.clone());
        self.running.spawn(accept(listener, shared, tls));
    }

    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}/hooks?of=ann", self.address)
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Nobody listens any more.
    pub async fn down(&mut self) {
        self.running.shutdown().await;
    }

    /// Listens again, where it did.
    pub fn up(&mut self) {
        self.listen();
    }

    pub fn behave(&self, manner: Manner) {
        *self.shared.manner.lock().unwrap() = manner;
    }

    pub fn taken(&self) -> Vec<Taken> {
        self.shared.taken().clone()
    }

    pub async fn has(&self, count: usize) -> Vec<Taken> {
        eventually("the receiver has the messages", async || {
            self.taken().len() >= count
        })
        .await;
        self.taken()
    }
}

impl Shared {
    fn taken(&self) -> MutexGuard<'_, Vec<Taken>> {
        self.taken.lock().unwrap()
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, tls: Option<TlsAcceptor>) {
    let mut open = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (shared, tls) = (Arc::clone(&shared), tls.clone());
        open.spawn(async move {
            match tls {
                None => serve(stream, shared).await,
                Some(tls) => {
                    // A caller that does not trust the certificate hangs up.
                    if let Ok(stream) = tls.accept(stream).await {
                        serve(stream, shared).await;
                    }
                }
            }
        });
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, shared: Arc<Shared>) {
    let service = service_fn(|request| answer(request, Arc::clone(&shared)));
    // Connections are broken off by either side in some stories.
    let _ended = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

#[derive(Debug)]
struct HungUp;

impl std::fmt::Display for HungUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("hung up")
    }
}

impl std::error::Error for HungUp {}

impl From<Infallible> for HungUp {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
) -> Result<Response<Full<Bytes>>, HungUp> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| HungUp)?.to_bytes();
    let taken = Taken {
        path: head.uri.to_string(),
        headers: head.headers,
        body,
    };
    shared.taken().push(taken);
    let manner = shared.manner.lock().unwrap().clone();
    let response = Response::builder();
    let response = match manner {
        Manner::Answer(status) => response.status(status),
        Manner::Redirect(to) => response.status(307).header("location", to),
        Manner::LargeHead => response.header("filler", "x".repeat(64 * 1024)),
        Manner::HangUp => return Err(HungUp),
        Manner::Stall => {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            return Err(HungUp);
        }
    };
    Ok(response.body(Full::new(Bytes::from("thanks"))).unwrap())
}

impl Taken {
    pub fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Checks the signature as a receiver is told to, with code of its own; the time it is of.
    pub fn verified(&self, secret: &str) -> u64 {
        let (time, hex) = self.header(SIGNATURE).split_once(',').unwrap();
        let (time, hex) = (
            time.strip_prefix("t=").unwrap(),
            hex.strip_prefix("v1=").unwrap(),
        );
        let bytes: Vec<u8> = (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
            .collect();
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(time.as_bytes());
        mac.update(b".");
        mac.update(&self.body);
        mac.verify_slice(&bytes).unwrap();
        time.parse().unwrap()
    }
}
