//! The chart: what it renders, whether Kubernetes takes it, and whether the binary does.
//!
//! Rooms, in reading order:
//! - [`tools`] – helm and what else is needed, built once
//! - [`render`] – the chart with some values, as objects
//! - [`lint`] – what helm itself says
//! - [`promtool`], [`rules`] – what Prometheus says about alerts and dashboards
//! - [`schemas`], [`kubeconform`] – what several versions of Kubernetes and the operators say
//! - [`apiserver`] – a real API server, without anything that acts on what is in it
//! - [`dry_run`] – what it says of every object, and of the pods that would be made
//! - [`release`] – installed in it, upgraded and uninstalled
//! - [`contract`] – nothing is derived from anything but the contract, and everything from it
//! - [`edges`] – policies and names are those of the contract
//! - [`topology`] – RabbitMQ gets what the binary would declare
//! - [`keys`] – every value is described, checked and written about as it is
//! - [`draw`], [`values`] – random values render, or are refused with a clear message
//! - [`unittest`] – each template's own tests
//! - [`namespace`], [`operator`] – the objects in the namespace, the chart's and those made before
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

mod apiserver;
mod cluster;
mod connections;
mod container;
mod contract;
mod draw;
mod dry_run;
mod edges;
mod environment;
mod keys;
mod kubeconform;
mod lint;
mod names;
mod namespace;
mod network;
mod operator;
mod pod;
mod promtool;
mod release;
mod render;
mod rules;
mod run;
mod schemas;
mod scrape;
mod tools;
mod topology;
mod unittest;
mod values;
mod volume;
