//! Who this process is to the others: what `[mesh.tls]` says, or the key that all of them share.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use outcry_mesh::{Accounts, CertificateFiles, Certificates, Credentials, MeshKey};
use serde::{Deserialize, Serialize};

use crate::config::{Config, MeshConfig};
use crate::environment::Environment;
use crate::folder::Folder;

/// The trust domain unless another is named.
pub const TRUST_DOMAIN: &str = "outcry.local";

/// Certificates by which processes know each other. Files are PEM, and taken anew when they change.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// File with the certificate of this process, followed by intermediate ones. When this, the key and
    /// the authorities are empty, processes know each other by the key they share, unencrypted.
    pub certificate: PathBuf,
    /// File with the private key of the certificate.
    pub key: PathBuf,
    /// File with the authorities that are believed.
    pub authorities: PathBuf,
    /// Trust domain of the platform: ids are `spiffe://<trust domain>/ns/<namespace>/sa/<account>`.
    pub trust_domain: String,
    /// Services that accounts may speak for, besides the one of their own name: for processes that
    /// run several. `gateway` also speaks for the public edge.
    pub accounts: BTreeMap<String, Vec<String>>,
}

impl Default for TlsConfig {
    fn default() -> Self {
        Self {
            certificate: PathBuf::new(),
            key: PathBuf::new(),
            authorities: PathBuf::new(),
            trust_domain: TRUST_DOMAIN.to_owned(),
            accounts: BTreeMap::new(),
        }
    }
}

// === impl TlsConfig ===

impl TlsConfig {
    /// Whether processes know each other by certificates.
    pub fn is_on(&self) -> bool {
        self.files().iter().any(|(_, path)| is_set(path))
    }

    fn files(&self) -> [(&'static str, &Path); 3] {
        [
            ("certificate", &self.certificate),
            ("key", &self.key),
            ("authorities", &self.authorities),
        ]
    }

    fn load(&self) -> anyhow::Result<Certificates> {
        if let Some((missing, _)) = self.files().iter().find(|(_, path)| !is_set(path)) {
            bail!(
                "[mesh.tls] has no `{missing}`: certificate, key and authorities go together; set all three, or none"
            );
        }
        let trust_domain = self
            .trust_domain
            .parse()
            .context("`trust_domain` in [mesh.tls]")?;
        let mut accounts = Accounts::default();
        for (account, services) in &self.accounts {
            accounts.allow(account, services);
        }
        let files = CertificateFiles {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            authorities: self.authorities.clone(),
        };
        Certificates::load(files, trust_domain, accounts).context(
            "[mesh.tls] cannot be used; `outcry certs show` prints what is in a certificate, and \
             `outcry certs issue` makes one for development",
        )
    }
}

/// What a process that runs these services proves itself with.
///
/// # Errors
/// Something is missing or does not fit together; the message says what to do.
pub fn credentials(
    config: &Config,
    folder: &Folder,
    here: &[&'static str],
) -> anyhow::Result<Credentials> {
    if !config.mesh.tls.is_on() {
        let open = !config.mesh.encrypted_elsewhere;
        if open && config.environment == Environment::Production {
            bail!(
                "`environment = \"production\"`, and processes would speak with each other unencrypted: set \
                 certificate, key and authorities in [mesh.tls], or `encrypted_elsewhere = true` in [mesh] where \
                 another mesh or a private network encrypts what they say"
            );
        }
        return Ok(mesh_key(&config.mesh, folder)?.into());
    }
    let certificates = config.mesh.tls.load()?;
    for service in here {
        if !certificates.may_speak_for(service) {
            bail!(
                "this process is {} and may not speak for the service {service} that it is to run: \
                 issue a certificate of the account {service}, or name the service in \
                 [mesh.tls.accounts]",
                certificates.status().id
            );
        }
    }
    Ok(certificates.into())
}

/// The scheme of addresses that processes with these credentials have.
pub fn scheme(credentials: &Credentials) -> &'static str {
    match credentials {
        Credentials::Key(_) => "http",
        Credentials::Certificates(_) => "https",
    }
}

/// The key that all processes of the platform share.
fn mesh_key(mesh: &MeshConfig, folder: &Folder) -> anyhow::Result<MeshKey> {
    if !is_set(&mesh.key) {
        return Ok(MeshKey::read_or_create(&folder.make_mesh_key()?)?);
    }
    MeshKey::read(&mesh.key)
        .context("every process of the platform needs the same file of 32 random bytes")
}

fn is_set(path: &Path) -> bool {
    !path.as_os_str().is_empty()
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::arguments::{Arguments, Command};
    use crate::certs;
    use crate::output::Output;

    const PRODUCTION: &str = "environment = \"production\"\n";

    fn proven(text: &str, here: &[&'static str]) -> anyhow::Result<Credentials> {
        let data = tempfile::tempdir().unwrap();
        let config: Config = toml::from_str(text).unwrap();
        credentials(&config, &Folder::at(data.path()), here)
    }

    fn refused(text: &str, here: &[&'static str]) -> String {
        format!("{:#}", proven(text, here).unwrap_err())
    }

    /// The configuration of an account whose certificate is in a folder.
    fn tls(folder: &Path, account: &str) -> String {
        let place = |file: &str| folder.join(file).display().to_string();
        format!(
            "[mesh.tls]\ncertificate = \"{}\"\nkey = \"{}\"\nauthorities = \"{}\"\n",
            place(&format!("{account}/certificate.pem")),
            place(&format!("{account}/key.pem")),
            place("authorities.pem"),
        )
    }

    fn folder_of_certificates() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let line = ["outcry", "certs", "all", folder.path().to_str().unwrap()];
        let Command::Certs(asked) = Arguments::parse_from(line).command else {
            unreachable!("another command");
        };
        certs::run(asked, Output::plain()).unwrap();
        folder
    }

    #[test]
    fn without_certificates_production_must_say_that_something_else_encrypts() {
        assert_eq!(scheme(&proven("", &["orders"]).unwrap()), "http");
        assert!(refused(PRODUCTION, &["orders"]).contains("encrypted_elsewhere = true"));
        let elsewhere = format!("{PRODUCTION}[mesh]\nencrypted_elsewhere = true\n");
        assert_eq!(scheme(&proven(&elsewhere, &["orders"]).unwrap()), "http");
        let folder = folder_of_certificates();
        let certain = format!("{PRODUCTION}{}", tls(folder.path(), "orders"));
        assert_eq!(scheme(&proven(&certain, &["orders"]).unwrap()), "https");
    }

    #[test]
    fn a_process_runs_only_what_its_certificate_lets_it_speak_for() {
        let folder = folder_of_certificates();
        let mut text = tls(folder.path(), "orders");
        let message = refused(&text, &["orders", "trades"]);
        assert!(message.contains("the service trades"), "{message}");
        text.push_str("[mesh.tls.accounts]\norders = [\"trades\"]\n");
        assert!(proven(&text, &["orders", "trades"]).is_ok());
        let half = "[mesh.tls]\nkey = \"somewhere\"\n";
        assert!(refused(half, &["orders"]).contains("no `certificate`"));
        let domain = tls(folder.path(), "orders") + "trust_domain = \"other.local\"\n";
        let message = refused(&domain, &["orders"]);
        assert!(message.contains("not of the trust domain"), "{message}");
    }
}
