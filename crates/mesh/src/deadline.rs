//! How long a call may take: read at the server, enforced there, and handed on to every call made meanwhile.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep};
use tonic::body::Body;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::criticality::Level;
use crate::refusal;

/// Header with the time a caller is willing to wait.
pub const GRPC_TIMEOUT: &str = "grpc-timeout";

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
    let text = headers.get(GRPC_TIMEOUT)?.to_str().ok()?;
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
pub fn put_timeout(headers: &mut HeaderMap, wait: Duration) {
    const DIGITS: u128 = 100_000_000;
    let (value, unit) = [
        (wait.as_micros(), 'u'),
        (wait.as_millis(), 'm'),
        (u128::from(wait.as_secs()), 'S'),
    ]
    .into_iter()
    .find(|(value, _)| *value < DIGITS)
    .unwrap_or((DIGITS - 1, 'S'));
    if let Ok(value) = HeaderValue::from_str(&format!("{value}{unit}")) {
        headers.insert(GRPC_TIMEOUT, value);
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

/// A response body that ends with `DEADLINE_EXCEEDED` when time is up, and lets a stream's own calls inherit
/// where it is made here.
pub(crate) struct BoundedBody {
    inner: Body,
    inherited: Option<Inherited>,
    timer: Option<Pin<Box<Sleep>>>,
    ended: bool,
}

impl BoundedBody {
    pub(crate) fn new(
        inner: Body,
        deadline: Option<Instant>,
        inherited: Option<Inherited>,
    ) -> BoundedBody {
        let timer = deadline.map(|deadline| Box::pin(tokio::time::sleep_until(deadline)));
        BoundedBody {
            inner,
            inherited,
            timer,
            ended: false,
        }
    }
}

impl HttpBody for BoundedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        if this.ended {
            return Poll::Ready(None);
        }
        let inner = Pin::new(&mut this.inner);
        let polled = match this.inherited {
            Some(inherited) => INHERITED.sync_scope(inherited, || inner.poll_frame(cx)),
            None => inner.poll_frame(cx),
        };
        if polled.is_ready() {
            return polled;
        }
        match this.timer.as_mut().map(|timer| timer.as_mut().poll(cx)) {
            Some(Poll::Ready(())) => {
                this.ended = true;
                // The handler's stream stops here, with everything it holds.
                this.inner = Body::empty();
                Poll::Ready(Some(Ok(closing_frame(&exceeded()))))
            }
            _ => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
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
