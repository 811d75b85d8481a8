//! The console while events flow: what a first visit transfers, how soon it can be used, and
//! whether a page that is open for long keeps its memory.
//!
//! - [`traders`]: sales and purchases, so that events flow
//! - [`pages`]: the browser, driven by the package that the console's tests use

mod pages;
mod traders;

use std::time::Duration;

use anyhow::{Context as _, ensure};

use self::pages::{Lap, Load, Said};
use self::traders::Traders;
use crate::orders::installation::Installation;
use crate::percentile::median;
use crate::report::{Report, Target};

/// Events that flow in a second, at least.
const EVENTS: u32 = 1_000;

/// What a first visit may transfer, in kilobytes.
const KILOBYTES_MAX: f64 = 300.0;

/// When it must be usable, in milliseconds after it was asked for.
const USABLE_MAX: f64 = 1_000.0;

/// By how much memory may grow from the first third of the laps to the last.
const GROWTH_MAX: f64 = 1.1;

/// How long events flow before anything is measured.
const WARM_UP: Duration = Duration::from_secs(8);

/// Minutes in which a page is open whose memory is measured.
const MINUTES: f64 = 10.0;
const MINUTES_QUICK: f64 = 1.0;

/// Measures it.
pub async fn measure(quick: bool, report: &mut Report) -> anyhow::Result<()> {
    report.chapter("Console, in a browser while events flow");
    let minutes = if quick { MINUTES_QUICK } else { MINUTES };
    let platform = Installation::start().await?;
    let traders = Traders::begin(&platform.site, EVENTS).await?;
    tokio::time::sleep(WARM_UP).await;
    let flowed = traders.count();
    let said = pages::look(&platform.site, minutes).await?;
    let rate = flowed.per_second();
    let waiting = traders.waiting().await?;
    traders.end();
    platform.stop().await?;
    report.note(format!(
        "The page is open for {minutes} minutes, on the cores that the platform has, too, and shows an \
         administrator's views in turns."
    ));
    report.measure(
        "events meanwhile",
        rate,
        "/s",
        Target::AtLeast(f64::from(EVENTS)),
    );
    report.measure("events that wait at the end", waiting, "", Target::None);
    tell(&said, report)
}

fn tell(said: &[Said], report: &mut Report) -> anyhow::Result<()> {
    let loads: Vec<&Load> = said.iter().filter_map(|one| one.load.as_ref()).collect();
    let laps: Vec<&Lap> = said.iter().filter_map(|one| one.lap.as_ref()).collect();
    ensure!(!loads.is_empty(), "no visit was measured");
    let times: Vec<f64> = loads.iter().map(|load| load.milliseconds).collect();
    let largest = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
    let bytes: Vec<f64> = loads.iter().map(|load| load.bytes).collect();
    let sent = largest(&bytes) / 1e3;
    report.measure(
        "first visit, largest",
        sent,
        "kB",
        Target::AtMost(KILOBYTES_MAX),
    );
    report.measure(
        "usable after, p50",
        median(&times),
        "ms",
        Target::AtMost(USABLE_MAX),
    );
    report.measure("usable after, slowest", largest(&times), "ms", Target::None);
    let last = laps.last().context("no lap")?;
    for (name, growth, at_last) in [
        (
            "JavaScript heap",
            growth(laps.iter().map(|lap| lap.heap)),
            last.heap,
        ),
        (
            "memory of the pages",
            growth(laps.iter().map(|lap| lap.resident)),
            last.resident,
        ),
    ] {
        let growth = growth.context("too few laps")?;
        let ratio = format!("{name}, last third to first");
        report.measure(ratio, growth, "", Target::AtMost(GROWTH_MAX));
        report.measure(
            format!("{name} at the end"),
            at_last / 1e6,
            "MB",
            Target::None,
        );
    }
    let longest: Vec<f64> = laps.iter().map(|lap| lap.longest).collect();
    report.measure("longest task", largest(&longest), "ms", Target::None);
    Ok(())
}

/// The mean of the last third to the mean of the first; `None` where there are no thirds.
fn growth(values: impl Iterator<Item = f64>) -> Option<f64> {
    let values: Vec<f64> = values.collect();
    let third = values.len() / 3;
    let first: f64 = values.get(..third)?.iter().sum();
    let last: f64 = values.get(values.len() - third..)?.iter().sum();
    (first > 0.0).then(|| last / first)
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
    fn without_a_visit_nothing_was_measured() {
        let mut report = Report::new("this");
        report.chapter("Console");
        let lap = Lap {
            heap: 1.0,
            resident: 1.0,
            longest: 1.0,
        };
        let lap = Said {
            load: None,
            lap: Some(lap),
        };
        let unvisited = tell(&[lap], &mut report).unwrap_err();
        assert_eq!(unvisited.to_string(), "no visit was measured");
        assert_eq!(report.judged(), 0);
    }
}
