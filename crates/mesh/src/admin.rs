//! The port for operators: health for probes, counters, and what the process knows of the others.
//! In plain text, and for the inside only: it shows addresses, and takes no orders.

mod budgets;
mod certificates;
mod channelz;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::service::Routes;
use tower::Service as _;

use self::budgets::Budgets;
use self::certificates::Standing;
use self::channelz::{Channelz, ChannelzServer};
use crate::directory::Directory;
use crate::door::{App, Bounds, Door, Transport};
use crate::readiness;
use crate::refusal::code_name;

/// What Prometheus is told the counters are written in.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves the port for operators until `shutdown`:
/// - `grpc.health.v1`, `/readyz`: whether the process is [ready](Directory::set_ready);
/// - `/livez`: that it runs, whatever else is away;
/// - `/metrics`: everything in the registry, with what the mesh counts;
/// - `/mesh`: services called and ports served, as JSON;
/// - `/slowest`: the slowest calls of the last minute or two and the flows they belong to, as JSON;
/// - `grpc.channelz.v1`: the same for debugging tools.
pub async fn administer(
    directory: Directory,
    mut registry: Registry,
    listener: TcpListener,
    shutdown: CancellationToken,
) {
    directory.metrics().register(&mut registry);
    registry.register_collector(Box::new(Standing::of(&directory)));
    registry.register_collector(Box::new(Budgets::of(&directory)));
    let (reporter, health) = tonic_health::server::health_reporter();
    let grpc = Routes::new(health)
        .add_service(ChannelzServer::new(Channelz::new(directory.clone())))
        .into_axum_router();
    let pages = Pages {
        directory: directory.clone(),
        registry: Arc::new(registry),
    };
    let app = Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/mesh", get(mesh))
        .route("/slowest", get(slowest))
        .with_state(pages)
        .merge(grpc);
    let app: App = Arc::new(move |request| {
        let mut app = app.clone();
        Box::pin(async move {
            match app.call(request).await {
                Ok(response) => response.map(Body::new),
                Err(never) => match never {},
            }
        })
    });
    let door = Door::new(
        "admin",
        Bounds::of_operators(),
        Transport::Plain,
        &directory,
    );
    tokio::join!(
        readiness::keep(reporter, directory.clone(), shutdown.clone()),
        door.serve(listener, app, shutdown),
    );
}

#[derive(Clone)]
struct Pages {
    directory: Directory,
    registry: Arc<Registry>,
}

async fn livez() -> &'static str {
    "alive\n"
}

async fn readyz(State(pages): State<Pages>) -> Response {
    if pages.directory.is_ready() {
        (StatusCode::OK, "ready\n").into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response()
    }
}

async fn metrics(State(pages): State<Pages>) -> Response {
    let mut text = String::new();
    match encode(&mut text, &pages.registry) {
        Ok(()) => ([(CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(error) => {
            text.clear();
            let _infallible = writeln!(text, "the counters cannot be written: {error}");
            (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
        }
    }
}

async fn mesh(State(pages): State<Pages>) -> Response {
    let directory = &pages.directory;
    Json(json!({
        "services": directory.local_names(),
        "targets": directory.overview().targets,
        "doors": directory.doors(),
    }))
    .into_response()
}

async fn slowest(State(pages): State<Pages>) -> Response {
    let calls = pages.directory.metrics().slowest();
    let calls: Vec<Value> = calls
        .iter()
        .map(|call| {
            let ago = call.ended.elapsed().unwrap_or_default();
            json!({
                "method": call.path.strip_prefix('/').unwrap_or(&call.path),
                "correlationId": call.correlation_id.to_string(),
                "milliseconds": call.took.as_secs_f64() * 1e3,
                "status": code_name(call.code),
                "secondsAgo": ago.as_secs(),
            })
        })
        .collect();
    Json(json!({ "calls": calls })).into_response()
}
