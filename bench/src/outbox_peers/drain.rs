//! How fast an outbox is emptied, and what its relays ask of the database when it is empty.

use std::time::Duration;

use anyhow::ensure;

use super::place::Arrivals;
use super::subject::{Kind, Load, Subject};
use super::{Course, KEYS, WRITE_MAX, Written, relays};
use crate::report::Target;
use crate::sides::number;
use crate::trail::Trail;

/// Keys when few of them have much to do: within a batch, a message of a key waits for the one before.
const FEW_KEYS: u32 = 16;

/// Of the best peer's drain.
const DRAIN: Target = Target::AtLeast(3.0);

/// Messages that have been relayed before it is looked at what is asked when there are no more.
const BEFORE_IDLE: usize = 1_000;

/// How long relays are left alone before it is counted what they ask when there is nothing to do: PostgreSQL writes
/// down what a connection did up to ten seconds after the connection has become idle.
const CALM: Duration = Duration::from_secs(12);

/// Queries a second when idle: the sweep for what no news tells of and the renewal of leases, together no more
/// than one, and a tenth more for statistics that the server writes down a second late.
const IDLE: Target = Target::AtMost(1.1);

// === impl Course ===

impl Course<'_> {
    /// Rows that wait before a relay begins.
    pub(super) async fn drains(&mut self) -> anyhow::Result<()> {
        let run = "drain";
        let mut all: Vec<(Kind, Vec<f64>)> = Vec::new();
        for subject in self.subjects.clone() {
            if !self.has_time(&subject, run) {
                continue;
            }
            match self.drain(&subject, KEYS).await {
                Ok(per_second) => all.push((subject.kind, vec![per_second])),
                Err(error) => self.excuse(subject.kind, run, error)?,
            }
            if subject.kind == Kind::Outcry {
                self.drain(&subject, FEW_KEYS).await?;
            }
        }
        let all: Vec<_> = all.iter().map(|(kind, values)| (*kind, values)).collect();
        self.compare("drain, Outcry to the best peer", &all, f64::max, DRAIN);
        Ok(())
    }

    async fn drain(&mut self, subject: &Subject, keys: u32) -> anyhow::Result<f64> {
        let place = self.rig.place(subject.kind).await?;
        let load = Load {
            count: self.pace.drain,
            rate: 0,
            keys,
        };
        let mut writer = subject.writer(&place, load).await?;
        writer.go().await?;
        let _: Written = writer.result(WRITE_MAX * 10).await?;
        // One process that also relays has been relaying meanwhile, slower than it writes.
        let relays = relays(subject, &place, 1).await?;
        let most = match subject.kind {
            Kind::Outcry => self.pace.arrive,
            _ => self.pace.watched,
        };
        let arrivals = place.arrivals(subject, load.count, most).await?;
        let name = subject.kind.name();
        let per_second = arrivals.per_second();
        self.report.measure(
            format!("{name}: drain of {} rows with {keys} keys", load.count),
            per_second,
            "1/s",
            Target::None,
        );
        self.tell_drain(subject.kind, keys, &arrivals, load.count);
        self.end(subject.kind, writer, relays).await;
        Ok(per_second)
    }

    /// What relays ask the database when there is nothing to do.
    pub(super) async fn idle(&mut self) -> anyhow::Result<()> {
        let run = "idle";
        for subject in self.subjects.clone() {
            if !self.has_time(&subject, run) {
                continue;
            }
            let target = match subject.kind {
                Kind::Outcry => IDLE,
                _ => Target::None,
            };
            let name = subject.kind.name();
            match self.idle_transactions(&subject).await {
                Ok(transactions) => self.report.measure(
                    format!("{name}: transactions a second when idle"),
                    transactions,
                    "1/s",
                    target,
                ),
                Err(error) => self.excuse(subject.kind, run, error)?,
            }
        }
        Ok(())
    }

    async fn idle_transactions(&mut self, subject: &Subject) -> anyhow::Result<f64> {
        let place = self.rig.place(subject.kind).await?;
        let load = Load {
            count: BEFORE_IDLE,
            rate: 0,
            keys: KEYS,
        };
        let relays = relays(subject, &place, 1).await?;
        let mut writer = subject.writer(&place, load).await?;
        writer.go().await?;
        let _: Written = writer.result(WRITE_MAX).await?;
        let arrivals = place
            .arrivals(subject, load.count, self.pace.arrive)
            .await?;
        let missing = arrivals.trail(load.count).lost;
        ensure!(missing == 0, "{missing} messages did not arrive");
        tokio::time::sleep(CALM).await;
        let idle = self.pace.idle;
        let transactions = self.rig.transactions(&place, idle).await?;
        self.end(subject.kind, writer, relays).await;
        Ok(number(usize::try_from(transactions)?) / idle.as_secs_f64())
    }

    fn tell_drain(&mut self, kind: Kind, keys: u32, arrivals: &Arrivals, count: usize) {
        let mut trail = arrivals.trail(count);
        let name = format!("{}, drain with {keys} keys", kind.name());
        if kind != Kind::Outcry && trail.lost > 0 {
            let (arrived, watched) = (count - trail.lost, self.pace.watched);
            self.report.note(format!(
                "{name}: {arrived} rows had arrived after {watched:?}, of which this is the rate"
            ));
            trail.lost = 0;
        }
        if kind == Kind::Outcry || trail != Trail::default() {
            self.tell_trail(kind, &name, trail);
        }
    }
}
