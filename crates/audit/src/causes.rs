//! I23: what led to an event is there, came before it and is of the same flow, so that every flow
//! is a tree.

use crate::finding::Findings;
use crate::history::{History, Recorded};

/// What is known of an event while its ancestors are looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Unknown,
    /// Below the event that is looked at just now.
    Followed,
    /// Goes back to a beginning, or was found not to.
    Done,
}

pub fn check(history: &History, findings: &mut Findings) {
    for (place, recorded) in history.events.iter().enumerate() {
        check_cause(history, place, recorded, findings);
    }
    check_tree(history, findings);
}

fn check_cause(history: &History, place: usize, recorded: &Recorded, findings: &mut Findings) {
    let event = &recorded.event;
    let Some(cause) = event.causation_id() else {
        // Its flow begins with it.
        return;
    };
    let (id, topic) = (event.id(), event.topic());
    let Some(before) = history.place(cause) else {
        // The command itself is no event.
        let is_command = cause == event.correlation_id();
        findings.expect("I23", is_command, id, || {
            format!("{topic} says that {cause} led to it, which is not there")
        });
        return;
    };
    let Some(led) = history.events.get(before) else {
        return;
    };
    let same = led.event.correlation_id() == event.correlation_id();
    findings.expect("I23", same, id, || {
        format!(
            "{topic} is of flow {}, but {} led to it, of flow {}",
            event.correlation_id(),
            led.event.topic(),
            led.event.correlation_id()
        )
    });
    if led.service == recorded.service {
        findings.expect("I23", before < place, id, || {
            format!(
                "{topic} was written before {}, which led to it",
                led.event.topic()
            )
        });
    }
}

/// Across services nobody knows which came first, but nothing leads to itself.
fn check_tree(history: &History, findings: &mut Findings) {
    let parents: Vec<Option<usize>> = history
        .events
        .iter()
        .map(|recorded| history.place(recorded.event.causation_id()?))
        .collect();
    let mut marks = vec![Mark::Unknown; parents.len()];
    let mut path = Vec::new();
    for (start, recorded) in history.events.iter().enumerate() {
        let mut next = Some(start);
        let mut is_tree = true;
        while let Some(place) = next {
            let Some(mark) = marks.get_mut(place).filter(|mark| **mark != Mark::Done) else {
                break;
            };
            if *mark == Mark::Followed {
                is_tree = false;
                break;
            }
            *mark = Mark::Followed;
            path.push(place);
            next = parents.get(place).copied().flatten();
        }
        for place in path.drain(..) {
            if let Some(mark) = marks.get_mut(place) {
                *mark = Mark::Done;
            }
        }
        findings.expect("I23", is_tree, recorded.event.id(), || {
            format!("{} leads to itself", recorded.event.topic())
        });
    }
}

#[cfg(test)]
mod tests;
