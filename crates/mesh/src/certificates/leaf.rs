//! What a process's own certificate says: its id, its time, and what it may be used for.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::time::ASN1Time;

use crate::spiffe::{SpiffeError, SpiffeId, TrustDomain};

/// What is read from the certificate of a process. Nothing here says that anybody vouches for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leaf {
    pub(crate) id: SpiffeId,
    pub(crate) namespace: String,
    pub(crate) account: String,
    pub(crate) not_before: SystemTime,
    pub(crate) not_after: SystemTime,
    /// May prove who calls.
    pub(crate) client: bool,
    /// May prove who answers.
    pub(crate) server: bool,
}

/// Why a certificate names no process of the mesh.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeafError {
    /// Not readable.
    #[error("the certificate cannot be read")]
    Malformed,
    /// None, or more than one: the specification asks for exactly one.
    #[error("the certificate has {0} URI names; it must have exactly one")]
    Names(usize),
    /// The one name is no SPIFFE id.
    #[error("the name in the certificate")]
    NotSpiffe(#[from] SpiffeError),
    /// An id of another form.
    #[error("{0} names no account: ids are spiffe://<trust domain>/ns/<namespace>/sa/<account>")]
    NoAccount(SpiffeId),
    /// It may sign other certificates.
    #[error("the certificate is one of an authority, not of a process")]
    Authority,
    /// It must not be used to sign a handshake.
    #[error("the certificate may not be used for signatures")]
    NoSignatures,
    /// It may not be used on the side of a connection it was shown on.
    #[error("the certificate may not be used by a {0}")]
    Usage(&'static str),
    /// Another platform's.
    #[error("{id} is not of the trust domain {trust_domain}")]
    TrustDomain {
        /// The id.
        id: SpiffeId,
        /// Ours.
        trust_domain: TrustDomain,
    },
    /// Another platform's that shares the trust domain.
    #[error("{id} is not of the namespace {namespace}")]
    Namespace {
        /// The id.
        id: SpiffeId,
        /// Ours.
        namespace: String,
    },
}

impl Leaf {
    /// Reads a certificate.
    ///
    /// # Errors
    /// [`LeafError`]; common names and host names are not looked at.
    pub(crate) fn read(der: &[u8]) -> Result<Leaf, LeafError> {
        let (rest, certificate) =
            X509Certificate::from_der(der).map_err(|_| LeafError::Malformed)?;
        if !rest.is_empty() {
            return Err(LeafError::Malformed);
        }
        let constraints = certificate.basic_constraints().map_err(malformed)?;
        if constraints.is_some_and(|constraints| constraints.value.ca) {
            return Err(LeafError::Authority);
        }
        if let Some(usage) = certificate.key_usage().map_err(malformed)? {
            if usage.value.key_cert_sign() || usage.value.crl_sign() {
                return Err(LeafError::Authority);
            }
            if !usage.value.digital_signature() {
                return Err(LeafError::NoSignatures);
            }
        }
        let id = only_uri(&certificate)?.parse::<SpiffeId>()?;
        let Some((namespace, account)) = id.account() else {
            return Err(LeafError::NoAccount(id));
        };
        // Without the extension a certificate would be good for everything, which nobody asked for.
        let extended = certificate.extended_key_usage().map_err(malformed)?;
        let (client, server) = extended.map_or((false, false), |usage| {
            (usage.value.client_auth, usage.value.server_auth)
        });
        Ok(Leaf {
            namespace: namespace.to_owned(),
            account: account.to_owned(),
            not_before: moment(certificate.validity().not_before),
            not_after: moment(certificate.validity().not_after),
            client,
            server,
            id,
        })
    }

    /// Whether the process is one of our platform's.
    ///
    /// # Errors
    /// [`LeafError::TrustDomain`], [`LeafError::Namespace`].
    pub(crate) fn of_platform(
        &self,
        trust_domain: &TrustDomain,
        namespace: &str,
    ) -> Result<(), LeafError> {
        if self.id.trust_domain() != trust_domain {
            return Err(LeafError::TrustDomain {
                id: self.id.clone(),
                trust_domain: trust_domain.clone(),
            });
        }
        if self.namespace != namespace {
            return Err(LeafError::Namespace {
                id: self.id.clone(),
                namespace: namespace.to_owned(),
            });
        }
        Ok(())
    }

    /// Whether it may prove who calls.
    ///
    /// # Errors
    /// [`LeafError::Usage`].
    pub(crate) fn for_client(&self) -> Result<(), LeafError> {
        self.client.then_some(()).ok_or(LeafError::Usage("client"))
    }

    /// Whether it may prove who answers.
    ///
    /// # Errors
    /// [`LeafError::Usage`].
    pub(crate) fn for_server(&self) -> Result<(), LeafError> {
        self.server.then_some(()).ok_or(LeafError::Usage("server"))
    }
}

/// The one URI among the certificate's names.
fn only_uri<'a>(certificate: &'a X509Certificate<'_>) -> Result<&'a str, LeafError> {
    let names = certificate
        .subject_alternative_name()
        .map_err(malformed)?
        .map(|names| names.value.general_names.as_slice())
        .unwrap_or_default();
    if names
        .iter()
        .any(|name| matches!(name, GeneralName::Invalid(..)))
    {
        return Err(LeafError::Malformed);
    }
    let uris: Vec<&str> = names
        .iter()
        .filter_map(|name| match name {
            GeneralName::URI(uri) => Some(*uri),
            _ => None,
        })
        .collect();
    match uris.as_slice() {
        [uri] => Ok(uri),
        uris => Err(LeafError::Names(uris.len())),
    }
}

/// The moment as the system's clock counts it; times before 1970 are as good as 1970.
pub(crate) fn moment(time: ASN1Time) -> SystemTime {
    let seconds = u64::try_from(time.timestamp()).unwrap_or_default();
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn malformed<E>(_: E) -> LeafError {
    LeafError::Malformed
}

#[cfg(test)]
mod tests {
    use rcgen::{
        CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType,
        date_time_ymd,
    };

    use super::*;

    const ID: &str = "spiffe://outcry.local/ns/outcry/sa/orders";

    fn read(alter: impl FnOnce(&mut CertificateParams)) -> Result<Leaf, LeafError> {
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![uri(ID)];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ClientAuth,
            ExtendedKeyUsagePurpose::ServerAuth,
        ];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(2026, 1, 2);
        alter(&mut params);
        let key = KeyPair::generate().unwrap();
        Leaf::read(params.self_signed(&key).unwrap().der())
    }

    fn uri(text: &str) -> SanType {
        SanType::URI(text.try_into().unwrap())
    }

    #[test]
    fn a_certificate_says_who_a_process_is_for_how_long_and_for_what() {
        let leaf = read(|_| ()).unwrap();
        assert_eq!(leaf.id.to_string(), ID);
        assert_eq!(
            (leaf.namespace.as_str(), leaf.account.as_str()),
            ("outcry", "orders")
        );
        let day = Duration::from_secs(24 * 60 * 60);
        assert_eq!(leaf.not_after, leaf.not_before + day);
        assert_eq!((leaf.for_client(), leaf.for_server()), (Ok(()), Ok(())));
        let ours: TrustDomain = "outcry.local".parse().unwrap();
        assert_eq!(leaf.of_platform(&ours, "outcry"), Ok(()));
        assert!(leaf.of_platform(&ours, "staging").is_err());
        let other: TrustDomain = "other.local".parse().unwrap();
        assert!(leaf.of_platform(&other, "outcry").is_err());
    }

    #[test]
    fn host_names_are_allowed_and_mean_nothing() {
        let leaf = read(|params| {
            let dns = "orders.outcry.svc".try_into().unwrap();
            params.subject_alt_names.push(SanType::DnsName(dns));
        });
        assert_eq!(leaf.unwrap().account, "orders");
    }

    #[test]
    fn usages_count_only_when_they_are_named() {
        let leaf = read(|params| params.extended_key_usages.clear()).unwrap();
        assert_eq!(leaf.for_client(), Err(LeafError::Usage("client")));
        assert_eq!(leaf.for_server(), Err(LeafError::Usage("server")));
        let any = |params: &mut CertificateParams| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any];
        };
        assert!(!read(any).unwrap().server);
    }

    #[test]
    fn everything_else_names_no_process() {
        let names =
            |names: Vec<SanType>| read(move |params| params.subject_alt_names = names).unwrap_err();
        assert_eq!(names(vec![]), LeafError::Names(0));
        assert_eq!(names(vec![uri(ID), uri(ID)]), LeafError::Names(2));
        assert!(matches!(
            names(vec![uri("https://outcry.local/orders")]),
            LeafError::NotSpiffe(_)
        ));
        assert!(matches!(
            names(vec![uri("spiffe://outcry.local/orders")]),
            LeafError::NoAccount(_)
        ));
        let authority = |params: &mut CertificateParams| {
            params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        };
        assert_eq!(read(authority).unwrap_err(), LeafError::Authority);
        let signer = |params: &mut CertificateParams| {
            params.key_usages.push(KeyUsagePurpose::KeyCertSign);
        };
        assert_eq!(read(signer).unwrap_err(), LeafError::Authority);
        let cipher = |params: &mut CertificateParams| {
            params.key_usages = vec![KeyUsagePurpose::KeyEncipherment];
        };
        assert_eq!(read(cipher).unwrap_err(), LeafError::NoSignatures);
        assert_eq!(Leaf::read(b"nonsense").unwrap_err(), LeafError::Malformed);
    }
}
