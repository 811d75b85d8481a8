//! Why a command failed: for people with what to do next, for programs as JSON, for scripts as an exit code.

use std::io;
use std::process::ExitCode;

use outcry_broker::rabbitmq::{Fault, ManagementError};
use outcry_store::PostgresError;
use serde_json::{Value, json};
use tonic::{Code, Status};

use crate::arguments::Colour;
use crate::output::{ReaderGone, alarm};

/// Something was typed or configured that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(String);

/// Nothing runs where something was looked for.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Away(String);

/// What kind of failure it is; each has an exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It could not be done.
    Failed,
    /// What was asked for, or the configuration, cannot be used.
    Usage,
    /// The platform, the broker or the database does not answer.
    Unreachable,
    /// The platform does not do it for whoever asks.
    Refused,
}

// === impl Usage ===

impl Usage {
    /// Says what is wrong and what to type instead.
    pub fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

// === impl Away ===

impl Away {
    /// Says where nothing runs and how to start it.
    pub fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

// === impl Kind ===

impl Kind {
    /// The kind of an error, from the first cause that says.
    pub fn of(error: &anyhow::Error) -> Self {
        error.chain().find_map(kind).unwrap_or(Self::Failed)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::Unreachable => "unreachable",
            Self::Refused => "refused",
        }
    }

    /// The exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
            Self::Refused => 4,
        }
    }
}

/// Says what went wrong, on standard error; the exit code for it.
pub fn report(error: &anyhow::Error, is_json: bool, colour: Colour) -> ExitCode {
    if error.chain().any(|cause| cause.is::<ReaderGone>()) {
        return ExitCode::SUCCESS;
    }
    if is_json {
        eprintln!("{}", as_json(error));
    } else {
        eprintln!("{} {}", alarm(colour, "outcry:"), message(error));
        if let Some(next) = next_step(error) {
            eprintln!("  next: {next}");
        }
    }
    ExitCode::from(Kind::of(error).code())
}

/// Says on standard error that a command line cannot be used, as JSON.
pub fn report_usage(error: &clap::Error) -> ExitCode {
    let message = error.render().to_string();
    let shown = json!({ "error": {
        "kind": Kind::Usage.name(),
        "exitCode": Kind::Usage.code(),
        "message": message.trim().trim_start_matches("error: "),
    } });
    eprintln!("{shown}");
    ExitCode::from(Kind::Usage.code())
}

fn as_json(error: &anyhow::Error) -> Value {
    let kind = Kind::of(error);
    let mut shown = json!({
        "kind": kind.name(),
        "exitCode": kind.code(),
        "message": message(error),
    });
    if let Some(status) = status(error) {
        shown["status"] = json!(format!("{:?}", status.code()));
    }
    if let Some(next) = next_step(error) {
        shown["next"] = json!(next);
    }
    json!({ "error": shown })
}

/// The chain of causes on one line; what the platform answers in its own words.
fn message(error: &anyhow::Error) -> String {
    let causes: Vec<String> = error.chain().map(words).collect();
    let mut said: Vec<String> = Vec::new();
    for cause in causes {
        // Some errors repeat their cause.
        if !cause.is_empty() && !said.iter().any(|before| before.contains(&cause)) {
            said.push(cause);
        }
    }
    said.join(": ")
}

fn words(cause: &(dyn std::error::Error + 'static)) -> String {
    match cause.downcast_ref::<Status>() {
        Some(status) if status.message().is_empty() => format!("{:?}", status.code()),
        Some(status) => format!("{} ({:?})", status.message(), status.code()),
        None => cause.to_string(),
    }
}

fn status(error: &anyhow::Error) -> Option<&Status> {
    error.chain().find_map(|cause| cause.downcast_ref())
}

fn kind(cause: &(dyn std::error::Error + 'static)) -> Option<Kind> {
    if cause.is::<Usage>() || cause.is::<toml::de::Error>() {
        return Some(Kind::Usage);
    }
    if cause.is::<Away>() {
        return Some(Kind::Unreachable);
    }
    if let Some(status) = cause.downcast_ref::<Status>() {
        return Some(match status.code() {
            Code::Unavailable | Code::DeadlineExceeded => Kind::Unreachable,
            Code::Unauthenticated | Code::PermissionDenied | Code::NotFound => Kind::Refused,
            Code::InvalidArgument | Code::OutOfRange => Kind::Usage,
            _ => Kind::Failed,
        });
    }
    if let Some(error) = cause.downcast_ref::<PostgresError>() {
        return match error {
            PostgresError::Unreachable { .. } => Some(Kind::Unreachable),
            PostgresError::Settings { .. } => Some(Kind::Usage),
            _ => None,
        };
    }
    if let Some(error) = cause.downcast_ref::<ManagementError>() {
        return match error {
            ManagementError::Unreachable(_) => Some(Kind::Unreachable),
            ManagementError::Address(_) => Some(Kind::Usage),
            _ => None,
        };
    }
    if let Some(fault) = cause.downcast_ref::<Fault>() {
        return match fault {
            Fault::Unreachable(_) | Fault::Late { .. } | Fault::Broken(_) => {
                Some(Kind::Unreachable)
            }
            Fault::Address(_) => Some(Kind::Usage),
            _ => None,
        };
    }
    if cause.is::<tonic::transport::Error>() {
        return Some(Kind::Unreachable);
    }
    let io = cause.downcast_ref::<io::Error>()?;
    let is_network = matches!(
        io.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::TimedOut
    );
    is_network.then_some(Kind::Unreachable)
}

/// What to do next, where the error itself does not know.
fn next_step(error: &anyhow::Error) -> Option<&'static str> {
    let Some(status) = status(error) else {
        let knows = error.chain().any(|cause| cause.is::<Away>());
        let is_away = Kind::of(error) == Kind::Unreachable && !knows;
        return is_away.then_some("`outcry doctor` looks at each part and says what is wrong");
    };
    match status.code() {
        Code::Unauthenticated => Some(
            "check --email and OUTCRY_PASSWORD; without them, --data names the folder of the platform whose \
             administrator is to be used",
        ),
        Code::PermissionDenied => Some(
            "sign in as somebody who may: --email and OUTCRY_PASSWORD of an administrator, or --data with the \
             platform's folder",
        ),
        Code::NotFound => Some(
            "look whether it is there: the listing verbs, such as `outcry dlq list`, show what is",
        ),
        Code::Unavailable | Code::DeadlineExceeded => {
            Some("try again; `outcry doctor` says which part of the platform does not answer")
        }
        Code::Unimplemented => Some(
            "the platform is of another version: `outcry doctor` compares it with this program",
        ),
        Code::ResourceExhausted => Some("wait a little, or ask for less at a time"),
        Code::Internal | Code::Unknown | Code::DataLoss => Some(
            "the platform's log says why; `outcry doctor` looks for what is wrong with its parts",
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    fn answered(code: Code, message: &str) -> anyhow::Error {
        let refused: Result<(), Status> = Err(Status::new(code, message));
        refused.context("signing in as ada").unwrap_err()
    }

    #[test]
    fn the_platforms_answer_is_told_in_its_words_with_what_to_do_next() {
        let error = answered(Code::Unauthenticated, "wrong password");
        let told = message(&error);
        assert_eq!(told, "signing in as ada: wrong password (Unauthenticated)");
        assert!(next_step(&error).unwrap().contains("OUTCRY_PASSWORD"));
        let shown = &as_json(&error)["error"];
        assert_eq!(shown["exitCode"], 4);
        assert_eq!(shown["kind"], "refused");
        assert_eq!(shown["status"], "Unauthenticated");
        assert_eq!(shown["message"], told);
    }

    #[test]
    fn each_kind_has_its_exit_code() {
        let io = |kind| anyhow::Error::from(io::Error::from(kind)).context("connecting");
        for (error, code) in [
            (anyhow::anyhow!("something else"), 1),
            (answered(Code::Internal, ""), 1),
            (Usage::new("say which").into(), 2),
            (answered(Code::InvalidArgument, "no such symbol"), 2),
            (answered(Code::Unavailable, ""), 3),
            (io(io::ErrorKind::ConnectionRefused), 3),
            (io(io::ErrorKind::PermissionDenied), 1),
            (answered(Code::PermissionDenied, ""), 4),
        ] {
            assert_eq!(Kind::of(&error).code(), code, "{error:#}");
        }
        let wrong = toml::from_str::<toml::Table>("a = ").unwrap_err();
        assert_eq!(Kind::of(&anyhow::Error::from(wrong)), Kind::Usage);
    }

    #[test]
    fn causes_that_repeat_each_other_are_told_once() {
        let error = anyhow::anyhow!("no route").context("connecting: no route");
        assert_eq!(message(&error), "connecting: no route");
    }
}
