//! Who this process is, and whom it believes: certificates in files, taken anew whenever they change.

mod facts;
mod leaf;
mod material;
mod verifier;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_util::sync::CancellationToken;

pub use self::facts::CertificateFacts;
pub use self::leaf::LeafError;
pub use self::material::CertificateFiles;

use self::leaf::Leaf;
use self::material::{ALPN, Contents, Material};
use crate::accounts::Accounts;
use crate::spiffe::{SpiffeId, TrustDomain};
use crate::stream::Stream;

/// How often the files are looked at: certificates are replaced hours before they end, and an
/// authority that is taken away should soon count for nothing.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// By how much that varies, so that a platform's processes do not all look at once.
const LOOK_JITTER: f64 = 0.2;

/// The certificates of a process. Cheap to clone; all clones are the same ones.
#[derive(Clone)]
pub struct Certificates {
    inner: Arc<Inner>,
}

struct Inner {
    files: CertificateFiles,
    trust_domain: TrustDomain,
    accounts: Accounts,
    current: RwLock<Arc<Current>>,
    failures: AtomicU64,
    failing: AtomicBool,
}

/// A set in use, and the contents it was made of.
struct Current {
    contents: Contents,
    material: Material,
}

/// What there is to know about a process's certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateStatus {
    /// Who the process is.
    pub id: SpiffeId,
    /// When the first certificate of its chain ends.
    pub not_after: SystemTime,
    /// How often files were found that could not be used.
    pub reload_failures: u64,
    /// The files as they are now cannot be used; the ones before are.
    pub reload_failing: bool,
}

/// The process at the other end of a connection, proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) id: SpiffeId,
    pub(crate) account: String,
    /// When its certificate ends; the connection should not outlast it.
    pub(crate) not_after: SystemTime,
}

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("certificate file {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// Everybody on the machine could read the key.
    #[error("key {path} can be read by everybody: allow its owner alone (chmod 600)")]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// Not PEM, or a part of it is missing.
    #[error("a certificate file is not whole PEM")]
    Pem(#[source] rustls::pki_types::pem::Error),
    /// No key in the file.
    #[error("the key file holds no private key in PEM")]
    Key(#[source] rustls::pki_types::pem::Error),
    /// PEM that holds something else.
    #[error("a certificate cannot be read")]
    Unreadable,
    /// The file of the process's own certificate holds none.
    #[error("there is no certificate of the process itself")]
    NoCertificate,
    /// More certificates than any chain needs.
    #[error("the chain of certificates is too long")]
    ChainTooLong,
    /// The file of the authorities holds none, or none whose time has not ended.
    #[error("there is no authority to believe")]
    NoAuthority,
    /// A certificate among the authorities is no authority's.
    #[error("`{0}` is among the authorities and is none")]
    NotAnAuthority(String),
    /// The process's own certificate would be refused by others.
    #[error("the process's own certificate")]
    Own(#[from] LeafError),
    /// Its time has not come.
    #[error("the certificate is not valid yet; do the clocks differ?")]
    NotYetValid,
    /// Its time has ended.
    #[error("the certificate has ended; have a new one issued")]
    Expired,
    /// Nobody who believes the same authorities would believe it.
    #[error("no authority in the file vouches for the process's own certificate")]
    NotVouchedFor(#[source] rustls::Error),
    /// The parts do not fit: most often a key of another certificate.
    #[error("certificate and key cannot be used together")]
    Unfit(#[from] rustls::Error),
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates")
            .field("id", &self.current().material.leaf.id)
            .finish_non_exhaustive()
    }
}

impl Certificates {
    /// Reads and checks the certificates of this process.
    ///
    /// # Errors
    /// [`CertificateError`]: whatever would make others refuse this process, or it everybody.
    pub fn load(
        files: CertificateFiles,
        trust_domain: TrustDomain,
        accounts: Accounts,
    ) -> Result<Certificates, CertificateError> {
        let contents = files.read()?;
        let material = Material::of(&contents, &trust_domain, SystemTime::now())?;
        Ok(Certificates {
            inner: Arc::new(Inner {
                files,
                trust_domain,
                accounts,
                current: RwLock::new(Arc::new(Current { contents, material })),
                failures: AtomicU64::new(0),
                failing: AtomicBool::new(false),
            }),
        })
    }

    /// Who the process is, and how its certificates are.
    pub fn status(&self) -> CertificateStatus {
        let current = self.current();
        CertificateStatus {
            id: current.material.leaf.id.clone(),
            not_after: current.material.not_after,
            reload_failures: self.inner.failures.load(Ordering::Relaxed),
            reload_failing: self.inner.failing.load(Ordering::Relaxed),
        }
    }

    /// Whether this process's own account may speak for a service: others refuse its calls, and do
    /// not call it, where it may not.
    pub fn may_speak_for(&self, service: &str) -> bool {
        let current = self.current();
        let account = &current.material.leaf.account;
        self.inner.accounts.may_speak_for(account, service)
    }

    /// Which services accounts may speak for.
    pub(crate) fn accounts(&self) -> &Accounts {
        &self.inner.accounts
    }

    /// Looks at the files, and uses what is in them from the next connection on; says whether that is
    /// anything new.
    ///
    /// # Errors
    /// [`CertificateError`]: then what was in use stays in use.
    pub fn reload(&self) -> Result<bool, CertificateError> {
        let outcome = self.replace();
        match &outcome {
            Ok(_) => self.inner.failing.store(false, Ordering::Relaxed),
            Err(_) => {
                self.inner.failures.fetch_add(1, Ordering::Relaxed);
                self.inner.failing.store(true, Ordering::Relaxed);
            }
        }
        outcome
    }

    fn replace(&self) -> Result<bool, CertificateError> {
        let mut contents = self.inner.files.read()?;
        if contents == self.current().contents {
            return Ok(false);
        }
        let now = SystemTime::now();
        let trust_domain = &self.inner.trust_domain;
        let material = match Material::of(&contents, trust_domain, now) {
            Ok(material) => material,
            Err(error) => {
                // The files may have been exchanged just between the reading of one and the next.
                let again = self.inner.files.read()?;
                if again == contents {
                    return Err(error);
                }
                contents = again;
                Material::of(&contents, trust_domain, now)?
            }
        };
        let id = material.leaf.id.to_string();
        let current = Arc::new(Current { contents, material });
        *self
            .inner
            .current
            .write()
            .unwrap_or_else(PoisonError::into_inner) = current;
        tracing::info!(id, "new certificates are in use");
        Ok(true)
    }

    /// Looks at the files again and again until `shutdown`. They are compared by what is in them:
    /// orchestrators exchange folders behind links.
    pub async fn watch(self, shutdown: CancellationToken) {
        let mut told = String::new();
        loop {
            let varied = 1.0 + LOOK_JITTER * (2.0 * fastrand::f64() - 1.0);
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY.mul_f64(varied)) => {}
            }
            let certificates = self.clone();
            let looked = tokio::task::spawn_blocking(move || certificates.reload()).await;
            let failure = match looked {
                Ok(Err(error)) => chain(&error),
                Ok(Ok(_)) | Err(_) => String::new(),
            };
            // Once for every way of failing: the gauge shows that it lasts.
            if !failure.is_empty() && failure != told {
                tracing::error!(
                    failure,
                    "new certificates cannot be used; the old ones stay"
                );
            }
            told = failure;
        }
    }

    /// Makes an accepted connection a proven one. How long that may take is for the caller to say.
    ///
    /// # Errors
    /// The peer is no process of the platform.
    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<(Stream, Peer)> {
        let config = Arc::clone(&self.current().material.server);
        let stream = TlsAcceptor::from(config).accept(stream).await?;
        let (_, session) = stream.get_ref();
        let peer = proven(session.alpn_protocol(), session.peer_certificates())?;
        Ok((Stream::Tls(Box::new(stream.into())), peer))
    }

    /// Makes a connection to `target` a proven one. How long that may take is for the caller to say.
    ///
    /// # Errors
    /// The peer is no process of the platform, or none that may answer calls to `target`.
    pub(crate) async fn connect(
        &self,
        stream: TcpStream,
        target: &str,
    ) -> io::Result<(Stream, Peer)> {
        let current = self.current();
        let name = ServerName::IpAddress(SocketAddr::ip(&stream.peer_addr()?).into());
        let stream = TlsConnector::from(Arc::clone(&current.material.client))
            .connect(name, stream)
            .await?;
        let (_, session) = stream.get_ref();
        let mut peer = proven(session.alpn_protocol(), session.peer_certificates())?;
        if !self.inner.accounts.may_speak_for(&peer.account, target) {
            let refusal = format!("{} may not answer calls to service {target}", peer.id);
            return Err(io::Error::new(io::ErrorKind::InvalidData, refusal));
        }
        peer.not_after = peer.not_after.min(current.material.not_after);
        Ok((Stream::Tls(Box::new(stream.into())), peer))
    }

    fn current(&self) -> Arc<Current> {
        Arc::clone(
            &self
                .inner
                .current
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }
}

/// The peer of a finished handshake, which has verified its certificate.
fn proven(
    protocol: Option<&[u8]>,
    certificates: Option<&[CertificateDer<'_>]>,
) -> io::Result<Peer> {
    let invalid = |error: String| io::Error::new(io::ErrorKind::InvalidData, error);
    if protocol != Some(ALPN) {
        return Err(invalid("the peer does not speak HTTP/2".to_owned()));
    }
    let own = certificates
        .and_then(<[_]>::first)
        .ok_or_else(|| invalid("the peer has no certificate".to_owned()))?;
    let leaf = Leaf::read(own).map_err(|error| invalid(chain(&error)))?;
    Ok(Peer {
        id: leaf.id,
        account: leaf.account,
        not_after: leaf.not_after,
    })
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
