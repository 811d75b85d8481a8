//! Half an hour at half the top rate: nothing grows, and everything is as it should be afterwards.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde::Deserialize;

use crate::memory::{bytes_in, open_files, resident};
use crate::orders::installation::{self, Installation};
use crate::orders::stages::{Floor, Stages};
use crate::orders::{tell_refused, top_rate};
use crate::percentile::{median, percentile};
use crate::report::{Report, Target};

/// Minutes of it.
const MINUTES: usize = 30;
const MINUTES_QUICK: usize = 3;

/// A minute.
const MINUTE: Duration = Duration::from_secs(60);

/// Orders by which the top rate is found. A quarter of them, on a platform that has just begun, came to a fifth more.
const ORDERS: usize = 6_400;

/// The part of the top rate at which it goes on.
const PACE: f64 = 0.5;

/// How many times what there was in the first third there may be in the last. Caches fill for a
/// while, and minutes differ.
const MEMORY_MAX: f64 = 1.1;
const FILES_MAX: f64 = 1.05;
const LATENCY_MAX: f64 = 1.25;
const BYTES_MAX: f64 = 1.1;

/// Events that may wait at the end of a minute more than did at first: what is under way at a moment.
const LAG_MAX: f64 = 100.0;

/// Minutes after which everybody signs in again: tokens last fifteen.
const RENEWED_EVERY: usize = 10;

/// What was seen in one minute.
struct Minute {
    /// MiB.
    memory: f64,
    /// Events that wait, at services and at the broker.
    lag: f64,
    open_files: f64,
    /// Bytes that an order added to the folder.
    bytes: f64,
    stages: Stages,
}

/// What must not grow: a name, its unit, where it is, and how many times as much there may be.
type Growing = (&'static str, &'static str, fn(&Minute) -> f64, f64);

/// What `outcry audit` says.
#[derive(Debug, Deserialize)]
struct Audit {
    breaches: Vec<serde_json::Value>,
}

/// Measures it.
pub async fn measure(quick: bool, report: &mut Report) -> anyhow::Result<()> {
    report.chapter("Soak");
    let minutes = match quick {
        true => MINUTES_QUICK,
        false => MINUTES,
    };
    let platform = Installation::start().await?;
    let pace = top_rate(&platform.site, ORDERS).await? * PACE;
    report.measure("pace", pace, "orders/s", Target::None);
    let floor = Floor::open(&platform.site, "soak").await?;
    // What the machine keeps for later is there before anything is looked at.
    floor.trade(pace, MINUTE / 4).await?;
    let mut seen = Vec::new();
    for number in 1..=minutes {
        if number.is_multiple_of(RENEWED_EVERY) {
            floor.crowd.renew().await?;
        }
        let minute = minute(&platform, &floor, pace).await?;
        eprintln!("{}", minute.line(number));
        seen.push(minute);
    }
    tell(&seen, report);
    drop(floor);
    audit(&platform, report).await?;
    platform.stop().await
}

async fn minute(platform: &Installation, floor: &Floor, pace: f64) -> anyhow::Result<Minute> {
    let data = &platform.site.data;
    let before = bytes_in(data)?;
    let stages = floor.trade(pace, MINUTE).await?;
    let added = bytes_in(data)? as f64 - before as f64;
    let process = platform.process()?;
    Ok(Minute {
        memory: resident(process)?,
        lag: floor.crowd.admin.events_waiting().await?,
        open_files: open_files(process)? as f64,
        bytes: added / stages.acknowledged.len() as f64,
        stages,
    })
}

fn tell(seen: &[Minute], report: &mut Report) {
    let thirds = |of: fn(&Minute) -> f64| {
        let values: Vec<f64> = seen.iter().map(of).collect();
        let third = (values.len() / 3).max(1);
        let last = values.len().saturating_sub(third);
        [
            median(&values[..third.min(values.len())]),
            median(&values[last..]),
        ]
    };
    let growing: [Growing; 6] = [
        ("memory", "MiB", |minute| minute.memory, MEMORY_MAX),
        ("open files", "", |minute| minute.open_files, FILES_MAX),
        ("bytes of an order", "B", |minute| minute.bytes, BYTES_MAX),
        (
            "place to acknowledged, p50",
            "ms",
            Minute::acknowledged,
            LATENCY_MAX,
        ),
        (
            "place to settled and notified, p50",
            "ms",
            Minute::half,
            LATENCY_MAX,
        ),
        (
            "place to settled and notified, p99",
            "ms",
            Minute::most,
            LATENCY_MAX,
        ),
    ];
    for (name, unit, of, most) in growing {
        let [first, last] = thirds(of);
        report.measure(format!("{name}, first third"), first, unit, Target::None);
        report.measure(format!("{name}, last third"), last, unit, Target::None);
        let ratio = format!("{name}, last third to first");
        report.measure(ratio, last / first, "", Target::AtMost(most));
    }
    let [first, last] = thirds(|minute| minute.lag);
    let more = Target::AtMost(LAG_MAX);
    report.measure(
        "events that wait, more in the last third",
        last - first,
        "",
        more,
    );
    let lost: usize = seen.iter().map(|minute| minute.stages.lost).sum();
    let orders: usize = seen
        .iter()
        .map(|minute| minute.stages.acknowledged.len())
        .sum();
    report.measure(
        "orders never settled or told",
        lost as f64,
        "",
        Target::AtMost(0.0),
    );
    let refused = seen.iter().flat_map(|minute| minute.stages.refused.clone());
    let refused: Vec<String> = refused.collect();
    report.measure(
        "orders refused",
        refused.len() as f64,
        "",
        Target::AtMost(0.0),
    );
    tell_refused(&refused, report);
    report.note(format!(
        "{} minutes, {orders} orders; medians of the minutes of each third",
        seen.len()
    ));
}

/// Recomputes every invariant from the events, while the platform is there.
async fn audit(platform: &Installation, report: &mut Report) -> anyhow::Result<()> {
    let begun = Instant::now();
    let output = installation::command(&platform.site.data)?
        .args(["audit", "--json"])
        .output()
        .await
        .context("running `outcry audit`")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    let audit = serde_json::from_str::<Audit>(&said);
    let audit = audit.with_context(|| format!("the audit said: {said} {complaint}"))?;
    ensure!(
        output.status.success() == audit.breaches.is_empty(),
        "the audit ended with {}: {complaint}",
        output.status
    );
    let breaches = audit.breaches.len() as f64;
    report.measure(
        "breaches found by the audit",
        breaches,
        "",
        Target::AtMost(0.0),
    );
    let seconds = begun.elapsed().as_secs_f64();
    report.measure("the audit took", seconds, "s", Target::None);
    Ok(())
}

// === impl Minute ===

impl Minute {
    fn acknowledged(&self) -> f64 {
        percentile(&self.stages.acknowledged, 50)
    }

    fn half(&self) -> f64 {
        percentile(&self.stages.whole, 50)
    }

    fn most(&self) -> f64 {
        percentile(&self.stages.whole, 99)
    }

    /// As somebody sees it who waits for the end.
    fn line(&self, number: usize) -> String {
        format!(
            "minute {number}: {:.0} MiB, {:.0} waiting, {:.0} files, {:.0} B an order, acknowledged in {:.1} ms, told \
             in {:.1} ms, p99 {:.1} ms, {} lost, {} refused",
            self.memory,
            self.lag,
            self.open_files,
            self.bytes,
            self.acknowledged(),
            self.half(),
            self.most(),
            self.stages.lost,
            self.stages.refused.len()
        )
    }
}
