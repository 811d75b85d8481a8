//! Why the audit cannot say anything.

use outcry_events::{MoneyError, PayloadError};
use outcry_store::StoreError;
use uuid::Uuid;

/// Why the audit cannot say anything: data that cannot be read, not data that is wrong.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// A store failed.
    #[error("reading the store of {service}")]
    Store {
        /// Whose store.
        service: String,
        /// How it failed.
        source: StoreError,
    },
    /// A row is not what such a row looks like.
    #[error("row {key} of view {view} of {service} cannot be read")]
    Row {
        /// Whose row.
        service: &'static str,
        /// In which view.
        view: &'static str,
        /// Its key.
        key: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// An event's payload cannot be read.
    #[error("event {id} cannot be read")]
    Event {
        /// The event.
        id: Uuid,
        /// What is wrong with it.
        source: PayloadError,
    },
    /// An amount of an event is none.
    #[error("an event has an amount that is none")]
    Amount(#[from] MoneyError),
    /// What is archived is no event.
    #[error("archived event {key} is no event")]
    Archived {
        /// Its key in the archive.
        key: String,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// What the rooms of the audit answer with.
pub(crate) type Outcome<T> = Result<T, AuditError>;
