//! Stories of orders: real store, broker and calls; custody and venue follow a script.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a story that cannot go on fails there"
)]

mod cancelling;
mod custody;
mod following;
mod house;
mod placing;
mod portfolios;
mod reading;
mod replacing;
mod replicas;
mod suspending;
mod terms;
mod venue;
