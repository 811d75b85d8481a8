//! Measurements on real servers, judged by the clock: what tests must not do.
//!
//! - [`all`]: the benchmark: every chapter in one run
//! - [`publish`], [`consume`], [`outbox_peers`]: its chapters beside other libraries
//! - [`orders`], [`venue`], [`envelope`], [`growth`], [`footprint`], [`console`], [`soak`]: its chapters on the
//!   platform by itself
//! - [`sides`], [`trail`]: sides in turns, and what became of their messages
//! - [`peer`], [`peers`], [`ours`]: processes that are measured, other people's and Outcry's
//! - [`queue`], [`database`]: the driver's own ends of RabbitMQ and PostgreSQL
//! - [`report`]: what it all came to
//! - [`outbox`]: whether a commit that waits holds up events of other keys
//! - [`load`]: who commits, steadily
//! - [`arrivals`]: when events arrive
//! - [`mesh`]: calls between services, next to bare tonic
//! - [`lines`], [`memory`]: what a process is told, and what the system says of one
//! - [`percentile`]: order statistics
//! - [`verdict`]: what a measurement comes to

mod all;
mod arrivals;
mod console;
mod consume;
mod database;
mod envelope;
mod footprint;
mod growth;
mod lines;
mod load;
mod memory;
mod mesh;
mod orders;
mod ours;
mod outbox;
mod outbox_peers;
mod peer;
mod peers;
mod percentile;
mod publish;
mod queue;
mod report;
mod sides;
mod soak;
mod trail;
mod venue;
mod verdict;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The platform's, since parts of it run here.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures the platform on servers of its own.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    measurement: Measurement,
}

#[derive(Subcommand)]
enum Measurement {
    /// Outcry beside its peers, chapter by chapter, with a report; fails when a target is missed
    All(all::Arguments),
    /// Outcry's side of a comparison that is going on
    #[command(hide = true)]
    Peer(ours::Arguments),
    /// How long events take from their commit to their delivery, with and without a transaction
    /// that keeps commits of another key waiting; fails when the medians differ by 50 ms or more
    Outbox(outbox::Arguments),
    /// Calls over the mesh next to calls over bare tonic, rig by rig; fails when a target is missed
    Mesh(mesh::Arguments),
    /// A process of a measurement of the mesh that is going on
    #[command(hide = true)]
    MeshProcess(mesh::ProcessArguments),
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    match Arguments::parse().measurement {
        Measurement::All(arguments) => all::measure(&arguments).await,
        Measurement::Peer(arguments) => ours::run(arguments).await.map(|()| ExitCode::SUCCESS),
        Measurement::Outbox(arguments) => outbox::measure(&arguments).await,
        Measurement::Mesh(arguments) => mesh::measure(&arguments).await,
        Measurement::MeshProcess(arguments) => mesh::run_process(&arguments)
            .await
            .map(|()| ExitCode::SUCCESS),
    }
}
