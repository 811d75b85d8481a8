//! The chart: what it renders, whether Kubernetes takes it, and whether the binary does.
//!
//! Rooms, in reading order:
//! - [`tools`] – helm and what else is needed, built once
//! - [`render`] – the chart with some values, as objects
//! - [`lint`] – what helm itself says
//! - [`promtool`], [`rules`] – what Prometheus says about alerts and dashboards
//! - [`contract`] – nothing is derived from anything but the contract, and everything from it
//! - [`edges`] – policies and names are those of the contract
//! - [`topology`] – RabbitMQ gets what the binary would declare
//! - [`keys`] – every value is described, checked and written about as it is
//! - [`draw`], [`values`] – random values render, or are refused with a clear message
//! - [`unittest`] – each template's own tests

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

mod contract;
mod draw;
mod edges;
mod keys;
mod lint;
mod promtool;
mod render;
mod rules;
mod tools;
mod topology;
mod unittest;
mod values;
