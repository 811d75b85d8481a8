//! Calls that are tried again while the platform is away.
//!
//! What the command line calls has a request id or only reads, so a call whose answer was lost can
//! be repeated: it is carried out once. A restart of the platform, or of a part of it, is then no
//! more than a pause.

use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use tokio::time::Instant;
use tonic::body::Body;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tower::{Service, ServiceExt as _};

/// How long the platform may be away: a restart takes seconds.
const AWAY_MAX: Duration = Duration::from_secs(60);

/// Wait between two tries.
const PAUSE: Duration = Duration::from_millis(250);

/// A connection whose calls wait for a platform that is away.
#[derive(Clone)]
pub struct Patient {
    inner: Channel,
}

// === impl Patient ===

impl Patient {
    /// Makes the calls on a connection patient.
    pub fn new(inner: Channel) -> Self {
        Self { inner }
    }
}

impl Service<Request<Body>> for Patient {
    type Response = Response<Body>;
    type Error = tonic::transport::Error;
    type Future = BoxFuture<'static, Result<Response<Body>, tonic::transport::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        // Each try waits for the connection itself.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let mut channel = self.inner.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let bytes = match body.collect().await {
                Ok(collected) => collected.to_bytes(),
                Err(broken) => return Ok(broken.into_http()),
            };
            let end = Instant::now() + AWAY_MAX;
            loop {
                let request =
                    Request::from_parts(parts.clone(), Body::new(Full::new(bytes.clone())));
                let outcome = match channel.ready().await {
                    Ok(ready) => ready.call(request).await,
                    Err(error) => Err(error),
                };
                let is_away = match &outcome {
                    Ok(response) => is_away(response),
                    Err(_) => true,
                };
                if !is_away || Instant::now() > end {
                    return outcome;
                }
                tokio::time::sleep(PAUSE).await;
            }
        })
    }
}

/// Whether the answer says that something is not there at the moment, or took too long.
fn is_away(response: &Response<Body>) -> bool {
    Status::from_header_map(response.headers()).is_some_and(|status| {
        matches!(
            status.code(),
            Code::Unavailable | Code::DeadlineExceeded | Code::Aborted
        )
    })
}
