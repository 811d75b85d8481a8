//! An event's message carries its CloudEvents attributes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use bytes::Bytes;
use outcry_broker::{CloudEvents, Message};
use outcry_contracts::events::v1::EventEnvelope;
use outcry_events::SealedEvent;
use prost::Message as _;

const CORRELATION: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

fn event() -> SealedEvent {
    let envelope = EventEnvelope {
        event_id: "01890a5d-ac96-774b-bcce-b302099a8058".to_owned(),
        source: "/samples".to_owned(),
        spec_version: "1.0".to_owned(),
        event_type: "sample.taken".to_owned(),
        payload: Some(prost_types::Any {
            type_url: "type.googleapis.com/outcry.samples.v1.SampleTaken".to_owned(),
            value: vec![1, 2, 3],
        }),
        schema_version: 1,
        aggregate_type: "sample".to_owned(),
        aggregate_id: "s-1".to_owned(),
        aggregate_sequence: 7,
        occurred_at: Some(prost_types::Timestamp {
            seconds: 1_800_000_000,
            nanos: 500_000_000,
        }),
        recorded_at: None,
        correlation_id: CORRELATION.to_owned(),
        causation_id: String::new(),
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
        tracestate: String::new(),
        actor: String::new(),
        partition_key: "account-1".to_owned(),
        copy_of: String::new(),
    };
    SealedEvent::open(Bytes::from(envelope.encode_to_vec())).unwrap()
}

#[test]
fn routing_and_body_are_the_events_own() {
    let event = event();
    let message = Message::from(&event);
    assert_eq!(message.topic, "sample.taken");
    assert_eq!(message.partition_key, "account-1");
    assert_eq!(message.event_id, event.id().to_string());
    assert_eq!(message.correlation_id, CORRELATION);
    assert_eq!(message.source, "/samples");
    assert_eq!(message.body, event.bytes());
    message.check().unwrap();
}

#[test]
fn attributes_are_headers_in_the_plain_dialect() {
    let message = Message::from(&event());
    let expected = [
        ("ce-specversion", "1.0"),
        ("ce-id", "01890a5d-ac96-774b-bcce-b302099a8058"),
        ("ce-type", "sample.taken"),
        ("ce-source", "/samples"),
        ("ce-subject", "s-1"),
        ("ce-time", "2027-01-15T08:00:00.5Z"),
        (
            "ce-dataschema",
            "https://type.googleapis.com/outcry.events.v1.EventEnvelope",
        ),
        (
            "ce-payloadtype",
            "type.googleapis.com/outcry.samples.v1.SampleTaken",
        ),
        ("ce-sequence", "00000000000000000007"),
        ("ce-correlationid", CORRELATION),
        ("ce-partitionkey", "account-1"),
        (
            "ce-traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ),
    ];
    for (name, value) in expected {
        assert_eq!(message.header(name), Some(value), "{name}");
    }
    // Nothing led to it, so it does not say what did.
    assert_eq!(message.header("ce-causationid"), None);
    assert_eq!(message.headers.len(), expected.len());
}

#[test]
fn the_second_dialect_repeats_the_first() {
    let message = Message::of(&event(), CloudEvents::Both);
    let plain = Message::from(&event());
    assert_eq!(message.headers.len(), 2 * plain.headers.len());
    for (name, value) in &plain.headers {
        let attribute = name.strip_prefix("ce-").unwrap();
        assert_eq!(message.header(name), Some(value.as_str()));
        assert_eq!(
            message.header(&format!("cloudEvents:{attribute}")),
            Some(value.as_str())
        );
    }
}
