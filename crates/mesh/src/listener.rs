//! The port for the services of other processes.

use std::sync::Arc;

use futures::FutureExt;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::certificates::Peer;
use crate::credentials::Credentials;
use crate::directory::Directory;
use crate::door::{App, Bounds, Door, Transport};
use crate::readiness;
use crate::reception::Reception;

/// The name of the door in counters and lists.
const NAME: &str = "peers";

/// Serves the services of this process to its peers until `shutdown`; then refuses calls, tells peers
/// to go elsewhere, and lets what is in progress end (at most [`Bounds::drain_max`]).
///
/// Peers prove who they are by certificates, or by a token of the key, with which this process's own
/// calls are proven, too, even before the future is polled. Certificates are taken anew when their
/// files change. `grpc.health.v1` answers anybody who can connect: `SERVING` while the process is
/// [ready](Directory::set_ready) and does not drain.
///
/// Services should stay registered until this returns.
pub fn listen(
    directory: Directory,
    listener: TcpListener,
    credentials: impl Into<Credentials>,
    shutdown: CancellationToken,
) -> impl Future<Output = ()> + Send + 'static {
    listen_within(
        Bounds::of_peers(),
        directory,
        listener,
        credentials,
        shutdown,
    )
}

/// The same within other bounds.
pub fn listen_within(
    bounds: Bounds,
    directory: Directory,
    listener: TcpListener,
    credentials: impl Into<Credentials>,
    shutdown: CancellationToken,
) -> impl Future<Output = ()> + Send + 'static {
    let credentials = credentials.into();
    directory.join(credentials.clone());
    let (reporter, health) = tonic_health::server::health_reporter();
    let transport = Transport::Peers(credentials.clone());
    let door = Door::new(NAME, bounds, transport, &directory);
    let health = tonic::service::Routes::new(health);
    let reception = Reception::new(directory.clone(), credentials.clone(), health);
    let app: App = Arc::new(move |request| {
        let reception = reception.clone();
        async move {
            let peer = request.extensions().get::<Arc<Peer>>().cloned();
            reception.answer(request, peer.as_deref()).await
        }
        .boxed()
    });
    async move {
        tokio::join!(
            readiness::keep(reporter, directory, shutdown.clone()),
            credentials.watch(shutdown.clone()),
            door.serve(listener, app, shutdown),
        );
    }
}
