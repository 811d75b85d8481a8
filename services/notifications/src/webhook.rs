//! Messages as signed POSTs to users' own servers.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use url::Url;

use crate::config::{StartError, WebhookConfig};
use crate::deliveries::Failure;
use crate::email::read;
use crate::letter::Letter;
use crate::network::{self, Unfit};
use crate::signature::{SIGNATURE, signature};

/// Header with the id of the delivery: the same in every attempt.
pub const DELIVERY_ID: &str = "outcry-delivery-id";
/// Header with the id of the event.
pub const EVENT_ID: &str = "outcry-event-id";

/// How long a name may take to resolve and a connection to be made.
const CONNECT_WITHIN: Duration = Duration::from_secs(4);
/// How long everything may take: a receiver takes the message and works later.
const POST_WITHIN: Duration = Duration::from_secs(10);
/// Bytes of an answer's head at most.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Bytes of an answer's body that are read, so that a polite receiver can finish; nobody looks at
/// them.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 3;

/// Calls users' servers.
pub(crate) struct Poster {
    allowed: WebhookConfig,
    /// Certificates to trust besides those of the system.
    trusted: Vec<CertificateDer<'static>>,
    /// Made when it is first needed: reading the system's certificates takes a while.
    tls: OnceCell<Arc<ClientConfig>>,
}

// === impl Poster ===

impl Poster {
    /// # Errors
    /// The file of certificates cannot be read or holds none.
    pub(crate) fn new(allowed: WebhookConfig) -> Result<Self, StartError> {
        let trusted = trusted(&allowed.ca_file)?;
        Ok(Self {
            allowed,
            trusted,
            tls: OnceCell::new(),
        })
    }

    /// Whether messages may be sent to a URL, as far as can be seen now.
    pub(crate) fn check(&self, target: &str) -> Result<(), Unfit> {
        network::target(target, &self.allowed).map(drop)
    }

    /// Posts a message. Done when the receiver answers with success.
    pub(crate) async fn post(
        &self,
        target: &str,
        secret: &str,
        letter: &Letter,
        now: SystemTime,
    ) -> Result<(), Failure> {
        // Rules may have changed since the URL was set.
        let url = network::target(target, &self.allowed).map_err(|unfit| refused(&unfit))?;
        let body = serde_json::to_vec(letter)
            .map_err(|_| Failure::lasting("the message cannot be written"))?;
        let at_s = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let request = Request::post(&url[url::Position::BeforePath..url::Position::AfterQuery])
            .header(HOST, host(&url))
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, "outcry-webhooks/1")
            .header(DELIVERY_ID, &letter.delivery_id)
            .header(EVENT_ID, &letter.event_id)
            .header(SIGNATURE, signature(secret, at_s, &body))
            .body(Full::new(Bytes::from(body)))
            .map_err(|_| Failure::lasting("the URL cannot be called"))?;
        // Known before the answer's body, which may never end.
        let mut status = None;
        let posting = self.exchange(&url, request, &mut status);
        let outcome = tokio::time::timeout(POST_WITHIN, posting).await;
        match (status, outcome) {
            (Some(status), _) => judged(status),
            (None, Ok(Err(failure))) => Err(failure),
            (None, _) => Err(Failure::passing("the receiver did not answer in time")),
        }
    }

    async fn exchange(
        &self,
        url: &Url,
        request: Request<Full<Bytes>>,
        status: &mut Option<StatusCode>,
    ) -> Result<(), Failure> {
        let connecting = tokio::time::timeout(CONNECT_WITHIN, self.connect(url)).await;
        let late = || Failure::passing("no connection to the receiver could be made in time");
        let stream = connecting.unwrap_or_else(|_elapsed| Err(late()))?;
        if url.scheme() == "http" {
            return converse(stream, request, status).await;
        }
        let name = url.host_str().unwrap_or_default();
        let name = name.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| Failure::lasting("the URL's host has no name to be verified"))?;
        let connector = TlsConnector::from(self.tls().await?);
        let stream = connector.connect(name, stream).await.map_err(|_| {
            Failure::passing("no encrypted connection to the receiver could be made")
        })?;
        converse(stream, request, status).await
    }

    /// A connection to one of the addresses that a URL's host resolves to and that are allowed.
    async fn connect(&self, url: &Url) -> Result<TcpStream, Failure> {
        let unresolved = || Failure::passing("the receiver's name cannot be resolved");
        let addresses: Vec<SocketAddr> = match url.host() {
            Some(url::Host::Domain(name)) => {
                let port = url.port_or_known_default().unwrap_or(443);
                let found = tokio::net::lookup_host((name, port)).await;
                found.map_err(|_| unresolved())?.collect()
            }
            _ => url.socket_addrs(|| None).map_err(|_| unresolved())?,
        };
        let mut last = unresolved();
        for address in addresses.into_iter().take(ADDRESSES_MAX) {
            match network::judge(address.ip(), url, &self.allowed) {
                Err(unfit) => last = refused(&unfit),
                Ok(()) => match TcpStream::connect(address).await {
                    Ok(stream) => return Ok(stream),
                    Err(_) => last = Failure::passing("the receiver cannot be reached"),
                },
            }
        }
        Err(last)
    }

    async fn tls(&self) -> Result<Arc<ClientConfig>, Failure> {
        let made = self.tls.get_or_try_init(async || {
            let trusted = self.trusted.clone();
            let reading = tokio::task::spawn_blocking(move || encryption(trusted));
            reading
                .await
                .ok()
                .flatten()
                .ok_or_else(|| Failure::passing("encryption cannot be set up here"))
        });
        made.await.cloned()
    }
}

/// Sends the request and notes the answer's status; the rest of the answer is only drained.
async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: Request<Full<Bytes>>,
    status: &mut Option<StatusCode>,
) -> Result<(), Failure> {
    let broken = |_| Failure::passing("the connection to the receiver broke off");
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_BYTES_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let exchange = async {
        // Redirects are answers like any other: whoever may be called was judged, others were not.
        let answer = sender.send_request(request).await.map_err(broken)?;
        *status = Some(answer.status());
        let _read = Limited::new(answer.into_body(), BODY_BYTES_MAX)
            .collect()
            .await;
        drop(sender);
        Ok(())
    };
    let (exchanged, _closed) = tokio::join!(biased; exchange, connection);
    exchanged
}

fn judged(status: StatusCode) -> Result<(), Failure> {
    match status {
        status if status.is_success() => Ok(()),
        StatusCode::GONE => Err(Failure::lasting("the receiver answered 410: it is gone")),
        status if status.is_redirection() => Err(Failure::passing(format!(
            "the receiver answered {}: redirects are not followed",
            status.as_u16()
        ))),
        status => Err(Failure::passing(format!(
            "the receiver answered {}",
            status.as_u16()
        ))),
    }
}

/// A name may point to another address later.
fn refused(unfit: &Unfit) -> Failure {
    Failure::passing(format!("the URL {unfit}"))
}

/// Host and port as the header has them.
fn host(url: &Url) -> &str {
    &url[url::Position::BeforeHost..url::Position::AfterPort]
}

fn trusted(ca_file: &Path) -> Result<Vec<CertificateDer<'static>>, StartError> {
    if ca_file.as_os_str().is_empty() {
        return Ok(Vec::new());
    }
    let setting = "webhooks.ca_file";
    let pem = read(setting, ca_file)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(StartError::Certificates {
            setting,
            path: ca_file.to_owned(),
        }),
    }
}

fn encryption(trusted: Vec<CertificateDer<'static>>) -> Option<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots.add_parsable_certificates(trusted);
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .ok()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Some(Arc::new(config))
}
