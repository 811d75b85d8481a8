//! The descriptor set is the whole contract: others build routing, reflection, JSON and
//! documentation from nothing else.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use outcry_contracts::{EVENTS, FILE_DESCRIPTOR_SET, METHODS};
use prost_reflect::DescriptorPool;

fn pool() -> DescriptorPool {
    DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap()
}

#[test]
fn rules_and_options_are_intact() {
    let pool = pool();
    let rules = pool.get_extension_by_name("buf.validate.field").unwrap();
    let envelope = pool
        .get_message_by_name("outcry.events.v1.EventEnvelope")
        .unwrap();
    let event_id = envelope.get_field_by_name("event_id").unwrap();

    let options = event_id.options();

    assert!(options.has_extension(&rules));
    for option in ["event", "access", "personal"] {
        assert!(
            pool.get_extension_by_name(&format!("outcry.options.v1.{option}"))
                .is_some()
        );
    }
}

#[test]
fn comments_are_kept_for_documentation() {
    let pool = pool();
    let file = pool
        .get_file_by_name("outcry/events/v1/envelope.proto")
        .unwrap();
    let source = file
        .file_descriptor_proto()
        .source_code_info
        .as_ref()
        .unwrap();

    assert!(
        source
            .location
            .iter()
            .any(|place| !place.leading_comments().is_empty())
    );
}

#[test]
fn every_fact_is_about_something_the_descriptors_hold() {
    let pool = pool();
    for event in EVENTS {
        assert!(
            pool.get_message_by_name(event.full_name).is_some(),
            "{}",
            event.full_name
        );
    }
    for method in METHODS {
        let (service, name) = method.path[1..].split_once('/').unwrap();
        let service = pool.get_service_by_name(service).unwrap();
        assert!(
            service.methods().any(|m| m.name() == name),
            "{}",
            method.path
        );
    }
}
