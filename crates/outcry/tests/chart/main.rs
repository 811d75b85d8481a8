//! The chart: what it renders, whether Kubernetes takes it, and whether the binary does.
//!
//! Rooms, in reading order:
//! - [`tools`] – helm and what else is needed, built once
//! - [`render`] – the chart with some values, as objects
//! - [`lint`] – what helm itself says
//! - [`promtool`], [`rules`] – what Prometheus says about alerts and dashboards

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

mod lint;
mod promtool;
mod render;
mod rules;
mod tools;
