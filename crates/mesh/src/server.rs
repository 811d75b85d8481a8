//! The layers in front of a service's methods, outermost first:
//! span with the correlation id, authorization, deadline, panic guard, the method itself.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::{HeaderMap, Request, Response};
use tokio::time::Instant;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::{Code, Status};
use tower::Service;
use tracing::Instrument;
use uuid::Uuid;

use crate::authorize::Rules;
use crate::correlation::{self, Correlation};
use crate::criticality::Level;
use crate::deadline::{self, BoundedBody, Inherited};
use crate::identity::Identity;
use crate::recorder::{CallRecorder, Ending, RecordedCall, recorded};
use crate::refusal;
use crate::retry;
use crate::trace::CallSpan;

/// Gives correlation ids to calls that come without one.
pub(crate) type IdSource = Arc<dyn Fn() -> Uuid + Send + Sync>;

/// One service's methods behind the layers.
pub(crate) struct Server {
    name: String,
    routes: Routes,
    rules: Arc<Rules>,
    ids: IdSource,
    /// Where calls are accounted for; none where they are not.
    recorder: Option<Arc<dyn CallRecorder>>,
}

impl Server {
    pub(crate) fn new(name: &str, routes: Routes, rules: Arc<Rules>, ids: IdSource) -> Server {
        Server {
            name: name.to_owned(),
            routes: routes.prepare(),
            rules,
            ids,
            recorder: None,
        }
    }

    /// The same with its calls accounted for.
    pub(crate) fn recorded_by(mut self, recorder: Option<Arc<dyn CallRecorder>>) -> Server {
        self.recorder = recorder;
        self
    }

    /// Answers one call. Every failure is a response: there is no other way for it to end.
    pub(crate) fn call(&self, mut request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        let correlation_id =
            correlation::in_headers(request.headers()).unwrap_or_else(|| (self.ids)());
        request.extensions_mut().insert(Correlation(correlation_id));
        let identity = request
            .extensions()
            .get::<Identity>()
            .cloned()
            .unwrap_or_default();
        let path = request.uri().path().to_owned();
        let rule = self.rules.rule(&path);
        let known = rule.is_some();
        let traced = CallSpan::received(
            &self.name,
            &path,
            known,
            request.headers_mut(),
            correlation_id,
        );
        // Wherever anything is logged, its lines say which call they are about.
        let span = tracing::error_span!(
            "rpc",
            service = self.name,
            method = path,
            caller = identity.caller.as_deref().unwrap_or("unknown"),
            %correlation_id,
        );
        let recording = self.recorder.clone().map(|recorder| {
            let call = RecordedCall::new(&path, rule, &identity, correlation_id);
            (recorder, call)
        });
        if let Err(denial) = self.rules.check(&path, &identity) {
            span.in_scope(|| tracing::info!(reason = denial.message(), "call denied"));
            if let Some((recorder, call)) = recording {
                recorder.denied(call, Ending::of(&denial));
            }
            let denied = denial.into_http();
            traced.end(denied.headers());
            return std::future::ready(denied).boxed();
        }
        let streaming = rule.is_some_and(|rule| rule.streaming);
        let level = Level::of_call(request.headers(), rule);
        let deadline = deadline::incoming(deadline::parse_timeout(request.headers()), streaming)
            .and_then(|wait| Instant::now().checked_add(wait));
        let inherited = Inherited {
            deadline,
            correlation_id,
            level,
        };
        let answer = handle(self.routes.clone(), request, inherited, streaming);
        let Some((recorder, call)) = recording else {
            return traced.run(answer).instrument(span).boxed();
        };
        let is_safe = rule.is_some_and(|rule| rule.safe);
        let answer = recorded(recorder, call, is_safe, deadline, answer);
        traced.run(answer).instrument(span).boxed()
    }
}

async fn handle(
    mut routes: Routes,
    request: Request<Body>,
    inherited: Inherited,
    streaming: bool,
) -> Response<Body> {
    let started = Instant::now();
    if inherited
        .deadline
        .is_some_and(|deadline| deadline <= started)
    {
        // Nobody waits for the answer any more: the work is not begun.
        return deadline::exceeded().into_http();
    }
    // A handler that panics is dropped whole; what it had committed is consistent by itself.
    let call = AssertUnwindSafe(deadline::scope(
        inherited,
        retry::scope(routes.call(request)),
    ))
    .catch_unwind();
    let outcome = match inherited.deadline {
        Some(deadline) => tokio::time::timeout_at(deadline, call).await,
        None => Ok(call.await),
    };
    let response = match outcome {
        Ok(Ok(Ok(response))) if streaming => response
            .map(|body| Body::new(BoundedBody::new(body, inherited.deadline, Some(inherited)))),
        Ok(Ok(Ok(response))) => response,
        Ok(Ok(Err(never))) => match never {},
        Ok(Err(panic)) => panicked(panic.as_ref()).into_http(),
        Err(_elapsed) => deadline::exceeded().into_http(),
    };
    log_outcome(response.headers(), started);
    response
}

fn panicked(panic: &(dyn Any + Send)) -> Status {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    tracing::error!(message, "a handler panicked");
    refusal::with_reason(
        Code::Internal,
        "HANDLER_PANICKED",
        "the service failed while handling the call; its log has the correlation id",
    )
}

/// A failed unary call shows its status in the response head; streams may still fail later.
fn log_outcome(headers: &HeaderMap, started: Instant) {
    let status = Status::from_header_map(headers);
    let code = status.as_ref().map_or(Code::Ok, Status::code);
    let elapsed_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    match (code, status) {
        (Code::Internal | Code::Unknown | Code::DataLoss, Some(status)) => {
            tracing::error!(?code, elapsed_us, message = status.message(), "call failed");
        }
        _ => tracing::debug!(?code, elapsed_us, "call answered"),
    }
}
