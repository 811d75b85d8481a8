//! The layers in front of a service's methods, outermost first:
//! span with the correlation id, metrics, authorization, limit, account, deadline, faults made on
//! purpose, panic guard, the method itself.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::{HeaderMap, Request, Response};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::{Code, Status};
use tower::Service;
use tracing::Instrument;
use uuid::Uuid;

use crate::authorize::{Rule, Rules, check};
use crate::correlation::{self, Correlation};
use crate::criticality::Level;
use crate::deadline::{self, BoundedBody, Inherited, Timer};
use crate::faults::{Injected, Strike};
use crate::identity::Identity;
use crate::limit::{self, NotBegun, Place, Places};
use crate::metrics::{Attempt, Measured, MeshMetrics, RequestBytes, label};
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
    metrics: MeshMetrics,
    faults: Arc<Injected>,
    places: Places,
    /// Where calls are accounted for; none where they are not.
    recorder: Option<Arc<dyn CallRecorder>>,
}

impl Server {
    pub(crate) fn new(
        name: &str,
        routes: Routes,
        rules: Arc<Rules>,
        ids: IdSource,
        metrics: MeshMetrics,
        faults: Arc<Injected>,
    ) -> Server {
        let limits = metrics.limits();
        Server {
            name: name.to_owned(),
            routes: routes.prepare(),
            rules,
            ids,
            places: Places::new(limits.calls(name), limits.streams(name)),
            metrics,
            faults,
            recorder: None,
        }
    }

    /// The same with its calls accounted for.
    pub(crate) fn recorded_by(mut self, recorder: Option<Arc<dyn CallRecorder>>) -> Server {
        self.recorder = recorder;
        self
    }

    /// Answers one call, which keeps its place at the door until its last byte. Every failure is a response: there
    /// is no other way for it to end.
    pub(crate) fn call(
        &self,
        mut request: Request<Body>,
        entered: Option<OwnedSemaphorePermit>,
    ) -> BoxFuture<'static, Response<Body>> {
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
        let streaming = rule.is_some_and(|rule| rule.streaming);
        let flow = (!streaming).then_some(correlation_id);
        let attempt = self.metrics.server(label(rule, &path)).call(flow);
        let deadline = deadline::incoming(deadline::parse_timeout(request.headers()), streaming)
            .and_then(|wait| Instant::now().checked_add(wait));
        let inherited = Inherited {
            deadline,
            correlation_id,
            level: Level::of_call(request.headers(), rule),
        };
        let admitted = span.in_scope(|| self.admit(&path, rule, &identity, inherited));
        let place = match admitted {
            Ok(place) => place,
            Err(Refused { status, elsewhere }) => {
                attempt.end(status.code(), 0, 0);
                if let Some((recorder, call)) = recording {
                    let ending = Ending::of(&status);
                    if ending.is_denial() {
                        recorder.denied(call, ending);
                    }
                }
                let mut response = status.into_http();
                traced.end(response.headers());
                if let Some(mark) = elsewhere {
                    response.extensions_mut().insert(mark);
                }
                return std::future::ready(response).boxed();
            }
        };
        let received = RequestBytes::of(&mut request);
        let strike = self.faults.strike(&self.name, &path, request.headers());
        let routes = self.routes.clone();
        let is_safe = rule.is_some_and(|rule| rule.safe);
        // In one box, in which everything is once: moving kilobytes of futures costs as much as the work itself.
        let answer = Box::pin(async move {
            let mut answer = pin!(handle(routes, request, inherited, streaming, strike));
            let response = match recording {
                Some((recorder, call)) => {
                    recorded(recorder, call, is_safe, deadline, answer.as_mut()).await
                }
                None => answer.as_mut().await,
            };
            counted(response, attempt, received, place, entered, streaming)
        });
        traced.run(answer).instrument(span).boxed()
    }

    /// A place for a call that may be made now.
    ///
    /// # Errors
    /// The answer of one that may not.
    fn admit(
        &self,
        path: &str,
        rule: Option<&Rule>,
        identity: &Identity,
        call: Inherited,
    ) -> Result<Place, Refused> {
        if let Err(denial) = check(path, rule, identity) {
            tracing::info!(reason = denial.message(), "call denied");
            return Err(denial.into());
        }
        if deadline::is_past(call.deadline) {
            // Nobody waits for the answer any more: the work is not begun.
            return Err(deadline::exceeded().into());
        }
        let streaming = rule.is_some_and(|rule| rule.streaming);
        let place = self.places.take(streaming, call.level, call.deadline);
        place.ok_or_else(|| {
            tracing::debug!(level = call.level.name(), "call refused: no place is free");
            self.metrics.limits().refused(&self.name, call.level);
            Refused {
                status: limit::refused(&self.name, call.level),
                elsewhere: Some(NotBegun),
            }
        })
    }
}

/// A call that no handler begins with.
struct Refused {
    status: Status,
    /// Another process may well take it.
    elsewhere: Option<NotBegun>,
}

impl From<Status> for Refused {
    fn from(status: Status) -> Refused {
        Refused {
            status,
            elsewhere: None,
        }
    }
}

/// The response, counted when it has ended. A stream keeps its place until then.
fn counted(
    response: Response<Body>,
    attempt: Attempt,
    received: RequestBytes,
    place: Place,
    entered: Option<OwnedSemaphorePermit>,
    streaming: bool,
) -> Response<Body> {
    let place = if streaming {
        Some(place)
    } else {
        place.answered();
        None
    };
    let (head, body) = response.into_parts();
    let body = Measured::new(&head.headers, body, move |code, sent| {
        attempt.end(code, sent, received.so_far());
        drop((place, entered));
    });
    Response::from_parts(head, Body::new(body))
}

async fn handle(
    mut routes: Routes,
    request: Request<Body>,
    inherited: Inherited,
    streaming: bool,
    strike: Option<Strike>,
) -> Response<Body> {
    let started = Instant::now();
    let deadline = inherited.deadline;
    let mut timer = Timer::new(deadline);
    // A handler that panics is dropped whole; what it had committed is consistent by itself.
    let call = AssertUnwindSafe(async {
        if let Some(strike) = strike {
            strike.fall().await?;
        }
        if deadline::is_past(deadline) {
            // It was not when the call was let in, but it had to wait since then.
            return Err(deadline::exceeded());
        }
        let answer = retry::scope(Box::pin(routes.call(request)));
        match deadline::scope(inherited, answer).await {
            Ok(response) => Ok(response),
            Err(never) => match never {},
        }
    });
    let outcome = timer.within(pin!(call.catch_unwind())).await;
    let mut response = match outcome {
        Some(Ok(Ok(response))) if streaming => {
            response.map(|body| Body::new(BoundedBody::new(body, timer, Some(inherited))))
        }
        Some(Ok(Ok(response))) => response,
        Some(Ok(Err(status))) => status.into_http(),
        Some(Err(panic)) => panicked(panic.as_ref()).into_http(),
        None => deadline::exceeded().into_http(),
    };
    // Said of a call the handler made, it is not true of this one.
    response.extensions_mut().remove::<NotBegun>();
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
