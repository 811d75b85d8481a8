//! Measurements on real servers, judged by the clock: what tests must not do.
//!
//! - [`outbox`]: whether a commit that waits holds up events of other keys
//! - [`load`]: who commits, steadily
//! - [`arrivals`]: when events arrive
//! - [`relay`]: relays as processes of their own
//! - [`mesh`]: calls between services, next to bare tonic
//! - [`console`]: the console in a browser, while events flow
//! - [`percentile`]: order statistics
//! - [`verdict`]: what a measurement comes to

mod arrivals;
mod console;
mod load;
mod mesh;
mod outbox;
mod percentile;
mod relay;
mod verdict;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Measures the platform on servers of its own.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    measurement: Measurement,
}

#[derive(Subcommand)]
enum Measurement {
    /// How long events take from their commit to their delivery, with and without a transaction
    /// that keeps commits of another key waiting; fails when the medians differ by 50 ms or more
    Outbox(outbox::Arguments),
    /// A relay of a measurement that is going on
    #[command(hide = true)]
    Relay,
    /// Calls over the mesh next to calls over bare tonic, rig by rig; fails when a target is missed
    Mesh(mesh::Arguments),
    /// The console in a browser while events flow: bytes and time of a first visit, and memory over
    /// minutes; fails when a target is missed
    Console(console::Arguments),
    /// A process of a measurement of the mesh that is going on
    #[command(hide = true)]
    MeshProcess(mesh::ProcessArguments),
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    match Arguments::parse().measurement {
        Measurement::Outbox(arguments) => outbox::measure(&arguments).await,
        Measurement::Relay => relay::run().await.map(|()| ExitCode::SUCCESS),
        Measurement::Mesh(arguments) => mesh::measure(&arguments).await,
        Measurement::Console(arguments) => console::measure(&arguments).await,
        Measurement::MeshProcess(arguments) => mesh::run_process(&arguments)
            .await
            .map(|()| ExitCode::SUCCESS),
    }
}
