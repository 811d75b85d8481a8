//! The whole platform in one thread: the services' own code over a simulated store, broker, network
//! and clock, with people who trade, processes that die, and everything lost, late or doubled that
//! can be.
//!
//! A run follows a [`Plan`] that is drawn from a seed. The same seed runs the same way, event for
//! event; one that fails can be cut down ([`shrink`]). After every run everything heals, and then
//! all invariants of the platform must hold.
//!
//! Rooms, in reading order:
//! - [`plan`] – what will happen: people's acts and breakages, drawn from a seed
//! - [`run`] – one run, from a world with users in it to its outcome
//! - `running` – a world in which processes run, until nothing is under way
//! - `verdict` – what is wrong then
//! - [`world`] – what goes wrong on the way, step by step
//! - `line`, `calls` – what is between a process and its store, the broker and other processes
//! - `process` – services that run, die and are started again
//! - `people` – acts through the public API
//! - [`sabotage`] – bugs that a run must find
//! - [`shrink`] – cutting a failing plan down
//! - [`clock`], [`store`], [`broker`] – time and the seams, in memory
//!
//! Invariants:
//! 1. The same calls in the same order have the same effects: no threads, no clock but the one
//!    given, no randomness but the seed's, nothing that is walked in the order of a hash.
//! 2. What was answered stays when the handle goes: only the data handle holds it.
//! 3. Whoever asks the store or publishes lets others go first once, so that the decisions of
//!    several tasks overlap as they do with a real database.
//! 4. Nothing that a dead process does has an effect.

pub mod broker;
pub mod clock;
pub mod plan;
pub mod run;
pub mod sabotage;
pub mod store;
pub mod world;

mod calls;
mod line;
mod people;
mod process;
mod running;
mod shrink;
mod verdict;

pub use broker::{Acknowledged, Faults, MemoryBroker, MemoryExchange, Published};
pub use plan::Plan;
pub use run::{Base, Outcome};
pub use sabotage::Bug;
pub use shrink::shrink;
pub use store::{Clock, MemoryData, MemoryStore};
pub use world::Survived;
