//! Why a broker did not do what it was asked.

use std::sync::Arc;

/// What a broker's machinery says.
pub type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// Why one message does not count as published. Publishing it again later is safe.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PublishError {
    /// No declared group wants the topic.
    #[error("no group wants topic {topic}")]
    Unroutable {
        /// The topic.
        topic: String,
    },
    /// Something of the message is too large.
    #[error("{what} of {bytes} bytes, at most {max} are allowed")]
    TooLarge {
        /// What.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// What is allowed.
        max: usize,
    },
    /// An earlier message of the same key failed in the same call.
    #[error("an earlier message of its key was not taken")]
    HeldBack,
    /// The broker is closed.
    #[error("the broker is closed")]
    Closed,
    /// The broker failed, or could not be reached.
    #[error("the broker failed")]
    Backend(#[source] Cause),
}

/// Why a broker did not do something else.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BrokerError {
    /// A group that cannot be.
    #[error("group {group} cannot be declared: {reason}")]
    InvalidGroup {
        /// The group.
        group: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A group that has not been declared, or differently.
    #[error("group {group} has not been declared like this")]
    NotDeclared {
        /// The group.
        group: String,
    },
    /// A group that is being consumed cannot be changed.
    #[error("group {group} is being consumed")]
    InUse {
        /// The group.
        group: String,
    },
    /// The delivery belongs to a subscription that has ended; the message is delivered again.
    #[error("the delivery's subscription has ended")]
    Stale,
    /// The broker is closed.
    #[error("the broker is closed")]
    Closed,
    /// The broker failed, or could not be reached.
    #[error("the broker failed")]
    Backend(#[source] Cause),
}
