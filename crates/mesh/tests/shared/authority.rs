//! An authority that issues certificates, good ones and bad ones.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::CertificateFiles;

pub const TRUST_DOMAIN: &str = "outcry.local";
pub const NAMESPACE: &str = "outcry";

/// Somebody who vouches for processes.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// Another one vouches for it: whoever shows a certificate of its own has to show its, too.
    intermediate: bool,
}

/// What a process shows, and the key it has.
pub struct Issued {
    pub chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
    pem: String,
}

impl Authority {
    pub fn new(name: &str) -> Authority {
        let key = KeyPair::generate().unwrap();
        Authority {
            issuer: CertifiedIssuer::self_signed(authority(name), key).unwrap(),
            intermediate: false,
        }
    }

    /// One that this one vouches for.
    pub fn intermediate(&self, name: &str) -> Authority {
        let key = KeyPair::generate().unwrap();
        let issuer = CertifiedIssuer::signed_by(authority(name), key, &self.issuer).unwrap();
        Authority {
            issuer,
            intermediate: true,
        }
    }

    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A good certificate of an account, with whatever makes it another.
    pub fn issue(&self, account: &str, alter: impl FnOnce(&mut CertificateParams)) -> Issued {
        self.issue_for(KeyPair::generate().unwrap(), account, alter)
    }

    /// The same for a key that is there.
    pub fn issue_for(
        &self,
        key: KeyPair,
        account: &str,
        alter: impl FnOnce(&mut CertificateParams),
    ) -> Issued {
        let mut params = good(account);
        alter(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let mut issued = Issued::of(certificate, key);
        if self.intermediate {
            issued.chain.push(self.issuer.der().clone());
            issued.pem.push_str(&self.issuer.pem());
        }
        issued
    }
}

impl Issued {
    /// A certificate nobody vouches for but itself.
    pub fn self_signed(account: &str) -> Issued {
        let key = KeyPair::generate().unwrap();
        let certificate = good(account).self_signed(&key).unwrap();
        Issued::of(certificate, key)
    }

    fn of(certificate: rcgen::Certificate, key: KeyPair) -> Issued {
        Issued {
            chain: vec![certificate.der().clone()],
            pem: certificate.pem(),
            key,
        }
    }

    pub fn key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.serialize_der()).into()
    }

    /// Writes certificate and key where a process looks for them.
    pub fn write(&self, folder: &Path) -> CertificateFiles {
        let files = files(folder);
        write(&files.key, &self.key.serialize_pem());
        write(&files.certificate, &self.pem);
        files
    }
}

pub fn files(folder: &Path) -> CertificateFiles {
    CertificateFiles {
        certificate: folder.join("certificate.pem"),
        key: folder.join("key.pem"),
        authorities: folder.join("authorities.pem"),
    }
}

/// Writes the bundle of authorities where a process looks for it.
pub fn write_authorities(folder: &Path, authorities: &[&Authority]) {
    let bundle: String = authorities.iter().map(|one| one.pem()).collect();
    write(&files(folder).authorities, &bundle);
}

/// Writes a file that nobody else may read.
pub fn write(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

pub fn id(account: &str) -> String {
    format!("spiffe://{TRUST_DOMAIN}/ns/{NAMESPACE}/sa/{account}")
}

pub fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn good(account: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![uri(&id(account))];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ClientAuth,
        ExtendedKeyUsagePurpose::ServerAuth,
    ];
    params
}

/// Valid from so many seconds from now, for so many seconds.
pub fn valid(params: &mut CertificateParams, from: i64, seconds: u64) {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let begin = now.saturating_add_signed(from);
    params.not_before = date_time_ymd(1970, 1, 1) + Duration::from_secs(begin);
    params.not_after = params.not_before + Duration::from_secs(seconds);
}
