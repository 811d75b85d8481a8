//! The public port: what the mesh's door is told of ours.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use http::Request;
use outcry_mesh::Bounds;
use outcry_mesh::door::{App, RemoteAddress};
use tonic::body::Body;
use tower::Service;

use crate::config::Config;

/// The name of the door in counters and lists.
pub(super) const NAME: &str = "public";

/// The address a request came from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) SocketAddr);

/// How much the public port lets in.
pub(super) fn bounds(config: &Config) -> Bounds {
    Bounds {
        connections_max: config.connections_max,
        connections_per_address_max: config.connections_per_address_max,
        // Browsers call by gRPC-Web, providers by webhooks, and balancers look at /healthz.
        http1: true,
        streams_per_connection_max: config.calls_per_connection_max,
        // All that a client can have, twice over: screens that close cancel everything.
        resets_at_once_max: config.calls_per_connection_max.saturating_mul(2),
        resets_per_second_max: 100,
        age_max: Duration::from_secs(config.connection_age_s),
        // No call takes longer.
        age_grace: config.call_deadline(),
        // Streams end when the drain begins: nothing else would ever end them.
        streams_end_after: Duration::ZERO,
        drain_delay: Duration::from_millis(config.drain_delay_ms),
        drain_max: config.drain(),
        ..Bounds::of_peers()
    }
}

/// The pages and methods as the door calls them.
pub(super) fn app(router: axum::Router) -> App {
    Arc::new(move |mut request: Request<Body>| {
        if let Some(RemoteAddress(address)) = request.extensions().get().copied() {
            request.extensions_mut().insert(Peer(address));
        }
        let answer = router.clone().call(request);
        async move {
            match answer.await {
                Ok(response) => response.map(Body::new),
                Err(never) => match never {},
            }
        }
        .boxed()
    })
}
