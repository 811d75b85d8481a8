//! The Store seam: commits as values, streams, views, timers and parked events; in SQLite and in
//! PostgreSQL.
//!
//! Owns: everything a service keeps. What a decision leads to is one [`Commit`], applied whole or
//! not at all.
//!
//! Rooms, in reading order:
//! - [`commit`] – what is written: a value, judged before it is applied
//! - [`store`] – the seam itself: how a commit is applied and what can be read
//! - [`view`] – read models: rows with secondary orders, read page by page
//! - [`ahead`] – rows as commits that are not applied yet will leave them
//! - [`timer`] – things to do at a time
//! - [`lease`] – who may act for what, when several processes serve one store
//! - [`parking`] – events put aside with their keys, and how they come back
//! - [`error`] – why not
//! - [`limits`] – how large anything may be
//! - [`sqlite`] – the store in one SQLite file
//! - [`postgres`] – the store in PostgreSQL, for several processes
//! - [`conformance`] – what every store must do, as tests
//!
//! ```
//! use std::time::UNIX_EPOCH;
//!
//! use outcry_contracts::orders::v1::{OrderRejectedEvent, RejectReason, Side};
//! use outcry_events::{Cause, Stamp, seal};
//! use outcry_sqlite::Database;
//! use outcry_store::{Append, Commit, CommitError, RelaySlots, SqliteStore, Store};
//! use uuid::Uuid;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let database = Database::open(&folder.path().join("outcry.db"))?;
//! let store = SqliteStore::open(&database, "orders").await?;
//! let rejected = OrderRejectedEvent {
//!     order_id: Uuid::from_u128(1).to_string(),
//!     user_id: Uuid::from_u128(2).to_string(),
//!     symbol: "MSFT".to_owned(),
//!     side: Side::Buy.into(),
//!     reason: RejectReason::InsufficientFunds.into(),
//!     ..OrderRejectedEvent::default()
//! };
//! let stamp = Stamp {
//!     event_id: Uuid::from_u128(3),
//!     sequence: 1,
//!     occurred_at: UNIX_EPOCH,
//!     recorded_at: UNIX_EPOCH,
//!     cause: &Cause::root(Uuid::from_u128(4), "user"),
//! };
//! let append = Append {
//!     stream: format!("order-{}", rejected.order_id),
//!     expected: 0,
//!     events: vec![seal(&rejected, stamp)?],
//! };
//! let commit = Commit { appends: vec![append], ..Commit::default() };
//! store.commit(commit.clone()).await?;
//!
//! // It is durable, and waits to be published.
//! let unsent = store.unsent(RelaySlots::ALL, 10).await?;
//! assert_eq!(unsent[0].event.topic(), "order.rejected");
//!
//! // The stream does not end where it did: whoever decided on an older state decides again.
//! assert!(matches!(store.commit(commit).await, Err(CommitError::Conflict(_))));
//! # Ok(())
//! # }
//! ```
//!
//! Invariants:
//! 1. A commit is applied whole or not at all, and is durable when answered.
//! 2. The events of a stream are numbered 1, 2, 3 … without gaps, and each event's envelope says
//!    its number.
//! 3. Positions of one partition key grow in the order its commits take effect: whoever has read
//!    a key up to a position never finds an event of it before that later. A commit made after
//!    another one was answered has higher positions, whatever its keys.
//! 4. An event is unsent until it was marked sent; unsent ones are given out in commit order.
//! 5. A group handles an event at most once, and an answer is given at most once.
//! 6. A slot has one holder at a time. Its epoch grows with every change of holder, and a commit
//!    made in an older epoch is refused.
//! 7. While a key of a group has parked events, no other event of that key is handled; parked ones
//!    come back from the front.

pub mod commit;
pub mod store;

pub mod view;

pub mod ahead;

pub mod timer;

pub mod lease;

pub mod parking;

pub mod error;

pub mod limits;

pub mod sqlite;

pub mod postgres;

pub mod conformance;

pub use ahead::Ahead;
pub use commit::{Answer, Append, Commit, Handled};
pub use error::{CommitError, Conflict, Duplicate, InvalidCommit, StoreError};
pub use lease::{Fence, Lease, LeaseRequest, Member, PoolRequest, RelaySlots, Share};
pub use parking::{
    Asked, AuditAction, AuditEntry, AuditFilter, ParkWrite, Parked, ParkedEvent, ParkedFilter,
    Redrive, RedriveRequest, RedriveScope,
};
pub use postgres::{
    Migration, PostgresDatabase, PostgresError, PostgresOptions, PostgresSnapshot,
    PostgresStanding, PostgresStore, SchemaStanding,
};
pub use sqlite::SqliteStore;
pub use store::{ReadAll, Store, StoredEvent};
pub use timer::{Timer, TimerWrite};
pub use view::{Change, Expect, Scan, ViewRow, ViewWrite};
