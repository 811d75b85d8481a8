//! The outbox: from the commit to the arrival at a consumer, beside the outboxes of other libraries.
//!
//! - [`drain`]: rows that wait, and what is asked when there are none
//! - [`subject`]: whose outbox it is
//! - [`place`]: where a run happens, and what has arrived

mod drain;
mod place;
mod subject;

use std::time::{Duration, Instant};

use serde::Deserialize;

use self::place::{Place, Rig};
use self::subject::{Kind, Load, Subject};
use crate::peer::Peer;
use crate::peers::Peers;
use crate::percentile::{median, percentile};
use crate::report::{Report, Target};
use crate::sides::{number, ratio};
use crate::trail::Trail;

/// Commits a second.
const RATES: [u32; 2] = [100, 1_000];

/// The rate that is judged.
const JUDGED: u32 = 1_000;

/// Keys of the messages: as many as a batch of Outcry's relay has messages.
const KEYS: u32 = 256;

/// Commits a second while relays are killed.
const CRASH_RATE: u32 = 300;

/// Between two kills.
const KILL_EVERY: Duration = Duration::from_secs(2);

/// What a writer may take beyond the time its rate gives it.
const WRITE_MAX: Duration = Duration::from_secs(120);

/// Of the best peer's 99th percentile.
const P99: Target = Target::AtMost(0.1);

/// How much is measured.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// Rounds of the paced runs, in turns.
    rounds: usize,
    /// How long a paced run writes, by [`RATES`].
    seconds: [usize; 2],
    /// Rows of the drain.
    drain: usize,
    /// How long a peer's drain is watched: the rate of the slow ones is that of so long.
    watched: Duration,
    /// How long idle relays are watched.
    idle: Duration,
    /// Relays killed.
    kills: u32,
    /// How long after the last commit the last message may arrive.
    arrive: Duration,
    /// A peer's run is not begun later than this.
    budget: Duration,
}

const QUICK: Pace = Pace {
    rounds: 1,
    seconds: [4, 4],
    drain: 2_000,
    watched: Duration::from_secs(25),
    idle: Duration::from_secs(5),
    kills: 2,
    arrive: Duration::from_secs(25),
    budget: Duration::from_secs(245),
};

const FULL: Pace = Pace {
    rounds: 3,
    seconds: [15, 10],
    drain: 100_000,
    watched: Duration::from_secs(60),
    idle: Duration::from_secs(20),
    kills: 5,
    arrive: Duration::from_secs(20 * 60),
    budget: Duration::from_secs(3 * 60 * 60),
};

/// What a writer says of a round.
#[derive(Debug, Deserialize)]
struct Written {
    commit_p99_us: f64,
}

/// What the paced runs of one subject at one rate came to, round by round, in milliseconds.
#[derive(Debug, Default)]
struct Delays {
    p50: Vec<f64>,
    p99: Vec<f64>,
    commit_p99: Vec<f64>,
    trail: Trail,
}

/// A measurement that is going on.
struct Course<'a> {
    pace: Pace,
    begun: Instant,
    rig: Rig,
    subjects: Vec<Subject>,
    report: &'a mut Report,
}

/// Measures the chapter.
pub async fn measure(quick: bool, peers: &Peers, report: &mut Report) -> anyhow::Result<()> {
    report.chapter("Outbox in PostgreSQL, relayed to RabbitMQ");
    report.note(
        "A writer commits a business row and a message of 512 bytes in one transaction over 8 \
         connections; a relay takes it to RabbitMQ; the driver consumes. Time is from before the commit \
         (Outcry: before the whole transaction, which is one call) to the arrival. The first quarter of \
         a run is warm-up. Each run has a database and a virtual host of its own.",
    );
    report.note(format!(
        "Messages have {KEYS} keys. Peers are set for low latency as their documentation has it: \
         hexeract polls every 20 ms with two workers, Watermill every 10 ms, Spring Modulith does not \
         poll."
    ));
    let pace = if quick { QUICK } else { FULL };
    report.note(format!(
        "Lost is what had not arrived {:?} after the last commit: of a relay that is far behind, that \
         need not be lost for ever.",
        pace.arrive
    ));
    let mut subjects = Vec::new();
    for kind in Kind::ALL {
        match Subject::of(kind, peers) {
            Ok(subject) => subjects.push(subject),
            Err(error) => report.note(format!("{} is left out: {error:#}", kind.name())),
        }
    }
    let mut course = Course {
        pace,
        begun: Instant::now(),
        rig: Rig::start().await?,
        subjects,
        report,
    };
    for (rate, seconds) in RATES.into_iter().zip(course.pace.seconds) {
        course.paced(rate, seconds).await?;
    }
    course.drains().await?;
    course.idle().await?;
    course.crashes().await
}

// === impl Course ===

impl Course<'_> {
    /// Whether a peer's run may still begin. Outcry's always does.
    fn has_time(&mut self, subject: &Subject, run: &str) -> bool {
        let has = subject.kind == Kind::Outcry || self.begun.elapsed() < self.pace.budget;
        if !has {
            let name = subject.kind.name();
            self.report
                .note(format!("{name}: no time was left for {run}"));
        }
        has
    }

    /// What to do about a failed run: Outcry's is an error, a peer's is told.
    fn excuse(&mut self, kind: Kind, run: &str, error: anyhow::Error) -> anyhow::Result<()> {
        if kind == Kind::Outcry {
            return Err(error.context(run.to_owned()));
        }
        let name = kind.name();
        self.report.note(format!("{name} failed, {run}: {error:#}"));
        Ok(())
    }

    /// Commits at a steady rate.
    async fn paced(&mut self, rate: u32, seconds: usize) -> anyhow::Result<()> {
        let run = format!("{rate} commits a second");
        let load = Load {
            count: usize::try_from(rate)? * seconds,
            rate,
            keys: KEYS,
        };
        let subjects = self.subjects.clone();
        let mut all: Vec<_> = subjects.iter().map(|_| Delays::default()).collect();
        for round in 0..self.pace.rounds {
            for place in 0..subjects.len() {
                let turn = (place + round) % subjects.len();
                let (subject, delays) = (&subjects[turn], &mut all[turn]);
                if !self.has_time(subject, &run) {
                    continue;
                }
                if let Err(error) = self.paced_round(subject, load, delays).await {
                    self.excuse(subject.kind, &run, error)?;
                }
            }
        }
        for (subject, delays) in subjects.iter().zip(&all) {
            self.tell_delays(subject.kind, rate, delays);
        }
        let measured = subjects.iter().zip(&all);
        let measured: Vec<_> = measured
            .map(|(subject, delays)| (subject.kind, &delays.p99))
            .collect();
        let target = if rate == JUDGED { P99 } else { Target::None };
        let name = format!("at {rate}/s: p99, Outcry to the best peer");
        self.compare(&name, &measured, f64::min, target);
        Ok(())
    }

    async fn paced_round(
        &mut self,
        subject: &Subject,
        load: Load,
        delays: &mut Delays,
    ) -> anyhow::Result<()> {
        let place = self.rig.place(subject.kind).await?;
        let relays = relays(subject, &place, 1).await?;
        let mut writer = subject.writer(&place, load).await?;
        let library = format!("version of {}'s outbox", subject.kind.name());
        self.report.fact(library, writer.library());
        writer.go().await?;
        let written: Written = writer.result(write_max(load)).await?;
        let arrivals = place
            .arrivals(subject, load.count, self.pace.arrive)
            .await?;
        let sorted = arrivals.delays(load.count);
        delays.p50.push(percentile(&sorted, 50));
        delays.p99.push(percentile(&sorted, 99));
        delays.commit_p99.push(written.commit_p99_us / 1e3);
        delays.trail += arrivals.trail(load.count);
        self.end(subject.kind, writer, relays).await;
        Ok(())
    }

    /// Ends the processes of a run. What goes wrong with that changes nothing of what was measured.
    async fn end(&mut self, kind: Kind, writer: Peer, relays: Vec<Peer>) {
        for process in std::iter::once(writer).chain(relays) {
            if let Err(error) = process.stop().await {
                let name = kind.name();
                self.report.note(format!("{name} at its end: {error:#}"));
            }
        }
    }

    fn tell_delays(&mut self, kind: Kind, rate: u32, delays: &Delays) {
        if delays.p99.is_empty() {
            return;
        }
        let name = format!("{}, {rate}/s", kind.name());
        let figures = [
            ("p50", &delays.p50),
            ("p99", &delays.p99),
            ("p99 of the commit alone", &delays.commit_p99),
        ];
        for (figure, values) in figures {
            let name = format!("{name}: {figure}");
            self.report
                .measure(name, median(values), "ms", Target::None);
        }
        if kind == Kind::Outcry {
            self.tell_trail(kind, &name, delays.trail);
        } else if delays.trail.lost > 0 {
            let (late, bound) = (delays.trail.lost, self.pace.arrive);
            self.report.note(format!(
                "{name}: {late} messages had not arrived {bound:?} after the last commit"
            ));
        }
        if kind != Kind::Outcry && delays.trail.reordered > 0 {
            let reordered = delays.trail.reordered;
            self.report
                .note(format!("{name}: {reordered} messages came out of order"));
        }
    }

    /// What Outcry promises is judged; what others do not promise is told.
    fn tell_trail(&mut self, kind: Kind, name: &str, trail: Trail) {
        let target = match kind {
            Kind::Outcry => Target::AtMost(0.0),
            _ => Target::None,
        };
        for (what, count) in [("lost", trail.lost), ("out of order", trail.reordered)] {
            self.report
                .measure(format!("{name}: {what}"), number(count), "", target);
        }
        if trail.duplicated > 0 {
            let twice = trail.duplicated;
            self.report
                .note(format!("{name}: {twice} messages came more than once"));
        }
    }

    /// Outcry beside the best peer; `better` of two medians is the better one.
    fn compare(
        &mut self,
        name: &str,
        measured: &[(Kind, &Vec<f64>)],
        better: fn(f64, f64) -> f64,
        target: Target,
    ) {
        let of = |kind: &Kind| *kind == Kind::Outcry;
        let outcry = measured.iter().find(|(kind, _)| of(kind));
        let others = measured.iter().filter(|(kind, _)| !of(kind));
        let best = others
            .filter(|(_, values)| !values.is_empty())
            .reduce(|one, other| {
                let (first, second) = (median(one.1), median(other.1));
                if better(first, second) == second {
                    other
                } else {
                    one
                }
            });
        match (outcry, best) {
            (Some((_, outcry)), Some((kind, best))) => {
                let name = format!("{name} ({})", kind.name());
                self.report.measure(name, ratio(outcry, best), "x", target);
            }
            _ if target == Target::None => {}
            _ => self.report.missing(name, target, "no peer is there"),
        }
    }

    /// Two relays of one outbox, of which one is killed again and again.
    async fn crashes(&mut self) -> anyhow::Result<()> {
        let run = "two relays with kill -9";
        for subject in self.subjects.clone() {
            if !subject.kind.has_relay() {
                let name = subject.kind.name();
                self.report.note(format!(
                    "{name}: {run} is not measured, its writer is in the same process"
                ));
                continue;
            }
            if !self.has_time(&subject, run) {
                continue;
            }
            match self.crash(&subject).await {
                Ok(trail) => {
                    let name = format!("{}, {run}", subject.kind.name());
                    self.tell_trail(subject.kind, &name, trail);
                }
                Err(error) => self.excuse(subject.kind, run, error)?,
            }
        }
        Ok(())
    }

    async fn crash(&mut self, subject: &Subject) -> anyhow::Result<Trail> {
        let kills = self.pace.kills;
        let seconds = KILL_EVERY.as_secs() * u64::from(kills + 1);
        let load = Load {
            count: usize::try_from(u64::from(CRASH_RATE) * seconds)?,
            rate: CRASH_RATE,
            keys: KEYS,
        };
        let place = self.rig.place(subject.kind).await?;
        let mut relays = relays(subject, &place, 2).await?;
        let mut writer = subject.writer(&place, load).await?;
        writer.go().await?;
        for _ in 0..kills {
            tokio::time::sleep(KILL_EVERY).await;
            relays.remove(0).kill().await?;
            relays.push(subject.relay(&place).await?);
        }
        let _: Written = writer.result(write_max(load)).await?;
        let arrivals = place
            .arrivals(subject, load.count, self.pace.arrive)
            .await?;
        self.end(subject.kind, writer, relays).await;
        Ok(arrivals.trail(load.count))
    }
}

/// Starts so many relays; none where the writer is one.
async fn relays(subject: &Subject, place: &Place, count: usize) -> anyhow::Result<Vec<Peer>> {
    let mut relays = Vec::new();
    if subject.kind.has_relay() {
        for _ in 0..count {
            relays.push(subject.relay(place).await?);
        }
    }
    Ok(relays)
}

/// How long a writer may take.
fn write_max(load: Load) -> Duration {
    let seconds = load.count as u64 / u64::from(load.rate.max(1));
    Duration::from_secs(seconds) + WRITE_MAX
}
