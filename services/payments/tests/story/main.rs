//! Payments and payouts on a running platform, by a clock that is set.

#![expect(clippy::unwrap_used, reason = "a story stops at the first surprise")]

mod at_once;
mod courses;
mod customers;
mod payouts;
mod questions;
mod rig;
mod webhooks;
