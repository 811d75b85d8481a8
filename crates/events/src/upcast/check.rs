//! Whether the registered steps take every known version to the newest one.

use std::collections::BTreeMap;
use std::ops::Bound;

use outcry_contracts::EVENTS;

use super::{Registry, Step};
use crate::topic::event_name;

/// A version of an event that the contract holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownVersion {
    /// Type URL of its payload.
    pub type_url: String,
    /// Its topic; versions of one event differ only in the ending `.vN`.
    pub topic: String,
    /// Its major version.
    pub schema_version: u32,
}

/// Everything wrong with the registered steps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the upgrades of old event versions are not complete: {}", findings.join("; "))]
pub struct RegistryError {
    /// One sentence per finding.
    pub findings: Vec<String>,
}

// === impl KnownVersion ===

impl KnownVersion {
    /// All versions of all events of the contract.
    #[must_use]
    pub fn of_contract() -> Vec<KnownVersion> {
        EVENTS
            .iter()
            .map(|event| KnownVersion {
                type_url: event.type_url.to_owned(),
                topic: event.topic.to_owned(),
                schema_version: event.schema_version,
            })
            .collect()
    }

    /// The topic without its version: what the versions of one event have in common.
    fn event(&self) -> &str {
        event_name(&self.topic)
    }
}

// === impl Registry ===

impl Registry {
    /// Checks the steps against the versions there are: exactly one step leads away from
    /// every version but the newest, to the next higher version of the same event, and no
    /// other steps exist. Versions only rise along such steps, so there is no circle.
    ///
    /// # Errors
    /// Everything that is not so.
    pub fn check(&self, known: &[KnownVersion]) -> Result<(), RegistryError> {
        let mut findings: Vec<String> = self
            .contested
            .iter()
            .map(|from| format!("more than one step leads away from {from}"))
            .collect();
        let mut events: BTreeMap<&str, BTreeMap<u32, &KnownVersion>> = BTreeMap::new();
        for version in known {
            let versions = events.entry(version.event()).or_default();
            if versions.insert(version.schema_version, version).is_some() {
                let (event, number) = (version.event(), version.schema_version);
                findings.push(format!("{event} has version {number} twice"));
            }
        }
        for version in known {
            let next = events
                .get(version.event())
                .and_then(|versions| versions.range(above(version.schema_version)).next())
                .map(|(_, next)| *next);
            findings.extend(finding(self.steps.get(&version.type_url), version, next));
        }
        for step in self.steps.values() {
            if !known.iter().any(|version| version.type_url == step.from) {
                findings.push(format!(
                    "a step leads away from {}, which is no event",
                    step.from
                ));
            }
        }
        findings.sort_unstable();
        if findings.is_empty() {
            Ok(())
        } else {
            Err(RegistryError { findings })
        }
    }
}

/// All greater version numbers.
fn above(version: u32) -> (Bound<u32>, Bound<u32>) {
    (Bound::Excluded(version), Bound::Unbounded)
}

/// What is wrong with the step from a version to the next.
fn finding(
    step: Option<&Step>,
    version: &KnownVersion,
    next: Option<&KnownVersion>,
) -> Option<String> {
    let from = &version.type_url;
    match (step, next) {
        (None, None) => None,
        (None, Some(next)) => Some(format!("no step leads from {from} to {}", next.type_url)),
        (Some(step), Some(next)) if step.to == next.type_url => None,
        (Some(step), Some(next)) => Some(format!(
            "the step from {from} leads to {}, not to {}",
            step.to, next.type_url
        )),
        (Some(step), None) => Some(format!(
            "a step leads from {from}, the newest version, to {}",
            step.to
        )),
    }
}
