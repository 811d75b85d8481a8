//! An envelope and its one byte string.
//!
//! The bytes are made once, when an event is sealed, and are then what is stored, published,
//! parked and archived. Whoever opens them keeps them as they came: encoding the decoded
//! envelope again could lose fields a newer version has added.

mod error;
mod sealing;
mod time;

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use outcry_contracts::events::v1::EventEnvelope;
use outcry_contracts::{Event, EventFacts, Validate as _};
use prost::{DecodeError, Message as _};
use uuid::Uuid;

use self::time::from_timestamp;
use crate::cause::Cause;
use crate::upcast::{self, Registry};

pub use self::error::{OpenError, PayloadError, SealError};
pub use self::sealing::{EVENT_BYTES_MAX, seal};

/// One event as a fact: its envelope and the bytes of it. Cheap to clone.
#[derive(Clone)]
pub struct SealedEvent {
    opened: Arc<Opened>,
    bytes: Bytes,
}

/// The envelope, and what it holds as text or by name in its real form.
struct Opened {
    envelope: EventEnvelope,
    id: Uuid,
    correlation_id: Uuid,
    causation_id: Option<Uuid>,
    copy_of: Option<Uuid>,
    occurred_at: SystemTime,
    recorded_at: Option<SystemTime>,
    facts: Option<&'static EventFacts>,
}

// === impl SealedEvent ===

impl SealedEvent {
    /// Opens bytes from a store or a broker and keeps them as they are. Checks the envelope;
    /// leaves the payload alone, because rules may have been tightened since.
    ///
    /// # Errors
    /// Not an envelope, one that breaks its rules, or one whose parts belong to different
    /// events.
    pub fn open(bytes: Bytes) -> Result<SealedEvent, OpenError> {
        let envelope = EventEnvelope::decode(bytes.as_ref()).map_err(OpenError::Undecodable)?;
        envelope.validate().map_err(OpenError::Envelope)?;
        let facts = agreed_facts(&envelope)?;
        let opened = Opened {
            id: uuid(&envelope.event_id, "event_id")?,
            correlation_id: uuid(&envelope.correlation_id, "correlation_id")?,
            causation_id: optional_uuid(&envelope.causation_id, "causation_id")?,
            copy_of: optional_uuid(&envelope.copy_of, "copy_of")?,
            occurred_at: envelope
                .occurred_at
                .and_then(from_timestamp)
                .ok_or(OpenError::Time {
                    field: "occurred_at",
                })?,
            recorded_at: match envelope.recorded_at {
                None => None,
                Some(time) => Some(from_timestamp(time).ok_or(OpenError::Time {
                    field: "recorded_at",
                })?),
            },
            facts,
            envelope,
        };
        Ok(SealedEvent {
            opened: Arc::new(opened),
            bytes,
        })
    }

    /// The event itself, in its newest version.
    ///
    /// # Errors
    /// It is another event, a version not known yet, damaged, or cannot be upgraded.
    pub fn payload<E: Event>(&self) -> Result<E, PayloadError> {
        self.payload_through(upcast::registry())
    }

    /// As [`SealedEvent::payload`], with these upgrades.
    pub(crate) fn payload_through<E: Event>(&self, registry: &Registry) -> Result<E, PayloadError> {
        let (type_url, payload) = self.any();
        if !is_type::<E>(registry.newest(type_url)) {
            return Err(PayloadError::OtherEvent {
                wanted: E::TOPIC,
                found: self.topic().to_owned(),
            });
        }
        let version = self.opened.envelope.schema_version;
        if version > E::SCHEMA_VERSION {
            return Err(PayloadError::NewerVersion {
                topic: self.topic().to_owned(),
                version,
            });
        }
        let upcasted =
            registry
                .upcast(type_url, payload)
                .map_err(|source| PayloadError::Upcast {
                    topic: self.topic().to_owned(),
                    source,
                })?;
        E::decode(upcasted.bytes.as_ref()).map_err(|source| PayloadError::Undecodable {
            topic: self.topic().to_owned(),
            source,
        })
    }

    /// Whether [`SealedEvent::payload`] would try to decode it as this event.
    #[must_use]
    pub fn is<E: Event>(&self) -> bool {
        is_type::<E>(upcast::registry().newest(self.type_url()))
    }

    /// The cause of what this event leads to.
    #[must_use]
    pub fn cause(&self, actor: &str) -> Cause {
        Cause {
            correlation_id: self.correlation_id(),
            causation_id: Some(self.id()),
            actor: actor.to_owned(),
            traceparent: self.opened.envelope.traceparent.clone(),
        }
    }

    /// What the contract says about it; none if this version of the platform does not know
    /// the event, or not in this version of its schema.
    #[must_use]
    pub fn facts(&self) -> Option<&'static EventFacts> {
        let version = self.opened.envelope.schema_version;
        self.opened
            .facts
            .filter(|facts| version <= facts.schema_version)
    }

    /// Ids of the users it is about: the only customers who may read it. None for an event
    /// that is not known.
    ///
    /// # Errors
    /// The payload is damaged.
    pub fn subjects(&self) -> Result<Vec<String>, DecodeError> {
        match self.facts() {
            Some(facts) => (facts.subjects)(self.any().1),
            None => Ok(Vec::new()),
        }
    }

    /// The decoded envelope. Never encode it again: hand on [`SealedEvent::bytes`].
    #[must_use]
    pub fn envelope(&self) -> &EventEnvelope {
        &self.opened.envelope
    }

    /// The one byte string.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Unique id of the event.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.opened.id
    }

    /// Routing key, for example `order.created`.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.opened.envelope.event_type
    }

    /// Type URL of the payload, as it was sealed.
    #[must_use]
    pub fn type_url(&self) -> &str {
        self.any().0
    }

    /// Publishing service as a path, for example `/orders`.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.opened.envelope.source
    }

    /// Consumers see events with the same key in order.
    #[must_use]
    pub fn partition_key(&self) -> &str {
        &self.opened.envelope.partition_key
    }

    /// Id of the aggregate it belongs to.
    #[must_use]
    pub fn aggregate_id(&self) -> &str {
        &self.opened.envelope.aggregate_id
    }

    /// Name of the stream it belongs to, `<aggregate>-<id>`.
    #[must_use]
    pub fn stream(&self) -> String {
        let envelope = &self.opened.envelope;
        format!("{}-{}", envelope.aggregate_type, envelope.aggregate_id)
    }

    /// Place in its stream, from 1.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.opened.envelope.aggregate_sequence
    }

    /// Id of the command that started the flow.
    #[must_use]
    pub fn correlation_id(&self) -> Uuid {
        self.opened.correlation_id
    }

    /// Id of the event that led to it directly.
    #[must_use]
    pub fn causation_id(&self) -> Option<Uuid> {
        self.opened.causation_id
    }

    /// Id of the fact that this is a copy of, in an older version of its schema; none for a fact.
    /// Copies are for consumers that know no newer version: whoever does has the fact itself.
    #[must_use]
    pub fn copy_of(&self) -> Option<Uuid> {
        self.opened.copy_of
    }

    /// When the fact happened.
    #[must_use]
    pub fn occurred_at(&self) -> SystemTime {
        self.opened.occurred_at
    }

    /// When it was written down, if the publisher said so.
    #[must_use]
    pub fn recorded_at(&self) -> Option<SystemTime> {
        self.opened.recorded_at
    }

    /// Type URL and bytes of the payload.
    pub(crate) fn any(&self) -> (&str, &[u8]) {
        // Sealing sets a payload and the envelope's rules demand one, so it is never missing.
        self.opened
            .envelope
            .payload
            .as_ref()
            .map_or(("", &[]), |payload| {
                (payload.type_url.as_str(), payload.value.as_slice())
            })
    }
}

impl PartialEq for SealedEvent {
    fn eq(&self, other: &SealedEvent) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for SealedEvent {}

impl fmt::Debug for SealedEvent {
    /// Shows which event it is and nothing of what it says.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedEvent")
            .field("id", &self.id())
            .field("topic", &self.topic())
            .field("stream", &self.stream())
            .field("sequence", &self.sequence())
            .finish_non_exhaustive()
    }
}

/// What the contract says about the event, if envelope and payload agree on which it is.
fn agreed_facts(envelope: &EventEnvelope) -> Result<Option<&'static EventFacts>, OpenError> {
    let type_url = envelope
        .payload
        .as_ref()
        .map_or("", |payload| payload.type_url.as_str());
    let by_topic = EventFacts::of_topic(&envelope.event_type);
    let agrees = match by_topic {
        Some(facts) => facts.type_url == type_url && facts.aggregate == envelope.aggregate_type,
        None => EventFacts::of_type_url(type_url).is_none(),
    };
    if agrees {
        return Ok(by_topic);
    }
    Err(OpenError::Disagreement {
        topic: envelope.event_type.clone(),
        aggregate: envelope.aggregate_type.clone(),
        type_url: type_url.to_owned(),
    })
}

/// Whether a type URL names this message. Only the part behind the last slash does.
fn is_type<E: prost::Name>(type_url: &str) -> bool {
    type_url
        .rsplit_once('/')
        .and_then(|(_, name)| name.strip_prefix(E::PACKAGE))
        .and_then(|name| name.strip_prefix('.'))
        .is_some_and(|name| name == E::NAME)
}

fn optional_uuid(text: &str, field: &'static str) -> Result<Option<Uuid>, OpenError> {
    match text {
        "" => Ok(None),
        id => uuid(id, field).map(Some),
    }
}

fn uuid(text: &str, field: &'static str) -> Result<Uuid, OpenError> {
    Uuid::try_parse(text).map_err(|_| OpenError::Id { field })
}

#[cfg(test)]
mod tests;
