//! The console while events flow: what a first visit transfers, how soon it can be used, and
//! whether a page that is open for long keeps its memory.
//!
//! - [`traders`]: sales and purchases, so that events flow
//! - [`pages`]: the browser, driven by the package that the console's tests use

mod pages;
mod traders;

use std::fmt;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use self::pages::{Lap, Load, Said};
use self::traders::Traders;
use crate::orders::installation::Installation;
use crate::percentile::median;
use crate::verdict::verdict;

/// What a first visit may transfer, in bytes.
const BYTES_MAX: f64 = 300_000.0;

/// When it must be usable, in milliseconds after it was asked for.
const USABLE_MAX: f64 = 1_000.0;

/// By how much memory may grow from the first third of the laps to the last.
const GROWTH_MAX: f64 = 1.1;

/// How long events flow before anything is measured.
const WARM_UP: Duration = Duration::from_secs(8);

/// Settings of the measurement.
#[derive(clap::Args)]
pub struct Arguments {
    /// How long a page is open whose memory is measured
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// Events a second
    #[arg(long, default_value_t = 1_000)]
    events: u32,
}

/// What one measure came to.
struct Row {
    measure: &'static str,
    value: String,
    target: String,
    passes: Option<bool>,
}

/// Measures and prints; fails when a target is missed.
pub async fn measure(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let platform = Installation::start().await?;
    let traders = Traders::begin(&platform.site, arguments.events).await?;
    tokio::time::sleep(WARM_UP).await;
    let flowed = traders.count();
    let said = pages::look(&platform.site, arguments.minutes).await?;
    let rate = flowed.per_second();
    let waiting = traders.waiting().await?;
    traders.end();
    platform.stop().await?;
    let rows = rows(&said, rate, waiting, arguments.events)?;
    for row in &rows {
        println!("{row}");
    }
    let short = rows.iter().filter(|row| row.passes == Some(false)).count();
    Ok(verdict(short, rows.len()))
}

fn rows(said: &[Said], rate: f64, waiting: f64, wanted: u32) -> anyhow::Result<Vec<Row>> {
    let loads: Vec<&Load> = said.iter().filter_map(|one| one.load.as_ref()).collect();
    let laps: Vec<&Lap> = said.iter().filter_map(|one| one.lap.as_ref()).collect();
    let times: Vec<f64> = loads.iter().map(|load| load.milliseconds).collect();
    let bytes = loads.iter().map(|load| load.bytes).fold(0.0, f64::max);
    ensure!(!times.is_empty(), "no visit was measured");
    let usable = median(&times);
    let slowest = times.iter().copied().fold(0.0, f64::max);
    let heap = growth(laps.iter().map(|lap| lap.heap)).context("too few laps")?;
    let resident = growth(laps.iter().map(|lap| lap.resident)).context("too few laps")?;
    let longest = laps.iter().map(|lap| lap.longest).fold(0.0, f64::max);
    let last = laps.last().context("no lap")?;
    Ok(vec![
        Row::judged(
            "events a second meanwhile",
            format!("{rate:.0}"),
            format!(">= {wanted}"),
            rate >= f64::from(wanted),
        ),
        Row::told("events that wait at the end", format!("{waiting:.0}")),
        Row::judged(
            "first visit, largest",
            format!("{:.0} kB", bytes / 1e3),
            format!("< {:.0} kB", BYTES_MAX / 1e3),
            bytes < BYTES_MAX,
        ),
        Row::judged(
            "usable after, median",
            format!("{usable:.0} ms"),
            format!("< {USABLE_MAX:.0} ms"),
            usable < USABLE_MAX,
        ),
        Row::told("usable after, slowest", format!("{slowest:.0} ms")),
        Row::judged(
            "JavaScript heap, last third to first",
            format!("{heap:.3}"),
            format!("<= {GROWTH_MAX}"),
            heap <= GROWTH_MAX,
        ),
        Row::told("JavaScript heap at the end", megabytes(last.heap)),
        Row::judged(
            "memory of the pages, last third to first",
            format!("{resident:.3}"),
            format!("<= {GROWTH_MAX}"),
            resident <= GROWTH_MAX,
        ),
        Row::told("memory of the pages at the end", megabytes(last.resident)),
        Row::told("longest task", format!("{longest:.0} ms")),
    ])
}

fn megabytes(bytes: f64) -> String {
    format!("{:.1} MB", bytes / 1e6)
}

/// The mean of the last third to the mean of the first; `None` where there are no thirds.
fn growth(values: impl Iterator<Item = f64>) -> Option<f64> {
    let values: Vec<f64> = values.collect();
    let third = values.len() / 3;
    let first: f64 = values.get(..third)?.iter().sum();
    let last: f64 = values.get(values.len() - third..)?.iter().sum();
    (first > 0.0).then(|| last / first)
}

// === impl Row ===

impl Row {
    fn judged(measure: &'static str, value: String, target: String, passes: bool) -> Self {
        Self {
            measure,
            value,
            target,
            passes: Some(passes),
        }
    }

    fn told(measure: &'static str, value: String) -> Self {
        Self {
            measure,
            value,
            target: String::new(),
            passes: None,
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            measure,
            value,
            target,
            passes,
        } = self;
        let verdict = match passes {
            Some(true) => "pass",
            Some(false) => "SHORT",
            None => "",
        };
        let line = format!("{measure:<42}  {value:>10}  {target:<10}  {verdict}");
        f.write_str(line.trim_end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_grows_is_seen_by_its_thirds() {
        let steady = growth([10.0, 12.0, 11.0, 10.0, 12.0, 10.0].into_iter());
        assert_eq!(steady, Some(1.0));
        let grown = growth([1.0, 2.0, 4.0].into_iter());
        assert_eq!(grown, Some(4.0));
        assert_eq!(growth([1.0, 2.0].into_iter()), None);
    }

    #[test]
    fn the_middle_of_some_times_is_one_of_them() {
        assert_eq!(median(&[9.0, 1.0, 5.0]), 5.0);
        let lap = Lap {
            heap: 1.0,
            resident: 1.0,
            longest: 1.0,
        };
        let laps = (0..3).map(|_| Said {
            load: None,
            lap: Some(lap.clone()),
        });
        let unvisited = rows(&laps.collect::<Vec<_>>(), 0.0, 0.0, 1).err();
        assert_eq!(unvisited.unwrap().to_string(), "no visit was measured");
    }
}
