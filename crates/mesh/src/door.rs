//! A port: connections accepted up to a bound, kept only while they are used, closed in order.
//!
//! One loop for the port of peers and for the public one, which differ in their [`Bounds`], in
//! their [`Transport`] and in what answers. Rooms, in reading order:
//! - [`Bounds`]: every number, with its reason;
//! - `register`: who is in, and how the others ended;
//! - `connection`: one connection, which lives as its `course` says and is watched by `traffic`;
//! - [`Certificate`]: a certificate from files, for a door that encrypts;
//! - [`Departure`]: how its streams learn that they have to end.

mod bounds;
mod certificate;
mod connection;
mod course;
mod departure;
mod frames;
mod register;
mod traffic;
mod transport;

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use http::{Request, Response};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;

pub use self::bounds::{Bounds, DRAIN_MAX};
pub use self::certificate::{Certificate, CertificateError};
pub use self::connection::RemoteAddress;
pub use self::departure::{Departure, Leaving};
pub use self::register::{ConnectionView, DoorView};
pub use self::transport::{CurrentTls, Transport};

pub(crate) use self::departure::draining;
pub(crate) use self::register::{Doors, End};
pub(crate) use self::traffic::Traffic;

use self::connection::Host;
use self::register::Register;
use crate::directory::Directory;

/// Wait after a failed accept: descriptors run out, and come back as connections close.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// What answers requests. Every failure is a response: there is no other way for a request to end.
pub type App = Arc<dyn Fn(Request<Body>) -> BoxFuture<'static, Response<Body>> + Send + Sync>;

/// A port of this process.
#[derive(Debug)]
pub struct Door {
    bounds: Bounds,
    transport: Transport,
    register: Arc<Register>,
}

impl Door {
    /// A door, counted and listed under `name` by the directory's process.
    pub fn new(
        name: &'static str,
        bounds: Bounds,
        transport: Transport,
        directory: &Directory,
    ) -> Door {
        let meter = directory.metrics().door(name);
        let register = Arc::new(Register::new(name, transport.is_encrypted(), meter));
        directory.open_doors().add(&register);
        Door {
            bounds,
            transport,
            register,
        }
    }

    /// Lets connections in until `shutdown` and [`Bounds::drain_delay`] after it; then refuses new
    /// ones, tells the others to go elsewhere, and lets what is in progress end.
    pub async fn serve(self, listener: TcpListener, app: App, shutdown: CancellationToken) {
        if let Ok(local) = listener.local_addr() {
            self.register.listens_at(local);
        }
        let (in_all, of_address) = (
            self.bounds.connections_max,
            self.bounds.connections_per_address_max,
        );
        let (drain_delay, drain_max) = (self.bounds.drain_delay, self.bounds.drain_max);
        let draining = CancellationToken::new();
        let host = Arc::new(Host {
            handshakes: Semaphore::new(self.bounds.handshakes_max),
            http: connection::protocol(&self.bounds),
            bounds: self.bounds,
            transport: self.transport,
            app,
            draining: draining.clone(),
        });
        let asked_to_stop = async {
            shutdown.cancelled().await;
            tokio::time::sleep(drain_delay).await;
        };
        tokio::pin!(asked_to_stop);
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut asked_to_stop => break,
                Some(_ended) = connections.join_next() => continue,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, remote)) => match self.register.enter(remote, in_all, of_address) {
                    Ok(open) => {
                        connections.spawn(Arc::clone(&host).welcome(stream, open));
                    }
                    Err(end) => {
                        tracing::warn!(%remote, reason = end.label(), "connection refused");
                    }
                },
                Err(error) => {
                    tracing::warn!(%error, "accepting a connection failed");
                    tokio::time::sleep(ACCEPT_BACKOFF).await;
                }
            }
        }
        drop(listener);
        draining.cancel();
        let all_closed = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(drain_max, all_closed).await.is_err() {
            tracing::warn!(
                connections = connections.len(),
                "connections cut off after the drain time"
            );
            connections.shutdown().await;
        }
    }
}
