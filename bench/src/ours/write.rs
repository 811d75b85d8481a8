//! Commits as a service does: an event and a row of a view, in one transaction each.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use outcry_store::{Append, Commit, PostgresStore, Store as _, ViewWrite};
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::sleep_until;

use super::consume::{CONNECTIONS, open};
use super::driver::Driver;
use super::event::Events;
use crate::percentile::percentile;

/// Where the rows are.
const VIEW: &str = "business";

/// What the driver asks for.
#[derive(clap::Args, Clone)]
pub struct Options {
    /// URL of the database
    #[arg(long)]
    postgres: String,
    /// Commits of a round
    #[arg(long)]
    count: u64,
    /// Commits a second; 0 is as fast as the connections go
    #[arg(long)]
    rate: u32,
    /// Bytes of an event
    #[arg(long)]
    body_bytes: usize,
    /// Keys the events are spread over
    #[arg(long)]
    keys: u32,
}

/// A round's result.
#[derive(Debug, Serialize)]
struct Written {
    count: u64,
    seconds: f64,
    commit_p50_us: f64,
    commit_p99_us: f64,
}

/// What is written beside the event.
#[derive(Serialize)]
struct Row {
    note: &'static str,
}

/// Who writes.
struct Writer {
    options: Options,
    store: Arc<PostgresStore>,
    events: Events,
}

/// Writes, round by round. Ids go on over rounds.
pub async fn run(options: Options, mut driver: Driver) -> anyhow::Result<()> {
    ensure!(options.keys > 0, "--keys must be at least 1");
    let writer = Arc::new(Writer {
        store: open(&options.postgres).await?,
        events: Events::of_bytes(options.body_bytes)?,
        options,
    });
    driver.ready()?;
    let mut first = 0;
    while driver.go().await? {
        driver.tell(&round(&writer, first).await?)?;
        first += writer.options.count;
    }
    Ok(())
}

async fn round(writer: &Arc<Writer>, first: u64) -> anyhow::Result<Written> {
    let begun = Instant::now();
    let mut working = JoinSet::new();
    for share in 0..CONNECTIONS as u64 {
        let writer = Arc::clone(writer);
        working.spawn(async move { writer.write(share, first, begun).await });
    }
    let mut commits = Vec::new();
    while let Some(share) = working.join_next().await {
        commits.extend(share??);
    }
    let seconds = begun.elapsed().as_secs_f64();
    commits.sort_by(f64::total_cmp);
    Ok(Written {
        count: writer.options.count,
        seconds,
        commit_p50_us: percentile(&commits, 50),
        commit_p99_us: percentile(&commits, 99),
    })
}

// === impl Writer ===

impl Writer {
    /// Commits each event of its keys at its time, or at once when late; how long each took, in
    /// microseconds. A key is one task's, so that its events are committed in the order of their ids.
    async fn write(&self, share: u64, first: u64, begun: Instant) -> anyhow::Result<Vec<f64>> {
        let mut commits = Vec::new();
        for index in 0..self.options.count {
            let id = first + index;
            let key = id % u64::from(self.options.keys);
            if key % CONNECTIONS as u64 != share {
                continue;
            }
            if self.options.rate > 0 {
                let due = Duration::from_secs(index) / self.options.rate;
                sleep_until((begun + due).into()).await;
            }
            let commit = self.commit(id, u32::try_from(key)?)?;
            let committing = Instant::now();
            self.store.commit(commit).await?;
            commits.push(committing.elapsed().as_secs_f64() * 1e6);
        }
        Ok(commits)
    }

    fn commit(&self, id: u64, key: u32) -> anyhow::Result<Commit> {
        let event = self.events.event(id, key)?;
        let row = Row { note: "noted" };
        Ok(Commit {
            appends: vec![Append {
                stream: event.stream(),
                expected: 0,
                events: vec![event],
            }],
            views: vec![ViewWrite::put(VIEW, id.to_string(), &row)?],
            ..Commit::default()
        })
    }
}
