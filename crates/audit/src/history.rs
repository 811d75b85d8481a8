//! Every event of every store.

use std::collections::{BTreeMap, HashMap};

use outcry_events::{Event, SealedEvent};
use outcry_store::ReadAll;
use uuid::Uuid;

use crate::error::{AuditError, Outcome};
use crate::stores::{PAGE, Stores, failed};

/// One event, and whose store it is in.
pub struct Recorded {
    /// The service.
    pub service: &'static str,
    /// The event.
    pub event: SealedEvent,
}

/// Every event, service by service, each service's in commit order.
pub struct History {
    /// The events.
    pub events: Vec<Recorded>,
    by_id: HashMap<Uuid, usize>,
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
                events.extend(page.into_iter().map(|stored| Recorded {
                    service,
                    event: stored.event,
                }));
            }
        }
        Ok(Self::new(events))
    }

    /// These events: service by service, each service's in commit order.
    pub fn new(events: Vec<Recorded>) -> Self {
        let by_id = events
            .iter()
            .enumerate()
            .map(|(place, recorded)| (recorded.event.id(), place))
            .collect();
        Self { events, by_id }
    }

    /// The event with this id.
    pub fn event(&self, id: Uuid) -> Option<&Recorded> {
        self.by_id
            .get(&id)
            .and_then(|place| self.events.get(*place))
    }

    /// Every event of one type with its payload, in commit order.
    pub(crate) fn all<E: Event>(&self) -> Outcome<Vec<(&SealedEvent, E)>> {
        self.events
            .iter()
            .filter(|recorded| recorded.event.is::<E>())
            .map(|recorded| Ok((&recorded.event, recorded.event.payload::<E>()?)))
            .collect()
    }

    /// Every event by its stream, each stream in commit order.
    pub(crate) fn streams(&self) -> BTreeMap<String, Vec<&Recorded>> {
        let mut streams: BTreeMap<String, Vec<&Recorded>> = BTreeMap::new();
        for recorded in &self.events {
            streams
                .entry(recorded.event.stream())
                .or_default()
                .push(recorded);
        }
        streams
    }
}
