//! Making facts.

use std::sync::Arc;

use bytes::Bytes;
use outcry_contracts::events::v1::EventEnvelope;
use outcry_contracts::{Event, EventFacts, Validate as _};
use prost::Message as _;
use prost_types::Any;

use super::time::to_timestamp;
use super::{Opened, SealError, SealedEvent, is_type};
use crate::stamp::Stamp;

/// Version of CloudEvents the envelope follows.
const SPEC_VERSION: &str = "1.0";

/// Largest envelope that is sealed, in bytes: small enough for every broker and for one gRPC
/// message. Events hold the facts of one change; what is larger is a document.
pub const EVENT_BYTES_MAX: usize = 1024 * 1024;

/// Makes the fact: validates the event, puts it into an envelope, validates that, encodes it.
///
/// # Errors
/// The event or the envelope breaks a rule of the contract, a time is out of range, or the
/// result is larger than [`EVENT_BYTES_MAX`].
pub fn seal<E: Event>(event: &E, stamp: Stamp<'_>) -> Result<SealedEvent, SealError> {
    event.validate().map_err(|violations| SealError::Payload {
        topic: E::TOPIC,
        violations,
    })?;
    let cause = stamp.cause;
    let time = |time| to_timestamp(time).ok_or(SealError::Time { topic: E::TOPIC });
    let envelope = EventEnvelope {
        event_id: stamp.event_id.to_string(),
        source: format!("/{}", E::OWNER),
        spec_version: SPEC_VERSION.to_owned(),
        event_type: E::TOPIC.to_owned(),
        payload: Some(Any {
            type_url: E::type_url(),
            value: event.encode_to_vec(),
        }),
        schema_version: E::SCHEMA_VERSION,
        aggregate_type: E::AGGREGATE.to_owned(),
        aggregate_id: event.aggregate_id().to_owned(),
        aggregate_sequence: stamp.sequence,
        occurred_at: Some(time(stamp.occurred_at)?),
        recorded_at: Some(time(stamp.recorded_at)?),
        correlation_id: cause.correlation_id.to_string(),
        causation_id: cause
            .causation_id
            .map(|id| id.to_string())
            .unwrap_or_default(),
        traceparent: cause.traceparent.clone(),
        tracestate: String::new(),
        actor: cause.actor.clone(),
        partition_key: event.partition_key().to_owned(),
        copy_of: String::new(),
    };
    envelope
        .validate()
        .map_err(|violations| SealError::Envelope {
            topic: E::TOPIC,
            violations,
        })?;
    let bytes = Bytes::from(envelope.encode_to_vec());
    if bytes.len() > EVENT_BYTES_MAX {
        return Err(SealError::TooLarge {
            topic: E::TOPIC,
            bytes: bytes.len(),
        });
    }
    let opened = Opened {
        envelope,
        id: stamp.event_id,
        correlation_id: cause.correlation_id,
        causation_id: cause.causation_id,
        copy_of: None,
        occurred_at: stamp.occurred_at,
        recorded_at: Some(stamp.recorded_at),
        facts: EventFacts::of_topic(E::TOPIC).filter(|facts| is_type::<E>(facts.type_url)),
    };
    Ok(SealedEvent {
        opened: Arc::new(opened),
        bytes,
    })
}
