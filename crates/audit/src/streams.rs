//! I15: every stream is numbered 1, 2, 3 … in commit order, and each event is its owner's.

use crate::finding::Findings;
use crate::history::History;

pub fn check(history: &History, findings: &mut Findings) {
    for (stream, events) in history.streams() {
        for (expected, recorded) in (1..).zip(&events) {
            let found = recorded.event.sequence();
            findings.expect("I15", found == expected, &stream, || {
                format!("event {found} stands where {expected} should")
            });
        }
    }
    for recorded in &history.events {
        let owner = recorded.event.facts().map(|facts| facts.owner);
        findings.expect(
            "I15",
            owner.is_none_or(|owner| owner == recorded.service),
            recorded.event.stream(),
            || {
                format!(
                    "{} is in the store of {}",
                    recorded.event.topic(),
                    recorded.service
                )
            },
        );
    }
    let distinct: std::collections::HashSet<_> =
        history.events.iter().map(|one| one.event.id()).collect();
    findings.expect(
        "I15",
        distinct.len() == history.events.len(),
        "event ids",
        || "two events have the same id".to_owned(),
    );
}

#[cfg(test)]
mod tests;
