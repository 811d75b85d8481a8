//! The order book alone: scenarios, and random commands against a slow and obvious matcher.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod differential;
mod properties;
mod recorded;
mod reference;
mod scenario;
mod self_trades;
mod sessions;
mod stops;
mod stories;
