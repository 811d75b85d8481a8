//! The way in: every method the contract opens to the outside, forwarded by its path.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Request, Response};
use outcry_mesh::authorize::Rule;
use outcry_mesh::door::Departure;
use outcry_mesh::token::Claims;
use outcry_mesh::trace::{CallSpan, TraceContext};
use outcry_mesh::{
    CLIENT_ADDRESS, CORRELATION_ID, CallRecorder, Directory, EDGE, Ending, Identity, RecordedCall,
    User, deadline, forward_for, refusal,
};
use outcry_service::Clock;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::Service;
use tracing::Instrument;
use uuid::Uuid;

use super::admission::{Admission, Kind};
use super::allowance::Allowances;
use super::caller::{Caller, Proxies};
use super::framing::{Fault, OneMessage};
use super::lane::Lane;
use super::metadata;
use super::outcome::{complete, failed};
use super::session::Sessions;
use super::shape;
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
    pub(super) allowances: Allowances,
    pub(super) admission: Admission,
    pub(super) proxies: Proxies,
    pub(super) config: Arc<Config>,
    /// Where refusals are accounted for; none where they are not.
    pub(super) recorder: Option<Arc<dyn CallRecorder>>,
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
        // A client's trace goes on here; who brings none begins one.
        let parent = TraceContext::in_headers(request.headers());
        let path = request.uri().path();
        let span = tracing::error_span!("edge", method = path, %correlation_id);
        let known = self.open_method(path).is_ok();
        let traced = CallSpan::server(SERVICE, path, known, parent, correlation_id);
        let path = path.to_owned();
        let answer = async move {
            let mut user_id = None;
            let forwarded = forwarder.forward(request, correlation_id, &mut user_id);
            match forwarded.await {
                Ok(response) => response,
                Err(status) => {
                    forwarder.record(&path, user_id, correlation_id, &status);
                    tracing::debug!(code = ?status.code(), message = status.message(), "call refused");
                    failed(status, correlation_id)
                }
            }
        };
        Box::pin(traced.run(answer).map(Ok).instrument(span))
    }
}

impl Forwarder {
    async fn forward(
        &self,
        mut request: Request<Body>,
        correlation_id: Uuid,
        known: &mut Option<String>,
    ) -> Result<Response<Body>, Status> {
        let path = request.uri().path().to_owned();
        let rule = self.open_method(&path)?;
        metadata::check_size(request.headers())?;
        shape::check(&request)?;
        let claims = self.claims_for(rule, request.headers()).await?;
        let user_id = claims.as_ref().map(|claims| claims.sub.as_str());
        *known = user_id.map(str::to_owned);
        let address = self.proxies.client_of(&request);
        let lane = Lane::of(rule);
        self.allowances.spend(lane, user_id, address)?;
        let kind = if rule.streaming {
            Kind::Stream
        } else {
            Kind::Call(lane)
        };
        let caller = Caller::of(user_id, address);
        let ticket = self.admission.admit(kind, caller)?;
        metadata::keep_harmless(request.headers_mut());
        self.bound(kind, request.headers_mut());
        if let Ok(id) = HeaderValue::from_str(&correlation_id.to_string()) {
            request.headers_mut().insert(CORRELATION_ID, id);
        }
        if let Some(address) = address
            && let Ok(address) = HeaderValue::from_str(&address.to_string())
        {
            request.headers_mut().insert(CLIENT_ADDRESS, address);
        }
        if let Some(claims) = &claims {
            forward_for(&mut request, claims.user());
        }
        let (bytes_max, fault) = (self.config.message_bytes_max, Fault::default());
        let request =
            request.map(|body| Body::new(OneMessage::new(body, bytes_max, Arc::clone(&fault))));
        let departure = request.extensions().get::<Departure>().cloned();
        let end = (kind == Kind::Stream).then(|| self.sessions.end(claims, departure));
        let mut channel = self.directory.channel(EDGE, server_of(rule));
        // A stream has no deadline once it runs, but it must begin: a client that never sends its
        // request would hold its place for ever.
        let answer = tokio::time::timeout(self.config.call_deadline(), channel.call(request));
        let response = match answer.await {
            Ok(Ok(response)) => response,
            Ok(Err(never)) => match never {},
            Err(_elapsed) => return Err(deadline::exceeded()),
        };
        // What the transport made of a body that failed is not what was wrong with it.
        if let Some(fault) = fault.get() {
            return Err(fault.clone());
        }
        if lane == Lane::SignIns && is_failed_sign_in(&response) {
            self.allowances.sign_in_failed(address);
        }
        let answer_bytes_max = self.config.answer_bytes_max;
        Ok(complete(
            response,
            correlation_id,
            answer_bytes_max,
            Some(ticket),
            end,
        ))
    }

    /// Accounts for a call that got no further than this. What services deny they record themselves.
    fn record(&self, path: &str, user_id: Option<String>, correlation_id: Uuid, status: &Status) {
        let Some(recorder) = self.recorder.as_ref().filter(|_| is_denial(status)) else {
            return;
        };
        let identity = Identity {
            caller: Some(EDGE.to_owned()),
            user: user_id.map(|id| User {
                id,
                roles: Vec::new(),
            }),
        };
        let rule = self.directory.rules().rule(path);
        let call = RecordedCall::new(path, rule, &identity, correlation_id);
        recorder.denied(call, Ending::of(status));
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
            Kind::Call(_) => Some(wish.map_or(longest, |wish| wish.min(longest))),
            Kind::Stream => wish,
        };
        if let Some(wait) = wait {
            deadline::put_timeout(headers, wait);
        }
    }
}

/// Whether somebody was turned away here: as nobody, as the wrong one, as one too many, or because
/// there is no such method for those outside.
fn is_denial(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unauthenticated
            | Code::PermissionDenied
            | Code::ResourceExhausted
            | Code::Unimplemented
    )
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

/// Whether somebody's word was not taken: a wrong password, or a token to renew that does not count.
fn is_failed_sign_in(response: &Response<Body>) -> bool {
    Status::from_header_map(response.headers())
        .is_some_and(|status| status.code() == Code::Unauthenticated)
}
