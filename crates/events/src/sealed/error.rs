//! What can be wrong with an event on its way in or out. No message quotes a payload.

use outcry_contracts::Violations;
use prost::DecodeError;

use crate::upcast::UpcastError;

/// Why an event was not sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The event breaks rules of its contract.
    #[error("the payload of {topic} breaks its contract: {violations}")]
    Payload {
        /// Topic of the event.
        topic: &'static str,
        /// The rules.
        violations: Violations,
    },
    /// The envelope breaks rules of its contract: a wrong stamp, or an id that does not fit.
    #[error("the envelope of {topic} breaks its contract: {violations}")]
    Envelope {
        /// Topic of the event.
        topic: &'static str,
        /// The rules.
        violations: Violations,
    },
    /// A time before the year 1 or after the year 9999.
    #[error("a time of {topic} is out of range")]
    Time {
        /// Topic of the event.
        topic: &'static str,
    },
    /// Larger than [`EVENT_BYTES_MAX`](super::EVENT_BYTES_MAX).
    #[error("{topic} takes {bytes} bytes, more than an event may")]
    TooLarge {
        /// Topic of the event.
        topic: &'static str,
        /// Size of the envelope.
        bytes: usize,
    },
}

/// Why bytes are not an event.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Not an envelope at all.
    #[error("the bytes are not an event envelope")]
    Undecodable(#[source] DecodeError),
    /// The envelope breaks rules of its contract.
    #[error("the envelope breaks its contract: {0}")]
    Envelope(#[source] Violations),
    /// An id that is not a UUID.
    #[error("the id in {field} is not a uuid")]
    Id {
        /// Field of the envelope.
        field: &'static str,
    },
    /// A time before the year 1 or after the year 9999.
    #[error("the time in {field} is out of range")]
    Time {
        /// Field of the envelope.
        field: &'static str,
    },
    /// Topic, aggregate and payload are not those of one event.
    #[error("the envelope says {topic} of {aggregate}, but its payload is {type_url}")]
    Disagreement {
        /// Topic in the envelope.
        topic: String,
        /// Aggregate type in the envelope.
        aggregate: String,
        /// Type of the payload.
        type_url: String,
    },
}

/// Why a payload is not the wanted event.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    /// Another event, possibly one this version of the platform does not know.
    #[error("wanted {wanted}, found {found}")]
    OtherEvent {
        /// What the caller asked for.
        wanted: &'static str,
        /// Topic of the event.
        found: String,
    },
    /// A newer version of the event than this version of the platform knows.
    #[error("{topic} has schema version {version}, which is not known yet")]
    NewerVersion {
        /// Topic of the event.
        topic: String,
        /// Its schema version.
        version: u32,
    },
    /// The payload's bytes are not what its type says.
    #[error("the payload of {topic} cannot be decoded")]
    Undecodable {
        /// Topic of the event.
        topic: String,
        /// What prost found.
        source: DecodeError,
    },
    /// An older version could not be upgraded.
    #[error("{topic} could not be upgraded")]
    Upcast {
        /// Topic of the event.
        topic: String,
        /// The step that failed.
        source: UpcastError,
    },
}
