//! Certificates of a measurement: an authority, and what it signs, in files as orchestrators mount them.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use outcry_mesh::CertificateFiles;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType,
};
use tonic::transport::{Certificate, ClientTlsConfig, Identity, ServerTlsConfig};

/// The name by which tonic knows the servers.
const NAME: &str = "localhost";

/// The trust domain, and the one identity there is: the service, which is also its caller.
pub const TRUST_DOMAIN: &str = "outcry.local";
const ID: &str = "spiffe://outcry.local/ns/bench/sa/rig";

/// Names of the files.
const AUTHORITIES: &str = "ca.crt";
const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";

/// Who signs.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// The files of one identity.
#[derive(Debug, Clone)]
pub struct Identities {
    directory: PathBuf,
}

// === impl Authority ===

impl Authority {
    /// A new one.
    pub fn new() -> anyhow::Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        Ok(Self { issuer })
    }

    /// Signs a new identity, and puts it into the files; `trusted` are all authorities that are
    /// trusted by whoever reads them.
    pub fn sign(&self, trusted: &[&Authority], files: &Identities) -> anyhow::Result<()> {
        let mut params = CertificateParams::new([NAME.to_owned()])?;
        let id = SanType::URI(ID.try_into().context("not a URI")?);
        params.subject_alt_names.push(id);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let trusted: String = trusted.iter().map(|one| one.issuer.pem()).collect();
        files.put(AUTHORITIES, &trusted)?;
        files.put(KEY, &key.serialize_pem())?;
        files.put(CERTIFICATE, &certificate.pem())
    }
}

// === impl Identities ===

impl Identities {
    /// Those in a directory.
    pub fn at(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
        }
    }

    /// Where they are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The files, as the mesh names them.
    pub fn files(&self) -> CertificateFiles {
        CertificateFiles {
            certificate: self.directory.join(CERTIFICATE),
            key: self.directory.join(KEY),
            authorities: self.directory.join(AUTHORITIES),
        }
    }

    /// The setting of a server of tonic that asks for a certificate.
    pub fn of_tonics_server(&self) -> anyhow::Result<ServerTlsConfig> {
        let authorities = Certificate::from_pem(self.read(AUTHORITIES)?);
        Ok(ServerTlsConfig::new()
            .identity(self.identity()?)
            .client_ca_root(authorities))
    }

    /// The setting of a client of tonic that shows a certificate.
    pub fn of_tonics_client(&self) -> anyhow::Result<ClientTlsConfig> {
        let authorities = Certificate::from_pem(self.read(AUTHORITIES)?);
        Ok(ClientTlsConfig::new()
            .identity(self.identity()?)
            .ca_certificate(authorities)
            .domain_name(NAME))
    }

    fn identity(&self) -> anyhow::Result<Identity> {
        Ok(Identity::from_pem(self.read(CERTIFICATE)?, self.read(KEY)?))
    }

    fn read(&self, name: &str) -> anyhow::Result<String> {
        let path = self.directory.join(name);
        std::fs::read_to_string(&path).with_context(|| path.display().to_string())
    }

    fn put(&self, name: &str, text: &str) -> anyhow::Result<()> {
        // In one step, as mounted secrets change: nobody reads half a file.
        let half = self.directory.join(format!(".{name}"));
        std::fs::write(&half, text)?;
        std::fs::set_permissions(&half, Permissions::from_mode(0o600))?;
        std::fs::rename(&half, self.directory.join(name))?;
        Ok(())
    }
}
