//! What TLS asks when a peer shows its certificate: does an authority of ours vouch for it, and is it
//! a process of our platform? Host names play no part: processes move, their ids stay.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore,
    SignatureScheme,
};

use super::leaf::{Leaf, LeafError};
use crate::spiffe::TrustDomain;

/// Whom we take for a process of our platform.
#[derive(Debug, Clone)]
pub(crate) struct Platform {
    pub(crate) trust_domain: TrustDomain,
    pub(crate) namespace: String,
}

/// Verifies whoever connects to us.
#[derive(Debug)]
pub(crate) struct Callers {
    chain: Arc<dyn ClientCertVerifier>,
    platform: Platform,
}

/// Verifies whoever we connect to.
#[derive(Debug)]
pub(crate) struct Callees {
    authorities: Arc<RootCertStore>,
    algorithms: WebPkiSupportedAlgorithms,
    platform: Platform,
}

impl Callers {
    /// # Errors
    /// There is no authority.
    pub(crate) fn new(
        authorities: Arc<RootCertStore>,
        platform: Platform,
        provider: Arc<CryptoProvider>,
    ) -> Result<Callers, rustls::server::VerifierBuilderError> {
        let chain = WebPkiClientVerifier::builder_with_provider(authorities, provider).build()?;
        Ok(Callers { chain, platform })
    }
}

impl Callees {
    pub(crate) fn new(
        authorities: Arc<RootCertStore>,
        platform: Platform,
        provider: &CryptoProvider,
    ) -> Callees {
        Callees {
            authorities,
            algorithms: provider.signature_verification_algorithms,
            platform,
        }
    }
}

impl ClientCertVerifier for Callers {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let vouched = self
            .chain
            .verify_client_cert(end_entity, intermediates, now)?;
        ours(end_entity, &self.platform)
            .and_then(|leaf| leaf.for_client())
            .map_err(refused)?;
        Ok(vouched)
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(too_old())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

impl ServerCertVerifier for Callees {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let certificate = rustls::server::ParsedCertificate::try_from(end_entity)?;
        verify_server_cert_signed_by_trust_anchor(
            &certificate,
            &self.authorities,
            intermediates,
            now,
            self.algorithms.all,
        )?;
        ours(end_entity, &self.platform)
            .and_then(|leaf| leaf.for_server())
            .map_err(refused)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(too_old())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn ours(certificate: &CertificateDer<'_>, platform: &Platform) -> Result<Leaf, LeafError> {
    let leaf = Leaf::read(certificate)?;
    leaf.of_platform(&platform.trust_domain, &platform.namespace)?;
    Ok(leaf)
}

fn refused(error: LeafError) -> Error {
    CertificateError::Other(OtherError(Arc::new(error))).into()
}

/// Never said: the configurations speak TLS 1.3 alone.
fn too_old() -> Error {
    Error::General("TLS 1.2 is not spoken here".to_owned())
}
