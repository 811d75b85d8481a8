//! Calls that are tried again while the platform is away, or after as long as it asks to wait.
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

/// Header of a refusal that says when to come back, in milliseconds.
const RETRY_PUSHBACK: &str = "grpc-retry-pushback-ms";

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
                let pause = match &outcome {
                    Ok(response) => pause(response),
                    Err(_) => Some(PAUSE),
                };
                match pause {
                    Some(pause) if Instant::now() + pause < end => {
                        tokio::time::sleep(pause).await;
                    }
                    _ => return outcome,
                }
            }
        })
    }
}

/// How long to wait before the next try, if it is worth one: something is not there at the moment
/// or took too long, or we are faster than we may be.
fn pause(response: &Response<Body>) -> Option<Duration> {
    let status = Status::from_header_map(response.headers())?;
    match status.code() {
        Code::Unavailable | Code::DeadlineExceeded | Code::Aborted => Some(PAUSE),
        Code::ResourceExhausted => {
            let asked = response.headers().get(RETRY_PUSHBACK)?.to_str().ok()?;
            asked.parse().ok().map(Duration::from_millis)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_waited_for_and_as_long_as_was_asked() {
        let paused = |code: Code, pushback: Option<&'static str>| {
            let mut response = Status::new(code, "").into_http::<Body>();
            if let Some(pushback) = pushback {
                let value = http::HeaderValue::from_static(pushback);
                response.headers_mut().insert(RETRY_PUSHBACK, value);
            }
            pause(&response)
        };
        assert_eq!(paused(Code::Unavailable, None), Some(PAUSE));
        let asked = paused(Code::ResourceExhausted, Some("40"));
        assert_eq!(asked, Some(Duration::from_millis(40)));
        assert_eq!(paused(Code::ResourceExhausted, None), None);
        assert_eq!(paused(Code::ResourceExhausted, Some("-1")), None);
        assert_eq!(paused(Code::InvalidArgument, Some("40")), None);
        assert_eq!(paused(Code::Ok, None), None);
    }
}
