//! What a service is written against: deciders, reactions, the relay, timers and drain.
//!
//! Owns: the runtime of a service. Consumes and emits nothing of its own.
//!
//! - [`decider`], [`history`], [`execute`](mod@execute): a command to events, and events to state.
//! - [`answers`]: requests with an id are carried out once.
//! - [`paging`], [`store_failure`]: listings in pages, and what their callers are told.
//! - [`reaction`], [`timer`]: what a service does about the events of others, and at a time.
//! - [`service`], [`run`](mod@run): a service as a value, and its life from start to drain.
//! - [`metrics`], [`Exposition`]: what a running service has counted, and how it is read.
//! - `replica`: how this run of a service stands, for whoever shows the whole platform.
//! - [`slots`]: what one replica of a service at a time does.
//! - `call_record`: what was called and refused, in a chain of hashes.
//! - [`testing`]: the vocabulary of tests.
//!
//! Invariants:
//! 1. An event has its effect in a group once, however often it is delivered.
//! 2. Events of one key are handled in order; a parked event parks its key, redrive included.
//! 3. An event is acknowledged only when its effect, or its parking, is durable.
//! 4. An event counts as sent only when the broker confirmed and routed it.
//! 5. A timer fires until a commit cleared or re-set it.
//! 6. A call that may change something begins only when there is room for its record, and every
//!    record depends on all before it.
//! 7. Any number of replicas run on one store. What one of them has lost it cannot commit for.

pub mod answers;
pub mod backoff;
pub mod clock;
pub mod context;
pub mod decider;
pub mod execute;
pub mod history;
pub mod metrics;
pub mod paging;
pub mod reaction;
pub mod run;
pub mod service;
pub mod slots;
pub mod testing;
pub mod timer;

mod call_record;
mod calls;
mod consumer;
mod dead_letters;
mod exposition;
mod faults;
mod key_lock;
mod messaging;
mod relay;
mod replica;
mod retention;
mod shift;
mod state_cache;
mod tenant;
mod tenure;

pub use clock::{Clock, SystemClock};
pub use context::Context;
pub use decider::Decider;
pub use execute::{CommandError, Executed, decide, execute, plan};
pub use exposition::Exposition;
pub use faults::store_failure;
pub use history::{LoadError, Loaded, load};
pub use messaging::in_this_span;
pub use paging::Page;
pub use reaction::{Fault, GroupSpec, Handling, Reaction, Retry, Unknown};
pub use run::{RunError, declare, run};
pub use service::{Service, Task};
pub use slots::Slots;
pub use timer::TimerHandler;
