//! Accounting for calls: each denial, and each call that may have changed something.
//!
//! The mesh says what happened; where it is written down is the business of the service.

use std::sync::Arc;

use futures::future::BoxFuture;
use http::{HeaderMap, Response};
use tokio::time::{Instant, timeout_at};
use tonic::body::Body;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use uuid::Uuid;

use crate::authorize::Rule;
use crate::deadline;
use crate::identity::Identity;

/// Stands for a method the contract does not have: what a stranger writes there is not kept.
pub const UNKNOWN_METHOD: &str = "unknown";

/// Stands for a reason that is none of the platform's constants.
const OTHER_REASON: &str = "OTHER";

/// Bytes of a reason at most; the platform's own have less than half of that.
const REASON_BYTES_MAX: usize = 64;

/// Bytes of a caller's name or a user's id at most: ids are UUIDs, names are short.
const NAME_BYTES_MAX: usize = 64;

/// Who called what. Ids and names only: nothing that was said in the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedCall {
    /// Path of the method, or [`UNKNOWN_METHOD`].
    pub method: String,
    /// The calling service or the edge; empty when nobody is known.
    pub caller: String,
    /// The user it was made for; empty when there is none.
    pub user: String,
    /// The flow it belongs to.
    pub correlation_id: Uuid,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// The gRPC code.
    pub code: Code,
    /// The reason of its `ErrorInfo`; empty when all went well.
    pub reason: String,
}

/// Takes the ending of a call that was begun.
pub type Report = Box<dyn FnOnce(Ending) + Send>;

/// Writes calls down.
pub trait CallRecorder: Send + Sync + 'static {
    /// Notes a call that was refused. Never waits: whoever floods a service with calls that are
    /// refused must not keep others waiting.
    fn denied(&self, call: RecordedCall, ending: Ending);

    /// Makes room for the record of a call that may change something, and waits for it while too
    /// many are not written down yet. The call begins only after that, so none is left out.
    ///
    /// # Errors
    /// Nothing is written down any more, so nothing may be changed.
    fn begin(&self, call: RecordedCall) -> BoxFuture<'static, Result<Report, Status>>;
}

// === impl RecordedCall ===

impl RecordedCall {
    /// A call of a method, known by its rule.
    pub fn new(path: &str, rule: Option<&Rule>, identity: &Identity, correlation_id: Uuid) -> Self {
        let user = identity.user.as_ref().map(|user| user.id.as_str());
        Self {
            method: rule.map_or(UNKNOWN_METHOD, |_| path).to_owned(),
            caller: name(identity.caller.as_deref().unwrap_or_default()),
            user: name(user.unwrap_or_default()),
            correlation_id,
        }
    }
}

/// A name or id in as many bytes as are kept.
fn name(text: &str) -> String {
    text.chars()
        .filter(|letter| letter.is_ascii_graphic())
        .take(NAME_BYTES_MAX)
        .collect()
}

// === impl Ending ===

impl Ending {
    /// How a status ends a call.
    pub fn of(status: &Status) -> Self {
        let info = status.get_details_error_info();
        Self {
            code: status.code(),
            reason: info.map(|info| reason(&info.reason)).unwrap_or_default(),
        }
    }

    /// How the head of a response ends a call; a stream may still fail later.
    fn in_head(headers: &HeaderMap) -> Self {
        Status::from_header_map(headers).map_or_else(Self::well, |status| Self::of(&status))
    }

    fn well() -> Self {
        Self {
            code: Code::Ok,
            reason: String::new(),
        }
    }

    /// The caller went away before there was an answer; what was done by then is done.
    fn given_up() -> Self {
        Self {
            code: Code::Cancelled,
            reason: "GIVEN_UP".to_owned(),
        }
    }

    /// Whether somebody was told that they may not.
    pub fn is_denial(&self) -> bool {
        matches!(self.code, Code::Unauthenticated | Code::PermissionDenied)
    }
}

/// A reason as it is kept: a constant in UPPER_SNAKE_CASE and nothing else.
fn reason(text: &str) -> String {
    let is_constant = text.len() <= REASON_BYTES_MAX
        && text
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    if is_constant { text } else { OTHER_REASON }.to_owned()
}

/// `answer`, with the call accounted for: one that may change something always, any other when the
/// service itself denies it.
pub(crate) async fn recorded(
    recorder: Arc<dyn CallRecorder>,
    call: RecordedCall,
    is_safe: bool,
    deadline: Option<Instant>,
    answer: impl Future<Output = Response<Body>>,
) -> Response<Body> {
    if is_safe {
        let response = answer.await;
        let ending = Ending::in_head(response.headers());
        if ending.is_denial() {
            recorder.denied(call, ending);
        }
        return response;
    }
    let room = recorder.begin(call);
    let room = match deadline {
        Some(deadline) => timeout_at(deadline, room).await,
        None => Ok(room.await),
    };
    let open = match room {
        Ok(Ok(report)) => Open(Some(report)),
        Ok(Err(refused)) => return refused.into_http(),
        Err(_elapsed) => return deadline::exceeded().into_http(),
    };
    let response = answer.await;
    open.end(Ending::in_head(response.headers()));
    response
}

/// A call without an ending yet. Dropped like that, it was given up.
struct Open(Option<Report>);

impl Open {
    fn end(mut self, ending: Ending) {
        if let Some(report) = self.0.take() {
            report(ending);
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(report) = self.0.take() {
            report(Ending::given_up());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::User;
    use crate::refusal;

    #[test]
    fn what_strangers_write_is_not_kept() {
        let identity = Identity {
            caller: Some("edge\n".repeat(100)),
            user: Some(User {
                id: "u 1\u{7}é".to_owned(),
                roles: Vec::new(),
            }),
        };
        let call = RecordedCall::new("/eyJhbGciOi/J9", None, &identity, Uuid::nil());
        assert_eq!(
            (call.method.as_str(), call.user.as_str()),
            ("unknown", "u1")
        );
        assert_eq!(call.caller, "edge".repeat(16));
        let strange = refusal::with_reason(Code::NotFound, "Bearer eyJ", "no");
        assert_eq!(Ending::of(&strange).reason, "OTHER");
    }

    #[test]
    fn an_ending_has_the_code_and_reason_of_the_answer() {
        let denied = refusal::with_reason(Code::PermissionDenied, "NOT_YOURS", "no").into_http();
        let denied: Response<Body> = denied;
        let ending = Ending::in_head(denied.headers());
        assert_eq!(
            (ending.code, ending.reason.as_str()),
            (Code::PermissionDenied, "NOT_YOURS")
        );
        assert!(ending.is_denial());
        assert_eq!(Ending::in_head(&HeaderMap::new()).code, Code::Ok);
    }
}
