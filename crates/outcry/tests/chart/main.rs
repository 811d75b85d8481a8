//! The chart: what it renders, whether Kubernetes takes it, and whether the binary does.
//!
//! Rooms, in reading order:
//! - [`tools`] – helm and what else is needed, built once
//! - [`render`] – the chart with some values, as objects
//! - [`lint`] – what helm itself says

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

mod lint;
mod render;
mod tools;
