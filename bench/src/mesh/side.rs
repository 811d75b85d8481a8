//! The two sides that are compared, and how each is stood up.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use outcry_mesh::Certificates;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::desk::Desk;
use super::identities::Identities;
use super::service::Client;
use super::{bare, outcry};

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Bare tonic without TLS.
    Plain,
    /// Bare tonic with certificates on both sides.
    Tls,
    /// Outcry with everything it has.
    Outcry,
}

/// One of the sides, set up.
#[derive(Debug, Clone)]
pub struct Side {
    /// Which one.
    pub kind: Kind,
    /// Where the certificates are.
    pub identities: Identities,
    /// The certificates of the mesh, which can be replaced.
    pub certificates: Option<Certificates>,
    /// How old a connection gets, where there is a bound, and how long calls on it may go on.
    pub age: Option<(Duration, Duration)>,
}

/// A running server.
pub struct Replica {
    /// Where it listens.
    pub address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

// === impl Side ===

impl Side {
    /// One whose connections are of any age.
    pub fn new(kind: Kind, identities: &Identities) -> anyhow::Result<Self> {
        let certificates = match kind {
            Kind::Plain | Kind::Tls => None,
            Kind::Outcry => Some(outcry::certificates(identities)?),
        };
        Ok(Self {
            kind,
            identities: identities.clone(),
            certificates,
            age: None,
        })
    }

    /// The same with connections of an age, and calls on them that may go on for a while then.
    pub fn aged(&self, age: Duration, grace: Duration) -> Self {
        Self {
            age: Some((age, grace)),
            ..self.clone()
        }
    }

    /// Takes new certificates from the files, where that is possible.
    pub fn reload(&self) -> anyhow::Result<()> {
        if let Some(certificates) = &self.certificates {
            certificates.reload()?;
        }
        Ok(())
    }

    /// Serves on any port.
    pub async fn start(&self, desk: &Arc<Desk>) -> anyhow::Result<Replica> {
        self.start_at(([127, 0, 0, 1], 0).into(), desk).await
    }

    /// Serves on a certain port.
    pub async fn start_at(&self, address: SocketAddr, desk: &Arc<Desk>) -> anyhow::Result<Replica> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        let task = match self.kind {
            Kind::Plain | Kind::Tls => {
                tokio::spawn(bare::serve(self, listener, desk, stop.clone())?)
            }
            Kind::Outcry => tokio::spawn(outcry::serve(self, listener, desk, stop.clone())?),
        };
        Ok(Replica {
            address,
            stop,
            task,
        })
    }

    /// Calls the replicas at these addresses.
    pub fn client(&self, addresses: &[SocketAddr]) -> anyhow::Result<Client> {
        match self.kind {
            Kind::Plain | Kind::Tls => bare::client(self, addresses),
            Kind::Outcry => outcry::client(self, addresses),
        }
    }
}

// === impl Replica ===

impl Replica {
    /// Asks it to stop, and waits for that a while; one that takes longer is cut off.
    pub async fn stop(mut self, patience: Duration) -> anyhow::Result<()> {
        self.stop.cancel();
        match tokio::time::timeout(patience, &mut self.task).await {
            Ok(ended) => ended?,
            Err(_elapsed) => Ok(()),
        }
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.task.abort();
    }
}
