//! The one binary: command line, configuration, `up`, `replay`, `audit` and the verbs that talk to
//! a running platform.
//!
//! Rooms, in reading order:
//! - [`arguments`], [`settings`], [`config`], [`environment`] – what was asked for, and what for
//! - [`services`] – the ten services, made and listed
//! - [`stores`], [`brokers`] – what they stand on
//! - [`telemetry`] – the log, and traces for a collector
//! - [`platform`] – services running in this process
//! - [`up`], [`demo`], [`serve`] – the whole platform, or some services of it
//! - [`migrate`], [`topology`] – what the database and the broker must have
//! - [`audit`] – the invariants, recomputed
//! - [`replay`] – recorded market data as real users' orders
//! - [`events`], [`trace`], [`dlq`] – verbs that talk to a running platform
//! - [`schema`] – the contract
//! - [`identity`], [`certs`] – who a process is to the others, and certificates that say so
//! - [`newcomer`] – users that the demo and the replay act as
//! - [`folder`], [`site`], [`session`], [`patience`], [`text`] – the data folder, a signed-in connection that
//!   waits for a platform that is away, printing

mod arguments;
mod audit;
mod brokers;
mod certs;
mod config;
#[cfg(test)]
mod damage;
mod demo;
mod dlq;
mod environment;
mod events;
mod fixed_id;
mod folder;
mod identity;
mod migrate;
mod newcomer;
mod patience;
mod platform;
mod replay;
mod schema;
mod serve;
mod services;
mod session;
mod settings;
mod site;
mod stores;
mod successors;
mod telemetry;
mod text;
mod topology;
mod trace;
mod up;

use std::process::ExitCode;

use clap::Parser as _;

use arguments::{Arguments, Command};
use config::Config;

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse().command).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("outcry: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Up(up) => up::run_platform(up).await?,
        Command::Serve(serve) => serve::run(serve).await?,
        Command::Migrate(migrate) => migrate::run(migrate).await?,
        Command::Topology(topology) => return topology::run(topology).await,
        Command::Audit(audit) => return audit::run(audit).await,
        Command::Replay(replay) => replay::run(replay).await?,
        Command::Events(events) => events::run(events).await?,
        Command::Trace(trace) => trace::run(trace).await?,
        Command::Dlq(dlq) => dlq::run(dlq).await?,
        Command::Certs(certs) => certs::run(certs)?,
        Command::Schema(schema) => return schema::run(schema),
        Command::Config(settings) => print!("{}", Config::load(&settings)?.print()?),
    }
    Ok(ExitCode::SUCCESS)
}
