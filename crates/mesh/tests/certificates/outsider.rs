//! Programs that are no processes of the mesh: they show what they please and believe everybody.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, HandshakeKind, ServerConfig, SignatureScheme,
    SupportedProtocolVersion,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tonic::body::Body;
use tonic::metadata::AsciiMetadataValue;
use tonic::{Code, Status};
use tonic_health::pb::health_client::HealthClient;

use crate::authority::Issued;
use crate::probe::{ask, reason};

/// What became of an attempt to call a process of the mesh.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The call was made.
    In,
    /// There was no connection on which anything could be said.
    NotConnected,
    /// The call was refused with this code and reason.
    Refused(Code, &'static str),
}

/// A program that calls.
pub struct Outsider {
    tls: Option<Arc<ClientConfig>>,
    resumed: AtomicUsize,
}

trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Bytes for T {}

impl Outsider {
    /// Shows a certificate, or none.
    pub fn with(issued: Option<&Issued>) -> Outsider {
        Outsider::speaking(&TLS13, issued, &[b"h2"])
    }

    pub fn of_1_2(issued: &Issued) -> Outsider {
        Outsider::speaking(&TLS12, Some(issued), &[b"h2"])
    }

    /// Does not say that it speaks HTTP/2.
    pub fn without_protocol(issued: &Issued) -> Outsider {
        Outsider::speaking(&TLS13, Some(issued), &[])
    }

    pub fn without_tls() -> Outsider {
        Outsider {
            tls: None,
            resumed: AtomicUsize::new(0),
        }
    }

    fn speaking(
        version: &'static SupportedProtocolVersion,
        issued: Option<&Issued>,
        protocols: &[&[u8]],
    ) -> Outsider {
        let config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[version])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Credulous));
        let mut config = match issued {
            Some(issued) => config.with_client_cert_resolver(Arc::new(Shows(shown(issued)))),
            None => config.with_no_client_auth(),
        };
        config.alpn_protocols = protocols.iter().map(|one| one.to_vec()).collect();
        Outsider {
            tls: Some(Arc::new(config)),
            resumed: AtomicUsize::new(0),
        }
    }

    /// How many connections went on with an earlier session.
    pub fn resumed(&self) -> usize {
        self.resumed.load(Ordering::Relaxed)
    }

    /// Calls a service of the process at an address in some service's name.
    pub async fn call(&self, address: &str, caller: &str, target: &str) -> Outcome {
        let metadata = [("outcry-caller", caller), ("outcry-target", target)];
        self.call_with(address, &metadata).await
    }

    pub async fn call_with(&self, address: &str, metadata: &[(&'static str, &str)]) -> Outcome {
        let Ok(stream) = self.connect(address).await else {
            return Outcome::NotConnected;
        };
        let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let Ok((sender, connection)) = handshake else {
            return Outcome::NotConnected;
        };
        let connection = tokio::spawn(connection);
        let origin = http::Uri::from_static("https://outsider");
        let channel = tower::service_fn(move |request: Request<Body>| {
            let mut sender = sender.clone();
            async move { sender.send_request(request).await }
        });
        let mut request = ask("");
        for (name, value) in metadata {
            let value: AsciiMetadataValue = value.parse().unwrap();
            request.metadata_mut().insert(*name, value);
        }
        let answer = HealthClient::with_origin(channel, origin)
            .check(request)
            .await;
        connection.abort();
        match answer {
            Ok(_) => Outcome::In,
            Err(status) => outcome(&status),
        }
    }

    async fn connect(&self, address: &str) -> io::Result<Box<dyn Bytes>> {
        let stream = TcpStream::connect(address).await?;
        let Some(tls) = &self.tls else {
            return Ok(Box::new(stream));
        };
        let name = ServerName::try_from("outsider").unwrap();
        let stream = TlsConnector::from(Arc::clone(tls))
            .connect(name, stream)
            .await?;
        let kind = stream.get_ref().1.handshake_kind();
        if kind == Some(HandshakeKind::Resumed) {
            self.resumed.fetch_add(1, Ordering::Relaxed);
        }
        Ok(Box::new(stream))
    }
}

/// A refusal of the mesh has a reason; without one the connection was lost before anybody answered.
fn outcome(status: &Status) -> Outcome {
    for known in ["NOT_YOUR_NAME", "NO_CALLER", "NOT_A_PEER"] {
        if reason(status) == known {
            return Outcome::Refused(status.code(), known);
        }
    }
    assert_eq!(reason(status), "", "{status:?}");
    Outcome::NotConnected
}

/// A program that answers.
pub struct Impostor {
    pub address: String,
    calls: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Impostor {
    /// Shows a certificate, or does not even speak TLS.
    pub async fn start(issued: Option<&Issued>) -> Impostor {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let tls = issued.map(|issued| {
            let mut config = ServerConfig::builder_with_provider(provider())
                .with_protocol_versions(&[&TLS13])
                .unwrap()
                .with_no_client_auth()
                .with_cert_resolver(Arc::new(Shows(shown(issued))));
            config.alpn_protocols = vec![b"h2".to_vec()];
            TlsAcceptor::from(Arc::new(config))
        });
        let calls = Arc::new(AtomicUsize::new(0));
        let task = tokio::spawn(serve(listener, tls, Arc::clone(&calls)));
        Impostor {
            address,
            calls,
            task,
        }
    }

    pub fn was_called(&self) -> bool {
        self.calls.load(Ordering::Relaxed) > 0
    }
}

impl Drop for Impostor {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, calls: Arc<AtomicUsize>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let stream: Pin<Box<dyn Bytes>> = match &tls {
            None => Box::pin(stream),
            Some(tls) => match tls.accept(stream).await {
                Ok(stream) => Box::pin(stream),
                Err(_) => continue,
            },
        };
        let calls = Arc::clone(&calls);
        let service = service_fn(move |_: Request<Incoming>| {
            calls.fetch_add(1, Ordering::Relaxed);
            let answer: Response<Body> = Status::unimplemented("").into_http();
            async { Ok::<_, Infallible>(answer) }
        });
        let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        tokio::spawn(http.serve_connection(TokioIo::new(stream), service));
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn shown(issued: &Issued) -> Arc<CertifiedKey> {
    let key = provider()
        .key_provider
        .load_private_key(issued.key())
        .unwrap();
    // Certificate and key are not compared: a thief has only one of them.
    Arc::new(CertifiedKey::new(issued.chain.clone(), key))
}

/// Shows one certificate to everybody.
#[derive(Debug)]
struct Shows(Arc<CertifiedKey>);

impl ResolvesClientCert for Shows {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl ResolvesServerCert for Shows {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// Believes everybody.
#[derive(Debug)]
struct Credulous;

impl ServerCertVerifier for Credulous {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
