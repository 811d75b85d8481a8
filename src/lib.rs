//! The Outcry contract: everything `proto/` declares, as Rust.
//!
//! Owns: messages, gRPC clients and servers, validation, event facts, access rules
//! and the descriptor set. Nothing here is written twice; the build script compiles it
//! all from the `.proto` files and refuses contracts that leave something out.
//!
//! Modules follow the packages without the leading `outcry`:
//! `outcry.orders.v1.PlaceOrderRequest` is `outcry_contracts::orders::v1::PlaceOrderRequest`.
//!
//! Rooms:
//! - [`validate`] – what a message must hold to be accepted, and what was wrong with it
//! - [`event`] – what the contract says about each event: the [`EVENTS`] table
//! - [`method`](mod@method) – who may call what: the [`METHODS`] table
//! - [`codec`] – how requests and responses cross the wire: bounded and, on servers, validated
//!
//! Invariants:
//! 1. A server built from these stubs never hands an invalid request to its handler.
//! 2. `Debug` never shows a field marked as personal.
//! 3. Every event has a topic of its own; every method says who may call it.

pub mod codec;
pub mod event;
pub mod method;
mod redaction;
pub mod validate;

pub use event::{EVENTS, Event, EventFacts, Successor};
pub use method::{METHODS, MethodFacts};
pub use validate::{Validate, Violation, Violations};

/// The whole contract as an encoded `google.protobuf.FileDescriptorSet`, with comments,
/// imports and every custom option, for reflection, catalogs and JSON.
pub const FILE_DESCRIPTOR_SET: &[u8] =
    include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.binpb"));

/// Every file of the contract as it was written, imports included but for protobuf's own: its name,
/// `outcry/orders/v1/events.proto`, and its text.
pub const SOURCES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/sources.rs"));

include!(concat!(env!("OUT_DIR"), "/modules.rs"));

// Messages with every kind of rule, and a service with every shape of method: more than
// the contract itself needs, for the tests of this crate.
#[cfg(test)]
include!(concat!(env!("OUT_DIR"), "/samples/modules.rs"));
