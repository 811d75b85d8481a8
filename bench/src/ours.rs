//! Outcry's side of a comparison: this program once more, which speaks as the peers do, so that all
//! sides are started, told and measured alike.
//!
//! - [`driver`]: what is said between the driver and a job
//! - [`event`]: the events that are sent
//! - [`publish`], [`consume`], [`relay`], [`mod@write`]: the jobs

pub mod consume;
mod driver;
pub mod event;
pub mod publish;
pub mod relay;
pub mod write;

use clap::Subcommand;

use self::driver::Driver;

/// What is done.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    job: Job,
}

/// The jobs, named and told as those of the peers.
#[derive(Subcommand)]
enum Job {
    /// Publishes with the broker, as a relay does
    Publish(publish::Options),
    /// Consumes with a reaction, through the inbox of its store
    Consume(consume::Options),
    /// Relays the outbox of a service until the standard input ends
    OutboxRelay(relay::Options),
    /// Commits events, each with a row of a view
    OutboxWrite(write::Options),
}

/// Does a job, round by round, until the standard input ends.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let driver = Driver::new();
    match arguments.job {
        Job::Publish(options) => publish::run(options, driver).await,
        Job::Consume(options) => consume::run(options, driver).await,
        Job::OutboxRelay(options) => relay::run(options, driver).await,
        Job::OutboxWrite(options) => write::run(options, driver).await,
    }
}

/// What it is, as the report has it.
fn library() -> String {
    format!("outcry {}", env!("CARGO_PKG_VERSION"))
}
