//! How a refusal reaches a caller: one mapping from errors to gRPC statuses, always with `google.rpc` details.

use std::collections::HashMap;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// The `domain` of every [`tonic_types::ErrorInfo`] this platform sends.
pub const DOMAIN: &str = "outcry";

/// Metadata key of how long a client waits before it repeats a call, in milliseconds.
const PUSHBACK_MS: &str = "grpc-retry-pushback-ms";

/// Something a service declines to do, with what a caller's program needs to tell it from other refusals.
pub trait Refusal: std::error::Error {
    /// The gRPC code; decides whether a caller may try again.
    fn code(&self) -> Code;

    /// A constant in UPPER_SNAKE_CASE that names the refusal, for example `INSUFFICIENT_FUNDS`.
    fn reason(&self) -> &'static str;

    /// Facts a caller's program may act on, for example the amount that is available.
    fn metadata(&self) -> Vec<(String, String)> {
        Vec::new()
    }
}

/// The status of a refusal: its text as the message, its reason and facts as an `ErrorInfo`.
pub fn status(refusal: &dyn Refusal) -> Status {
    with_metadata(
        refusal.code(),
        refusal.reason(),
        refusal.to_string(),
        refusal.metadata(),
    )
}

/// A status with a reason and no further facts.
pub fn with_reason(code: Code, reason: &str, message: impl Into<String>) -> Status {
    with_metadata(code, reason, message, [])
}

/// A status with a reason and facts.
pub fn with_metadata(
    code: Code,
    reason: &str,
    message: impl Into<String>,
    metadata: impl IntoIterator<Item = (String, String)>,
) -> Status {
    let facts: HashMap<String, String> = metadata.into_iter().collect();
    let details = ErrorDetails::with_error_info(reason, DOMAIN, facts);
    Status::with_error_details(code, message, details)
}

/// A status that tells when another attempt is worth making.
pub fn retry_after(code: Code, reason: &str, message: impl Into<String>, wait: Duration) -> Status {
    let mut details = ErrorDetails::with_error_info(reason, DOMAIN, HashMap::new());
    details.set_retry_info(Some(wait));
    Status::with_error_details(code, message, details)
}

/// Refuses what would be too much at the moment. Clients of every language that repeat calls by gRPC's rules
/// wait that long first.
pub fn too_busy(message: impl Into<String>, wait: Duration) -> Status {
    let mut status = retry_after(Code::ResourceExhausted, "TOO_BUSY", message, wait);
    if let Ok(wait_ms) = wait.as_millis().to_string().parse() {
        status.metadata_mut().insert(PUSHBACK_MS, wait_ms);
    }
    status
}

/// `INVALID_ARGUMENT` that names the field at fault.
pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Status {
    let field = field.into();
    let message = message.into();
    let mut details = ErrorDetails::with_bad_request_violation(field.clone(), message.clone());
    details.set_error_info("INVALID_FIELD", DOMAIN, HashMap::new());
    Status::with_error_details(
        Code::InvalidArgument,
        format!("{field}: {message}"),
        details,
    )
}

/// Gives a status without details the details of its code, so that a caller always finds a reason.
pub fn explained(status: Status) -> Status {
    if !status.details().is_empty() || status.code() == Code::Ok {
        return status;
    }
    let details = ErrorDetails::with_error_info(code_name(status.code()), DOMAIN, HashMap::new());
    let message = if status.message().is_empty() {
        status.code().description().to_owned()
    } else {
        status.message().to_owned()
    };
    let metadata = status.metadata().clone();
    Status::with_error_details_and_metadata(status.code(), message, details, metadata)
}

/// A code's name in the gRPC specification; also the reason given where a code is all that is known.
pub(crate) fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// The code of a name.
pub(crate) fn code_named(name: &str) -> Option<Code> {
    (0..=Code::Unauthenticated as i32)
        .map(Code::from_i32)
        .find(|code| code_name(*code) == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("3.00 USD is available, 5.00 USD is needed")]
    struct TooPoor;

    impl Refusal for TooPoor {
        fn code(&self) -> Code {
            Code::FailedPrecondition
        }
        fn reason(&self) -> &'static str {
            "INSUFFICIENT_FUNDS"
        }
        fn metadata(&self) -> Vec<(String, String)> {
            vec![("available".into(), "3.00".into())]
        }
    }

    #[test]
    fn a_refusal_carries_its_reason_and_facts() {
        let status = status(&TooPoor);
        assert_eq!(status.code(), Code::FailedPrecondition);
        assert_eq!(
            status.message(),
            "3.00 USD is available, 5.00 USD is needed"
        );
        let info = status.get_details_error_info().unwrap();
        assert_eq!(
            (info.reason.as_str(), info.domain.as_str()),
            ("INSUFFICIENT_FUNDS", "outcry")
        );
        assert_eq!(info.metadata["available"], "3.00");
    }

    #[test]
    fn an_invalid_field_is_named_in_the_details() {
        let status = invalid("quantity", "must be greater than 0");
        let violation = &status.get_details_bad_request().unwrap().field_violations[0];
        assert_eq!(violation.field, "quantity");
        assert_eq!(
            status.get_details_error_info().unwrap().reason,
            "INVALID_FIELD"
        );
    }

    #[test]
    fn a_bare_status_is_explained_and_an_explained_one_is_kept() {
        let bare = explained(Status::not_found("no such order"));
        assert_eq!(bare.message(), "no such order");
        assert_eq!(bare.get_details_error_info().unwrap().reason, "NOT_FOUND");
        let kept = explained(invalid("a", "b"));
        assert_eq!(
            kept.get_details_error_info().unwrap().reason,
            "INVALID_FIELD"
        );
    }

    #[test]
    fn a_status_worth_retrying_says_when() {
        let status = retry_after(
            Code::ResourceExhausted,
            "TOO_BUSY",
            "busy",
            Duration::from_secs(2),
        );
        let wait = status.get_details_retry_info().unwrap().retry_delay;
        assert_eq!(wait, Some(Duration::from_secs(2)));
        let busy = too_busy("busy", Duration::from_secs(2));
        assert_eq!(busy.code(), Code::ResourceExhausted);
        assert_eq!(busy.get_details_error_info().unwrap().reason, "TOO_BUSY");
        assert_eq!(busy.metadata().get(PUSHBACK_MS).unwrap(), "2000");
    }
}
