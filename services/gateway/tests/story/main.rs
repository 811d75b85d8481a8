//! The gateway as its clients meet it: over sockets, with tokens, and reading events.

#![expect(clippy::unwrap_used, reason = "a story that cannot go on fails there")]

mod access;
mod bodies;
mod browsers;
mod calls;
mod dead_letters;
mod events;
mod limits;
mod metadata;
mod raw;
mod replicas;
mod rig;
mod running;
mod streams;
mod tokens;
mod users;
mod webhooks;
