//! One call to a service of another process: its attempts, its end, and what is learnt from it.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::request::Parts;
use http::{Extensions, HeaderMap, Request, Response};
use tokio::time::Instant;
use tonic::body::Body;
use tonic::{Code, Status};

use crate::answer::{ReceivedBody, full, lost, received, unreachable};
use crate::criticality::Level;
use crate::deadline::{self, BoundedBody, Timer};
use crate::endpoint::Failure;
use crate::gate::Verdict;
use crate::identity::User;
use crate::metrics::{Attempt, ClientMeter, Measured, Tries, code_in};
use crate::network::{NOT_BEGUN, Network, whole};
use crate::pool::{Pool, Wish};
use crate::retry::{self, Attempts, End, Next};
use crate::throttle::throttled;
use crate::turn::{Turn, verdict_of};
use crate::wire::Replayable;

/// What matters of a call on its way.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// Who makes it.
    pub(crate) caller: &'static str,
    /// The user it is made for.
    pub(crate) user: Option<User>,
    pub(crate) streaming: bool,
    pub(crate) idempotent: bool,
    pub(crate) level: Level,
    /// How long its caller waits for it; `None` if that is not said.
    pub(crate) wait: Option<Duration>,
}

/// The answer of an endpoint, with what has to be told how it ends.
struct Answered {
    response: Response<ReceivedBody>,
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
    ///
    /// Everything on its way is in one box, since moving futures costs as much as the work itself; so no part of
    /// it takes a request or another future by value, which would be in there twice.
    pub(crate) fn call(
        self: Arc<Self>,
        pool: Arc<Pool>,
        call: Call,
        request: Request<Body>,
    ) -> BoxFuture<'static, Response<Body>> {
        Box::pin(async move {
            let now = Instant::now();
            let wait = deadline::incoming(call.wait, call.streaming);
            let mut timer = Timer::new(wait.and_then(|wait| now.checked_add(wait)));
            let meter = self.metrics().client(request.uri().path(), pool.target());
            let mut ending = Ending::new(meter, now);
            let (mut head, body) = request.into_parts();
            // Extensions mean something within this process only.
            head.extensions = Extensions::default();
            let answered = match self.refusal(&pool, &call, &mut head, now) {
                None => match content(body, &mut timer).await {
                    Ok(content) => {
                        let mut request = Request::from_parts(head, content);
                        self.attempts(&pool, &call, &mut request, &mut timer, &mut ending)
                            .await
                    }
                    Err(status) => Err(status.into_http()),
                },
                Some(response) => Err(response),
            };
            match answered {
                Ok(answered) => watched(pool, &call, *answered, timer, ending),
                Err(response) => {
                    ending.end(code_in(response.headers()).unwrap_or(Code::Unknown));
                    response
                }
            }
        })
    }

    /// What is answered without asking any endpoint. The headers of a call that goes out get who makes it.
    fn refusal(
        &self,
        pool: &Pool,
        call: &Call,
        head: &mut Parts,
        now: Instant,
    ) -> Option<Response<Body>> {
        if call.wait.is_some_and(|wait| wait.is_zero()) {
            return Some(deadline::exceeded().into_http());
        }
        if !pool.admits(call.level, now) {
            let mut response = throttled(pool.target()).into_http();
            // Whoever calls the method being handled should not keep anything back for it, too.
            retry::forbid(response.headers_mut());
            return Some(response);
        }
        let signed = self.sign(pool, call, &mut head.headers);
        signed.err().map(Status::into_http)
    }

    /// The first answer there is to give, or what to say without one.
    async fn attempts(
        &self,
        pool: &Arc<Pool>,
        call: &Call,
        request: &mut Replayable,
        timer: &mut Timer,
        ending: &mut Ending,
    ) -> Result<Box<Answered>, Response<Body>> {
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
            let turn = match timer.within(pin!(pool.next(&tried, wish))).await {
                Some(Some(turn)) => turn,
                Some(None) => break,
                None => return Err(deadline::exceeded().into_http()),
            };
            let endpoint = Arc::clone(turn.endpoint());
            if let Some(left) = timer.left(turn.began()) {
                deadline::put_timeout(request.headers_mut(), left);
            }
            attempts.write(request.headers_mut());
            let end = match attempt(pool, call, turn, request, timer, &ending.meter).await {
                Outcome::Answered(answered) => return Ok(answered),
                Outcome::TimedOut => return Err(deadline::exceeded().into_http()),
                Outcome::Ended(end, response) => {
                    last = response.or(last);
                    end
                }
            };
            tried.push(endpoint);
            attempts.sent += u32::from(end != End::NotSent);
            exhausted |= attempts.concern(end);
            let left = timer.left(Instant::now());
            let next = attempts.next(end, left, fastrand::f64(), || pool.pays());
            ending.tries.retries = attempts.retries;
            ending.tries.transparent = attempts.transparent;
            match next {
                Next::Elsewhere => wish = Wish::Another,
                Next::After(wait) => {
                    tokio::time::sleep(wait).await;
                    ending.tries.delay += wait;
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
        Err(last.unwrap_or_else(|| unreachable(pool.target()).into_http()))
    }
}

/// All of a request's content.
async fn content(body: Body, timer: &mut Timer) -> Result<Bytes, Status> {
    let read = timer.within(pin!(whole(body))).await;
    read.unwrap_or_else(|| Err(deadline::exceeded()))
}

/// Sends a request once.
async fn attempt(
    pool: &Pool,
    call: &Call,
    turn: Turn,
    request: &Replayable,
    timer: &mut Timer,
    meter: &Arc<ClientMeter>,
) -> Outcome {
    let attempt = meter.attempt(turn.began());
    let bytes = request.body().len() as u64;
    turn.begin();
    let sent = timer.within(pin!(turn.endpoint().send(request))).await;
    let Some(sent) = sent else {
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
            (end, verdict, Some(response.map(Body::new)))
        }
        Err(Failure::NoConnection) => (End::NotSent, Verdict::Unknown, None),
        Err(Failure::NotBegun) => (End::NotBegun, Verdict::Unknown, None),
        Err(Failure::Full) => {
            let response = full(pool.target()).into_http();
            (End::NotSent, Verdict::Unknown, Some(response))
        }
        Err(Failure::Lost) => {
            let response = lost(pool.target()).into_http();
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
    timer: Timer,
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
    let body = BoundedBody::new(body, timer, None);
    let body = Measured::new(&head.headers, body, done);
    Response::from_parts(head, Body::new(body))
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
