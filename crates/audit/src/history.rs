//! Every event of every store.

use std::collections::HashMap;

use outcry_events::SealedEvent;
use outcry_store::ReadAll;
use uuid::Uuid;

use crate::error::AuditError;
use crate::fact::{Fact, Told};
use crate::stores::{PAGE, Stores, failed};

/// One event, and whose store it is in.
pub struct Recorded {
    /// The service.
    pub service: &'static str,
    /// The event.
    pub event: SealedEvent,
    /// What it says.
    pub(crate) fact: Fact,
}

/// Every event, service by service, each service's in commit order.
pub struct History {
    /// The events.
    pub events: Vec<Recorded>,
    /// Places of the first event with each id.
    by_id: HashMap<Uuid, usize>,
    by_topic: HashMap<&'static str, Vec<usize>>,
}

// === impl Recorded ===

impl Recorded {
    /// An event of a service.
    ///
    /// # Errors
    /// Its payload cannot be read.
    pub fn new(service: &'static str, event: SealedEvent) -> Result<Self, AuditError> {
        let fact = Fact::of(&event).map_err(|source| AuditError::Event {
            id: event.id(),
            source,
        })?;
        Ok(Self {
            service,
            event,
            fact,
        })
    }
}

// === impl History ===

impl History {
    /// Every event of every store.
    ///
    /// # Errors
    /// A store cannot be read.
    pub async fn read(stores: &Stores) -> Result<Self, AuditError> {
        let mut events = Vec::new();
        for (service, store) in stores.services() {
            let mut after = 0;
            loop {
                let filter = ReadAll {
                    after,
                    partition_key: None,
                    limit: PAGE,
                };
                let page = store.read_all(&filter).await.map_err(failed(service))?;
                let Some(last) = page.last() else { break };
                after = last.position;
                for stored in page {
                    events.push(Recorded::new(service, stored.event)?);
                }
            }
        }
        Ok(Self::new(events))
    }

    /// These events: service by service, each service's in commit order.
    pub fn new(events: Vec<Recorded>) -> Self {
        let mut by_id = HashMap::with_capacity(events.len());
        let mut by_topic: HashMap<&'static str, Vec<usize>> = HashMap::new();
        for (place, recorded) in events.iter().enumerate() {
            by_id.entry(recorded.event.id()).or_insert(place);
            let topic = recorded.fact.topic();
            by_topic.entry(topic).or_default().push(place);
        }
        Self {
            events,
            by_id,
            by_topic,
        }
    }

    /// The event with this id.
    pub fn event(&self, id: Uuid) -> Option<&Recorded> {
        self.place(id).and_then(|place| self.events.get(place))
    }

    /// Its place among the events.
    pub(crate) fn place(&self, id: Uuid) -> Option<usize> {
        self.by_id.get(&id).copied()
    }

    /// Every event of one type with what it says, in commit order.
    pub(crate) fn all<E: Told>(&self) -> impl Iterator<Item = (&SealedEvent, &E)> {
        let places = self.by_topic.get(E::TOPIC).into_iter().flatten();
        places.filter_map(|place| {
            let recorded = self.events.get(*place)?;
            Some((&recorded.event, E::told(&recorded.fact)?))
        })
    }

    /// Every event of one service, in commit order.
    pub(crate) fn of(&self, service: &str) -> impl Iterator<Item = &Recorded> {
        self.events
            .iter()
            .filter(move |recorded| recorded.service == service)
    }
}
