//! The one binary: command line, configuration, `up`, `replay`, `audit` and the verbs that talk to
//! a running platform.
//!
//! Rooms, in reading order:
//! - [`arguments`], [`settings`], [`config`] – what was asked for
//! - [`services`] – the ten services, made and listed
//! - [`up`], [`demo`] – the platform in this process
//! - [`audit`] – the invariants, recomputed
//! - [`replay`] – recorded market data as real users' orders
//! - [`events`], [`trace`], [`dlq`] – verbs that talk to a running platform
//! - [`schema`] – the contract
//! - [`newcomer`] – users that the demo and the replay act as
//! - [`folder`], [`session`], [`text`] – the data folder, a signed-in connection, printing

mod arguments;
mod audit;
mod config;
mod demo;
mod dlq;
mod events;
mod folder;
mod newcomer;
mod replay;
mod schema;
mod services;
mod session;
mod settings;
mod text;
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
        Command::Audit(audit) => return audit::run(audit).await,
        Command::Replay(replay) => replay::run(replay).await?,
        Command::Events(events) => events::run(events).await?,
        Command::Trace(trace) => trace::run(trace).await?,
        Command::Dlq(dlq) => dlq::run(dlq).await?,
        Command::Schema(schema) => schema::run(schema)?,
        Command::Config(settings) => print!("{}", Config::load(&settings)?.print()?),
    }
    Ok(ExitCode::SUCCESS)
}
