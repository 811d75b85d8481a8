//! What a connection speaks below HTTP: TLS, or nothing.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use crate::certificates::Peer;
use crate::credentials::Credentials;
use crate::stream::Stream;

/// Gives the TLS configuration for the next connection: certificates change while a process runs.
pub type CurrentTls = Arc<dyn Fn() -> Arc<ServerConfig> + Send + Sync>;

/// What a door speaks below HTTP.
#[derive(Clone)]
pub enum Transport {
    /// Nothing: behind a proxy or another mesh that encrypts, or on one machine.
    Plain,
    /// TLS for anybody, with the configuration there is when a connection begins.
    Tls(CurrentTls),
    /// What processes of the platform speak with each other: TLS on both sides when they know each
    /// other by certificates. Whom a certificate names is passed on with the requests.
    Peers(Credentials),
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Transport::Plain => "Plain",
            Transport::Tls(_) => "Tls",
            Transport::Peers(_) => "Peers",
        })
    }
}

impl Transport {
    /// Whether it encrypts.
    pub fn is_encrypted(&self) -> bool {
        matches!(
            self,
            Transport::Tls(_) | Transport::Peers(Credentials::Certificates(_))
        )
    }

    /// Begins a connection, when its turn comes.
    ///
    /// # Errors
    /// The peer cannot or must not speak with us, or took too long.
    pub(super) async fn accept(
        &self,
        stream: TcpStream,
        turns: &Semaphore,
        within: Duration,
    ) -> io::Result<(Stream, Option<Peer>)> {
        if !self.is_encrypted() {
            return Ok((Stream::Plain(stream), None));
        }
        let handshake = async {
            let _turn = turns.acquire().await.map_err(io::Error::other)?;
            match self {
                Transport::Plain => Ok((Stream::Plain(stream), None)),
                Transport::Tls(current) => {
                    let stream = TlsAcceptor::from(current()).accept(stream).await?;
                    Ok((Stream::Tls(Box::new(stream.into())), None))
                }
                Transport::Peers(credentials) => credentials.accept(stream).await,
            }
        };
        tokio::time::timeout(within, handshake)
            .await
            .map_err(|_elapsed| io::Error::from(io::ErrorKind::TimedOut))?
    }
}
