//! What is looked at: the store of every service.

use std::collections::BTreeMap;
use std::sync::Arc;

use outcry_events::SealedEvent;
use outcry_store::{Scan, Store, StoreError};
use serde_json::Value;

use crate::error::{AuditError, Outcome};

/// Rows of a view by key.
pub(crate) type Rows = BTreeMap<String, Value>;

/// Rows read at a time.
pub(crate) const PAGE: usize = 5_000;

/// Every service's store by the service's name. Nothing may be written to them meanwhile, or the
/// audit sees some of it and not the rest. What a service keeps that is not here is not looked at.
#[derive(Clone, Default)]
pub struct Stores {
    by_service: BTreeMap<&'static str, Arc<dyn Store>>,
}

// === impl Stores ===

impl FromIterator<(&'static str, Arc<dyn Store>)> for Stores {
    fn from_iter<I: IntoIterator<Item = (&'static str, Arc<dyn Store>)>>(stores: I) -> Self {
        Self {
            by_service: stores.into_iter().collect(),
        }
    }
}

impl Stores {
    /// The services, by name.
    pub(crate) fn services(&self) -> impl Iterator<Item = (&'static str, &dyn Store)> {
        self.by_service
            .iter()
            .map(|(service, store)| (*service, store.as_ref()))
    }

    /// The store of a service, if it is here.
    pub(crate) fn store(&self, service: &str) -> Option<&dyn Store> {
        self.by_service.get(service).map(Arc::as_ref)
    }

    /// Every row of a view, by key; none if the service is not here.
    pub(crate) async fn view(&self, service: &str, view: &'static str) -> Outcome<Option<Rows>> {
        let Some(store) = self.store(service) else {
            return Ok(None);
        };
        let mut rows = Rows::new();
        let mut after = None;
        loop {
            let scan = Scan::new(view).limit(PAGE).after(after);
            let page = store.scan(&scan).await.map_err(failed(service))?;
            let Some(last) = page.last() else {
                return Ok(Some(rows));
            };
            after = Some(last.cursor.clone());
            for row in page {
                let value = row.decode().map_err(failed(service))?;
                rows.insert(row.key, value);
            }
        }
    }

    /// Whether the service's group of the same name has handled an event.
    pub(crate) async fn handled(&self, service: &str, event: &SealedEvent) -> Outcome<bool> {
        let Some(store) = self.store(service) else {
            return Ok(false);
        };
        let handled = store.is_handled(service, event.id()).await;
        handled.map_err(failed(service))
    }
}

pub(crate) fn failed(service: &str) -> impl Fn(StoreError) -> AuditError {
    move |source| AuditError::Store {
        service: service.to_owned(),
        source,
    }
}
