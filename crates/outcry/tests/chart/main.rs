//! The chart: what it renders, whether Kubernetes takes it, and whether the binary does.
//!
//! Rooms, in reading order:
//! - [`tools`] – helm and what else is needed, built once
//! - [`render`] – the chart with some values, as objects
//! - [`lint`] – what helm itself says
//! - [`release`], [`operator`] – the objects in the namespace, the chart's and those made before
//! - [`network`], [`names`] – the cluster's network and DNS
//! - [`environment`], [`volume`], [`container`], [`pod`] – a pod, as the kubelet makes it
//! - [`cluster`] – pods that are kept running, and who leads to them
//! - [`connections`], [`scrape`] – whom they talk to, and their metrics
//! - [`run`] – the rendered processes, until an order is filled

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

mod cluster;
mod connections;
mod container;
mod environment;
mod lint;
mod names;
mod network;
mod operator;
mod pod;
mod release;
mod render;
mod run;
mod scrape;
mod tools;
mod volume;
