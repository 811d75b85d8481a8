//! The Store seam in plain memory, deterministic: what simulated runs of the platform stand on.
//!
//! Owns: the world outside of the processes as values that outlive them, so that a run can let
//! processes crash and start again.
//!
//! Rooms, in reading order:
//! - [`store`] – what one service keeps, for one process after another or several at once
//!
//! Invariants:
//! 1. The same calls in the same order have the same effects: no threads, no clock but the one
//!    given, no randomness, nothing that is walked in the order of a hash.
//! 2. What was answered stays when the handle goes: only the data handle holds it.
//! 3. Whoever asks the store lets others go first once, so that decisions of several tasks overlap
//!    as they do with a real database.

pub mod store;

pub use store::{Clock, MemoryData, MemoryStore};
