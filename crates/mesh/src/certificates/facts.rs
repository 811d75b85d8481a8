//! What is in a certificate, for people to look at.

use std::net::IpAddr;
use std::time::SystemTime;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use super::CertificateError;
use super::leaf::moment;

/// What a certificate says, good or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// The name of whom it is for.
    pub subject: String,
    /// The name of who vouches for it.
    pub issuer: String,
    /// Its URIs; one that is a SPIFFE id names a process.
    pub uris: Vec<String>,
    /// Its host names and addresses.
    pub hosts: Vec<String>,
    /// When its time begins.
    pub not_before: SystemTime,
    /// When its time ends.
    pub not_after: SystemTime,
    /// It vouches for others.
    pub authority: bool,
    /// It may prove who calls.
    pub client: bool,
    /// It may prove who answers.
    pub server: bool,
}

impl CertificateFacts {
    /// Reads all certificates of a PEM text. Nothing here says that anybody should believe them.
    ///
    /// # Errors
    /// [`CertificateError`] when one of them cannot be read, or there is none.
    pub fn read(pem: &[u8]) -> Result<Vec<CertificateFacts>, CertificateError> {
        let facts = CertificateDer::pem_slice_iter(pem)
            .map(|der| facts(&der.map_err(CertificateError::Pem)?))
            .collect::<Result<Vec<_>, _>>()?;
        if facts.is_empty() {
            return Err(CertificateError::NoCertificate);
        }
        Ok(facts)
    }
}

fn facts(der: &[u8]) -> Result<CertificateFacts, CertificateError> {
    let unreadable = |_| CertificateError::Unreadable;
    let (_, certificate) =
        X509Certificate::from_der(der).map_err(|_| CertificateError::Unreadable)?;
    let names = certificate.subject_alternative_name().map_err(unreadable)?;
    let names = names
        .map(|names| names.value.general_names.as_slice())
        .unwrap_or_default();
    let usages = certificate.extended_key_usage().map_err(unreadable)?;
    let (client, server) = usages.map_or((false, false), |usages| {
        (usages.value.client_auth, usages.value.server_auth)
    });
    Ok(CertificateFacts {
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        uris: names.iter().filter_map(uri).collect(),
        hosts: names.iter().filter_map(host).collect(),
        not_before: moment(certificate.validity().not_before),
        not_after: moment(certificate.validity().not_after),
        authority: certificate.is_ca(),
        client,
        server,
    })
}

fn uri(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::URI(uri) => Some((*uri).to_owned()),
        _ => None,
    }
}

fn host(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let four = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let sixteen = <[u8; 16]>::try_from(*bytes).map(IpAddr::from);
            four.or(sixteen).ok().map(|address| address.to_string())
        }
        _ => None,
    }
}
