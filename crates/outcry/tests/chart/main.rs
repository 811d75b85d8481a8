//! The chart: what it renders, whether Kubernetes takes it, and whether the binary does.
//!
//! Rooms, in reading order:
//! - [`tools`] – helm and what else is needed, built once
//! - [`render`] – the chart with some values, as objects
//! - [`lint`] – what helm itself says
//! - [`schemas`], [`kubeconform`] – what several versions of Kubernetes and the operators say
//! - [`apiserver`] – a real API server, without anything that acts on what is in it
//! - [`dry_run`] – what it says of every object, and of the pods that would be made
//! - [`release`] – installed in it, upgraded and uninstalled

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

mod apiserver;
mod dry_run;
mod kubeconform;
mod lint;
mod release;
mod render;
mod schemas;
mod tools;
