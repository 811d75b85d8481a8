//! The Store and Broker seams in plain memory, deterministic: what simulated runs of the platform
//! stand on.
//!
//! Owns: the world outside of the processes – what databases and the broker keep – as values that
//! outlive them, so that a run can let processes crash and start again.
//!
//! Rooms, in reading order:
//! - [`store`] – what one service keeps, for one process after another or several at once
//! - [`broker`] – what is on its way between services, and what may go wrong with it
//!
//! Invariants:
//! 1. The same calls in the same order have the same effects: no threads, no clock but the one
//!    given, no randomness, nothing that is walked in the order of a hash.
//! 2. What was answered stays when the handle goes: only the data handle holds it.
//! 3. Whoever asks the store, publishes or acknowledges lets others go first once, so that what
//!    several tasks do overlaps as it does with a real database and a real broker.

pub mod store;

pub mod broker;

pub use broker::{Acknowledged, Faults, MemoryBroker, MemoryExchange, Published};
pub use store::{Clock, MemoryData, MemoryStore};
