//! The client side of a call between services.

use std::borrow::Cow;
use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::BoxFuture;
use http::{HeaderValue, Request, Response};
use tokio::time::Instant;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::Service;

use crate::answer::unreachable;
use crate::authorize::Rule;
use crate::call::Call;
use crate::correlation;
use crate::criticality::{self, Level};
use crate::deadline;
use crate::directory::{Directory, not_running};
use crate::identity::{ActingFor, Identity};
use crate::metrics::{Attempt, ClientMeter, Measured, RequestBytes, Tries, label};
use crate::server::Server;
use crate::trace::CallSpan;

/// Calls one service on behalf of another. Use it as the transport of any generated client.
///
/// The service is called in this process where it runs here, else over the network.
///
/// A call carries its caller's identity, belongs to the flow of the call being handled unless
/// [`correlate`](crate::correlate) says otherwise, gets no more time than that call has left, and
/// [matters](crate::criticality) as much.
#[derive(Debug, Clone)]
pub struct Channel {
    directory: Directory,
    caller: &'static str,
    target: Cow<'static, str>,
    /// The one replica to call; `None` for any.
    address: Option<String>,
}

impl Channel {
    pub(crate) fn new(
        directory: Directory,
        caller: &'static str,
        target: Cow<'static, str>,
        address: Option<String>,
    ) -> Channel {
        Channel {
            directory,
            caller,
            target,
            address,
        }
    }

    /// Calls a service of this process.
    fn near(
        &self,
        server: &Server,
        mut request: Request<Body>,
        call: Call,
        rule: Option<&Rule>,
    ) -> impl Future<Output = Response<Body>> + Send + use<> {
        request.extensions_mut().insert(Identity {
            caller: Some(call.caller.to_owned()),
            user: call.user,
        });
        if let Some(wait) = call.wait {
            deadline::put_timeout(request.headers_mut(), wait);
        }
        let method = label(rule, request.uri().path());
        let meter = self.directory.metrics().client(method, &self.target);
        let mut counted = Counted {
            attempt: Some(meter.attempt(Instant::now())),
            meter,
        };
        let sent = RequestBytes::handed_on(&mut request);
        let answer = server.call(request, None);
        async move {
            let (head, body) = answer.await.into_parts();
            let body = Measured::new(&head.headers, body, move |code, received| {
                counted.end(code, sent.so_far(), received);
            });
            Response::from_parts(head, Body::new(body))
        }
    }

    /// What matters of a call, whose headers get what it inherits.
    fn prepare(&self, request: &mut Request<Body>, rule: Option<&Rule>) -> Call {
        let user = request.extensions_mut().remove::<ActingFor>();
        let headers = request.headers_mut();
        let wish = deadline::parse_timeout(headers);
        criticality::hand_on(headers);
        if correlation::in_headers(headers).is_none()
            && let Some(inherited) = deadline::inherited()
            && let Ok(id) = HeaderValue::from_str(&inherited.correlation_id.to_string())
        {
            headers.insert(correlation::CORRELATION_HEADER, id);
        }
        Call {
            caller: self.caller,
            user: user.map(|acting| acting.0),
            streaming: rule.is_some_and(|rule| rule.streaming),
            idempotent: rule.is_some_and(|rule| rule.idempotent),
            level: Level::of_call(headers, rule),
            wait: deadline::outgoing(wish, deadline::remaining()),
        }
    }
}

/// A call within this process while it is counted; dropped before its end, it was cancelled.
struct Counted {
    meter: Arc<ClientMeter>,
    attempt: Option<Attempt>,
}

impl Counted {
    fn end(&mut self, code: Code, sent: u64, received: u64) {
        if let Some(attempt) = self.attempt.take() {
            let took = attempt.started().elapsed();
            attempt.end(code, sent, received);
            self.meter.call_ended(code, took, Tries::default());
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.end(Code::Cancelled, 0, 0);
    }
}

impl Service<Request<Body>> for Channel {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Nothing is held between calls: the bound on work in progress is the server's.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let rule = self.directory.rules().rule(request.uri().path());
        let call = self.prepare(&mut request, rule);
        let span = CallSpan::client(self.caller, self.address.as_deref(), &mut request);
        let network = self.directory.network();
        let pool = match &self.address {
            Some(address) => match network.replica(&self.target, address) {
                Some(pool) => pool,
                None => return refused(span, unreachable(&self.target)),
            },
            None => match (
                self.directory.server(&self.target),
                network.pool(&self.target),
            ) {
                (Some(server), _) => {
                    let answer = self.near(&server, request, call, rule).boxed();
                    return span.run(answer).map(Ok).boxed();
                }
                (None, Some(pool)) => pool,
                (None, None) => return refused(span, not_running(&self.target)),
            },
        };
        let answer = Arc::clone(network).call(pool, call, request);
        span.run(answer).map(Ok).boxed()
    }
}

fn refused(
    span: CallSpan,
    status: Status,
) -> BoxFuture<'static, Result<Response<Body>, Infallible>> {
    let response = status.into_http();
    span.end(response.headers());
    std::future::ready(Ok(response)).boxed()
}
