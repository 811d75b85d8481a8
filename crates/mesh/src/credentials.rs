//! What a process proves itself with to others.

use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::certificates::{Certificates, Peer};
use crate::stream::Stream;
use crate::token::MeshKey;

/// How the processes of a platform know each other. All of them use the same kind.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// By a key that they share, over connections that something else protects.
    Key(MeshKey),
    /// By certificates, over TLS; no key is shared.
    Certificates(Certificates),
}

impl From<MeshKey> for Credentials {
    fn from(key: MeshKey) -> Credentials {
        Credentials::Key(key)
    }
}

impl From<Certificates> for Credentials {
    fn from(certificates: Certificates) -> Credentials {
        Credentials::Certificates(certificates)
    }
}

impl Credentials {
    /// Takes an accepted connection: with certificates, the peer must prove who it is.
    ///
    /// # Errors
    /// It did not.
    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<(Stream, Option<Peer>)> {
        match self {
            Credentials::Key(_) => Ok((Stream::Plain(stream), None)),
            Credentials::Certificates(certificates) => {
                let (stream, peer) = certificates.accept(stream).await?;
                Ok((stream, Some(peer)))
            }
        }
    }

    /// Takes new certificates when their files change, until `shutdown`; a key stays as it is.
    pub(crate) async fn watch(self, shutdown: CancellationToken) {
        match self {
            Credentials::Key(_) => {}
            Credentials::Certificates(certificates) => certificates.watch(shutdown).await,
        }
    }
}

/// What this process proves itself with, once it has joined the mesh. All clones are the same one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Membership {
    credentials: Arc<RwLock<Option<Credentials>>>,
}

impl Membership {
    pub(crate) fn join(&self, credentials: Credentials) {
        *self
            .credentials
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Some(credentials);
    }

    pub(crate) fn credentials(&self) -> Option<Credentials> {
        self.credentials
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
