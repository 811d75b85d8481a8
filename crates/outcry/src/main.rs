//! The one binary: command line, configuration, `up`, `replay`, `audit` and the verbs that talk to
//! a running platform.
//!
//! Rooms, in reading order:
//! - [`arguments`], [`settings`], [`config`], [`environment`] – what was asked for, and what for
//! - [`services`] – the ten services, made and listed
//! - [`stores`], [`brokers`] – what they stand on
//! - [`telemetry`] – the log, and traces for a collector
//! - [`platform`], [`stop_signal`] – services running in this process, until somebody asks it to stop
//! - [`up`], [`demo`], [`serve`] – the whole platform, or some services of it
//! - [`migrate`], [`topology`] – what the database and the broker must have
//! - [`audit`] – the invariants, recomputed
//! - [`replay`] – recorded market data as real users' orders
//! - [`mod@bench`] – how fast an installation is; [`percentile`] of latencies
//! - [`account`], [`orders`], [`events`], [`trace`], [`dlq`] – verbs that talk to a running platform
//! - [`schema`] – the contract
//! - [`identity`], [`certs`] – who a process is to the others, and certificates that say so
//! - [`newcomer`] – users that the demo, the replay and the benchmark act as
//! - [`folder`], [`site`], [`session`], [`patience`] – the data folder, a signed-in connection that waits for a
//!   platform that is away
//! - [`output`], [`text`], [`failure`] – what is printed, for people and for programs, and why something failed
//! - [`doctor`], [`top`], [`operators`] – what is wrong with an installation, and a running one at a glance, from what
//!   processes tell their operators
//! - [`manual`] – completions and manual pages

mod account;
mod arguments;
mod audit;
mod bench;
mod brokers;
mod certs;
mod config;
#[cfg(test)]
mod damage;
mod demo;
mod dlq;
mod doctor;
mod environment;
mod events;
mod failure;
mod fixed_id;
mod folder;
mod identity;
mod manual;
mod migrate;
mod newcomer;
mod operators;
mod orders;
mod output;
mod patience;
mod percentile;
mod platform;
mod replay;
mod schema;
mod serve;
mod services;
mod session;
mod settings;
mod site;
mod stop_signal;
mod stores;
mod successors;
mod telemetry;
mod text;
mod top;
mod topology;
mod trace;
mod up;

use std::process::ExitCode;

use clap::Parser as _;

use arguments::{Arguments, Command};
use config::Config;
use output::Output;

/// Gives memory back that threads have freed which came for a moment, such as those that hash passwords; the C
/// library's own keeps it for each thread there ever was.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        // Without the arguments, what was typed says who reads the complaint.
        Err(error) if error.use_stderr() && std::env::args().any(|typed| typed == "--json") => {
            return failure::report_usage(&error);
        }
        Err(error) => error.exit(),
    };
    let out = Output::of(arguments.printing);
    match run(arguments.command, out).await {
        Ok(code) => code,
        Err(error) => failure::report(&error, out.is_json(), arguments.printing.color),
    }
}

async fn run(command: Command, out: Output) -> anyhow::Result<ExitCode> {
    match command {
        Command::Up(up) => up::run_platform(up, out).await?,
        Command::Serve(serve) => serve::run(serve, out).await?,
        Command::Migrate(migrate) => migrate::run(migrate, out).await?,
        Command::Topology(topology) => return topology::run(topology, out).await,
        Command::Audit(audit) => return audit::run(audit, out).await,
        Command::Replay(replay) => replay::run(replay, out).await?,
        Command::Bench(bench) => return bench::run(bench, out).await,
        Command::Account(account) => account::run(account, out).await?,
        Command::Orders(orders) => return orders::run(orders, out).await,
        Command::Events(events) => events::run(events, out).await?,
        Command::Trace(trace) => trace::run(trace, out).await?,
        Command::Dlq(dlq) => dlq::run(dlq, out).await?,
        Command::Certs(certs) => certs::run(certs, out)?,
        Command::Schema(schema) => return schema::run(schema, out),
        Command::Config(settings) => config::show(&Config::load(&settings)?, out)?,
        Command::Doctor(asked) => return doctor::run(asked, out).await,
        Command::Top(asked) => top::run(asked, out).await?,
        Command::Completions(completions) => manual::completions(&completions, out)?,
        Command::Man(man) => manual::pages(&man, out)?,
    }
    Ok(ExitCode::SUCCESS)
}
