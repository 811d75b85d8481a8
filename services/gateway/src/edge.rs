//! The public edge: one port for gRPC, gRPC-Web, health, reflection, the console, two plain
//! pages and the webhooks of payment providers.

mod admission;
mod allowance;
mod caller;
mod connection;
mod forward;
mod framing;
mod health;
mod lane;
mod metadata;
mod outcome;
mod session;
mod shape;
mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use outcry_mesh::door::{Certificate, CertificateError, Transport};
use outcry_mesh::token::jwks;
use outcry_mesh::{Bounds, CORRELATION_ID, CallRecorder, Directory};
use outcry_service::{Clock, Context, GroupSpec};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::service::Routes;
use tonic_web::GrpcWebLayer;
use tower::{Layer, ServiceExt};
use tower_http::cors::{AllowOrigin, CorsLayer};

use self::admission::Admission;
use self::allowance::Allowances;
use self::caller::Proxies;
use self::forward::Forwarder;
use self::outcome::RETRY_PUSHBACK;
use self::session::Sessions;
use self::webhooks::Door;
use crate::config::Config;
use crate::console;
use crate::event_log::Consumers;
use crate::keys::Keys;
use crate::revocation::Revocations;
use crate::status::{Audits, Examine};

/// How long browsers may remember what other origins are allowed to do.
const PREFLIGHT_AGE: Duration = Duration::from_secs(3600);

/// The public edge, ready to be served. Cheap to clone.
#[derive(Clone)]
pub struct Edge {
    directory: Directory,
    clock: Arc<dyn Clock>,
    keys: Keys,
    revocations: Revocations,
    consumers: Consumers,
    audits: Audits,
    config: Arc<Config>,
    recorder: Option<Arc<dyn CallRecorder>>,
}

/// Why the edge cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// An entry of [`Config::allowed_origins`] is not an origin.
    #[error("`{0}` is not an origin: write it as `https://host[:port]`, or `*` for any")]
    Origin(String),
    /// A bound is 0, which would refuse everybody.
    #[error("`{0}` must be at least 1: with 0 nobody could call")]
    Zero(&'static str),
    /// An entry of [`Config::trusted_proxies`] is not a network.
    #[error("`{0}` is not a network: write it as `10.0.0.0/8`, or one address")]
    Network(String),
    /// The certificate cannot be used.
    #[error("in `tls` of the gateway")]
    Certificate(#[source] CertificateError),
    /// The contract cannot be offered by reflection.
    #[error("setting up reflection")]
    Reflection(#[source] tonic_reflection::server::Error),
}

impl Edge {
    pub(crate) fn new(
        ctx: &Context,
        keys: Keys,
        revocations: Revocations,
        consumers: Consumers,
        audits: Audits,
        config: Config,
    ) -> Edge {
        Edge {
            directory: ctx.directory.clone(),
            clock: Arc::clone(&ctx.clock),
            keys,
            revocations,
            consumers,
            audits,
            config: Arc::new(config),
            recorder: ctx.call_recorder(),
        }
    }

    /// Tells the event log which groups consume what, for its list of event types.
    pub fn announce(&self, groups: impl IntoIterator<Item = GroupSpec>) {
        self.consumers.announce(groups);
    }

    /// Lets administrators start audits, which are run so. For a process that has all the data.
    pub fn audit_by(&self, examine: Examine) {
        self.audits.run_by(examine);
    }

    /// How much the port lets in, by the configuration.
    pub fn bounds(&self) -> Bounds {
        connection::bounds(&self.config)
    }

    /// The certificate the port shows; `None` when it does not encrypt.
    fn certificate(&self) -> Result<Option<Certificate>, ServeError> {
        let files = &self.config.tls;
        if !files.is_set() {
            return Ok(None);
        }
        Certificate::read(
            connection::NAME,
            &files.certificate,
            &files.key,
            &self.directory,
        )
        .map(Some)
        .map_err(ServeError::Certificate)
    }

    /// Everything the port answers; from `stop` on, it says that it stops.
    fn app(&self, health: Routes, stop: &CancellationToken) -> Result<Router, ServeError> {
        let proxies = Proxies::read(&self.config.trusted_proxies).map_err(ServeError::Network)?;
        let forwarder = Forwarder {
            directory: self.directory.clone(),
            clock: Arc::clone(&self.clock),
            sessions: Sessions {
                keys: self.keys.clone(),
                revocations: self.revocations.clone(),
                clock: Arc::clone(&self.clock),
            },
            allowances: Allowances::new(&self.config.rates),
            admission: Admission::new(&self.config),
            proxies: proxies.clone(),
            config: Arc::clone(&self.config),
            recorder: self.recorder.clone(),
        };
        let door = Door {
            directory: self.directory.clone(),
            clock: Arc::clone(&self.clock),
            admission: forwarder.admission.clone(),
            proxies,
            deadline: self.config.call_deadline(),
        };
        let grpc = with_reflection(health, self.config.reflection)?
            .into_axum_router()
            .fallback_service(forwarder.map_request(|request: Request| request.map(Body::new)));
        let grpc = GrpcWebLayer::new().layer(grpc);
        let app = Router::new()
            .route("/.well-known/jwks.json", get(key_set))
            .route("/healthz", get(healthz))
            .route(webhooks::PATH, webhooks::page(door));
        let app = if self.config.console {
            app.merge(console::pages())
        } else {
            app
        };
        let pages = Pages {
            edge: self.clone(),
            stop: stop.clone(),
        };
        let app = app
            .fallback_service(grpc)
            .layer(from_fn_with_state(pages.clone(), explain_strangers))
            .with_state(pages);
        Ok(match cross_origin(&self.config.allowed_origins)? {
            Some(layer) => app.layer(layer),
            None => app,
        })
    }
}

/// Serves the edge on a bound socket until `shutdown`, then lets calls in progress end
/// for at most [`Config::drain_ms`].
///
/// # Errors
/// [`ServeError`] when the settings cannot be followed; nothing is served then.
pub async fn serve(
    edge: Edge,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let bounds = edge.bounds();
    serve_within(edge, bounds, listener, shutdown).await
}

/// The same within other bounds than the configuration's.
///
/// # Errors
/// As [`serve`].
pub async fn serve_within(
    edge: Edge,
    bounds: Bounds,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    if let Some(setting) = edge.config.zero() {
        return Err(ServeError::Zero(setting));
    }
    let certificate = edge.certificate()?;
    let transport = match &certificate {
        Some(certificate) => certificate.transport(),
        None => Transport::Plain,
    };
    let renewing = async {
        if let Some(certificate) = certificate {
            certificate.keep(shutdown.clone()).await;
        }
    };
    let (health, keeper) = health::of(&edge.directory);
    let app = connection::app(edge.app(health, &shutdown)?);
    let port = outcry_mesh::Door::new(connection::NAME, bounds, transport, &edge.directory);
    tokio::join!(
        renewing,
        keeper.keep(shutdown.clone()),
        port.serve(listener, app, shutdown.clone()),
    );
    Ok(())
}

#[derive(Clone)]
struct Pages {
    edge: Edge,
    stop: CancellationToken,
}

/// The keys tokens are verified with, for other systems that accept our tokens.
async fn key_set(State(pages): State<Pages>) -> Response {
    match pages.edge.keys.published(pages.edge.clock.now()).await {
        Ok(keys) => {
            let cached = [(
                CACHE_CONTROL,
                HeaderValue::from_static("public, max-age=300"),
            )];
            (cached, Json(jwks(&keys))).into_response()
        }
        Err(status) => {
            let body = Json(json!({ "error": status.message() }));
            (StatusCode::SERVICE_UNAVAILABLE, body).into_response()
        }
    }
}

/// Whether this gateway takes calls, and for which services.
async fn healthz(State(pages): State<Pages>) -> Response {
    let stopping = pages.stop.is_cancelled();
    let (code, status) = if stopping {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping")
    } else {
        (StatusCode::OK, "serving")
    };
    let services = pages.edge.directory.names();
    (
        code,
        Json(json!({ "status": status, "services": services })),
    )
        .into_response()
}

/// Answers those who come with something else than gRPC, instead of with an empty page.
async fn explain_strangers(State(pages): State<Pages>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let console = pages.edge.config.console;
    let is_page = matches!(path, "/.well-known/jwks.json" | "/healthz")
        || webhooks::is_page(path)
        || (console && console::is_page(path));
    let content_type = request.headers().get(CONTENT_TYPE);
    let is_grpc = content_type.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    if is_page || is_grpc || request.method() == Method::OPTIONS {
        return next.run(request).await;
    }
    let shown = if console { "/ (the console), " } else { "" };
    let text = format!(
        "This port speaks gRPC and gRPC-Web (content type application/grpc or application/grpc-web).\n\
         Pages: {shown}/healthz and /.well-known/jwks.json\n"
    );
    (StatusCode::NOT_FOUND, text).into_response()
}

fn with_reflection(routes: Routes, wanted: bool) -> Result<Routes, ServeError> {
    if !wanted {
        return Ok(routes);
    }
    let builder = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(outcry_contracts::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    // Older tools only know the alpha version.
    let current = builder().build_v1().map_err(ServeError::Reflection)?;
    let older = builder().build_v1alpha().map_err(ServeError::Reflection)?;
    Ok(routes.add_service(current).add_service(older))
}

/// What web pages of other origins may do; `None` when no other origin is allowed.
fn cross_origin(allowed: &[String]) -> Result<Option<CorsLayer>, ServeError> {
    if allowed.is_empty() {
        return Ok(None);
    }
    let origins = if allowed.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        let origins: Result<Vec<HeaderValue>, ServeError> =
            allowed.iter().map(|origin| parse_origin(origin)).collect();
        AllowOrigin::list(origins?)
    };
    let sent = [
        "authorization",
        "content-type",
        "grpc-timeout",
        "x-grpc-web",
        "x-user-agent",
        "traceparent",
    ];
    let shown = [
        "grpc-status",
        "grpc-message",
        "grpc-status-details-bin",
        RETRY_PUSHBACK,
        CORRELATION_ID,
    ];
    Ok(Some(
        CorsLayer::new()
            .allow_origin(origins)
            .allow_methods([Method::POST, Method::GET])
            .allow_headers(sent.map(HeaderName::from_static))
            .expose_headers(shown.map(HeaderName::from_static))
            .max_age(PREFLIGHT_AGE),
    ))
}

fn parse_origin(origin: &str) -> Result<HeaderValue, ServeError> {
    let wrong = || ServeError::Origin(origin.to_owned());
    let host = origin
        .strip_prefix("https://")
        .or_else(|| origin.strip_prefix("http://"))
        .ok_or_else(wrong)?;
    if host.is_empty() || host.contains('/') {
        return Err(wrong());
    }
    HeaderValue::from_str(origin).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_scheme_and_a_host() {
        for good in ["https://desk.example", "http://localhost:5173"] {
            assert!(parse_origin(good).is_ok(), "{good}");
        }
        for bad in [
            "desk.example",
            "https://",
            "https://desk.example/",
            "ftp://desk.example",
        ] {
            let error = parse_origin(bad).unwrap_err().to_string();
            assert!(error.contains(bad), "{error}");
        }
    }

    #[test]
    fn no_other_origin_is_allowed_unless_named() {
        assert!(cross_origin(&[]).unwrap().is_none());
        assert!(cross_origin(&["*".to_owned()]).unwrap().is_some());
    }
}
