//! A door's own certificate, read from files and read again when they change.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_util::sync::CancellationToken;

use super::transport::{CurrentTls, Transport};
use crate::directory::Directory;
use crate::metrics::CertificateMeter;

/// How often the files are compared with what was read: a renewed certificate is in use within
/// seconds, and the old one is good for days.
const COMPARED_EVERY: Duration = Duration::from_secs(10);

/// Largest file that is read: a chain of a few certificates takes some ten kilobytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// What is spoken above TLS, the best first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// A certificate for clients that show none, and its key.
pub struct Certificate {
    chain: PathBuf,
    key: PathBuf,
    /// What the files held when they were last looked at, whether it was of use or not.
    seen: Contents,
    current: Arc<RwLock<Arc<ServerConfig>>>,
    meter: CertificateMeter,
}

#[derive(PartialEq, Eq)]
struct Contents {
    chain: Vec<u8>,
    key: Vec<u8>,
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("reading {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The first file holds no certificate.
    #[error(
        "{0} holds no certificate: it must be in PEM form, with BEGIN CERTIFICATE, its issuer's after it"
    )]
    NoCertificate(PathBuf),
    /// The second file holds no key.
    #[error("{0} holds no private key: it must be in PEM form, with BEGIN PRIVATE KEY")]
    NoKey(PathBuf),
    /// The two do not belong together, or are of a kind that is not supported.
    #[error("the certificate of {chain} cannot be used with the key of {key}")]
    Unusable {
        /// File of the certificate.
        chain: PathBuf,
        /// File of the key.
        key: PathBuf,
        /// Why.
        source: rustls::Error,
    },
}

impl Certificate {
    /// Reads a certificate and its key, both PEM, for the door called `name`.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn read(
        name: &'static str,
        chain: &Path,
        key: &Path,
        directory: &Directory,
    ) -> Result<Certificate, CertificateError> {
        let seen = Contents::read(chain, key)?;
        let (config, not_after) = seen.understood(chain, key)?;
        let meter = directory.metrics().certificate(name);
        meter.taken(not_after);
        Ok(Certificate {
            chain: chain.to_owned(),
            key: key.to_owned(),
            seen,
            current: Arc::new(RwLock::new(Arc::new(config))),
            meter,
        })
    }

    /// TLS with the certificate there is when a connection begins.
    pub fn transport(&self) -> Transport {
        let current = Arc::clone(&self.current);
        let current: CurrentTls =
            Arc::new(move || Arc::clone(&current.read().unwrap_or_else(PoisonError::into_inner)));
        Transport::Tls(current)
    }

    /// Takes a changed certificate for new connections, until `stop`. One that is of no use changes
    /// nothing: whoever replaces two files one after the other is between them for a moment.
    pub async fn keep(mut self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(COMPARED_EVERY) => {}
            }
            let looked = tokio::task::spawn_blocking(move || {
                self.look_again();
                self
            });
            self = match looked.await {
                Ok(same) => same,
                // The process is ending.
                Err(_) => return,
            };
        }
    }

    /// Takes a changed certificate; says whether there was one.
    fn look_again(&mut self) -> bool {
        let read = Contents::read(&self.chain, &self.key);
        let (config, not_after) = match read {
            Ok(contents) if contents == self.seen => return false,
            Ok(contents) => {
                self.seen = contents;
                match self.seen.understood(&self.chain, &self.key) {
                    Ok(understood) => understood,
                    Err(error) => return self.refuse(&error),
                }
            }
            Err(error) => return self.refuse(&error),
        };
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
        self.meter.taken(not_after);
        tracing::info!(certificate = %self.chain.display(), "a new certificate is in use");
        true
    }

    fn refuse(&self, error: &CertificateError) -> bool {
        let source = std::error::Error::source(error).map(ToString::to_string);
        tracing::error!(%error, source, "the changed certificate is of no use; the old one stays");
        self.meter.refused();
        false
    }
}

impl Contents {
    fn read(chain: &Path, key: &Path) -> Result<Contents, CertificateError> {
        Ok(Contents {
            chain: read(chain)?,
            key: read(key)?,
        })
    }

    /// The configuration these files make, and when the certificate ends, in seconds since 1970.
    fn understood(
        &self,
        chain: &Path,
        key: &Path,
    ) -> Result<(ServerConfig, i64), CertificateError> {
        let none = || CertificateError::NoCertificate(chain.to_owned());
        let certificates: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(&self.chain)
                .collect::<Result<_, _>>()
                .map_err(|_| none())?;
        let own = certificates.first().ok_or_else(none)?;
        let (_, parsed) = x509_parser::parse_x509_certificate(own).map_err(|_| none())?;
        let not_after = parsed.validity().not_after.timestamp();
        let private = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|_| CertificateError::NoKey(key.to_owned()))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                builder
                    .with_no_client_auth()
                    .with_single_cert(certificates, private)
            })
            .map_err(|source| CertificateError::Unusable {
                chain: chain.to_owned(),
                key: key.to_owned(),
                source,
            })?;
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        Ok((config, not_after))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, CertificateError> {
    let wrong = |source| CertificateError::Read {
        path: path.to_owned(),
        source,
    };
    let mut contents = Vec::new();
    let file = fs::File::open(path).map_err(wrong)?;
    io::Read::read_to_end(&mut io::Read::take(file, FILE_BYTES_MAX), &mut contents)
        .map_err(wrong)?;
    Ok(contents)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    struct Files {
        folder: TempDir,
        directory: Directory,
    }

    /// A certificate and its key in PEM form.
    fn made() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    impl Files {
        fn with(chain: &str, key: &str) -> Files {
            let files = Files {
                folder: tempfile::tempdir().unwrap(),
                directory: Directory::new(),
            };
            files.write(chain, key);
            files
        }

        fn write(&self, chain: &str, key: &str) {
            fs::write(self.folder.path().join("chain"), chain).unwrap();
            fs::write(self.folder.path().join("key"), key).unwrap();
        }

        fn read(&self) -> Result<Certificate, CertificateError> {
            let (chain, key) = (
                self.folder.path().join("chain"),
                self.folder.path().join("key"),
            );
            Certificate::read("public", &chain, &key, &self.directory)
        }
    }

    fn in_use(certificate: &Certificate) -> Arc<ServerConfig> {
        match certificate.transport() {
            Transport::Tls(current) => current(),
            other => panic!("{other:?} has no certificate of its own"),
        }
    }

    #[test]
    fn a_changed_certificate_is_taken_and_a_bad_one_is_not() {
        let (chain, key) = made();
        let files = Files::with(&chain, &key);
        let mut certificate = files.read().unwrap();
        let first = in_use(&certificate);
        assert!(!certificate.look_again());

        let (other, other_key) = made();
        for (chain, key) in [
            (other.as_str(), key.as_str()),
            ("", &other_key),
            (&other, ""),
            (
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                &other_key,
            ),
        ] {
            files.write(chain, key);
            assert!(!certificate.look_again());
            assert!(Arc::ptr_eq(&first, &in_use(&certificate)));
        }
        fs::remove_file(files.folder.path().join("key")).unwrap();
        assert!(!certificate.look_again());

        files.write(&other, &other_key);
        assert!(certificate.look_again());
        assert!(!Arc::ptr_eq(&first, &in_use(&certificate)));
        let meter = files.directory.metrics().certificate("public");
        assert_eq!(meter.counts(), (2, 5));
    }

    #[test]
    fn what_is_wrong_at_the_start_is_named() {
        let (chain, key) = made();
        let (_, another_key) = made();
        for (chain, key, wrong) in [
            ("", key.as_str(), "holds no certificate"),
            (&chain, "", "holds no private key"),
            (&chain, &another_key, "cannot be used with the key"),
        ] {
            let refused = Files::with(chain, key).read().map(|_| ()).unwrap_err();
            assert!(refused.to_string().contains(wrong), "{refused}");
        }
        let nowhere = Path::new("/nowhere/at/all");
        let refused = Certificate::read("public", nowhere, nowhere, &Directory::new());
        assert!(matches!(refused, Err(CertificateError::Read { .. })));
    }
}
