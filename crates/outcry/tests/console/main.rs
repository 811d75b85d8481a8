//! The console in a real browser, on a platform that trades: every view as a person uses it.
//!
//! - [`floor`]: the platform, with letters that are dead
//! - [`crowd`]: people who trade there
//! - [`chromium`]: the package that drives the browser, in `browser/`
//! - [`views`]: what is asked of it

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a story stops at the first surprise"
)]

#[expect(dead_code, reason = "the clients' stories use the rest")]
#[path = "../clients/language.rs"]
mod language;
#[expect(dead_code, reason = "the stories of the platform use the rest")]
#[path = "../story/outcry.rs"]
mod outcry;
#[expect(dead_code, reason = "the stories of the platform use the rest")]
#[path = "../story/person.rs"]
mod person;
#[path = "../story/poison.rs"]
mod poison;

mod chromium;
mod crowd;
mod floor;
mod views;
