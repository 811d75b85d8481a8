//! Where a platform is, and whose certificates it may show there.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint};

/// How long connecting may take: the platform is near, or it is not running.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// The port of an `https` address that names none.
const HTTPS_PORT: u16 = 443;

/// A platform as its clients reach it. Cheap to clone.
#[derive(Clone)]
pub struct Site {
    address: String,
    endpoint: Endpoint,
    /// `None`: nothing is encrypted.
    tls: Option<TlsConnector>,
}

// === impl Site ===

impl Site {
    /// The platform at `address`: `http://host:port`, or `https://host:port`, whose certificate must
    /// be from an authority of these files or one the system trusts.
    ///
    /// # Errors
    /// The address is malformed, or a file holds no certificate.
    pub fn new(address: &str, authorities: &[PathBuf]) -> anyhow::Result<Self> {
        let malformed = || format!("`{address}` is not an address like http://127.0.0.1:7400");
        let origin: Uri = address.parse().with_context(malformed)?;
        let tls = match origin.scheme_str() {
            Some("https") => Some(TlsConnector::from(Arc::new(trusting(authorities)?))),
            _ => None,
        };
        // The connector below encrypts; tonic would want to do so itself if it read `https`.
        let plain = match address.strip_prefix("https://") {
            Some(rest) => format!("http://{rest}"),
            None => address.to_owned(),
        };
        let endpoint = Endpoint::from_shared(plain)
            .with_context(malformed)?
            .origin(origin)
            .connect_timeout(CONNECT_MAX);
        Ok(Self {
            address: address.to_owned(),
            endpoint,
            tls,
        })
    }

    /// Connects, without signing in.
    ///
    /// # Errors
    /// Nothing answers there, or its certificate is not trusted.
    pub async fn connect(&self) -> anyhow::Result<Channel> {
        let address = &self.address;
        let Some(tls) = &self.tls else {
            return self.endpoint.connect().await.with_context(|| {
                format!("nothing answers at {address}; start the platform with `outcry up`")
            });
        };
        let tls = tls.clone();
        let connector = tower::service_fn(move |uri: Uri| {
            let tls = tls.clone();
            async move { encrypted(&tls, &uri).await.map(TokioIo::new) }
        });
        let connected = self.endpoint.connect_with_connector(connector).await;
        connected.with_context(|| {
            format!(
                "no platform with a trusted certificate answers at {address}; name its authority's \
                 certificate with --ca, and the address as the certificate has it"
            )
        })
    }
}

async fn encrypted(tls: &TlsConnector, uri: &Uri) -> anyhow::Result<TlsStream<TcpStream>> {
    let host = uri.host().context("the address names no host")?;
    let stream = TcpStream::connect((
        host.trim_matches(['[', ']']),
        uri.port_u16().unwrap_or(HTTPS_PORT),
    ))
    .await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())?;
    Ok(tls.connect(name, stream).await?)
}

/// TLS for a client that trusts these authorities and the system's.
fn trusting(authorities: &[PathBuf]) -> anyhow::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for file in authorities {
        for certificate in certificates(file)? {
            roots
                .add(certificate)
                .with_context(|| format!("{} holds what is no certificate", file.display()))?;
        }
    }
    // What the system has too much or too little of is its own matter, as long as somebody is trusted.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        bail!("this system trusts no certificate authority; name the platform's with --ca");
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

fn certificates(file: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let named = || format!("reading the certificates of {}", file.display());
    let text = std::fs::read(file).with_context(named)?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .with_context(named)?;
    if found.is_empty() {
        bail!(
            "{} holds no certificate: it must be in PEM form, with BEGIN CERTIFICATE",
            file.display()
        );
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_and_what_is_no_authority_is_named() {
        let wrong = |address: &str, files: &[PathBuf]| {
            format!("{:#}", Site::new(address, files).map(|_| ()).unwrap_err())
        };
        assert!(wrong("not an address", &[]).contains("not an address"));
        let missing = PathBuf::from("/nowhere/ca.pem");
        assert!(wrong("https://localhost:1", &[missing]).contains("/nowhere/ca.pem"));
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty.pem");
        std::fs::write(&empty, "").unwrap();
        assert!(
            wrong("https://localhost:1", std::slice::from_ref(&empty))
                .contains("holds no certificate")
        );
        // Without TLS nobody's certificate is looked at.
        assert!(Site::new("http://localhost:1", &[empty]).is_ok());
    }
}
