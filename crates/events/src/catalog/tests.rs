use std::collections::{BTreeSet, HashSet};

use outcry_contracts::{EVENTS, METHODS};
use prost_reflect::{Kind, MessageDescriptor};

use super::*;

/// Words for the rules of one field.
fn words(message: &str, field: &str) -> Vec<String> {
    let message = descriptors::pool()
        .get_message_by_name(message)
        .expect("a message");
    rules::in_words(&message.get_field_by_name(field).expect("a field"))
}

/// All messages an event consists of, the event included.
fn closure(message: &MessageDescriptor, found: &mut Vec<MessageDescriptor>) {
    if found.contains(message) {
        return;
    }
    found.push(message.clone());
    for field in message.fields() {
        if let Kind::Message(nested) = field.kind() {
            closure(&nested, found);
        }
    }
}

#[test]
fn every_event_and_method_is_in_the_catalog() {
    let topics: BTreeSet<&str> = EVENTS.iter().map(|facts| facts.topic).collect();
    let listed: Vec<&str> = catalog().events.iter().map(|entry| entry.topic).collect();
    assert_eq!(listed, topics.into_iter().collect::<Vec<_>>());
    assert!(!listed.is_empty());

    let paths: BTreeSet<&str> = METHODS.iter().map(|facts| facts.path).collect();
    let listed: Vec<&str> = catalog().methods.iter().map(|method| method.path).collect();
    assert_eq!(listed, paths.into_iter().collect::<Vec<_>>());
}

#[test]
fn every_event_is_found_by_topic_and_type() {
    for facts in EVENTS {
        let entry = catalog().by_topic(facts.topic).expect("by topic");
        assert_eq!(entry.full_name, facts.full_name);
        assert_eq!(catalog().by_type_url(facts.type_url), Some(entry));
        assert!(catalog().matching("#").any(|matching| matching == entry));
    }
    assert_eq!(catalog().by_topic("no.such"), None);
    assert_eq!(catalog().by_type_url("type.googleapis.com/no.Such"), None);
    assert_eq!(catalog().matching("no.*").count(), 0);
}

#[test]
fn groups_handle_what_their_patterns_match_in_its_newest_version() {
    let is_handled = |topic, patterns: &[&str]| {
        let entry = catalog().by_topic(topic).expect("an event");
        entry.is_handled_by(patterns)
    };
    assert!(is_handled("order.filled", &["trade.*", "order.*"]));
    assert!(!is_handled("order.filled", &["trade.*"]));
    assert!(is_handled("report.requested.v2", &["#"]));
    assert!(!is_handled("report.requested", &["#", "report.requested"]));
}

#[test]
fn every_event_and_method_is_described_and_keyed() {
    for entry in &catalog().events {
        assert!(
            !entry.description.is_empty(),
            "{} has no comment",
            entry.topic
        );
        assert_eq!(entry.fingerprint.len(), 64, "{}", entry.topic);
        assert!(!entry.fields.is_empty(), "{}", entry.topic);
        let names: HashSet<&str> = entry
            .fields
            .iter()
            .map(|field| field.name.as_str())
            .collect();
        let mut key_fields = vec![&entry.aggregate_id_field, &entry.partition_key_field];
        key_fields.extend(&entry.subject_fields);
        for field in key_fields {
            assert!(
                names.contains(field.as_str()),
                "{} has no field {field}",
                entry.topic
            );
        }
    }
    for method in &catalog().methods {
        assert!(
            !method.description.is_empty(),
            "{} has no comment",
            method.path
        );
    }
}

#[test]
fn events_hold_nothing_that_makes_their_bytes_vary_and_no_float() {
    for facts in EVENTS {
        let message = descriptors::message_of(facts.type_url).expect("a message");
        let mut messages = Vec::new();
        closure(&message, &mut messages);
        for message in messages {
            for field in message.fields() {
                let name = field.full_name();
                assert!(!field.is_map(), "{name} is a map, whose order is not fixed");
                let float = matches!(field.kind(), Kind::Float | Kind::Double);
                assert!(!float, "{name} is a float");
            }
        }
    }
}

#[test]
fn types_of_fields_are_in_the_catalog() {
    for entry in &catalog().events {
        for field in &entry.fields {
            let name = field.type_name.trim_start_matches("repeated ");
            if name.starts_with("outcry.") {
                assert!(catalog().types.contains_key(name), "{name}");
            }
        }
    }
}

#[test]
fn the_envelope_is_described_field_by_field() {
    let envelope = &catalog().types["outcry.events.v1.EventEnvelope"];
    assert!(envelope.fields.iter().any(|field| field.name == "event_id"));
    assert!(
        envelope
            .fields
            .iter()
            .all(|field| !field.comment.is_empty())
    );
}

#[test]
fn the_catalog_is_written_as_json() {
    let json = serde_json::to_value(catalog()).expect("json");
    let events = json["events"].as_array().expect("events");
    assert_eq!(events.len(), EVENTS.len());
    assert!(
        events
            .iter()
            .all(|event| event["fields"][0]["type"].is_string())
    );
}

#[test]
fn rules_are_told_in_words() {
    let envelope = "outcry.events.v1.EventEnvelope";
    assert_eq!(words(envelope, "event_id"), ["a UUID"]);
    assert_eq!(words(envelope, "spec_version"), ["exactly `1.0`"]);
    assert_eq!(words(envelope, "payload"), ["required"]);
    assert_eq!(
        words(envelope, "causation_id"),
        ["a UUID", "may be left empty"]
    );
    assert_eq!(words(envelope, "schema_version"), ["at least 1"]);
    assert_eq!(
        words(envelope, "aggregate_id"),
        ["at least 1 characters", "at most 128 characters"]
    );
    assert_eq!(
        words(envelope, "source"),
        ["at most 64 characters", "matches `^/[a-z][a-z0-9-]*$`"]
    );
    assert_eq!(words("outcry.types.v1.PageInfo", "next_token"), [""; 0]);
    assert_eq!(
        words("outcry.types.v1.Money", "nanos"),
        ["at most 999999999", "at least -999999999"]
    );
    assert_eq!(
        words("outcry.types.v1.AssetAmount", "cash"),
        ["exactly one of cash, shares is set"]
    );
}
