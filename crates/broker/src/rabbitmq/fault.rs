//! What goes wrong with a RabbitMQ server, in words for its operator.

use std::sync::Arc;
use std::time::Duration;

use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};
use lapin::{Error, ErrorKind};

use crate::error::{BrokerError, PublishError};

/// Why a server did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Fault {
    /// The address cannot be read.
    #[error("the address of the broker is not one: {0}")]
    Address(String),
    /// The server let nobody in: user, password or virtual host are wrong.
    #[error("the broker refused the connection, check user, password and virtual host: {0}")]
    Unwelcome(String),
    /// No connection within the time there was.
    #[error("the broker could not be reached")]
    Unreachable(#[source] Error),
    /// Something exists that is not as it must be.
    #[error("{what} exists, but differently than it must: {reason}")]
    Differs {
        /// What.
        what: String,
        /// How, in the server's words.
        reason: String,
    },
    /// Something that must exist does not.
    #[error("{what} does not exist and this user may not make it: apply the topology first")]
    Missing {
        /// What.
        what: String,
    },
    /// The user may not do that.
    #[error("the broker does not allow it: {0}")]
    Forbidden(String),
    /// The server answered with a refusal instead of a confirm.
    #[error("the broker did not take the message")]
    NotTaken,
    /// No answer in time.
    #[error("the broker did not {what} within {} s", bound.as_secs())]
    Late {
        /// What it was to do.
        what: &'static str,
        /// How long it had.
        bound: Duration,
    },
    /// The connection was lost, or broke.
    #[error("the connection to the broker broke")]
    Broken(#[source] Error),
}

// === impl Fault ===

impl Fault {
    /// Whether trying again by itself may help.
    pub(super) fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Unreachable(_) | Self::Late { .. } | Self::Broken(_)
        )
    }

    /// Of opening a connection.
    pub(super) fn of_connecting(error: Error) -> Self {
        match refusal(&error) {
            Some((_, text)) => Self::Unwelcome(text),
            None => Self::Unreachable(error),
        }
    }

    /// Of anything done on a channel, with `what` as its object.
    pub(super) fn of(error: Error, what: &str) -> Self {
        match refusal(&error) {
            Some((Refusal::Differs, reason)) => Self::Differs {
                what: what.to_owned(),
                reason,
            },
            Some((Refusal::Missing, _)) => Self::Missing {
                what: what.to_owned(),
            },
            Some((Refusal::Forbidden, text)) => Self::Forbidden(text),
            Some((Refusal::Other, _)) | None => Self::Broken(error),
        }
    }
}

impl From<Fault> for BrokerError {
    fn from(fault: Fault) -> Self {
        Self::Backend(Arc::new(fault))
    }
}

impl From<Fault> for PublishError {
    fn from(fault: Fault) -> Self {
        Self::Backend(Arc::new(fault))
    }
}

/// What kind of refusal a server's protocol error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    Missing,
    Differs,
    Forbidden,
    Other,
}

/// The refusal in an error, with the server's words; none when the server did not refuse anything.
pub(super) fn refusal(error: &Error) -> Option<(Refusal, String)> {
    let ErrorKind::ProtocolError(refused) = error.kind() else {
        return None;
    };
    let text = refused.get_message().to_string();
    let refusal = match refused.kind() {
        AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND) => Refusal::Missing,
        AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED) => Refusal::Differs,
        AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => Refusal::Forbidden,
        // Sent when a server that is going down closes its connections: it comes back.
        AMQPErrorKind::Hard(AMQPHardError::CONNECTIONFORCED) => return None,
        _ => Refusal::Other,
    };
    Some((refusal, text))
}
