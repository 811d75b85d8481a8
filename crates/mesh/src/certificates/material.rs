//! The three files a process proves itself with, read and checked as one set.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::CertificateError;
use super::leaf::{Leaf, moment};
use super::verifier::{Callees, Callers, Platform};
use crate::spiffe::TrustDomain;
use crate::token::exposed;

/// Largest file that is read: a bundle of dozens of authorities.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// Certificates of a chain at most: longer ones are a mistake, and cost every handshake.
const CHAIN_MAX: usize = 8;

/// The one protocol spoken inside TLS.
pub(crate) const ALPN: &[u8] = b"h2";

/// Where the certificates of a process are, as PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// Its own certificate, followed by the intermediate ones.
    pub certificate: PathBuf,
    /// The private key of its certificate; nobody else may read it.
    pub key: PathBuf,
    /// Certificates of the authorities it believes. While one follows another, there are both.
    pub authorities: PathBuf,
}

/// What is in the files.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
    authorities: Vec<u8>,
}

/// A set that fits together.
pub(crate) struct Material {
    pub(crate) leaf: Leaf,
    /// When the first certificate of the chain ends.
    pub(crate) not_after: SystemTime,
    pub(crate) server: Arc<ServerConfig>,
    pub(crate) client: Arc<ClientConfig>,
}

impl CertificateFiles {
    pub(crate) fn read(&self) -> Result<Contents, CertificateError> {
        Ok(Contents {
            certificate: read(&self.certificate, false)?,
            key: read(&self.key, true)?,
            authorities: read(&self.authorities, false)?,
        })
    }
}

impl Material {
    /// Checks a set and makes both sides' configurations of it.
    ///
    /// # Errors
    /// [`CertificateError`]: whatever would make others refuse us, or us everybody.
    pub(crate) fn of(
        contents: &Contents,
        trust_domain: &TrustDomain,
        now: SystemTime,
    ) -> Result<Material, CertificateError> {
        let chain = certificates(&contents.certificate)?;
        let own = chain.first().ok_or(CertificateError::NoCertificate)?;
        if chain.len() > CHAIN_MAX {
            return Err(CertificateError::ChainTooLong);
        }
        let leaf = Leaf::read(own)?;
        // Any namespace: ours is the one in our certificate.
        leaf.of_platform(trust_domain, &leaf.namespace)?;
        leaf.for_client()?;
        leaf.for_server()?;
        let (not_before, not_after) = chain_time(&chain)?;
        if now < not_before {
            return Err(CertificateError::NotYetValid);
        }
        if not_after <= now {
            return Err(CertificateError::Expired);
        }
        let authorities = authorities(&contents.authorities, now)?;
        let provider = Arc::new(ring::default_provider());
        vouched(&chain, &authorities, now, &provider)?;
        let key = PrivateKeyDer::from_pem_slice(&contents.key).map_err(CertificateError::Key)?;
        let platform = Platform {
            trust_domain: trust_domain.clone(),
            namespace: leaf.namespace.clone(),
        };
        Ok(Material {
            server: Arc::new(server(
                chain.clone(),
                key.clone_key(),
                Callers::new(
                    Arc::clone(&authorities),
                    platform.clone(),
                    Arc::clone(&provider),
                )
                .map_err(|_| CertificateError::NoAuthority)?,
                &provider,
            )?),
            client: Arc::new(client(
                chain,
                key,
                Callees::new(authorities, platform, &provider),
                &provider,
            )?),
            leaf,
            not_after,
        })
    }
}

/// Sessions are never resumed, on either side: each connection is a handshake in which both show
/// their certificates, so that an authority that was taken away counts at the next connection.
/// Connections last minutes; a full handshake costs a millisecond.
fn server(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    callers: Callers,
    provider: &Arc<CryptoProvider>,
) -> Result<ServerConfig, CertificateError> {
    let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(Arc::new(callers))
        .with_single_cert(chain, key)?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(config)
}

fn client(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    callees: Callees,
    provider: &Arc<CryptoProvider>,
) -> Result<ClientConfig, CertificateError> {
    let mut config = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(callees))
        .with_client_auth_cert(chain, key)?;
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![ALPN.to_vec()];
    // Nothing is chosen by a host name, and none needs to be seen on the wire.
    config.enable_sni = false;
    Ok(config)
}

fn read(path: &Path, secret: bool) -> Result<Vec<u8>, CertificateError> {
    let fail = |source| CertificateError::Io {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(fail)?;
    if secret && exposed(&file).map_err(fail)? {
        return Err(CertificateError::Exposed {
            path: path.to_owned(),
        });
    }
    let mut content = Vec::new();
    file.take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut content)
        .map_err(fail)?;
    if content.len() as u64 > FILE_BYTES_MAX {
        return Err(fail(io::ErrorKind::FileTooLarge.into()));
    }
    Ok(content)
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(CertificateError::Pem)
}

/// The time in which all certificates of the chain are valid.
fn chain_time(chain: &[CertificateDer<'_>]) -> Result<(SystemTime, SystemTime), CertificateError> {
    let mut time = (SystemTime::UNIX_EPOCH, far_future());
    for der in chain {
        let (_, certificate) =
            X509Certificate::from_der(der).map_err(|_| CertificateError::Unreadable)?;
        let validity = certificate.validity();
        time.0 = time.0.max(moment(validity.not_before));
        time.1 = time.1.min(moment(validity.not_after));
    }
    Ok(time)
}

/// The end of the year 9999: certificates say so when they never end.
fn far_future() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_799)
}

/// The authorities whose time has not ended: chains are verified up to them, not beyond.
fn authorities(pem: &[u8], now: SystemTime) -> Result<Arc<RootCertStore>, CertificateError> {
    let mut store = RootCertStore::empty();
    for der in certificates(pem)? {
        let (_, certificate) =
            X509Certificate::from_der(&der).map_err(|_| CertificateError::Unreadable)?;
        if !certificate.is_ca() {
            return Err(CertificateError::NotAnAuthority(
                certificate.subject().to_string(),
            ));
        }
        if moment(certificate.validity().not_after) <= now {
            let authority = certificate.subject().to_string();
            tracing::warn!(
                authority,
                "an authority's time has ended; it vouches for nobody"
            );
            continue;
        }
        store.add(der)?;
    }
    if store.is_empty() {
        return Err(CertificateError::NoAuthority);
    }
    Ok(Arc::new(store))
}

/// Whether those we believe would believe us: others have the same authorities.
fn vouched(
    chain: &[CertificateDer<'_>],
    authorities: &RootCertStore,
    now: SystemTime,
    provider: &CryptoProvider,
) -> Result<(), CertificateError> {
    let (own, intermediates) = chain.split_first().ok_or(CertificateError::NoCertificate)?;
    let since_1970 = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let parsed = rustls::server::ParsedCertificate::try_from(own)?;
    rustls::client::verify_server_cert_signed_by_trust_anchor(
        &parsed,
        authorities,
        intermediates,
        UnixTime::since_unix_epoch(since_1970),
        provider.signature_verification_algorithms.all,
    )
    .map_err(CertificateError::NotVouchedFor)
}
