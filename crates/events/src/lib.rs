//! Events as values: sealing and opening envelopes, what the contract says about them,
//! and how they are shown. No IO, no clock, no randomness.
//!
//! Owns: the envelope's one byte string, exact money, the event catalog, topic patterns,
//! JSON rendering and the steps between versions of an event.
//!
//! Rooms, in reading order:
//! - [`money`] – exact amounts
//! - [`cause`] and [`stamp`] – what led to an event, and when it was decided
//! - [`sealed`] – an envelope and its bytes
//! - [`event_set`](mod@event_set) – the events of one aggregate as a Rust enum
//! - [`upcast`] – old versions of an event become the newest one when read
//! - [`downcast`] – copies in older versions, for consumers that know no newer one
//! - [`topic`] – topic patterns
//! - [`key`] – the hash that spreads partition keys
//! - [`catalog`] – every event and method of the contract, for people and tools
//! - [`json`] – events as JSON
//! - [`descriptors`] – the contract's descriptors, for reflection
//!
//! ```
//! use std::time::UNIX_EPOCH;
//!
//! use outcry_contracts::orders::v1::{OrderRejectedEvent, RejectReason, Side};
//! use outcry_events::{Cause, SealedEvent, Stamp, seal};
//! use uuid::Uuid;
//!
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
//! let sealed = seal(&rejected, stamp)?;
//! assert_eq!(sealed.topic(), "order.rejected");
//!
//! // Whoever receives the bytes reads the same event, and hands on the same bytes.
//! let received = SealedEvent::open(sealed.bytes().clone())?;
//! assert_eq!(received.payload::<OrderRejectedEvent>()?, rejected);
//! assert_eq!(received.bytes(), sealed.bytes());
//!
//! // What the contract does not allow is never made.
//! let nobody = OrderRejectedEvent { user_id: String::new(), ..rejected };
//! assert!(seal(&nobody, stamp).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Invariants:
//! 1. An event has one byte string. It is made once, by [`seal`], and handed on untouched
//!    by everybody, unknown fields included.
//! 2. The same event and stamp give the same bytes.
//! 3. What [`seal`] returns has a valid payload and a valid envelope. What
//!    [`SealedEvent::open`] returns has a valid envelope; its payload is not judged by
//!    today's rules, because facts stay facts.
//! 4. In an envelope of a known event, topic, aggregate and payload type agree.
//! 5. Money never touches a float and never wraps around.
//! 6. Reading never yields an older version of an event than the newest one known.
//! 7. A copy of a fact in an older version is the same bytes whenever it is made.
//! 8. Fields the contract marks as personal appear in no `Debug` output, and in JSON only when
//!    asked for. Bytes that cannot be read are shown as bytes.

pub mod money;

pub mod cause;
pub mod stamp;

pub mod sealed;

pub mod event_set;

pub mod upcast;

pub mod downcast;

pub mod topic;

pub mod key;

pub mod catalog;

pub mod json;

pub mod descriptors;

#[cfg(test)]
mod samples;

pub use cause::Cause;
pub use event_set::EventSet;
pub use money::{Amount, MoneyError};
pub use outcry_contracts::Event;
pub use sealed::{OpenError, PayloadError, SealError, SealedEvent, seal};
pub use stamp::Stamp;
