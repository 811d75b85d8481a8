//! Whatever bytes a store or a broker hands over: they are read or refused, and kept as they are.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use bytes::Bytes;
use outcry_contracts::events::v1::EventEnvelope;
use outcry_contracts::{EVENTS, EventFacts};
use outcry_events::json::{self, Personal};
use outcry_events::{SealedEvent, descriptors, upcast};
use outcry_fuzz::{damaged, filled};
use proptest::prelude::*;
use prost::Message as _;
use prost_reflect::prost_types::{Any, Timestamp};
use uuid::Uuid;

/// An envelope of an event with something in every field.
fn envelope(facts: &EventFacts) -> Vec<u8> {
    let descriptor = descriptors::message_of(facts.type_url).unwrap();
    let moment = Some(Timestamp {
        seconds: 1_700_000_000,
        nanos: 1,
    });
    let id = |number| Uuid::from_u128(number).to_string();
    let envelope = EventEnvelope {
        event_id: id(1),
        source: format!("/{}", facts.owner),
        spec_version: "1.0".to_owned(),
        event_type: facts.topic.to_owned(),
        payload: Some(Any {
            type_url: facts.type_url.to_owned(),
            value: filled(&descriptor).encode_to_vec(),
        }),
        schema_version: facts.schema_version,
        aggregate_type: facts.aggregate.to_owned(),
        aggregate_id: id(2),
        aggregate_sequence: 1,
        occurred_at: moment,
        recorded_at: moment,
        correlation_id: id(3),
        causation_id: id(4),
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
        actor: "user:1".to_owned(),
        partition_key: id(2),
        ..EventEnvelope::default()
    };
    envelope.encode_to_vec()
}

fn corpus() -> Vec<Vec<u8>> {
    EVENTS.iter().map(envelope).collect()
}

/// Reads an event by every way there is.
fn read(bytes: &Bytes) {
    let rendered = json::bytes(bytes, Personal::Hidden);
    assert!(rendered.is_object());
    let Ok(event) = SealedEvent::open(bytes.clone()) else {
        return;
    };
    assert_eq!(event.bytes(), bytes);
    assert_eq!(json::event(&event, Personal::Hidden), rendered);
    let payload = event.envelope().payload.as_ref().unwrap();
    let _whoever = event.subjects();
    let _newest = upcast::registry().upcast(&payload.type_url, &payload.value);
    if let Some(facts) = event.facts() {
        let _verdict = (facts.validate)(&payload.value);
    }
    // Opened once, it opens again the same.
    let again = SealedEvent::open(event.bytes().clone()).unwrap();
    assert_eq!(again.stream(), event.stream());
    assert_eq!(again.cause("x").correlation_id, event.correlation_id());
}

#[test]
fn what_is_damaged_was_valid_before() {
    for bytes in corpus() {
        let event = SealedEvent::open(bytes.into()).unwrap();
        assert!(event.facts().is_some(), "{}", event.topic());
        assert!(!event.subjects().unwrap().is_empty() || event.topic().starts_with("session"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60_000, ..ProptestConfig::default() })]

    #[test]
    fn damaged_envelopes_are_read_or_refused(bytes in damaged(corpus())) {
        read(&bytes.into());
    }
}
