//! The way in: every method the contract opens to the outside, forwarded by its path.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use outcry_mesh::authorize::Rule;
use outcry_mesh::token::Claims;
use outcry_mesh::{
    CLIENT_ADDRESS, CORRELATION_ID, Directory, EDGE, INTERNAL_PREFIX, deadline, forward_for,
    refusal,
};
use outcry_service::Clock;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::Service;
use tracing::Instrument;
use uuid::Uuid;

use super::admission::{Admission, Kind};
use super::connection::Peer;
use super::framing::BoundedMessages;
use super::outcome::{complete, failed};
use super::session::Sessions;
use crate::SERVICE;
use crate::config::Config;

/// Owner of the event log's methods, as the contract's packages have it.
const EVENT_LOG: &str = "eventlog";

/// Forwards calls to the services that own their methods.
#[derive(Clone)]
pub(super) struct Forwarder {
    pub(super) directory: Directory,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) sessions: Sessions,
    pub(super) admission: Admission,
    pub(super) config: Arc<Config>,
}

impl Service<Request<Body>> for Forwarder {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Admission refuses at once instead of making callers wait.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let forwarder = self.clone();
        let correlation_id = self.clock.new_id();
        let span = tracing::info_span!("edge", method = request.uri().path(), %correlation_id);
        let answer = async move {
            Ok(match forwarder.forward(request, correlation_id).await {
                Ok(response) => response,
                Err(status) => {
                    tracing::debug!(code = ?status.code(), message = status.message(), "call refused");
                    failed(status, correlation_id)
                }
            })
        };
        Box::pin(answer.instrument(span))
    }
}

impl Forwarder {
    async fn forward(
        &self,
        mut request: Request<Body>,
        correlation_id: Uuid,
    ) -> Result<Response<Body>, Status> {
        let path = request.uri().path().to_owned();
        let rule = self.open_method(&path)?;
        check_shape(&request)?;
        let claims = self.claims_for(rule, request.headers()).await?;
        let kind = if rule.streaming {
            Kind::Stream
        } else {
            Kind::Call
        };
        let ticket = self
            .admission
            .admit(kind, caller_of(&request, claims.as_ref()))?;
        clean(request.headers_mut());
        self.bound(kind, request.headers_mut());
        if let Ok(id) = HeaderValue::from_str(&correlation_id.to_string()) {
            request.headers_mut().insert(CORRELATION_ID, id);
        }
        if let Some(Peer(address)) = request.extensions().get::<Peer>().copied()
            && let Ok(address) = HeaderValue::from_str(&address.ip().to_string())
        {
            request.headers_mut().insert(CLIENT_ADDRESS, address);
        }
        if let Some(claims) = &claims {
            forward_for(&mut request, claims.user());
        }
        let message_bytes_max = self.config.message_bytes_max;
        let request = request.map(|body| Body::new(BoundedMessages::new(body, message_bytes_max)));
        let end = (kind == Kind::Stream).then(|| self.sessions.end(claims));
        let mut channel = self.directory.channel(EDGE, server_of(rule));
        // A stream has no deadline once it runs, but it must begin: a client that never sends its
        // request would hold its place for ever.
        let answer = tokio::time::timeout(self.config.call_deadline(), channel.call(request));
        let response = match answer.await {
            Ok(Ok(response)) => response,
            Ok(Err(never)) => match never {},
            Err(_elapsed) => return Err(deadline::exceeded()),
        };
        Ok(complete(response, correlation_id, Some(ticket), end))
    }

    /// The rule of a method that is open to the outside. Others are not even admitted to exist.
    fn open_method(&self, path: &str) -> Result<&Rule, Status> {
        self.directory
            .rules()
            .rule(path)
            .filter(|rule| rule.at_the_edge())
            .ok_or_else(|| {
                refusal::with_reason(
                    Code::Unimplemented,
                    "NO_SUCH_METHOD",
                    format!(
                        "there is no method {path}; the contract's .proto files list all there are"
                    ),
                )
            })
    }

    /// The claims of the caller. Where nobody needs to be signed in, a token that does not count
    /// is as good as none: that is how one signs in again.
    async fn claims_for(&self, rule: &Rule, headers: &HeaderMap) -> Result<Option<Claims>, Status> {
        match self.sessions.claims(headers).await {
            Err(_) if rule.public => Ok(None),
            claims => claims,
        }
    }

    /// Holds unary calls to the deadline; streams keep the client's own, if any.
    fn bound(&self, kind: Kind, headers: &mut HeaderMap) {
        let wish = deadline::parse_timeout(headers);
        headers.remove(deadline::GRPC_TIMEOUT);
        let longest = self.config.call_deadline();
        let wait = match kind {
            Kind::Call => Some(wish.map_or(longest, |wish| wish.min(longest))),
            Kind::Stream => wish,
        };
        if let Some(wait) = wait {
            deadline::put_timeout(headers, wait);
        }
    }
}

/// Name of the service that answers a method: its owner, but for the event log, which is this gateway's.
fn server_of(rule: &Rule) -> String {
    let owner = rule.owner.as_str();
    if owner == EVENT_LOG {
        SERVICE.to_owned()
    } else {
        owner.to_owned()
    }
}

/// Whether the request is a gRPC call at all.
fn check_shape(request: &Request<Body>) -> Result<(), Status> {
    let content_type = request.headers().get(CONTENT_TYPE);
    let is_grpc = content_type.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    if request.method() == Method::POST && is_grpc {
        return Ok(());
    }
    Err(refusal::with_reason(
        Code::InvalidArgument,
        "NOT_A_GRPC_CALL",
        "call this by gRPC or gRPC-Web: POST with content type application/grpc",
    ))
}

/// For whom a call counts: the user, or the address of somebody who is not signed in.
fn caller_of(request: &Request<Body>, claims: Option<&Claims>) -> String {
    match (claims, request.extensions().get::<Peer>()) {
        (Some(claims), _) => format!("user:{}", claims.sub),
        (None, Some(Peer(address))) => format!("address:{}", address.ip()),
        (None, None) => "address:unknown".to_owned(),
    }
}

/// Takes away what only the platform may say, and secrets that no service needs.
fn clean(headers: &mut HeaderMap) {
    let inner: Vec<HeaderName> = headers
        .keys()
        .filter(|name| {
            let name = name.as_str();
            name.starts_with(INTERNAL_PREFIX) || name.starts_with("grpc-previous-")
        })
        .cloned()
        .collect();
    for name in inner.iter().chain(&[AUTHORIZATION, COOKIE]) {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_the_platform_may_say_is_taken_away() {
        let mut headers = HeaderMap::new();
        for name in [
            "outcry-correlation-id",
            "outcry-user",
            "outcry-anything-bin",
            "grpc-previous-rpc-attempts",
            "authorization",
            "cookie",
            "traceparent",
            "content-type",
        ] {
            headers.append(name, HeaderValue::from_static("x"));
            headers.append(name, HeaderValue::from_static("y"));
        }
        clean(&mut headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-type", "traceparent"]);
    }
}
