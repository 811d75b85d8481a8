//! The clients in Go, Java, Python and TypeScript against the running platform: what one of them sees
//! of an event, all see, and this contract's own Rust with them.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a story stops at the first surprise"
)]

#[expect(dead_code, reason = "the stories of the platform use the rest")]
#[path = "../story/outcry.rs"]
mod outcry;
#[expect(dead_code, reason = "the stories of the platform use the rest")]
#[path = "../story/person.rs"]
mod person;

mod document;
mod fixtures;
mod language;
mod market;
mod newcomer;
mod page;
mod queue;
mod same;
mod stock_tools;
