//! One call to a service of another process: its attempts, its end, and what is learnt from it.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Request, Response};
use http_body::Body as HttpBody;
use tokio::time::Instant;
use tonic::Code;
use tonic::body::Body;

use crate::answer::{full, lost, received, unreachable};
use crate::criticality::Level;
use crate::deadline::{self, BoundedBody};
use crate::endpoint::Failure;
use crate::gate::Verdict;
use crate::metrics::{Attempt, ClientMeter, Measured, Tries, code_in};
use crate::network::{NOT_BEGUN, Network};
use crate::pool::{Pool, Wish};
use crate::retry::{self, Attempts, End, Next};
use crate::throttle::throttled;
use crate::turn::{Turn, verdict_of};
use crate::wire::Replayable;

/// What matters of a call on its way.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) target: String,
    pub(crate) streaming: bool,
    pub(crate) idempotent: bool,
    pub(crate) level: Level,
}

/// The answer of an endpoint, with what has to be told how it ends.
struct Answered {
    response: Response<Body>,
    turn: Turn,
    attempt: Attempt,
    sent: u64,
}

/// How one attempt went.
enum Outcome {
    Answered(Box<Answered>),
    Ended(End, Option<Response<Body>>),
    TimedOut,
}

impl Network {
    /// Makes a call at one of the pool's endpoints. Every failure is a response.
    pub(crate) async fn call(
        &self,
        pool: Arc<Pool>,
        call: Call,
        request: Request<Body>,
    ) -> Response<Body> {
        let wish = deadline::parse_timeout(request.headers());
        let now = Instant::now();
        let deadline =
            deadline::incoming(wish, call.streaming).and_then(|wait| now.checked_add(wait));
        let meter = self.metrics().client(request.uri().path(), &call.target);
        let mut ending = Ending::new(Arc::clone(&meter), now);
        let answered = if deadline.is_some_and(|deadline| deadline <= now) {
            Err(deadline::exceeded().into_http())
        } else if !pool.admits(call.level) {
            let mut response = throttled(&call.target).into_http();
            // Whoever calls the method being handled should not keep anything back for it, too.
            retry::forbid(response.headers_mut());
            Err(response)
        } else {
            // Boxed where it is made: it would be moved as often as what it is part of.
            Box::pin(self.attempts(&pool, &call, request, deadline, &meter, &mut ending.tries))
                .await
        };
        match answered {
            Ok(answered) => watched(pool, &call, *answered, deadline, ending),
            Err(response) => {
                ending.end(code_in(response.headers()).unwrap_or(Code::Unknown));
                response
            }
        }
    }

    /// The first answer there is to give, or what to say without one.
    async fn attempts(
        &self,
        pool: &Arc<Pool>,
        call: &Call,
        request: Request<Body>,
        deadline: Option<Instant>,
        meter: &Arc<ClientMeter>,
        tries: &mut Tries,
    ) -> Result<Box<Answered>, Response<Body>> {
        let mut request = match within(deadline, self.replayable(call, request)).await {
            Some(Ok(request)) => request,
            Some(Err(status)) => return Err(status.into_http()),
            None => return Err(deadline::exceeded().into_http()),
        };
        let mut attempts = Attempts {
            idempotent: call.idempotent,
            ..Attempts::default()
        };
        let mut tried = Vec::new();
        let mut wish = Wish::Another;
        let mut last = None;
        // Whether everything was done about a failure that can be.
        let mut exhausted = false;
        loop {
            let turn = match within(deadline, pool.next(&tried, wish)).await {
                Some(Some(turn)) => turn,
                Some(None) => break,
                None => return Err(deadline::exceeded().into_http()),
            };
            tried.push(Arc::clone(turn.endpoint()));
            if let Some(left) = left(deadline) {
                deadline::put_timeout(request.headers_mut(), left);
            }
            attempts.write(request.headers_mut());
            let end = match attempt(pool, call, turn, &request, deadline, meter).await {
                Outcome::Answered(answered) => return Ok(answered),
                Outcome::TimedOut => return Err(deadline::exceeded().into_http()),
                Outcome::Ended(end, response) => {
                    last = response.or(last);
                    end
                }
            };
            attempts.sent += u32::from(end != End::NotSent);
            exhausted |= attempts.concern(end);
            let next = attempts.next(end, left(deadline), fastrand::f64(), || pool.pays());
            tries.retries = attempts.retries;
            tries.transparent = attempts.transparent;
            match next {
                Next::Elsewhere => wish = Wish::Another,
                Next::After(wait) => {
                    tokio::time::sleep(wait).await;
                    tries.delay += wait;
                    wish = Wish::Any;
                }
                Next::Over => break,
            }
        }
        if let Some(response) = &mut last
            && exhausted
        {
            retry::forbid(response.headers_mut());
        }
        Err(last.unwrap_or_else(|| unreachable(&call.target).into_http()))
    }
}

/// Sends a request once.
async fn attempt(
    pool: &Pool,
    call: &Call,
    mut turn: Turn,
    request: &Replayable,
    deadline: Option<Instant>,
    meter: &Arc<ClientMeter>,
) -> Outcome {
    let attempt = meter.attempt();
    let bytes = request.body().size_hint().exact().unwrap_or(0);
    turn.begin();
    let endpoint = Arc::clone(turn.endpoint());
    let Some(sent) = within(deadline, endpoint.send(request)).await else {
        attempt.end(Code::DeadlineExceeded, bytes, 0);
        turn.end(Verdict::TimedOut);
        return Outcome::TimedOut;
    };
    let (end, verdict, response) = match sent {
        Ok((response, place)) => {
            let not_begun = response.headers().contains_key(NOT_BEGUN);
            let response = received(response, place);
            let Some(end) = end_of(call, response.headers(), not_begun) else {
                return Outcome::Answered(Box::new(Answered {
                    response,
                    turn,
                    attempt,
                    sent: bytes,
                }));
            };
            let code = code_in(response.headers()).unwrap_or(Code::Unknown);
            let verdict = match end {
                End::NotBegun => Verdict::Declined,
                _ => verdict_of(code),
            };
            if end != End::NotBegun && !retry::is_passed_on(response.headers()) {
                pool.answered(call.level, code);
            }
            (end, verdict, Some(response))
        }
        Err(Failure::NoConnection) => (End::NotSent, Verdict::Unknown, None),
        Err(Failure::NotBegun) => (End::NotBegun, Verdict::Unknown, None),
        Err(Failure::Full) => {
            let response = full(&call.target).into_http();
            (End::NotSent, Verdict::Unknown, Some(response))
        }
        Err(Failure::Lost) => {
            let response = lost(&call.target).into_http();
            (End::Failed(None), Verdict::Failed, Some(response))
        }
    };
    let code = response
        .as_ref()
        .and_then(|response| code_in(response.headers()));
    attempt.end(code.unwrap_or(Code::Unavailable), bytes, 0);
    turn.end(verdict);
    Outcome::Ended(end, response)
}

/// How an attempt ended whose answer is not yet the one to give; `None` if it is.
fn end_of(call: &Call, headers: &HeaderMap, not_begun: bool) -> Option<End> {
    let pushback = retry::pushback(headers);
    if not_begun {
        let overloaded = code_in(headers) == Some(Code::ResourceExhausted);
        return Some(if overloaded {
            End::Refused(pushback)
        } else {
            End::NotBegun
        });
    }
    (call.idempotent && retry::is_worth_it(headers)).then_some(End::Failed(pushback))
}

/// The answer on its way to the caller: when it ends is learnt how it ended.
fn watched(
    pool: Arc<Pool>,
    call: &Call,
    answered: Answered,
    deadline: Option<Instant>,
    ending: Ending,
) -> Response<Body> {
    let Answered {
        response,
        turn,
        attempt,
        sent,
    } = answered;
    let (head, body) = response.into_parts();
    let level = call.level;
    let passed_on = retry::is_passed_on(&head.headers);
    let mut judged = Some((turn, pool));
    let mut judge = move |code: Code| {
        if let Some((turn, pool)) = judged.take() {
            turn.end(verdict_of(code));
            if code != Code::Cancelled && !passed_on {
                pool.answered(level, code);
            }
        }
    };
    if call.streaming {
        // What a stream says it says over time, and its end says nothing about the endpoint.
        judge(code_in(&head.headers).unwrap_or(Code::Ok));
    }
    let done = move |code: Code, received: u64| {
        judge(code);
        attempt.end(code, sent, received);
        ending.end(code);
    };
    let body = Body::new(BoundedBody::new(body, deadline, None));
    let body = Measured::new(&head.headers, body, done);
    Response::from_parts(head, Body::new(body))
}

/// Waits for something until the deadline.
async fn within<F: Future>(deadline: Option<Instant>, future: F) -> Option<F::Output> {
    match deadline {
        Some(deadline) => tokio::time::timeout_at(deadline, future).await.ok(),
        None => Some(future.await),
    }
}

fn left(deadline: Option<Instant>) -> Option<Duration> {
    Some(deadline?.saturating_duration_since(Instant::now()))
}

/// Counts the end of a call: dropped before, it was cancelled.
struct Ending {
    meter: Arc<ClientMeter>,
    began: Instant,
    tries: Tries,
    ended: bool,
}

impl Ending {
    fn new(meter: Arc<ClientMeter>, began: Instant) -> Ending {
        Ending {
            meter,
            began,
            tries: Tries::default(),
            ended: false,
        }
    }

    fn end(mut self, code: Code) {
        self.count(code);
    }

    fn count(&mut self, code: Code) {
        if !std::mem::replace(&mut self.ended, true) {
            self.meter
                .call_ended(code, self.began.elapsed(), self.tries);
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.count(Code::Cancelled);
    }
}
