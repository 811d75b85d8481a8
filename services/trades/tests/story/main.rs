//! The venue as its callers see it: the real store, the embedded broker, calls in process.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod floor;
mod order;

mod trading;

mod stops;

mod hours;

mod life;

mod reading;
mod streams;

mod hall;
mod replicas;
