//! As much of an HTTP client as the management interface needs: JSON in, JSON out, one connection
//! per request.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::ManagementError;

/// How long one request may take.
const REQUEST_MAX: Duration = Duration::from_secs(20);

/// Bytes of an answer. A list of ten thousand queues is smaller.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Characters of an answer that an error repeats.
const QUOTE_MAX: usize = 300;

/// A client of one server.
#[derive(Clone)]
pub(super) struct Client {
    host: String,
    port: u16,
    /// What a path begins with when the interface is not at the root.
    prefix: String,
    authorization: String,
    tls: Option<Arc<ClientConfig>>,
}

/// Text as one segment of a path.
pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

// === impl Client ===

impl Client {
    pub(super) fn new(url: &str, ca_certificates: Option<&str>) -> Result<Self, ManagementError> {
        let wrong = |what: &str| ManagementError::Address(what.to_owned());
        let uri: Uri = url
            .parse()
            .map_err(|_| wrong("it must look like http://user:password@host:15672"))?;
        let secure = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(wrong("it must begin with http:// or https://")),
        };
        let authority = uri
            .authority()
            .ok_or_else(|| wrong("the host is missing"))?;
        let (credentials, _) = authority
            .as_str()
            .rsplit_once('@')
            .ok_or_else(|| wrong("user and password are missing"))?;
        let credentials = percent_decode_str(credentials).collect::<Vec<u8>>();
        let tls = secure.then(|| config(ca_certificates)).transpose()?;
        Ok(Self {
            host: authority.host().to_owned(),
            port: authority
                .port_u16()
                .unwrap_or(if secure { 443 } else { 80 }),
            prefix: uri.path().trim_end_matches('/').to_owned(),
            authorization: format!("Basic {}", STANDARD.encode(credentials)),
            tls: tls.map(Arc::new),
        })
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ManagementError> {
        let answer = self.request(Method::GET, path, Bytes::new()).await?;
        serde_json::from_slice(&answer).map_err(unreachable)
    }

    pub(super) async fn put(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<(), ManagementError> {
        let body = serde_json::to_vec(body).map_err(unreachable)?;
        self.request(Method::PUT, path, body.into()).await?;
        Ok(())
    }

    async fn request(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Bytes, ManagementError> {
        let asking = async {
            let stream = TcpStream::connect((self.host.trim_matches(['[', ']']), self.port))
                .await
                .map_err(unreachable)?;
            match &self.tls {
                None => self.exchange(stream, method, path, body).await,
                Some(config) => {
                    let name = self.host.trim_matches(['[', ']']).to_owned();
                    let name = ServerName::try_from(name).map_err(unreachable)?;
                    let connector = TlsConnector::from(Arc::clone(config));
                    let stream = connector.connect(name, stream).await.map_err(unreachable)?;
                    self.exchange(stream, method, path, body).await
                }
            }
        };
        tokio::time::timeout(REQUEST_MAX, asking)
            .await
            .map_err(unreachable)?
    }

    async fn exchange(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Bytes, ManagementError> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(unreachable)?;
        // Ends with the sender.
        let connection = tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.prefix))
            .header(header::HOST, format!("{}:{}", self.host, self.port))
            .header(header::AUTHORIZATION, &self.authorization)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(unreachable)?;
        let response = sender.send_request(request).await.map_err(unreachable)?;
        let status = response.status();
        let answer = Limited::new(response.into_body(), ANSWER_BYTES_MAX)
            .collect()
            .await
            .map_err(|error| ManagementError::Unreachable(error.into()))?
            .to_bytes();
        connection.abort();
        match status {
            status if status.is_success() => Ok(answer),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(ManagementError::Forbidden),
            StatusCode::NOT_FOUND => Err(ManagementError::Missing {
                path: path.to_owned(),
            }),
            status => Err(ManagementError::Refused {
                status: status.as_u16(),
                text: String::from_utf8_lossy(&answer)
                    .chars()
                    .take(QUOTE_MAX)
                    .collect(),
            }),
        }
    }
}

impl fmt::Debug for Client {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("host", &self.host)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

fn unreachable(error: impl Error + Send + Sync + 'static) -> ManagementError {
    ManagementError::Unreachable(Arc::new(error))
}

/// Trusts the system's certificates and these.
fn config(ca_certificates: Option<&str>) -> Result<ClientConfig, ManagementError> {
    let mut roots = RootCertStore::empty();
    // What of the system's store cannot be read is not trusted; the rest may be enough.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for certificate in CertificateDer::pem_slice_iter(ca_certificates.unwrap_or("").as_bytes()) {
        let certificate = certificate.map_err(|error| {
            ManagementError::Address(format!("a certificate to trust cannot be read: {error}"))
        })?;
        roots.add(certificate).map_err(unreachable)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unreachable)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        let client = Client::new("http://user:p%40ss@host:15672/", None).unwrap();
        assert_eq!((client.host.as_str(), client.port), ("host", 15672));
        assert_eq!(client.authorization, "Basic dXNlcjpwQHNz");
        assert_eq!(client.prefix, "");
        assert!(client.tls.is_none());
        let client = Client::new("https://user:secret@[::1]/rabbit", None).unwrap();
        assert_eq!((client.host.as_str(), client.port), ("[::1]", 443));
        assert_eq!(client.prefix, "/rabbit");
        assert!(client.tls.is_some());
    }

    #[test]
    fn addresses_that_are_none_say_what_is_wrong() {
        for (url, word) in [
            ("ftp://user:secret@host", "begin"),
            ("http://host:15672", "password"),
            ("no address", "look"),
        ] {
            let error = Client::new(url, None).unwrap_err();
            assert!(error.to_string().contains(word), "{error}");
        }
    }

    #[test]
    fn segments_of_a_path_are_encoded() {
        assert_eq!(encoded("/"), "%2F");
    }
}
