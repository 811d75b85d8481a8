//! Where each message and enum is used: a rule of a request is for callers, one of an event for ever.

use std::collections::{BTreeMap, BTreeSet};

use crate::shape::Shape;

/// The envelope: it is no event itself, but part of each.
const ENVELOPE: &str = "outcry.events.v1.EventEnvelope";

/// The uses of one message or enum, directly or within another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Uses {
    /// Callers send it.
    pub request: bool,
    /// They get it as an answer.
    pub response: bool,
    /// It is part of events.
    pub event: bool,
    /// The topics of those.
    pub topics: BTreeSet<String>,
}

/// The uses of all messages and enums of a contract, by full name.
pub(crate) fn of(shape: &Shape) -> BTreeMap<String, Uses> {
    let mut all = BTreeMap::new();
    for method in shape
        .services
        .values()
        .flat_map(|service| service.methods.values())
    {
        mark(shape, &method.request, &mut all, &|uses| {
            !std::mem::replace(&mut uses.request, true)
        });
        mark(shape, &method.response, &mut all, &|uses| {
            !std::mem::replace(&mut uses.response, true)
        });
    }
    for (name, message) in &shape.messages {
        if let Some(topic) = message.topic() {
            mark(shape, name, &mut all, &|uses| {
                uses.event = true;
                uses.topics.insert(topic.to_owned())
            });
        }
    }
    let topics: Vec<&str> = shape.messages.values().filter_map(|m| m.topic()).collect();
    mark(shape, ENVELOPE, &mut all, &|uses| {
        uses.event = true;
        let before = uses.topics.len();
        uses.topics
            .extend(topics.iter().map(|topic| (*topic).to_owned()));
        uses.topics.len() > before
    });
    all
}

/// Marks a message and all it holds. `add` says whether that was news: what is marked already leads
/// nowhere new.
fn mark(
    shape: &Shape,
    name: &str,
    all: &mut BTreeMap<String, Uses>,
    add: &dyn Fn(&mut Uses) -> bool,
) {
    if !add(all.entry(name.to_owned()).or_default()) {
        return;
    }
    let Some(message) = shape.messages.get(name) else {
        return;
    };
    for field in &message.fields {
        let held = held(&field.type_name);
        if shape.messages.contains_key(held) || shape.enums.contains_key(held) {
            mark(shape, held, all, add);
        }
    }
}

/// The type a field holds: of a map, that of its values.
fn held(type_name: &str) -> &str {
    type_name
        .strip_prefix("map<")
        .and_then(|rest| rest.strip_suffix('>'))
        .and_then(|rest| rest.split_once(", "))
        .map_or(type_name, |(_, value)| value)
}
