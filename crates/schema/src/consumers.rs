//! Who gets which events: told by the caller, because only the binary knows every service.

use outcry_events::catalog::CatalogEntry;

/// One group of consumers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consumer {
    /// Its name: the name of the service.
    pub name: String,
    /// Topic patterns: `*` is one word, `#` any number of words.
    pub topics: Vec<String>,
}

/// Every group of the platform, in the platform's order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Consumers(pub Vec<Consumer>);

// === impl Consumers ===

impl Consumers {
    /// Names of the groups that handle an event.
    #[must_use]
    pub fn of(&self, event: &CatalogEntry) -> Vec<&str> {
        let handles = |consumer: &&Consumer| event.is_handled_by(&consumer.topics);
        let names = self.0.iter().filter(handles);
        names.map(|consumer| consumer.name.as_str()).collect()
    }
}
