use bytes::Bytes;
use outcry_contracts::EVENTS;
use outcry_contracts::types::v1::{AssetAmount, Money, asset_amount::Asset};
use proptest::prelude::*;
use prost::Message as _;
use prost_reflect::{FieldDescriptor, Value as Reflected};

use super::*;
use crate::samples::{raised, root, stamp};
use crate::seal;

const SECRET: &str = "a-secret-value";

fn sealed() -> SealedEvent {
    let cause = root();
    seal(&raised("disk full"), stamp(&cause)).expect("sealed")
}

/// A message in which one text field holds the secret.
fn with_secret(message: &MessageDescriptor, field: &FieldDescriptor) -> DynamicMessage {
    let mut dynamic = DynamicMessage::new(message.clone());
    let secret = Reflected::String(SECRET.to_owned());
    let value = if field.is_list() {
        Reflected::List(vec![secret])
    } else {
        secret
    };
    dynamic.set_field(field, value);
    dynamic
}

fn type_url(message: &MessageDescriptor) -> String {
    format!("type.googleapis.com/{}", message.full_name())
}

#[test]
fn the_envelope_is_canonical_protobuf_json() {
    let shown = event(&sealed(), Personal::Hidden);
    assert_eq!(shown["eventId"], "00000000-0000-0000-0000-0000000000e1");
    assert_eq!(shown["eventType"], "alert.raised");
    assert_eq!(shown["aggregateSequence"], "1");
    assert_eq!(shown["occurredAt"], "2025-06-15T15:06:40.123456789Z");
    assert_eq!(shown["schemaVersion"], 1);
}

#[test]
fn a_payload_of_unknown_type_is_shown_as_its_bytes() {
    let shown = event(&sealed(), Personal::Hidden);
    let (type_url, payload) = ("@type", raised("disk full").encode_to_vec());
    assert_eq!(
        shown["payload"][type_url],
        "type.googleapis.com/outcry.samples.v1.AlertRaised"
    );
    assert_eq!(shown["payload"]["base64"], BASE64_STANDARD.encode(payload));
}

#[test]
fn a_known_message_is_shown_in_place() {
    let money = Money {
        currency_code: "USD".to_owned(),
        units: 5,
        nanos: 250_000_000,
    };
    let held = AssetAmount {
        asset: Some(Asset::Cash(money)),
    };
    let shown = message(
        &AssetAmount::type_url(),
        &held.encode_to_vec(),
        Personal::Hidden,
    );
    assert_eq!(
        shown,
        json!({
            "@type": "type.googleapis.com/outcry.types.v1.AssetAmount",
            "cash": { "currencyCode": "USD", "units": "5", "nanos": 250_000_000 },
        })
    );
}

#[test]
fn a_damaged_payload_is_shown_as_its_bytes() {
    let shown = message(&Money::type_url(), &[0x0a, 0xff], Personal::Hidden);
    assert_eq!(
        shown,
        json!({ "@type": "type.googleapis.com/outcry.types.v1.Money", "base64": "Cv8=" })
    );
}

#[test]
fn bytes_that_are_no_envelope_are_shown_as_they_are() {
    assert_eq!(
        bytes(&[0xff, 0xff], Personal::Hidden),
        json!({ "base64": "//8=" })
    );
}

#[test]
fn an_envelope_that_breaks_its_rules_is_still_shown() {
    let broken = EventEnvelope {
        event_type: "not a topic".to_owned(),
        ..EventEnvelope::default()
    };
    let broken = Bytes::from(broken.encode_to_vec());
    assert!(SealedEvent::open(broken.clone()).is_err());
    assert_eq!(
        bytes(&broken, Personal::Hidden),
        json!({ "eventType": "not a topic" })
    );
}

#[test]
fn every_event_of_the_contract_is_shown_in_place() {
    for facts in EVENTS {
        let shown = message(facts.type_url, &[], Personal::Hidden);
        assert_eq!(shown, json!({ "@type": facts.type_url }));
    }
}

#[test]
fn personal_fields_are_hidden_unless_asked_for() {
    let mut seen = 0;
    for message_type in descriptors::pool().all_messages() {
        for field in message_type.fields().filter(descriptors::is_personal) {
            if field.kind() != Kind::String || field.is_map() {
                continue;
            }
            seen += 1;
            let bytes = with_secret(&message_type, &field).encode_to_vec();
            let url = type_url(&message_type);
            let hidden = message(&url, &bytes, Personal::Hidden);
            assert!(
                !hidden.to_string().contains(SECRET),
                "{}",
                field.full_name()
            );
            assert_eq!(hidden[field.json_name()], HIDDEN);
            let shown = message(&url, &bytes, Personal::Shown);
            assert!(shown.to_string().contains(SECRET), "{}", field.full_name());
        }
    }
    assert!(seen > 0, "the contract marks no text as personal");
}

#[test]
fn personal_fields_of_nested_messages_are_hidden() {
    let mut seen = 0;
    for outer in descriptors::pool().all_messages() {
        for holder in outer.fields().filter(|field| !field.is_map()) {
            let Kind::Message(inner) = holder.kind() else {
                continue;
            };
            let secret = inner
                .fields()
                .find(|field| descriptors::is_personal(field) && field.kind() == Kind::String);
            let Some(secret) = secret else {
                continue;
            };
            seen += 1;
            let nested = Reflected::Message(with_secret(&inner, &secret));
            let mut dynamic = DynamicMessage::new(outer.clone());
            let value = if holder.is_list() {
                Reflected::List(vec![nested])
            } else {
                nested
            };
            dynamic.set_field(&holder, value);
            let shown = message(
                &type_url(&outer),
                &dynamic.encode_to_vec(),
                Personal::Hidden,
            );
            assert!(
                !shown.to_string().contains(SECRET),
                "{}",
                holder.full_name()
            );
        }
    }
    assert!(
        seen > 0,
        "no message of the contract holds one with personal text"
    );
}

proptest! {
    #[test]
    fn rendering_arbitrary_bytes_never_panics(garbage: Vec<u8>) {
        let _ = bytes(&garbage, Personal::Hidden);
        let _ = message(&Money::type_url(), &garbage, Personal::Hidden);
    }
}
