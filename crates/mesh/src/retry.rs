//! Whether a call that failed is made again, and when.
//!
//! What no handler began with is made again elsewhere, whatever it does. What a handler may have begun with
//! is made again only if the contract says that it changes nothing more, if the service's [`Budget`] pays
//! for it and if the callee has nothing against it. When a caller is through with its attempts, it says so
//! to whoever called it: of a chain of services only the one next to a failure repeats anything.
//!
//! [`Budget`]: crate::budget::Budget

use std::cell::Cell;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use tonic::{Code, Status};

/// Requests sent for one call at most, however they end.
pub(crate) const ATTEMPTS_MAX: u32 = 5;

/// Repetitions after a handler may have begun. Two other replicas in a row that fail, too, will not be
/// the last.
const RETRIES_MAX: u32 = 2;

/// The wait before the first repetition at most; it doubles with each. Long enough for a hiccup to pass.
const BACKOFF: Duration = Duration::from_millis(25);

/// A callee's word on when to repeat: milliseconds, or a negative number for never.
pub(crate) const PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

/// Header that tells a callee how many attempts were made before.
pub(crate) const PREVIOUS_ATTEMPTS: HeaderName =
    HeaderName::from_static("grpc-previous-rpc-attempts");

/// How an attempt ended that was not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// There was nothing to send it on, and that costs nobody anything.
    NotSent,
    /// No handler began with it.
    NotBegun,
    /// No handler began with it, since there was too much to do: a repetition adds to it.
    Refused(Option<Pushback>),
    /// A handler may have begun with it.
    Failed(Option<Pushback>),
}

/// What a callee says about repeating a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pushback {
    After(Duration),
    Never,
}

/// What to do after an attempt that was not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Try another endpoint at once; without another, it is over.
    Elsewhere,
    /// Try again after a wait, at another endpoint if there is one.
    After(Duration),
    /// It is over.
    Over,
}

/// The attempts of one call so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Attempts {
    /// The contract says that it changes nothing more.
    pub(crate) idempotent: bool,
    /// Requests sent.
    pub(crate) sent: u32,
    /// Repetitions decided on after a handler may have begun, or after a refusal.
    pub(crate) retries: u32,
    /// Repetitions of what was not begun.
    pub(crate) transparent: u32,
}

impl Attempts {
    /// Decides, given how the latest attempt ended. `pays` takes a repetition out of the budget, `chance`
    /// is between 0 and 1, and there is so much time `left`.
    pub(crate) fn next(
        &mut self,
        end: End,
        left: Option<Duration>,
        chance: f64,
        pays: impl FnOnce() -> bool,
    ) -> Next {
        let pushback = match end {
            End::NotSent => return Next::Elsewhere,
            _ if self.sent >= ATTEMPTS_MAX => return Next::Over,
            End::NotBegun => {
                self.transparent += 1;
                return Next::Elsewhere;
            }
            _ if !self.concern(end) => return Next::Over,
            End::Refused(pushback) | End::Failed(pushback) => pushback,
        };
        if self.retries >= RETRIES_MAX {
            return Next::Over;
        }
        let wait = match pushback {
            Some(Pushback::Never) => return Next::Over,
            Some(Pushback::After(wait)) => wait,
            None => backoff(self.retries, chance),
        };
        if left.is_some_and(|left| left <= wait) || !pays() {
            return Next::Over;
        }
        self.retries += 1;
        Next::After(wait)
    }

    /// Whether a failure is one this caller repeats the call after, if it can.
    pub(crate) fn concern(&self, end: End) -> bool {
        match end {
            End::NotSent | End::NotBegun => false,
            End::Refused(_) => true,
            End::Failed(_) => self.idempotent,
        }
    }

    /// Says in a request's headers how many attempts were made before. What was not begun is not counted.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        if self.retries == 0 {
            headers.remove(PREVIOUS_ATTEMPTS);
        } else {
            headers.insert(PREVIOUS_ATTEMPTS, HeaderValue::from(self.retries));
        }
    }
}

/// Some time between half the wait and all of it, so that calls that failed together are not repeated
/// together.
fn backoff(retries: u32, chance: f64) -> Duration {
    let most = BACKOFF.saturating_mul(2_u32.saturating_pow(retries));
    most.mul_f64(0.5 + 0.5 * chance.clamp(0.0, 1.0))
}

/// What a callee says about repeating. Something that is no number means no.
pub(crate) fn pushback(headers: &HeaderMap) -> Option<Pushback> {
    let text = headers.get(PUSHBACK)?.to_str().ok();
    let wait = text.and_then(|text| text.parse::<u32>().ok());
    Some(wait.map_or(Pushback::Never, |wait| {
        Pushback::After(Duration::from_millis(u64::from(wait)))
    }))
}

/// Whether an answer says that all was done about a failure further down that can be: the service that gave
/// it is well itself. Its callers neither repeat the call nor call less for it; that is up to the one next
/// to the failure, or a chain of services would take as many times longer to recover as it has members.
pub(crate) fn is_passed_on(headers: &HeaderMap) -> bool {
    pushback(headers) == Some(Pushback::Never)
}

/// Says of an answer that the call was repeated as often as it may be: to the caller here, and to the caller
/// of the method being handled, if there is one.
pub(crate) fn forbid(headers: &mut HeaderMap) {
    headers.insert(PUSHBACK, HeaderValue::from_static("-1"));
    // Outside a call there is nobody else to tell.
    let _ = EXHAUSTED.try_with(|exhausted| exhausted.set(true));
}

tokio::task_local! {
    /// Whether a call made by the method being handled was repeated as often as it may be.
    static EXHAUSTED: Cell<bool>;
}

/// Runs a handler so that its caller learns of repetitions in vain, even where the handler puts a failure in
/// words of its own.
pub(crate) async fn scope<Answer, E>(
    handler: impl Future<Output = Result<http::Response<Answer>, E>>,
) -> Result<http::Response<Answer>, E> {
    let watched = async {
        let mut answer = handler.await;
        if let Ok(response) = &mut answer
            && EXHAUSTED.with(Cell::get)
            && is_refused(response.headers())
        {
            forbid(response.headers_mut());
        }
        answer
    };
    EXHAUSTED.scope(Cell::new(false), watched).await
}

/// Whether an answer is one that callers call less for.
fn is_refused(headers: &HeaderMap) -> bool {
    let code = headers.get(Status::GRPC_STATUS);
    let code = code.map(|code| Code::from_bytes(code.as_bytes()));
    matches!(code, Some(Code::Unavailable | Code::ResourceExhausted))
}

/// Whether an answer of this code, after which a handler may have done something, is worth a repetition.
pub(crate) fn is_worth_it(headers: &HeaderMap) -> bool {
    headers
        .get(Status::GRPC_STATUS)
        .is_some_and(|code| Code::from_bytes(code.as_bytes()) == Code::Unavailable)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const FAILED: End = End::Failed(None);

    fn sent(idempotent: bool) -> Attempts {
        Attempts {
            idempotent,
            sent: 1,
            ..Attempts::default()
        }
    }

    fn next(mut attempts: Attempts, end: End) -> Next {
        attempts.next(end, Some(SECOND), 1.0, || true)
    }

    #[test]
    fn only_what_changes_nothing_more_is_repeated_after_it_may_have_begun() {
        assert_eq!(next(sent(true), FAILED), Next::After(BACKOFF));
        assert_eq!(next(sent(false), FAILED), Next::Over);
        for idempotent in [true, false] {
            for end in [End::NotSent, End::NotBegun] {
                assert_eq!(next(sent(idempotent), end), Next::Elsewhere);
            }
            let refused = next(sent(idempotent), End::Refused(None));
            assert_eq!(refused, Next::After(BACKOFF));
        }
    }

    #[test]
    fn waits_double_and_leave_time_for_an_answer() {
        let mut attempts = sent(true);
        let mut waits = || attempts.next(FAILED, Some(SECOND), 0.0, || true);
        assert_eq!(waits(), Next::After(BACKOFF / 2));
        assert_eq!(waits(), Next::After(BACKOFF));
        assert_eq!(waits(), Next::Over, "enough");
        let unpaid = || -> bool { panic!("nothing is paid for what is not done") };
        let short = sent(true).next(FAILED, Some(BACKOFF), 1.0, unpaid);
        assert_eq!(short, Next::Over);
    }

    #[test]
    fn without_the_money_there_is_no_repetition_except_of_what_was_not_begun() {
        assert_eq!(sent(true).next(FAILED, None, 0.5, || false), Next::Over);
        let begun = sent(true).next(End::NotBegun, None, 0.5, || false);
        assert_eq!(begun, Next::Elsewhere);
    }

    #[test]
    fn the_callees_word_is_heeded() {
        let said = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(PUSHBACK, text.parse().unwrap());
            pushback(&headers)
        };
        assert_eq!(pushback(&HeaderMap::new()), None);
        let after = said("40");
        assert_eq!(after, Some(Pushback::After(Duration::from_millis(40))));
        for never in ["-1", "", "soon", "1.5", "99999999999"] {
            assert_eq!(said(never), Some(Pushback::Never), "{never}");
        }
        let asked = next(sent(true), End::Failed(after));
        assert_eq!(asked, Next::After(Duration::from_millis(40)));
        let never = Some(Pushback::Never);
        assert_eq!(next(sent(true), End::Failed(never)), Next::Over);
        assert_eq!(next(sent(true), End::Refused(never)), Next::Over);
    }

    #[test]
    fn the_callee_learns_how_many_attempts_there_were() {
        let mut headers = HeaderMap::new();
        headers.insert(PREVIOUS_ATTEMPTS, HeaderValue::from(7));
        let mut attempts = sent(true);
        attempts.write(&mut headers);
        assert!(!headers.contains_key(PREVIOUS_ATTEMPTS));
        attempts.next(End::NotBegun, None, 0.5, || true);
        attempts.next(FAILED, None, 0.5, || true);
        attempts.write(&mut headers);
        assert_eq!(headers[PREVIOUS_ATTEMPTS], "1");
    }

    proptest! {
        #[test]
        fn a_call_ends_whatever_happens(ends in proptest::collection::vec(0_u8..3, 40), money in 0_u32..5) {
            let mut attempts = Attempts { idempotent: true, ..Attempts::default() };
            let mut left = money;
            for end in ends {
                attempts.sent += 1;
                let end = [End::NotBegun, End::Refused(None), FAILED][usize::from(end)];
                let next = attempts.next(end, None, 0.5, || {
                    let paid = left > 0;
                    left = left.saturating_sub(1);
                    paid
                });
                if next == Next::Over {
                    break;
                }
            }
            prop_assert!(attempts.sent <= ATTEMPTS_MAX);
            prop_assert!(attempts.retries <= money.min(RETRIES_MAX));
        }
    }
}
