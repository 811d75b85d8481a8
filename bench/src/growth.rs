//! What growing costs: stores with many events and many dead letters beside an empty one, and more
//! replicas of a consumer.
//!
//! - [`fill`]: stores filled quickly
//! - [`shelf`]: a store that can be closed and opened again
//! - [`replicas`]: one, two and four of a consumer

mod fill;
mod replicas;
mod shelf;

use std::time::Duration;

use anyhow::Context as _;
use outcry_store::{ParkedFilter, Store as _};

use self::fill::STREAM_EVENTS;
use self::replicas::REPLICAS;
use self::shelf::Shelf;
use crate::memory::resident;
use crate::percentile::{milliseconds, percentile};
use crate::report::{Report, Target};

/// Events in a store; the quick run leaves the last one out.
const SIZES: [u64; 3] = [100_000, 1_000_000, 10_000_000];

/// Dead letters.
const DEAD: u64 = 1_000_000;
const DEAD_QUICK: u64 = 100_000;

/// Commits on each side, one after the other in turns: forty of them are slower than the 99th of a
/// hundred.
const COMMITS: usize = 4_000;
const COMMITS_QUICK: usize = 2_000;

/// Commits on each side that come before: caches fill, files grow by their first pages.
const WARM_UP: usize = 200;

/// Streams read.
const READS: usize = 4_000;

/// Events read one after the other to see how fast views are built again: seconds of it.
const REBUILT_MAX: usize = 1_000_000;

/// How many times as long the slowest hundredth may take as in an empty store.
const SLOWER_MAX: f64 = 1.2;

/// How many times the memory at the smallest size may be used at the largest.
const MEMORY_MAX: f64 = 1.2;

/// Events that replicas consume.
const CONSUMED: u64 = 20_000;
const CONSUMED_QUICK: u64 = 5_000;

/// Rows of a page of dead letters, as an operator sees it.
const PAGE: usize = 50;

/// Where the dice begin that choose streams.
const SEED: u64 = 7;

/// Times of two stores, in milliseconds, sorted.
struct Beside {
    empty: Vec<f64>,
    grown: Vec<f64>,
}

/// Which commit is timed.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// An event is appended.
    Append,
    /// An event is handled, and another one appended.
    Handle,
}

/// Measures all of it.
pub async fn measure(quick: bool, report: &mut Report) -> anyhow::Result<()> {
    events(quick, report).await?;
    dead(quick, report).await?;
    consumers(quick, report).await
}

async fn events(quick: bool, report: &mut Report) -> anyhow::Result<()> {
    report.chapter("Growth: events in a store (SQLite)");
    let commits = commits(quick);
    report.note(format!(
        "{commits} commits on each side, one to the empty and one to the grown store in turns, each on the disk when \
         answered"
    ));
    let sizes = if quick { &SIZES[..2] } else { &SIZES[..] };
    let (mut grown, mut filled) = (Shelf::new().await?, 0);
    let mut memory = Vec::new();
    for size in sizes.iter().copied() {
        fill::events(&grown.database, &grown.store, filled, size).await?;
        filled = size;
        let streams = size / STREAM_EVENTS;
        // Streams that were appended to while it was smaller lie behind all that are filled in.
        grown.filled_to(SIZES[SIZES.len() - 1] / STREAM_EVENTS);
        let (reopened, opened) = grown.reopen().await?;
        grown = reopened;
        let mut empty = Shelf::new().await?;
        let beside = in_turns(Kind::Append, &mut empty, &mut grown, commits).await?;
        beside.tell(&format!("{size} events: append"), report);
        let reads = reads(&grown, streams).await?;
        let rebuilt = grown.rebuild(REBUILT_MAX.min(size as usize)).await?;
        memory.push(resident(std::process::id())?);
        let told = [
            ("read of a stream, p50", percentile(&reads, 50), "ms"),
            ("read of a stream, p99", percentile(&reads, 99), "ms"),
            ("opened after", milliseconds(opened), "ms"),
            ("read again for a view", rebuilt, "events/s"),
            ("file", grown.bytes()? as f64 / 1e6, "MB"),
            (
                "memory of this process",
                *memory.last().context("no memory")?,
                "MiB",
            ),
        ];
        for (name, value, unit) in told {
            let name = format!("{size} events: {name}");
            report.measure(name, value, unit, Target::None);
        }
    }
    let ratio = memory.last().copied().unwrap_or(f64::NAN) / memory.first().unwrap_or(&f64::NAN);
    report.measure(
        "memory at the most events to that at the fewest",
        ratio,
        "",
        Target::AtMost(MEMORY_MAX),
    );
    Ok(())
}

async fn dead(quick: bool, report: &mut Report) -> anyhow::Result<()> {
    let count = if quick { DEAD_QUICK } else { DEAD };
    report.chapter(format!("Growth: {count} dead letters in a store (SQLite)"));
    let mut grown = Shelf::new().await?;
    let before = resident(std::process::id())?;
    fill::parked(&grown.store, count).await?;
    grown.filled_to(count * STREAM_EVENTS);
    let (reopened, opened) = grown.reopen().await?;
    grown = reopened;
    let mut empty = Shelf::new().await?;
    let beside = in_turns(Kind::Handle, &mut empty, &mut grown, commits(quick)).await?;
    beside.tell("handle an event of another key", report);
    let mut pages = Vec::new();
    for page in 0..COMMITS_QUICK as u64 {
        pages.push(milliseconds(
            page_of_dead(&grown, page * (count / COMMITS_QUICK as u64)).await?,
        ));
    }
    pages.sort_by(f64::total_cmp);
    let keys = std::time::Instant::now();
    let parked = grown.store.parked_keys(fill::GROUP).await?.len();
    anyhow::ensure!(parked as u64 == count, "{parked} keys are parked");
    let keys = milliseconds(keys.elapsed());
    let told = [
        ("a page of them, p50", percentile(&pages, 50), "ms"),
        ("a page of them, p99", percentile(&pages, 99), "ms"),
        ("all their keys counted", keys, "ms"),
        ("opened after", milliseconds(opened), "ms"),
        ("memory of this process before", before, "MiB"),
        (
            "memory of this process with them",
            resident(std::process::id())?,
            "MiB",
        ),
    ];
    for (name, value, unit) in told {
        report.measure(name, value, unit, Target::None);
    }
    Ok(())
}

async fn page_of_dead(shelf: &Shelf, after: u64) -> anyhow::Result<Duration> {
    let filter = ParkedFilter {
        group: Some(fill::GROUP.to_owned()),
        after,
        limit: PAGE,
        ..ParkedFilter::default()
    };
    let begun = std::time::Instant::now();
    let page = shelf.store.parked(&filter).await?;
    anyhow::ensure!(!page.is_empty(), "a page of dead letters is empty");
    Ok(begun.elapsed())
}

async fn consumers(quick: bool, report: &mut Report) -> anyhow::Result<()> {
    report.chapter("Growth: replicas of a consumer over RabbitMQ");
    report.note(
        "each event is handled in a commit to PostgreSQL with the inbox and a row of a view; replicas, both servers \
         and who publishes share this machine's cores, so more replicas do not add any",
    );
    let (postgres, rabbit) = tokio::try_join!(
        outcry_servers::Postgres::start(),
        outcry_servers::RabbitMq::start()
    )?;
    let events = if quick { CONSUMED_QUICK } else { CONSUMED };
    let mut first = None;
    for replicas in REPLICAS {
        let rate = replicas::rate(&postgres, &rabbit, replicas, events).await?;
        let name = format!("{replicas} replicas");
        report.measure(name, rate, "events/s", Target::None);
        let first = *first.get_or_insert(rate);
        let name = format!("{replicas} replicas to one");
        report.measure(name, rate / first, "", Target::None);
    }
    Ok(())
}

fn commits(quick: bool) -> usize {
    match quick {
        true => COMMITS_QUICK,
        false => COMMITS,
    }
}

/// Commits to both stores in turns.
async fn in_turns(
    kind: Kind,
    empty: &mut Shelf,
    grown: &mut Shelf,
    commits: usize,
) -> anyhow::Result<Beside> {
    let (mut small, mut large) = (Vec::new(), Vec::new());
    for number in 0..WARM_UP + commits {
        // Whoever comes first in one turn comes second in the next.
        let (one, other) = match number % 2 == 0 {
            true => {
                let one = kind.commit(empty).await?;
                (one, kind.commit(grown).await?)
            }
            false => {
                let other = kind.commit(grown).await?;
                (kind.commit(empty).await?, other)
            }
        };
        if number >= WARM_UP {
            small.push(milliseconds(one));
            large.push(milliseconds(other));
        }
    }
    small.sort_by(f64::total_cmp);
    large.sort_by(f64::total_cmp);
    Ok(Beside {
        empty: small,
        grown: large,
    })
}

/// Reads streams here and there.
async fn reads(shelf: &Shelf, streams: u64) -> anyhow::Result<Vec<f64>> {
    let mut dice = fastrand::Rng::with_seed(SEED);
    let mut times = Vec::new();
    for _ in 0..READS {
        let taken = shelf.read(dice.u64(..streams)).await?;
        times.push(milliseconds(taken));
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}

// === impl Kind ===

impl Kind {
    async fn commit(self, shelf: &mut Shelf) -> anyhow::Result<Duration> {
        match self {
            Self::Append => shelf.append().await,
            Self::Handle => shelf.handle().await,
        }
    }
}

// === impl Beside ===

impl Beside {
    fn tell(&self, what: &str, report: &mut Report) {
        for (side, times) in [("empty", &self.empty), ("grown", &self.grown)] {
            for hundredth in [50, 99] {
                let name = format!("{what}, {side} store, p{hundredth}");
                report.measure(name, percentile(times, hundredth), "ms", Target::None);
            }
        }
        report.measure(
            format!("{what}, p99 of the grown store to the empty one"),
            percentile(&self.grown, 99) / percentile(&self.empty, 99),
            "",
            Target::AtMost(SLOWER_MAX),
        );
    }
}
