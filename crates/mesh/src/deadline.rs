//! How long a call may take: read at the server, enforced there, and handed on to every call made meanwhile.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::task::coop::unconstrained;
use tokio::time::{Instant, Sleep};
use tonic::{Code, Status};
use uuid::Uuid;

use crate::criticality::Level;
use crate::refusal;

/// Header with the time a caller is willing to wait.
pub const GRPC_TIMEOUT: &str = "grpc-timeout";
const TIMEOUT: HeaderName = HeaderName::from_static(GRPC_TIMEOUT);

/// Time a unary call may take when its caller names none: long enough for a command
/// that calls two services, short enough that nobody waits on a lost answer.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(10);

/// Longest time a unary call may ask for; longer work is started by one call and read by another.
pub const MAX_DEADLINE: Duration = Duration::from_secs(120);

/// Kept back at each hop, so that a callee's `DEADLINE_EXCEEDED` still reaches the caller in time.
const HOP_MARGIN: Duration = Duration::from_millis(2);

/// What a handler's own calls inherit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Inherited {
    pub(crate) deadline: Option<Instant>,
    pub(crate) correlation_id: Uuid,
    pub(crate) level: Level,
}

tokio::task_local! {
    static INHERITED: Inherited;
}

/// What the call being handled hands on, when one is.
pub(crate) fn inherited() -> Option<Inherited> {
    INHERITED.try_with(|inherited| *inherited).ok()
}

/// Runs a handler so that its own calls inherit.
pub(crate) fn scope<F: Future>(inherited: Inherited, future: F) -> impl Future<Output = F::Output> {
    INHERITED.scope(inherited, future)
}

/// When the call being handled must have ended; `None` outside a call or when it has no bound.
pub fn current() -> Option<Instant> {
    inherited()?.deadline
}

/// Whether nobody waits for the answer any more.
pub(crate) fn is_past(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|deadline| deadline <= Instant::now())
}

/// Time left for the call being handled.
pub fn remaining() -> Option<Duration> {
    Some(current()?.saturating_duration_since(Instant::now()))
}

/// The wait an outgoing call may take: the caller's own wish, but never more than what is left.
///
/// `None` leaves the bound to the callee.
pub(crate) fn outgoing(wish: Option<Duration>, left: Option<Duration>) -> Option<Duration> {
    let left = left.map(|left| left.saturating_sub(HOP_MARGIN));
    match (wish, left) {
        (Some(wish), Some(left)) => Some(wish.min(left)),
        (wish, left) => wish.or(left),
    }
}

/// The bound a server holds a call to.
///
/// Streams without a wish run until either side ends them; everything else is bounded.
pub(crate) fn incoming(wish: Option<Duration>, streaming: bool) -> Option<Duration> {
    match (wish, streaming) {
        (wish, true) => wish,
        (Some(wish), false) => Some(wish.min(MAX_DEADLINE)),
        (None, false) => Some(DEFAULT_DEADLINE),
    }
}

/// The wait named by `grpc-timeout`; `None` when absent or malformed.
pub fn parse_timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(TIMEOUT)?.to_str().ok()?;
    let unit = text.chars().last()?;
    let digits = &text[..text.len() - unit.len_utf8()];
    // The wire format allows eight digits at most.
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value: u64 = digits.parse().ok()?;
    Some(match unit {
        'H' => Duration::from_secs(value * 3600),
        'M' => Duration::from_secs(value * 60),
        'S' => Duration::from_secs(value),
        'm' => Duration::from_millis(value),
        'u' => Duration::from_micros(value),
        'n' => Duration::from_nanos(value),
        _ => return None,
    })
}

/// Writes a wait as `grpc-timeout`, in the finest unit that eight digits can hold.
///
/// It is another one with each call, and so marked as nothing to remember: the tables of headers that both
/// ends of a connection keep would be full of them.
pub fn put_timeout(headers: &mut HeaderMap, wait: Duration) {
    const DIGITS: u64 = 100_000_000;
    let seconds = wait.as_secs();
    let (value, unit) = match seconds {
        ..100 => (seconds * 1_000_000 + u64::from(wait.subsec_micros()), 'u'),
        100..100_000 => (seconds * 1_000 + u64::from(wait.subsec_millis()), 'm'),
        _ => (seconds.min(DIGITS - 1), 'S'),
    };
    if let Ok(mut value) = HeaderValue::from_str(&format!("{value}{unit}")) {
        value.set_sensitive(true);
        headers.insert(TIMEOUT, value);
    }
}

/// The status of a call that ran out of time.
pub fn exceeded() -> Status {
    refusal::with_reason(
        Code::DeadlineExceeded,
        "DEADLINE_EXCEEDED",
        "the call took longer than its deadline; it may still have taken effect: \
         repeat it with the same request id, or read the state",
    )
}

/// The end of a call's time, for whoever waits for something until then. The clock is not asked to ring
/// before somebody really waits, and rings once for everything.
#[derive(Debug)]
pub(crate) struct Timer {
    deadline: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Timer {
    /// A timer that rings at the deadline, if there is one.
    pub(crate) fn new(deadline: Option<Instant>) -> Timer {
        Timer {
            deadline,
            sleep: None,
        }
    }

    /// What is left at a moment; `None` without a deadline.
    pub(crate) fn left(&self, now: Instant) -> Option<Duration> {
        Some(self.deadline?.saturating_duration_since(now))
    }

    /// Waits for something until then. It is pinned by the caller, and so is not there twice.
    pub(crate) async fn within<F: Future>(&mut self, mut work: Pin<&mut F>) -> Option<F::Output> {
        poll_fn(|cx| match work.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => self.poll(cx).map(|()| None),
        })
        .await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.deadline else {
            return Poll::Pending;
        };
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        // Also where whatever is waited for has used up its share of this turn: it has its end, too.
        Pin::new(&mut unconstrained(sleep.as_mut())).poll(cx)
    }
}

/// A response body that ends with `DEADLINE_EXCEEDED` when time is up, and lets a stream's own calls inherit
/// where it is made here.
pub(crate) struct BoundedBody<B> {
    /// `None` once time was up: the handler's stream stops there, with everything it holds.
    inner: Option<B>,
    inherited: Option<Inherited>,
    timer: Timer,
}

impl<B> BoundedBody<B> {
    pub(crate) fn new(inner: B, timer: Timer, inherited: Option<Inherited>) -> BoundedBody<B> {
        BoundedBody {
            inner: Some(inner),
            inherited,
            timer,
        }
    }
}

impl<B: HttpBody<Data = Bytes, Error = Status> + Unpin> HttpBody for BoundedBody<B> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        let Some(inner) = &mut this.inner else {
            return Poll::Ready(None);
        };
        let inner = Pin::new(inner);
        let polled = match this.inherited {
            Some(inherited) => INHERITED.sync_scope(inherited, || inner.poll_frame(cx)),
            None => inner.poll_frame(cx),
        };
        if polled.is_ready() {
            return polled;
        }
        std::task::ready!(this.timer.poll(cx));
        this.inner = None;
        Poll::Ready(Some(Ok(closing_frame(&exceeded()))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

/// The frame that ends a response stream with a status.
pub fn closing_frame(status: &Status) -> Frame<Bytes> {
    let mut trailers = HeaderMap::new();
    if status.add_header(&mut trailers).is_err() {
        // A status whose own metadata cannot be sent still has to end the call as failed.
        trailers.clear();
        trailers.insert(Status::GRPC_STATUS, HeaderValue::from(status.code() as i32));
    }
    Frame::trailers(trailers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(GRPC_TIMEOUT, text.parse().unwrap());
        parse_timeout(&headers)
    }

    #[test]
    fn a_timeout_is_read_in_every_unit_and_refused_when_malformed() {
        assert_eq!(parsed("2H"), Some(Duration::from_secs(7200)));
        assert_eq!(parsed("3M"), Some(Duration::from_secs(180)));
        assert_eq!(parsed("4S"), Some(Duration::from_secs(4)));
        assert_eq!(parsed("5m"), Some(Duration::from_millis(5)));
        assert_eq!(parsed("6u"), Some(Duration::from_micros(6)));
        assert_eq!(parsed("7n"), Some(Duration::from_nanos(7)));
        for bad in ["", "5", "S", "-5S", "5s", "123456789S", "5 S", "+5S"] {
            assert_eq!(parsed(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_written_timeout_is_never_longer_than_the_wait() {
        for wait in [
            Duration::ZERO,
            Duration::from_micros(99_999_999),
            Duration::from_millis(100_000),
            Duration::from_secs(99_999_999),
            Duration::MAX,
        ] {
            let mut headers = HeaderMap::new();
            put_timeout(&mut headers, wait);
            let read = parse_timeout(&headers).unwrap();
            assert!(read <= wait, "{wait:?} became {read:?}");
        }
    }

    #[test]
    fn an_outgoing_call_gets_the_smaller_of_wish_and_rest() {
        let second = Duration::from_secs(1);
        assert_eq!(outgoing(None, None), None);
        assert_eq!(outgoing(Some(second), None), Some(second));
        assert_eq!(outgoing(None, Some(second)), Some(second - HOP_MARGIN));
        assert_eq!(outgoing(Some(second), Some(second * 2)), Some(second));
        assert_eq!(
            outgoing(Some(second), Some(Duration::from_millis(1))),
            Some(Duration::ZERO)
        );
    }

    #[test]
    fn only_streams_may_run_without_a_bound() {
        assert_eq!(incoming(None, true), None);
        assert_eq!(incoming(None, false), Some(DEFAULT_DEADLINE));
        assert_eq!(incoming(Some(MAX_DEADLINE * 2), false), Some(MAX_DEADLINE));
        assert_eq!(
            incoming(Some(MAX_DEADLINE * 2), true),
            Some(MAX_DEADLINE * 2)
        );
    }
}
