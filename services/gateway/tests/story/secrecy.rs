//! TLS on the public port.

use std::path::Path;
use std::sync::Arc;

use outcry_gateway::{Config, ServeError, TlsConfig, serve};
use rcgen::{CertifiedKey, KeyPair};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion, version};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

use crate::rig::Rig;

/// A certificate for `localhost`, in files.
struct Files {
    folder: TempDir,
    made: CertifiedKey<KeyPair>,
}

impl Files {
    fn new() -> Files {
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let files = Files { folder, made };
        std::fs::write(files.path("chain"), files.made.cert.pem()).unwrap();
        std::fs::write(files.path("key"), files.made.signing_key.serialize_pem()).unwrap();
        files
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        Path::new(self.folder.path()).join(name)
    }

    fn config(&self) -> Config {
        Config {
            tls: TlsConfig {
                certificate: self.path("chain"),
                key: self.path("key"),
            },
            ..Config::default()
        }
    }

    async fn connect(
        &self,
        rig: &Rig,
        speaks: &'static SupportedProtocolVersion,
        protocols: &[&[u8]],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.made.cert.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[speaks])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        let stream = TcpStream::connect(rig.address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(client))
            .connect(name, stream)
            .await
    }
}

#[tokio::test]
async fn the_port_speaks_tls_1_2_and_1_3_and_both_kinds_of_http() {
    let files = Files::new();
    let rig = Rig::with(files.config()).await;
    for (speaks, version) in [
        (&version::TLS12, ProtocolVersion::TLSv1_2),
        (&version::TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let both: &[&[u8]] = &[b"h2", b"http/1.1"];
        let stream = files.connect(&rig, speaks, both).await.unwrap();
        let (_, session) = stream.get_ref();
        assert_eq!(session.protocol_version(), Some(version));
        assert_eq!(session.alpn_protocol(), Some(&b"h2"[..]));

        let mut stream = files.connect(&rig, speaks, &both[1..]).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        stream
            .write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    let door = rig.directory.doors().remove(0);
    assert!(door.encrypted);
}

#[tokio::test]
async fn who_does_not_encrypt_or_speaks_another_protocol_is_not_let_in() {
    let files = Files::new();
    let rig = Rig::with(files.config()).await;
    let mut plain = TcpStream::connect(rig.address).await.unwrap();
    plain
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!String::from_utf8_lossy(&answer).contains("HTTP"));
    let other = files.connect(&rig, &version::TLS13, &[b"spdy/3"]).await;
    assert!(other.is_err(), "a protocol that is not spoken here");
    outcry_service::testing::eventually("both were counted", async || {
        rig.ended("handshake_failed") == 2
    })
    .await;
}

#[tokio::test]
async fn without_its_certificate_the_port_is_not_opened() {
    let files = Files::new();
    let rig = Rig::start().await;
    let config = Config {
        tls: TlsConfig {
            key: files.path("nothing"),
            ..files.config().tls
        },
        ..Config::default()
    };
    let edge = rig.edge_with(config).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let refused = serve(edge, listener, CancellationToken::new()).await;
    assert!(matches!(refused, Err(ServeError::Certificate(_))));
}
