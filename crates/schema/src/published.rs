//! An exported contract as it is compared with another: its shape, and who publishes and gets each
//! event.

use std::collections::{BTreeMap, BTreeSet};

use prost_reflect::{DescriptorError, DescriptorPool};
use serde::Deserialize;

use crate::change::{Breaks, Change};
use crate::shape::{PACKAGE, Shape};

/// File of an export with the compiled contract.
pub const DESCRIPTORS: &str = "outcry.binpb";
/// File of an export with the catalog.
pub const CATALOG: &str = "catalog.json";

/// What was exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The contract.
    pub shape: Shape,
    /// Whom events concern, by topic.
    pub parties: BTreeMap<String, Parties>,
}

/// Whom an event concerns.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Parties {
    /// The service that publishes it.
    pub owner: String,
    /// The groups that get it; none in exports that do not say so.
    #[serde(default)]
    pub consumers: BTreeSet<String>,
}

/// Why files are no export.
#[derive(Debug, thiserror::Error)]
pub enum PublishedError {
    /// Not compiled files.
    #[error("{DESCRIPTORS} is no set of compiled .proto files")]
    Descriptors(#[from] DescriptorError),
    /// They are of something else.
    #[error("{DESCRIPTORS} has no package `{PACKAGE}`: it is another contract's")]
    OtherContract,
    /// No catalog.
    #[error("{CATALOG} is not the catalog of an export")]
    Catalog(#[from] serde_json::Error),
}

/// The part of the catalog that is looked at.
#[derive(Deserialize)]
struct Catalog {
    events: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    topic: String,
    #[serde(flatten)]
    parties: Parties,
}

// === impl Published ===

impl Published {
    /// Reads the two files of an export.
    ///
    /// # Errors
    /// They are not what an export holds.
    pub fn read(descriptors: &[u8], catalog: &[u8]) -> Result<Published, PublishedError> {
        let shape = Shape::of(&DescriptorPool::decode(descriptors)?);
        if shape.messages.is_empty() {
            return Err(PublishedError::OtherContract);
        }
        let catalog: Catalog = serde_json::from_slice(catalog)?;
        let events = catalog.events.into_iter();
        Ok(Published {
            shape,
            parties: events.map(|event| (event.topic, event.parties)).collect(),
        })
    }

    /// Whom a change breaks, of those who are known here and in a newer export: `producer orders`,
    /// `consumer trades`, `callers`.
    #[must_use]
    pub fn broken_by(&self, change: &Change, newer: &Published) -> Vec<String> {
        let parties = || {
            let known = [&self.parties, &newer.parties];
            let topics = change.topics.iter();
            topics.flat_map(move |topic| known.into_iter().filter_map(move |all| all.get(topic)))
        };
        let mut whom = BTreeSet::new();
        let breaks = |what| change.breaks.contains(&what);
        if breaks(Breaks::Producers) {
            whom.extend(parties().map(|event| format!("producer {}", event.owner)));
        }
        if breaks(Breaks::Consumers) {
            let consumers = parties().flat_map(|event| &event.consumers);
            whom.extend(consumers.map(|name| format!("consumer {name}")));
        }
        if breaks(Breaks::StoredFacts) {
            whom.extend(parties().map(|event| format!("facts of {}", event.owner)));
        }
        if change.callers && (breaks(Breaks::Producers) || breaks(Breaks::Consumers)) {
            whom.insert("callers".to_owned());
        }
        whom.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use outcry_contracts::FILE_DESCRIPTOR_SET;

    use super::*;
    use crate::compare::compare;

    fn published(consumers: &str) -> Published {
        let catalog = format!(
            r#"{{"events": [{{"topic": "order.filled", "owner": "orders", "version": 1, "consumers": {consumers}}}]}}"#
        );
        Published::read(FILE_DESCRIPTOR_SET, catalog.as_bytes()).unwrap()
    }

    #[test]
    fn a_change_breaks_the_owner_and_the_consumers_of_its_events() {
        let old = published(r#"["portfolio"]"#);
        let mut new = published(r#"["portfolio", "reports"]"#);
        let filled = "outcry.orders.v1.OrderFilledEvent";
        new.shape.messages.get_mut(filled).unwrap().fields.pop();
        let changes = compare(&old.shape, &new.shape);
        let [change] = changes.as_slice() else {
            panic!("{changes:#?}");
        };
        assert_eq!(
            old.broken_by(change, &new),
            ["consumer portfolio", "consumer reports", "producer orders"]
        );
    }

    #[test]
    fn a_change_of_a_request_breaks_callers() {
        let (old, mut new) = (published("[]"), published("[]"));
        let request = "outcry.orders.v1.CancelOrderRequest";
        new.shape.messages.get_mut(request).unwrap().fields.pop();
        let changes = compare(&old.shape, &new.shape);
        assert_eq!(old.broken_by(&changes[0], &new), ["callers"]);
    }

    #[test]
    fn what_is_no_export_is_refused() {
        let refused = |descriptors: &[u8], catalog: &str| {
            let refused = Published::read(descriptors, catalog.as_bytes());
            refused.unwrap_err().to_string()
        };
        assert!(refused(b"\xff", "{}").contains("no set of compiled"));
        assert!(refused(b"", "{}").contains("another contract"));
        assert!(refused(FILE_DESCRIPTOR_SET, "[]").contains("not the catalog"));
    }
}
