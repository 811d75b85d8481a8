//! What the audit found, for machines and for people.

use std::collections::BTreeMap;
use std::fmt;

use outcry_events::catalog::catalog;
use outcry_events::topic::event_name;
use serde::Serialize;

use crate::finding::{Breach, Findings};
use crate::history::History;

/// What the audit found, as JSON and, with `to_string`, as lines.
#[derive(Debug, Clone, Serialize)]
pub struct AuditReport {
    /// How many events there are.
    pub events: usize,
    /// How many of each kind, those without any included.
    pub topics: Vec<Topic>,
    /// Things checked, by invariant.
    pub checked: BTreeMap<&'static str, u64>,
    /// What is broken; the first ones.
    pub breaches: Vec<Breach>,
    /// What is still on its way, by what it waits for.
    pub pending: BTreeMap<String, u64>,
}

/// One kind of event, in whatever version it was written.
#[derive(Debug, Clone, Serialize)]
pub struct Topic {
    /// Its topic without a version.
    pub topic: &'static str,
    /// `record`, or `extension` for those added beyond the decision record.
    pub origin: &'static str,
    /// How many there are.
    pub events: u64,
}

// === impl AuditReport ===

impl AuditReport {
    /// Of what was examined and found.
    #[must_use]
    pub fn new(history: &History, findings: &Findings) -> Self {
        let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
        for recorded in &history.events {
            *seen.entry(event_name(recorded.event.topic())).or_default() += 1;
        }
        let topics = catalog().newest().map(|event| Topic {
            topic: event_name(event.topic),
            origin: if event.extension {
                "extension"
            } else {
                "record"
            },
            events: seen.get(event_name(event.topic)).copied().unwrap_or(0),
        });
        Self {
            events: history.events.len(),
            topics: topics.collect(),
            checked: findings.checked.clone(),
            breaches: findings.breaches.clone(),
            pending: findings.pending.clone(),
        }
    }
}

impl fmt::Display for AuditReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} events", self.events)?;
        for (invariant, count) in &self.checked {
            let is_broken = self
                .breaches
                .iter()
                .any(|breach| breach.invariant == *invariant);
            let verdict = if is_broken { "BROKEN" } else { "holds" };
            writeln!(f, "{invariant:<9} {verdict:<7} {count} checks")?;
        }
        for (what, count) in &self.pending {
            writeln!(f, "pending   {count} × {what}")?;
        }
        for breach in &self.breaches {
            writeln!(f, "{breach}")?;
        }
        if self.breaches.is_empty() {
            writeln!(f, "no breach")?;
        }
        Ok(())
    }
}
