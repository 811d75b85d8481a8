//! The gateway as its clients meet it: over sockets, with tokens, and reading events.

#![expect(clippy::unwrap_used, reason = "a story that cannot go on fails there")]

mod access;
mod attacks;
mod bodies;
mod browsers;
mod calls;
mod console;
mod dead_letters;
mod events;
mod limits;
mod metadata;
mod raw;
mod replicas;
mod rig;
mod rotation;
mod running;
mod secrecy;
mod status;
#[path = "../../../../crates/mesh/tests/shared/stranger.rs"]
mod stranger;
mod streams;
mod tokens;
mod users;
mod webhooks;
