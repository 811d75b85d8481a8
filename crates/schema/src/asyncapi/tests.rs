use std::collections::BTreeSet;

use boon::Compiler;
use outcry_contracts::EVENTS;
use outcry_events::catalog::catalog;

use super::*;
use crate::consumers::Consumer;

/// Two groups: one gets everything, one gets orders.
fn groups() -> Consumers {
    let group = |name: &str, topics: &[&str]| Consumer {
        name: name.to_owned(),
        topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
    };
    Consumers(vec![
        group("gateway", &["#"]),
        group("trades", &["order.*"]),
    ])
}

/// Every reference below a value.
fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(object) => {
            found.extend(object.get("$ref").and_then(Value::as_str));
            object.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn every_event_has_a_channel_a_message_one_sender_and_its_receivers() {
    let document = document(&groups()).expect("a document");
    let operations = document["operations"].as_object().expect("operations");
    let (mut sends, mut receives) = (0, 0);
    for facts in EVENTS {
        let channel = &document["channels"][facts.topic];
        assert_eq!(channel["address"], facts.topic);
        let message = &document["components"]["messages"][facts.full_name];
        assert_eq!(message["contentType"], CONTENT_TYPE, "{}", facts.topic);
        let on_channel = |action: &str| {
            let channel = format!("#/channels/{}", facts.topic);
            let mut services: Vec<&str> = operations
                .values()
                .filter(|one| one["action"] == action && one["channel"]["$ref"] == channel)
                .filter_map(|one| one["x-outcry-service"].as_str())
                .collect();
            services.sort_unstable();
            services
        };
        assert_eq!(on_channel("send"), [facts.owner], "{}", facts.topic);
        let entry = catalog().by_topic(facts.topic).expect("an entry");
        assert_eq!(on_channel("receive"), groups().of(entry), "{}", facts.topic);
        sends += 1;
        receives += on_channel("receive").len();
    }
    assert_eq!(operations.len(), sends + receives);
    println!("{sends} channels, {receives} operations receive");
}

#[test]
fn every_reference_leads_somewhere() {
    let document = document(&groups()).expect("a document");
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.len() > EVENTS.len());
    for reference in found {
        let pointer = reference.strip_prefix('#').expect("within the document");
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

#[test]
fn the_message_of_an_event_says_the_fingerprint_its_headers_have() {
    let document = document(&groups()).expect("a document");
    for entry in &catalog().events {
        let message = &document["components"]["messages"][entry.full_name];
        let own = &message["headers"]["allOf"][1]["properties"];
        assert_eq!(own[SCHEMA_HEADER]["const"], entry.fingerprint);
        let example = &message["examples"][0]["headers"];
        assert_eq!(example[SCHEMA_HEADER], entry.fingerprint);
        for (name, ..) in ATTRIBUTES {
            assert!(
                example[name].as_str().is_some_and(|text| !text.is_empty()),
                "{name}"
            );
        }
    }
}

#[test]
fn the_schemas_of_a_message_accept_its_example_and_no_other_event() {
    let document = document(&groups()).expect("a document");
    let (mut compiler, mut schemas) = (Compiler::new(), boon::Schemas::new());
    let resource = compiler.add_resource("asyncapi.json", document.clone());
    resource.expect("a resource");
    let mut compiled = Vec::new();
    for entry in &catalog().events {
        let message = format!("asyncapi.json#/components/messages/{}", entry.full_name);
        let mut at = |part: &str| {
            let place = format!("{message}/{part}");
            compiler.compile(&place, &mut schemas).expect("a schema")
        };
        compiled.push((entry.full_name, at("headers"), at("payload/schema")));
    }
    let accepts = |schema, value: &Value| schemas.validate(value, schema).is_ok();
    let mut refused = 0;
    for (name, headers, payload) in &compiled {
        for (other, ..) in &compiled {
            let example = &document["components"]["messages"][*other]["examples"][0];
            let (is_own, pair) = (name == other, format!("{other} as {name}"));
            assert_eq!(accepts(*headers, &example["headers"]), is_own, "{pair}");
            assert_eq!(accepts(*payload, &example["payload"]), is_own, "{pair}");
            refused += usize::from(!is_own);
        }
    }
    println!("{} examples accepted, {refused} refused", compiled.len());
    assert_eq!(compiled.len(), EVENTS.len());
}

#[test]
fn a_sentence_ends_at_its_full_stop() {
    assert_eq!(first_sentence("One fill. More."), "One fill");
    assert_eq!(first_sentence("One fill."), "One fill");
}
