//! The one binary: command line, configuration, `up`, `replay`, `audit` and the verbs that talk to
//! a running platform.
//!
//! Rooms, in reading order:
//! - [`arguments`], [`settings`], [`config`] – what was asked for
//! - [`services`] – the ten services, made and listed
//! - [`replay`] – recorded market data as real users' orders
//! - [`events`], [`trace`], [`dlq`] – verbs that talk to a running platform
//! - [`schema`] – the contract
//! - [`folder`], [`session`], [`text`] – the data folder, a signed-in connection, printing

mod arguments;
mod config;
mod dlq;
mod events;
mod folder;
mod replay;
mod schema;
mod services;
mod session;
mod settings;
mod text;
mod trace;

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
        Command::Up(_) => anyhow::bail!("not here"),
        Command::Audit(_) => anyhow::bail!("not here"),
        Command::Replay(replay) => replay::run(replay).await?,
        Command::Events(events) => events::run(events).await?,
        Command::Trace(trace) => trace::run(trace).await?,
        Command::Dlq(dlq) => dlq::run(dlq).await?,
        Command::Schema(schema) => schema::run(schema)?,
        Command::Config(settings) => print!("{}", Config::load(&settings)?.print()?),
    }
    Ok(ExitCode::SUCCESS)
}
