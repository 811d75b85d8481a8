//! Orders from being placed to being settled and told, in one process and in several, and the limit:
//! a loop that writes the same rows and does nothing else.
//!
//! - [`installation`] and [`cluster`]: the platform in one process, and in several
//! - [`people`]: who trades
//! - [`crowd`]: orders as fast as they are acknowledged
//! - [`sightings`]: when what became of them was seen
//! - [`stages`]: how long they take, at a pace
//! - [`rows`] and [`bare`]: what they write, and a loop that writes nothing else
//! - [`recording`]: a recorded market, played at full speed

mod bare;
mod cluster;
pub mod crowd;
pub mod installation;
pub mod people;
mod recording;
mod rows;
mod sightings;
pub mod stages;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use self::cluster::Cluster;
use self::crowd::{Crowd, PAIRS};
use self::installation::{Installation, Site};
use self::recording::Recording;
use self::rows::Written;
use self::stages::{Floor, Stages};
use crate::percentile::{median, percentile};
use crate::report::{Report, Target};

/// The part of the bare loop's orders a second there must be.
const RATIO_MIN: f64 = 0.5;

/// How many times as long as half of the orders ninety-nine of a hundred may take.
const TAIL_MAX: f64 = 10.0;

/// The pace at which latencies are measured: half of what was reached, where queues are short.
const PACE: f64 = 0.5;

/// Time for what follows the last settlement, such as the archive, to be written down.
const AFTERWARDS: Duration = Duration::from_secs(2);

/// Reasons of refused orders that are told, at most.
const REASONS_MAX: usize = 10;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
struct Size {
    /// Orders of one rush: several seconds of them.
    orders: usize,
    /// Rushes, each with the bare loop after it.
    rounds: usize,
    /// How long orders are placed at a pace.
    paced: Duration,
}

/// What rushes and bare loops came to, round by round.
#[derive(Default)]
struct Rates {
    settled: Vec<f64>,
    acknowledged: Vec<f64>,
    bare: Vec<f64>,
    bare_at_once: Vec<f64>,
}

// === impl Size ===

impl Size {
    fn of(quick: bool) -> Self {
        match quick {
            true => Self {
                orders: 400,
                rounds: 3,
                paced: Duration::from_secs(8),
            },
            false => Self {
                orders: 1_200,
                rounds: 5,
                paced: Duration::from_secs(30),
            },
        }
    }
}

/// Measures everything.
pub async fn measure(quick: bool, report: &mut Report) -> anyhow::Result<()> {
    let size = Size::of(quick);
    embedded(size, report).await?;
    replay(report).await?;
    distributed(size, report).await
}

/// Orders a second that one process settles, in one rush after a warm-up.
pub async fn top_rate(site: &Site, orders: usize) -> anyhow::Result<f64> {
    let crowd = Crowd::come(site, "rush").await?;
    crowd.rush(orders / 4).await?;
    Ok(crowd.rush(orders).await?.settled_rate())
}

async fn embedded(size: Size, report: &mut Report) -> anyhow::Result<()> {
    report.chapter("Orders, one process (`outcry up`)");
    let platform = Installation::start().await?;
    let crowd = Crowd::come(&platform.site, "rush").await?;
    // The first orders find nothing in any cache.
    crowd.rush(size.orders / 4).await?;
    let folder = tempfile::tempdir()?;
    let [before, after] = ["before.db", "after.db"].map(|name| folder.path().join(name));
    tokio::time::sleep(AFTERWARDS).await;
    copy(&platform, &before).await?;
    let counted = crowd.rush(size.orders).await?;
    tokio::time::sleep(AFTERWARDS).await;
    copy(&platform, &after).await?;
    let written = tokio::task::block_in_place(|| Written::between(&before, &after, counted.orders));
    let written = Arc::new(written?);
    let mut rates = Rates::default();
    for round in 0..size.rounds {
        // Whoever comes first in one round comes last in the next.
        if round % 2 == 0 {
            rates.rush(&crowd, size.orders).await?;
        }
        let commits = written.commits;
        let bare = bare::rate(&before, &written, commits, PAIRS).await?;
        let at_once = bare::rate(&before, &written, 1, PAIRS).await?;
        rates.bare.push(bare);
        rates.bare_at_once.push(at_once);
        if round % 2 == 1 {
            rates.rush(&crowd, size.orders).await?;
        }
    }
    tell_rates(&rates, &written, report);
    let floor = Floor::open(&platform.site, "pace").await?;
    let pace = median(&rates.settled) * PACE;
    let stages = floor.trade(pace, size.paced).await?;
    tell_stages(&stages, pace, report);
    drop((floor, crowd));
    platform.stop().await
}

async fn copy(platform: &Installation, to: &std::path::Path) -> anyhow::Result<()> {
    let (database, to) = (platform.database(), to.to_owned());
    tokio::task::spawn_blocking(move || rows::copy(&database, &to)).await?
}

async fn distributed(size: Size, report: &mut Report) -> anyhow::Result<()> {
    report.chapter("Orders, several processes over RabbitMQ and PostgreSQL (`outcry serve`)");
    let cluster = Cluster::start().await?;
    report.note(format!(
        "{} processes, RabbitMQ and PostgreSQL share this machine's cores with those who trade",
        cluster.size()
    ));
    let crowd = Crowd::come(&cluster.site, "rush").await?;
    crowd.rush(size.orders / 4).await?;
    let mut rates = Rates::default();
    for _ in 0..size.rounds {
        rates.rush(&crowd, size.orders / 2).await?;
    }
    let settled = median(&rates.settled);
    report.measure("orders, all settled", settled, "orders/s", Target::None);
    let acknowledged = median(&rates.acknowledged);
    report.measure(
        "orders, all acknowledged",
        acknowledged,
        "orders/s",
        Target::None,
    );
    let floor = Floor::open(&cluster.site, "pace").await?;
    let stages = floor.trade(settled * PACE, size.paced).await?;
    tell_stages(&stages, settled * PACE, report);
    drop((floor, crowd));
    cluster.stop().await
}

async fn replay(report: &mut Report) -> anyhow::Result<()> {
    report.chapter("Orders, a recorded market at full speed (`outcry replay`)");
    let recording = Recording::find()?;
    let platform = Installation::start().await?;
    let replayed = recording.replay(&platform.site).await?;
    platform.stop().await?;
    report.note(match recording.is_real {
        true => "the LOBSTER sample; one step after the other, each acknowledged before the next",
        false => "a made-up recording: there is no LOBSTER sample in ../shared/data",
    });
    let orders = &replayed.orders;
    let changes = orders.changes as f64 / replayed.seconds;
    report.note(format!(
        "{} orders and {} cancels and changes in {:.1} s, {} fills, {} rejected, best prices equal to the \
         recorded ones {} of {} times",
        orders.sent,
        orders.changes,
        replayed.seconds,
        replayed.fills,
        orders.rejected,
        replayed.top_of_book.equal,
        replayed.top_of_book.compared
    ));
    report.measure(
        "orders",
        replayed.orders_per_second,
        "orders/s",
        Target::None,
    );
    report.measure(
        "cancels and changes meanwhile",
        changes,
        "1/s",
        Target::None,
    );
    let times = &replayed.place_to_acknowledged_ms;
    report.measure("place to acknowledged, p50", times.p50, "ms", Target::None);
    report.measure("place to acknowledged, p99", times.p99, "ms", Target::None);
    Ok(())
}

fn tell_rates(rates: &Rates, written: &Written, report: &mut Report) {
    let pairs = |limits: &[f64]| {
        let pairs = rates.settled.iter().zip(limits);
        median(&pairs.map(|(own, limit)| own / limit).collect::<Vec<_>>())
    };
    let told = [
        ("orders, all settled", median(&rates.settled)),
        ("orders, all acknowledged", median(&rates.acknowledged)),
        (
            "bare loop, the same rows in as many commits",
            median(&rates.bare),
        ),
        (
            "bare loop, one commit an order",
            median(&rates.bare_at_once),
        ),
    ];
    for (name, rate) in told {
        report.measure(name, rate, "orders/s", Target::None);
    }
    report.measure(
        "orders to bare loop",
        pairs(&rates.bare),
        "",
        Target::AtLeast(RATIO_MIN),
    );
    report.measure(
        "orders to bare loop of one commit an order",
        pairs(&rates.bare_at_once),
        "",
        Target::None,
    );
    let kinds = written.of_an_order();
    let kinds = kinds
        .iter()
        .map(|(kind, count)| format!("{count:.1} {kind}"));
    report.note(format!(
        "an order writes, in {} commits: {}",
        written.commits,
        kinds.collect::<Vec<_>>().join(", ")
    ));
    report.note(format!(
        "{PAIRS} orders on their way at once, on both sides; every order is filled whole; medians of {} rounds in \
         turns; who trades shares the cores",
        rates.settled.len()
    ));
}

fn tell_stages(stages: &Stages, pace: f64, report: &mut Report) {
    report.measure("pace of the times below", pace, "orders/s", Target::None);
    for (stage, times) in stages.named() {
        for hundredth in [50, 99] {
            let name = format!("{stage}, p{hundredth}");
            report.measure(name, percentile(times, hundredth), "ms", Target::None);
        }
    }
    for (name, times, target) in [
        (
            "place to settled, p99 to p50",
            &stages.settled,
            Target::AtMost(TAIL_MAX),
        ),
        (
            "place to settled and notified, p99 to p50",
            &stages.whole,
            Target::None,
        ),
    ] {
        let tail = percentile(times, 99) / percentile(times, 50);
        report.measure(name, tail, "", target);
    }
    for (name, count) in [
        ("orders never settled or told", stages.lost),
        ("orders refused", stages.refused.len()),
    ] {
        report.measure(name, count as f64, "", Target::AtMost(0.0));
    }
    tell_refused(&stages.refused, report);
}

/// Why orders were refused: each reason once, with how often.
pub fn tell_refused(reasons: &[String], report: &mut Report) {
    let mut counted = BTreeMap::new();
    for reason in reasons {
        *counted.entry(reason.as_str()).or_insert(0_usize) += 1;
    }
    for (reason, times) in counted.into_iter().take(REASONS_MAX) {
        report.note(format!("refused {times} times: {reason}"));
    }
}

// === impl Rates ===

impl Rates {
    async fn rush(&mut self, crowd: &Crowd, orders: usize) -> anyhow::Result<()> {
        // A full run takes longer than a token lasts.
        crowd.renew().await?;
        let rush = crowd.rush(orders).await?;
        self.settled.push(rush.settled_rate());
        self.acknowledged.push(rush.acknowledged_rate());
        Ok(())
    }
}
