//! The authority in a folder, and what it signs.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail, ensure};
use outcry_mesh::{CertificateFacts, SpiffeId};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};

/// The name in the authority's certificate. Several authorities of one name are told apart by their keys.
const AUTHORITY: &str = "Outcry development authority";

/// How long before it is issued a certificate counts: clocks differ.
const CLOCK_SKEW: Duration = Duration::from_secs(5 * 60);

/// An authority that keeps its key in a folder.
pub struct Authority {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    not_after: SystemTime,
}

/// Where a certificate and its key are.
pub struct Files {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// What a certificate is for.
pub enum Purpose<'a> {
    /// A process that calls others and answers them.
    Process {
        /// Who it is.
        id: &'a SpiffeId,
        /// Host names for programs that look at them; the mesh does not.
        hosts: &'a [String],
    },
    /// The public port, for programs that know it by a host name.
    PublicPort {
        /// The names.
        hosts: &'a [String],
    },
}

// === impl Authority ===

impl Authority {
    /// Whether there is one in the folder.
    pub fn is_in(folder: &Path) -> bool {
        authority_files(folder).certificate.exists()
    }

    /// Makes one. With `force`, it takes the place of the one that is there, and both are believed.
    ///
    /// # Errors
    /// There is one already, or the folder cannot be written.
    pub fn make(folder: &Path, lifetime: Duration, force: bool) -> anyhow::Result<Authority> {
        make_folder(folder)?;
        let files = authority_files(folder);
        files.are_free(force)?;
        let now = SystemTime::now();
        let not_after = now + lifetime;
        let mut params = authority_params();
        set_time(&mut params, now, not_after)?;
        let key = KeyPair::generate().context("making a key")?;
        let pem = key.serialize_pem();
        let made = CertifiedIssuer::self_signed(params, key).context("making the authority")?;
        let former = read_if_there(&bundle(folder))?;
        files.write(&made.pem(), &pem)?;
        replace(&bundle(folder), &format!("{}{former}", made.pem()))?;
        Authority::open(folder)
    }

    /// The one in the folder.
    ///
    /// # Errors
    /// There is none, or its time has ended.
    pub fn open(folder: &Path) -> anyhow::Result<Authority> {
        let files = authority_files(folder);
        let read = |path: &Path| {
            fs::read_to_string(path).with_context(|| {
                format!(
                    "reading {}; `outcry certs authority {}` makes an authority",
                    path.display(),
                    folder.display()
                )
            })
        };
        let (certificate, key) = (read(&files.certificate)?, read(&files.key)?);
        let facts = CertificateFacts::read(certificate.as_bytes())
            .with_context(|| format!("in {}", files.certificate.display()))?;
        let Some(own) = facts.first().filter(|own| own.authority) else {
            bail!("{} is no authority's", files.certificate.display());
        };
        ensure!(
            own.subject == format!("CN={AUTHORITY}"),
            "{} was not made by `outcry certs authority`",
            files.certificate.display()
        );
        ensure!(
            own.not_after > SystemTime::now(),
            "the time of {} has ended; make another with --force",
            files.certificate.display()
        );
        let key = KeyPair::from_pem(&key).with_context(|| format!("in {}", files.key.display()))?;
        Ok(Authority {
            folder: folder.to_owned(),
            issuer: Issuer::new(authority_params(), key),
            not_after: own.not_after,
        })
    }

    /// Its own certificate and key.
    pub fn files(&self) -> Files {
        authority_files(&self.folder)
    }

    /// The file of the authorities that are believed: this one, and those it has replaced.
    pub fn bundle(&self) -> PathBuf {
        bundle(&self.folder)
    }

    /// Makes a certificate with a key of its own, in a folder of its own. It ends no later than the
    /// authority does.
    ///
    /// # Errors
    /// It is there already and is not to be replaced, or cannot be written.
    pub fn issue(
        &self,
        name: &str,
        purpose: &Purpose<'_>,
        lifetime: Duration,
        force: bool,
    ) -> anyhow::Result<Files> {
        let folder = self.folder.join(name);
        make_folder(&folder)?;
        let files = Files {
            certificate: folder.join("certificate.pem"),
            key: folder.join("key.pem"),
        };
        files.are_free(force)?;
        let now = SystemTime::now();
        let mut params = purpose.params(name)?;
        set_time(&mut params, now, self.not_after.min(now + lifetime))?;
        let key = KeyPair::generate().context("making a key")?;
        let certificate = params
            .signed_by(&key, &self.issuer)
            .with_context(|| format!("signing the certificate of {name}"))?;
        files.write(&certificate.pem(), &key.serialize_pem())?;
        Ok(files)
    }
}

impl Purpose<'_> {
    fn params(&self, name: &str) -> anyhow::Result<CertificateParams> {
        let mut params = CertificateParams::default();
        params.distinguished_name = named(name);
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let hosts = match self {
            Purpose::Process { id, hosts } => {
                let uri = id.to_string().try_into().context("the id of the process")?;
                params.subject_alt_names.push(SanType::URI(uri));
                params
                    .extended_key_usages
                    .push(ExtendedKeyUsagePurpose::ClientAuth);
                hosts
            }
            Purpose::PublicPort { hosts } => hosts,
        };
        for host in *hosts {
            params.subject_alt_names.push(match host.parse::<IpAddr>() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(
                    host.as_str()
                        .try_into()
                        .with_context(|| format!("`{host}` is no host name"))?,
                ),
            });
        }
        Ok(params)
    }
}

// === impl Files ===

impl Files {
    fn are_free(&self, force: bool) -> anyhow::Result<()> {
        for path in [&self.certificate, &self.key] {
            ensure!(
                force || !path.exists(),
                "{} is there already; --force replaces it",
                path.display()
            );
        }
        Ok(())
    }

    /// Puts both in their places, one right after the other.
    fn write(&self, certificate: &str, key: &str) -> anyhow::Result<()> {
        let drafts = [
            (&self.key, draft(&self.key, key)?),
            (&self.certificate, draft(&self.certificate, certificate)?),
        ];
        for (path, draft) in drafts {
            fs::rename(&draft, path).with_context(|| format!("writing {}", path.display()))?;
        }
        Ok(())
    }
}

fn authority_files(folder: &Path) -> Files {
    Files {
        certificate: folder.join("authority.pem"),
        key: folder.join("authority.key"),
    }
}

fn bundle(folder: &Path) -> PathBuf {
    folder.join("authorities.pem")
}

fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named(AUTHORITY);
    // It signs certificates of processes, and no further authorities.
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn set_time(
    params: &mut CertificateParams,
    now: SystemTime,
    not_after: SystemTime,
) -> anyhow::Result<()> {
    let since_1970 = |at: SystemTime| {
        let seconds = at
            .duration_since(SystemTime::UNIX_EPOCH)
            .map(|d| d.as_secs());
        seconds.context("the clock is before 1970")
    };
    let epoch = date_time_ymd(1970, 1, 1);
    params.not_before = epoch + Duration::from_secs(since_1970(now - CLOCK_SKEW)?);
    params.not_after = epoch + Duration::from_secs(since_1970(not_after)?);
    Ok(())
}

fn make_folder(folder: &Path) -> anyhow::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(folder)
        .with_context(|| format!("making {}", folder.display()))
}

fn read_if_there(path: &Path) -> anyhow::Result<String> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        read => read.with_context(|| format!("reading {}", path.display())),
    }
}

/// Exchanges a file at once for another: whoever reads it reads one of them whole.
fn replace(path: &Path, text: &str) -> anyhow::Result<()> {
    let draft = draft(path, text)?;
    fs::rename(&draft, path).with_context(|| format!("writing {}", path.display()))
}

/// The text in a file beside the one it is for, which nobody else may read.
fn draft(path: &Path, text: &str) -> anyhow::Result<PathBuf> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.draft", std::process::id()));
    let draft = path.with_file_name(name);
    let write = || {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    let written: io::Result<()> = write();
    written.with_context(|| format!("writing {}", draft.display()))?;
    Ok(draft)
}
