//! Every event and method of the contract, for people and tools: documentation, the console,
//! AsyncAPI, topology and headers are made from this.

mod comments;
mod describe;
mod fingerprint;
mod rules;

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use serde::Serialize;

use self::describe::Describer;
use crate::descriptors;

pub use crate::topic::topic_matches;

/// All events, methods and shared types.
#[derive(Debug, Serialize)]
pub struct Catalog {
    /// By topic.
    pub events: Vec<CatalogEntry>,
    /// By path.
    pub methods: Vec<CatalogMethod>,
    /// The envelope, and the messages and enums that events consist of, by full name.
    pub types: BTreeMap<String, CatalogType>,
    #[serde(skip)]
    topics: HashMap<&'static str, usize>,
    #[serde(skip)]
    type_urls: HashMap<&'static str, usize>,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CatalogEntry {
    /// Routing key, for example `order.created`.
    pub topic: &'static str,
    /// The one service that publishes it.
    pub owner: &'static str,
    /// Kind of aggregate it belongs to.
    pub aggregate: &'static str,
    /// Major version of its contract.
    pub version: u32,
    /// Added by Outcry beyond the decision record.
    pub extension: bool,
    /// Topic of its next version; none for the newest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<&'static str>,
    /// Last day on which it is published beside the next version, as `2027-06-30`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published_until: Option<&'static str>,
    /// Full protobuf name.
    pub full_name: &'static str,
    /// Type URL of its payload.
    pub type_url: &'static str,
    /// The contract's comment.
    pub description: String,
    /// Field with the aggregate's id.
    pub aggregate_id_field: String,
    /// Field by which consumers see events in order.
    pub partition_key_field: String,
    /// Fields with ids of the users it is about.
    pub subject_fields: Vec<String>,
    /// Its fields, in the order of the contract.
    pub fields: Vec<CatalogField>,
    /// File that declares it, below `proto/`.
    pub file: String,
    /// SHA-256 of the schema it was built from, in hexadecimal: of its file and everything
    /// that imports, without comments. Goes into the header `outcry-schema`.
    pub fingerprint: String,
}

/// One field of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CatalogField {
    /// Name in the contract.
    pub name: String,
    /// Name in JSON.
    pub json_name: String,
    /// Number on the wire.
    pub number: u32,
    /// `string`, `int64`, `outcry.types.v1.Money`, `repeated string`, `map<string, int64>`.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Presence is tracked: unset differs from empty.
    pub optional: bool,
    /// The contract's comment.
    pub comment: String,
    /// Validation rules in words.
    pub rules: Vec<String>,
    /// Personal data or a secret: hidden in logs and on screens.
    pub personal: bool,
}

/// One gRPC method.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CatalogMethod {
    /// Path of the HTTP/2 request, `/outcry.orders.v1.OrderService/PlaceOrder`.
    pub path: &'static str,
    /// Service that serves it, `orders`.
    pub owner: &'static str,
    /// The contract's comment.
    pub description: String,
    /// Full name of the request.
    pub request: String,
    /// Full name of the response.
    pub response: String,
    /// Answers with a stream.
    pub server_streaming: bool,
    /// May be retried.
    pub idempotent: bool,
    /// Anybody may call it.
    pub public: bool,
    /// Roles that may call it.
    pub roles: Vec<&'static str>,
    /// Services that may call it.
    pub callers: Vec<&'static str>,
}

/// A message or enum that events consist of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CatalogType {
    /// The contract's comment.
    pub description: String,
    /// Fields of a message; none for an enum.
    pub fields: Vec<CatalogField>,
    /// Values of an enum; none for a message.
    pub values: Vec<CatalogValue>,
}

/// One value of an enum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CatalogValue {
    /// Name in the contract.
    pub name: String,
    /// Number on the wire.
    pub number: i32,
    /// The contract's comment.
    pub comment: String,
}

/// The catalog of this version of the platform. Made once, on first use, in some
/// milliseconds; call it at start-up where the first event should not wait for it.
#[must_use]
pub fn catalog() -> &'static Catalog {
    static CATALOG: LazyLock<Catalog> = LazyLock::new(Catalog::read);
    &CATALOG
}

// === impl Catalog ===

impl Catalog {
    fn read() -> Catalog {
        let describer = Describer::new(descriptors::pool());
        let events = describer.events();
        let by = |key: fn(&CatalogEntry) -> &'static str| {
            events
                .iter()
                .enumerate()
                .map(|(index, entry)| (key(entry), index))
                .collect()
        };
        Catalog {
            topics: by(|entry| entry.topic),
            type_urls: by(|entry| entry.type_url),
            methods: describer.methods(),
            types: describer.types_of(&events),
            events,
        }
    }

    /// The event with this topic.
    #[must_use]
    pub fn by_topic(&self, topic: &str) -> Option<&CatalogEntry> {
        self.topics
            .get(topic)
            .and_then(|index| self.events.get(*index))
    }

    /// The event whose payload has this type URL.
    #[must_use]
    pub fn by_type_url(&self, type_url: &str) -> Option<&CatalogEntry> {
        self.type_urls
            .get(type_url)
            .and_then(|index| self.events.get(*index))
    }

    /// Every event once, in its newest version.
    pub fn newest(&self) -> impl Iterator<Item = &CatalogEntry> {
        self.events
            .iter()
            .filter(|entry| entry.superseded_by.is_none())
    }

    /// The events whose topics fit a pattern.
    pub fn matching(&self, pattern: &str) -> impl Iterator<Item = &CatalogEntry> {
        self.events
            .iter()
            .filter(move |entry| topic_matches(pattern, entry.topic))
    }
}

// === impl CatalogEntry ===

impl CatalogEntry {
    /// Whether a group of the platform with these topic patterns handles it. Such groups skip
    /// copies in older versions, so an event that has a next version is for consumers elsewhere
    /// only.
    #[must_use]
    pub fn is_handled_by(&self, patterns: &[impl AsRef<str>]) -> bool {
        let takes = |pattern: &_| topic_matches(AsRef::as_ref(pattern), self.topic);
        self.superseded_by.is_none() && patterns.iter().any(takes)
    }
}

#[cfg(test)]
mod tests;
