//! Stories of orders: real store, broker and calls; custody and venue follow a script.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a story that cannot go on fails there"
)]

mod cancelling;
mod custody;
mod house;
mod placing;
mod reading;
mod replacing;
mod venue;
