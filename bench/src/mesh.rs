//! The mesh against bare tonic, side by side: what must not fail, what must be avoided, what it costs.
//!
//! - [`service`] and [`desk`]: what is called, and what it does
//! - [`side`], [`bare`] and [`outcry`]: both sides, stood up the same way
//! - [`callers`], [`child`], [`process`]: load, and processes of their own
//! - [`dead`], [`slow`], [`deadline`], [`rotation`], [`storm`], [`overload`], [`tax`]: the rigs; each
//!   gives rows of the [`table`]

mod bare;
mod callers;
mod child;
mod dead;
mod deadline;
mod desk;
mod identities;
mod outcry;
mod overload;
mod process;
mod rotation;
mod service;
mod side;
mod slow;
mod storm;
mod table;
mod tax;

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::ValueEnum;

pub use self::process::{Arguments as ProcessArguments, run as run_process};
pub use self::tax::{CALLERS, Cost, RATE_MIN, SLOWER_MAX};

use self::identities::{Authority, Identities};
use self::side::{Kind, Side};
use self::table::{Row, Table};
use crate::verdict::verdict;

/// Settings of the measurement.
#[derive(clap::Args)]
pub struct Arguments {
    /// How long each part of a rig calls
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// How often the cost is measured on each side
    #[arg(long, default_value_t = 7)]
    pairs: usize,
    /// Calls a second while connections are replaced
    #[arg(long, default_value_t = 1_000)]
    rate: u32,
    /// Only these rigs
    #[arg(long, value_enum)]
    only: Vec<Rig>,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Rig {
    /// Endpoints that are not there, or go away
    Dead,
    /// Endpoints that are slow, or fail at once
    Slow,
    /// A deadline through four hops
    Deadline,
    /// Connections that grow old, certificates that are replaced, processes that restart
    Rotation,
    /// A chain of services whose last one fails
    Storm,
    /// More calls than can be answered
    Overload,
    /// What it all costs
    Tax,
}

/// What all rigs need to know.
pub struct Setting {
    /// How long a part of a rig calls.
    length: Duration,
    /// How often the cost is measured on each side.
    pairs: usize,
    /// Calls a second while connections are replaced.
    rate: u32,
    authority: Authority,
    identities: Identities,
}

// === impl Setting ===

impl Setting {
    /// Identities in `directory`, for calls of this length.
    fn new(directory: &Path, length: Duration, pairs: usize, rate: u32) -> anyhow::Result<Self> {
        let identities = Identities::at(directory);
        let authority = Authority::new()?;
        authority.sign(&[&authority], &identities)?;
        Ok(Self {
            length,
            pairs,
            rate,
            authority,
            identities,
        })
    }

    /// Bare tonic and Outcry, in this order.
    fn sides(&self) -> anyhow::Result<[Side; 2]> {
        Ok([
            Side::new(Kind::Plain, &self.identities)?,
            Side::new(Kind::Outcry, &self.identities)?,
        ])
    }
}

/// Measures and prints; fails when a target is missed.
pub async fn measure(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let directory = tempfile::tempdir()?;
    let length = Duration::from_secs(arguments.seconds);
    let setting = Setting::new(directory.path(), length, arguments.pairs, arguments.rate)?;
    let mut rows = Vec::new();
    for rig in Rig::value_variants() {
        if !arguments.only.is_empty() && !arguments.only.contains(rig) {
            continue;
        }
        let begun = Instant::now();
        rows.extend(rig.measure(&setting).await?);
        eprintln!("{rig:?}: {} s", begun.elapsed().as_secs());
    }
    print!("{}", Table(&rows));
    let short = rows.iter().filter(|row| row.is_short()).count();
    Ok(verdict(short, rows.len()))
}

/// What calls cost next to bare tonic, each part of it called for so long and so often on each side.
pub async fn cost(length: Duration, pairs: usize) -> anyhow::Result<Cost> {
    let directory = tempfile::tempdir()?;
    // Nobody replaces connections here, so there is no rate.
    let setting = Setting::new(directory.path(), length, pairs, 0)?;
    let (cost, _processes) = tax::call(&setting).await?;
    Ok(cost)
}

// === impl Rig ===

impl Rig {
    async fn measure(self, setting: &Setting) -> anyhow::Result<Vec<Row>> {
        match self {
            Rig::Dead => dead::measure(setting).await,
            Rig::Slow => slow::measure(setting).await,
            Rig::Deadline => deadline::measure(setting).await,
            Rig::Rotation => rotation::measure(setting).await,
            Rig::Storm => storm::measure(setting).await,
            Rig::Overload => overload::measure(setting).await,
            Rig::Tax => tax::measure(setting).await,
        }
    }
}
