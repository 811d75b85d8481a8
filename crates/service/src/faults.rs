//! What a failure means: wait for the store, try again, ask a person, or let it go.

use std::any::Any;
use std::error::Error;

use outcry_events::{PayloadError, SealError, SealedEvent};
use outcry_mesh::refusal::{self, Refusal};
use outcry_store::StoreError;
use tonic::{Code, Status};

use crate::execute::CommandError;
use crate::history::LoadError;
use crate::reaction::Fault;

/// Why a reaction or timer did not come to a durable commit, as the runtime sees it.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The store does not answer: nobody's fault, so wait and count nothing.
    Store(String),
    /// May work later.
    Retry(String),
    /// Needs a person.
    Park(String),
    /// Has no effect.
    Discard(String),
    /// Is for another replica to do now.
    Fenced(String),
}

/// An error with its causes: `outer: inner: innermost`.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

/// The status for a store that failed; the cause goes to the log only. A cursor that is none is the
/// caller's `page.token`.
pub fn store_failure(error: StoreError) -> Status {
    if matches!(error, StoreError::BadCursor) {
        return refusal::invalid("page.token", "is not the token of a page of this listing");
    }
    tracing::error!(error = chain(&error), "store unavailable");
    unavailable()
}

/// The status for a store that does not answer.
pub(crate) fn unavailable() -> Status {
    refusal::with_reason(
        Code::Unavailable,
        "STORE_UNAVAILABLE",
        "the service cannot reach its store; try again",
    )
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let said = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panicked: {}", said.unwrap_or("without a message"))
}

/// Why this build does not know an event, if it does not.
pub(crate) fn unknown(event: &SealedEvent) -> Option<String> {
    if event.facts().is_some() {
        return None;
    }
    let (topic, version) = (event.topic(), event.envelope().schema_version);
    Some(format!(
        "this build does not know {topic} in version {version}"
    ))
}

/// Whether a store that does not answer is among the causes. One that holds something unreadable
/// answers, and waiting does not help.
fn is_store_trouble(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(store) = error.downcast_ref::<StoreError>() {
            return matches!(store, StoreError::Backend(_));
        }
        cause = error.source();
    }
    false
}

// === impl Trouble ===

impl Trouble {
    /// In words, whatever it is.
    pub(crate) fn reason(&self) -> &str {
        match self {
            Self::Store(reason)
            | Self::Retry(reason)
            | Self::Park(reason)
            | Self::Discard(reason)
            | Self::Fenced(reason) => reason,
        }
    }
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Retry(cause) if is_store_trouble(cause.as_ref()) => {
                Self::Store(chain(cause.as_ref()))
            }
            Fault::Retry(cause) => Self::Retry(chain(cause.as_ref())),
            Fault::Park(reason) => Self::Park(reason),
            Fault::Discard(reason) => Self::Discard(reason),
        }
    }
}

// === impl Fault ===

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::retry(error)
    }
}

impl From<LoadError> for Fault {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Store { .. } => Self::retry(error),
            LoadError::Unreadable { .. } | LoadError::Gap { .. } => Self::Park(chain(&error)),
        }
    }
}

/// An event that cannot be read will not become readable by waiting.
impl From<PayloadError> for Fault {
    fn from(error: PayloadError) -> Self {
        Self::Park(chain(&error))
    }
}

/// A decision that breaks the contract will break it again.
impl From<SealError> for Fault {
    fn from(error: SealError) -> Self {
        Self::Park(chain(&error))
    }
}

/// A refused command is for a person to look at, unless the reaction deals with the refusal itself.
impl<R: Refusal + Send + Sync + 'static> From<CommandError<R>> for Fault {
    fn from(error: CommandError<R>) -> Self {
        match error {
            CommandError::Load(error) => error.into(),
            CommandError::Store { .. }
            | CommandError::Conflict { .. }
            | CommandError::Fenced { .. }
            | CommandError::Duplicate => Self::retry(error),
            CommandError::Rejected(_)
            | CommandError::Seal { .. }
            | CommandError::Misplaced { .. }
            | CommandError::Prepare(_)
            | CommandError::Invalid { .. } => Self::Park(chain(&error)),
        }
    }
}

/// A call that was refused for what it says is refused again; all else may pass.
impl From<Status> for Fault {
    fn from(status: Status) -> Self {
        match status.code() {
            Code::InvalidArgument
            | Code::OutOfRange
            | Code::Unimplemented
            | Code::PermissionDenied
            | Code::Unauthenticated
            | Code::DataLoss => Self::Park(status_text(&status)),
            _ => Self::retry(status),
        }
    }
}

/// Code and message of a status.
fn status_text(status: &Status) -> String {
    format!("{:?}: {}", status.code(), status.message())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn down() -> StoreError {
        StoreError::Backend("gone".into())
    }

    #[test]
    fn a_store_that_does_not_answer_is_found_however_deep_it_hides() {
        let load = LoadError::Store {
            stream: "order-1".into(),
            source: down(),
        };
        for fault in [Fault::from(down()), Fault::from(load)] {
            let trouble = Trouble::from(fault);
            assert!(matches!(trouble, Trouble::Store(_)), "{trouble:?}");
        }
        let trouble = Trouble::from(Fault::from(StoreError::BadCursor));
        assert!(matches!(trouble, Trouble::Retry(_)), "it answered");
    }

    #[test]
    fn a_refused_call_is_parked_when_it_would_be_refused_again() {
        let park = Fault::from(Status::invalid_argument("no"));
        assert!(matches!(park, Fault::Park(_)));
        let retry = Fault::from(Status::unavailable("later"));
        assert!(matches!(retry, Fault::Retry(_)));
        let retry = Fault::from(Status::failed_precondition("not yet"));
        assert!(matches!(retry, Fault::Retry(_)));
    }

    #[test]
    fn a_cursor_that_is_none_is_the_callers_fault_and_all_else_is_the_stores() {
        let status = store_failure(StoreError::BadCursor);
        assert_eq!(status.code(), Code::InvalidArgument);
        let status = store_failure(down());
        assert_eq!(status.code(), Code::Unavailable);
        assert!(!status.message().contains("gone"), "causes stay inside");
    }

    #[test]
    fn causes_are_told_from_the_outside_in() {
        assert_eq!(chain(&down()), "the store's database failed: gone");
        assert_eq!(panic_text(&"ouch"), "panicked: ouch");
        assert_eq!(panic_text(&7), "panicked: without a message");
    }
}
