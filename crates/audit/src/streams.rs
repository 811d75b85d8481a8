//! I15: every stream is numbered 1, 2, 3 … in commit order, and each event is its owner's.

use std::collections::{HashMap, HashSet};

use crate::finding::Findings;
use crate::history::History;

pub fn check(history: &History, findings: &mut Findings) {
    let mut ends: HashMap<(&str, &str), u64> = HashMap::new();
    let mut ids = HashSet::with_capacity(history.events.len());
    for recorded in &history.events {
        let (event, envelope) = (&recorded.event, recorded.event.envelope());
        let stream = (
            envelope.aggregate_type.as_str(),
            envelope.aggregate_id.as_str(),
        );
        let end = ends.entry(stream).or_default();
        let (found, expected) = (event.sequence(), *end + 1);
        *end = found;
        findings.expect("I15", found == expected, event.aggregate_id(), || {
            format!(
                "{} is event {found} where {expected} should be",
                event.topic()
            )
        });
        let owner = event.facts().map(|facts| facts.owner);
        let own = owner.is_none_or(|owner| owner == recorded.service);
        findings.expect("I15", own, event.aggregate_id(), || {
            format!("{} is in the store of {}", event.topic(), recorded.service)
        });
        findings.expect("I15", ids.insert(event.id()), event.id(), || {
            "two events have this id".to_owned()
        });
    }
}

#[cfg(test)]
mod tests;
