//! The project's own tasks.
//!
//! `cargo xtask test` is the one test command: everything a change must pass, from formatting to
//! stories over real servers. What it needs beyond the Rust toolchain it installs: tools below
//! `.tools`, servers as packages of the system.

mod run;
mod servers;
mod tools;

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
    /// Runs the platform against a simulated store, broker, network and clock. What follows goes to
    /// the simulation: `--seeds 2000`, `--seed 17`, `--bugs`, `--help`.
    Simulate {
        /// What the simulation takes.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Test => test(),
        Task::Simulate { arguments } => simulate(&arguments),
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
    contract()?;
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
    let variables: &[_] = match missing {
        None => &[],
        Some(_) => &[(servers::WITHOUT_SERVERS, "1")],
    };
    run::cargo_with("tests", &["test", "--workspace"], variables)?;
    dependencies()?;
    if let Some(why) = missing {
        eprintln!("xtask: tests with PostgreSQL and RabbitMQ were NOT run: {why}");
    }
    Ok(())
}

/// Lints the contract and compares it with the one on `main`.
fn contract() -> Result<(), String> {
    let Some(buf) = tools::buf()? else {
        // A machine with nothing but Rust cannot get buf; continuous integration must have it.
        eprintln!("xtask: buf lint and buf breaking are NOT run: they need python3, go or npm");
        return Ok(());
    };
    run::program("contract lint", &buf, &["lint"])?;
    run::program(
        "contract format",
        &buf,
        &["format", "--diff", "--exit-code", "--path", "proto/outcry"],
    )?;
    match run::base_revision()? {
        Some(revision) => run::program(
            "contract compatibility",
            &buf,
            &["breaking", "--against", &format!(".git#ref={revision}")],
        ),
        None => Ok(()),
    }
}

/// Licences, sources, bans and, where the database can be had, advisories of all dependencies.
fn dependencies() -> Result<(), String> {
    let deny = tools::cargo_deny()?;
    run::program(
        "dependencies",
        &deny,
        &["check", "bans", "licenses", "sources"],
    )
}
