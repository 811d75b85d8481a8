//! The project's own tasks.
//!
//! `cargo xtask test` is the one test command: everything a change must pass, from formatting to
//! stories over real servers. What it needs beyond the Rust toolchain it installs: tools below
//! `.tools`, servers as packages of the system.

mod ahead;
mod bench;
mod browser;
mod chart;
mod contract;
mod namespaces;
mod run;
mod servers;
mod tools;

use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's own tasks")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Runs everything a change must pass.
    Test,
    /// Writes the files of the contract below `contracts`, or checks the contract.
    #[command(subcommand)]
    Contract(contract::Contract),
    /// Writes what the chart reads of the contract.
    Chart,
    /// Runs the platform against a simulated store, broker, network and clock. What follows goes to
    /// the simulation: `--seeds 2000`, `--seed 17`, `--bugs`, `--help`.
    Simulate {
        /// What the simulation takes.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Measures Outcry beside its peers, built as a release. What follows goes to the benchmark:
    /// `--quick`, `--report docs/benchmarks.md`, `--only outbox`, `--help`.
    Bench {
        /// What the benchmark takes.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Test => test(),
        Task::Contract(task) => contract::run(task),
        Task::Chart => chart::write(),
        Task::Simulate { arguments } => simulate(&arguments),
        Task::Bench { arguments } => bench::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("xtask: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// Builds the simulation as the tests do, so that nothing is built twice, and runs it.
fn simulate(arguments: &[String]) -> Result<(), String> {
    let mut all = vec!["run", "--quiet", "--package", "outcry-simulation", "--"];
    all.extend(arguments.iter().map(String::as_str));
    run::cargo("simulation", &all)
}

/// Quick checks first, so that a slip is reported before the long ones start.
fn test() -> Result<(), String> {
    run::cargo("formatting", &["fmt", "--all", "--check"])?;
    let deny = tools::CargoDeny::begin()?;
    let chart = tools::begin_chart()?;
    let checked = contract::check()?;
    run::cargo(
        "lints",
        &[
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ],
    )?;
    let missing = servers::ensure()?;
    let no_browser = browser::ensure()?;
    let no_namespaces = namespaces::ensure()?;
    let threads = test_threads().to_string();
    let mut variables = vec![("RUST_TEST_THREADS", threads.as_str())];
    if missing.is_some() {
        variables.push((servers::WITHOUT_SERVERS, "1"));
    }
    for (name, path) in [
        (contract::BUF, &checked.buf),
        (contract::LOCK_BEFORE, &checked.lock_before),
    ] {
        if let Some(path) = path.as_deref().and_then(Path::to_str) {
            variables.push((name, path));
        }
    }
    run::cargo_with(
        "documentation",
        &["doc", "--workspace", "--no-deps"],
        &[("RUSTDOCFLAGS", "-D warnings")],
    )?;
    let build = ["test", "--workspace", "--no-run"];
    run::cargo("tests, built", &build)?;
    if let Some(chart) = chart {
        // Its tests say what is wrong with it, if anything is.
        chart
            .finish()
            .unwrap_or_else(|problem| eprintln!("xtask: {problem}"));
    }
    dependencies(&deny.finish()?)?;
    run::cargo_with("tests", &["test", "--workspace"], &variables)?;
    if let Some(why) = missing {
        eprintln!("xtask: tests with PostgreSQL and RabbitMQ were NOT run: {why}");
    }
    if let Some(why) = no_browser {
        eprintln!("xtask: tests with a browser were NOT run: {why}");
    }
    if let Some(why) = no_namespaces {
        eprintln!("xtask: the chart's processes and the documents' commands were NOT run: {why}");
    }
    Ok(())
}

/// Tests of one program at a time. Most of them wait: for servers to start, for events to arrive.
fn test_threads() -> usize {
    const PER_CORE: usize = 2;
    std::thread::available_parallelism().map_or(1, usize::from) * PER_CORE
}

/// Licences, sources, bans and, where the database can be had, advisories of all dependencies.
fn dependencies(deny: &Path) -> Result<(), String> {
    run::program(
        "dependencies",
        deny,
        &["check", "bans", "licenses", "sources"],
    )
}
