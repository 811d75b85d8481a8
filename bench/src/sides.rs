//! Sides that do the same work in turns: Outcry and its peers.

use std::time::{Duration, Instant};

use crate::peer::{Options, Peer, Program};
use crate::peers::{Language, Peers};
use crate::percentile::median;
use crate::report::{Report, Target};
use crate::trail::Trail;

/// The side that must not fail.
pub const OUTCRY: &str = "Outcry";

/// Shortest processor time there is: one tick of the system.
const CPU_MIN: f64 = 0.01;

/// A peer that takes part.
#[derive(Debug, Clone, Copy)]
pub struct Contestant {
    /// What the report calls it.
    pub name: &'static str,
    /// Which program it is part of.
    pub language: Language,
    /// Its job there; also the name of what it has for itself: queue, routing key, database.
    pub job: &'static str,
}

/// How much is measured, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Messages of a round.
    pub count: usize,
    /// Rounds that count; one more comes before them.
    pub rounds: usize,
    /// Time for all rounds of all sides. A round that would not fit any more is not begun, but for the
    /// first that counts.
    pub budget: Duration,
}

/// One side.
pub struct Side {
    /// What the report calls it.
    pub name: &'static str,
    /// Its job.
    pub job: &'static str,
    /// Its process.
    pub peer: Peer,
    has_failed: bool,
    per_second: Vec<f64>,
    per_cpu_second: Vec<f64>,
    trail: Trail,
}

/// What a round of one side came to.
#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    /// How long it took.
    pub seconds: f64,
    /// Processor time of the side's process.
    pub cpu_seconds: f64,
    /// What became of the messages.
    pub trail: Trail,
}

// === impl Contestant ===

impl Contestant {
    /// One of a language's program.
    pub const fn new(name: &'static str, language: Language, job: &'static str) -> Self {
        Self {
            name,
            language,
            job,
        }
    }

    async fn start(
        &self,
        peers: &Peers,
        options: &[(&'static str, String)],
    ) -> anyhow::Result<Side> {
        let program = peers.program(self.language);
        let program = program.map_err(|why| anyhow::anyhow!("{why}"))?;
        Side::start(self.name, program, self.job, options).await
    }
}

// === impl Side ===

impl Side {
    /// Starts one.
    pub async fn start(
        name: &'static str,
        program: &Program,
        job: &'static str,
        options: &[(&'static str, String)],
    ) -> anyhow::Result<Self> {
        Ok(Self {
            name,
            job,
            peer: Peer::start(program, job, options).await?,
            has_failed: false,
            per_second: Vec::new(),
            per_cpu_second: Vec::new(),
            trail: Trail::default(),
        })
    }

    fn add(&mut self, outcome: &Outcome, count: usize) {
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
        let count = count as f64;
        self.per_second.push(count / outcome.seconds);
        let cpu_seconds = outcome.cpu_seconds.max(CPU_MIN);
        self.per_cpu_second.push(count / cpu_seconds);
    }
}

/// Starts peers. One that cannot be had is left out, and the report says why.
pub async fn start_peers(
    contestants: &[Contestant],
    peers: &Peers,
    report: &mut Report,
    options: impl Fn(&Contestant) -> Options,
) -> Vec<Side> {
    let mut sides = Vec::new();
    for contestant in contestants {
        match contestant.start(peers, &options(contestant)).await {
            Ok(side) => {
                report.fact(format!("version of {}", side.name), side.peer.library());
                sides.push(side);
            }
            Err(error) => report.note(format!("{} is left out: {error:#}", contestant.name)),
        }
    }
    sides
}

/// Lets all sides do their rounds in turns. A peer that fails is left out from there on; that Outcry
/// fails is an error.
pub async fn alternate(
    sides: &mut Vec<Side>,
    pace: &Pace,
    report: &mut Report,
    round: impl AsyncFn(&mut Side) -> anyhow::Result<Outcome>,
) -> anyhow::Result<()> {
    let begun = Instant::now();
    let mut longest = Duration::ZERO;
    for number in 0..=pace.rounds {
        let is_warm_up = number == 0;
        if number > 1 && begun.elapsed() + longest > pace.budget {
            let done = number - 1;
            report.note(format!(
                "{done} of {} rounds fitted into {:?}",
                pace.rounds, pace.budget
            ));
            break;
        }
        let round_begun = Instant::now();
        let all = sides.len();
        for place in 0..all {
            // Whoever comes first in one round comes later in the next.
            let Some(side) = sides.get_mut((place + number) % all) else {
                continue;
            };
            match round(side).await {
                Ok(outcome) => {
                    side.trail += outcome.trail;
                    if !is_warm_up {
                        side.add(&outcome, pace.count);
                    }
                }
                Err(error) if side.name == OUTCRY => return Err(error),
                Err(error) => {
                    report.note(format!("{} failed: {error:#}", side.name));
                    side.has_failed = true;
                }
            }
        }
        sides.retain(|side| !side.has_failed);
        longest = longest.max(round_begun.elapsed());
    }
    Ok(())
}

/// Ends the processes of all sides.
pub async fn stop(sides: Vec<Side>, report: &mut Report) {
    for side in sides {
        if let Err(error) = side.peer.stop().await {
            report.note(format!("{} at its end: {error:#}", side.name));
        }
    }
}

/// What sides are judged by.
#[derive(Debug, Clone, Copy)]
pub struct Judgement {
    /// Name of the side that is the limit of what can be reached.
    pub limit: &'static str,
    /// Of that one's messages a second.
    pub by_time: Target,
    /// Of the best other side's messages a second of processor time.
    pub by_cpu: Target,
    /// Whether it was seen in which order messages came.
    pub has_order: bool,
}

/// Tells what each side came to, and judges Outcry's: by time beside the limit, and by processor time
/// beside the best of the others.
pub fn judge(sides: &[Side], judgement: Judgement, report: &mut Report) {
    let Judgement {
        limit,
        by_time,
        by_cpu,
        has_order,
    } = judgement;
    for side in sides {
        let name = side.name;
        report.measure(
            format!("{name}: messages a second"),
            median(&side.per_second),
            "1/s",
            Target::None,
        );
        report.measure(
            format!("{name}: messages a second of processor time"),
            median(&side.per_cpu_second),
            "1/s",
            Target::None,
        );
        // What Outcry promises is judged; what others do not promise is told.
        let none = if name == OUTCRY {
            Target::AtMost(0.0)
        } else {
            Target::None
        };
        let Trail {
            lost,
            duplicated,
            reordered,
        } = side.trail;
        report.measure(format!("{name}: lost"), number(lost), "", none);
        if has_order {
            report.measure(format!("{name}: out of order"), number(reordered), "", none);
        }
        if duplicated > 0 {
            report.note(format!("{name}: {duplicated} messages came more than once"));
        }
    }
    let Some(outcry) = sides.iter().find(|side| side.name == OUTCRY) else {
        return;
    };
    let name = format!("by time, Outcry to {limit}");
    match sides.iter().find(|side| side.name == limit) {
        Some(limit) => {
            let ratio = ratio(&outcry.per_second, &limit.per_second);
            report.measure(name, ratio, "x", by_time);
            report.measure(
                format!("by processor time, Outcry to {}", limit.name),
                self::ratio(&outcry.per_cpu_second, &limit.per_cpu_second),
                "x",
                Target::None,
            );
        }
        None => report.missing(name, by_time, "it is not there"),
    }
    let others = sides
        .iter()
        .filter(|side| side.name != OUTCRY && side.name != limit);
    let speed = |side: &&Side| median(&side.per_cpu_second);
    let best = others.max_by(|one, other| speed(one).total_cmp(&speed(other)));
    match best {
        Some(best) => report.measure(
            format!(
                "by processor time, Outcry to the best other ({})",
                best.name
            ),
            ratio(&outcry.per_cpu_second, &best.per_cpu_second),
            "x",
            by_cpu,
        ),
        None => report.missing(
            "by processor time, Outcry to the best other",
            by_cpu,
            "no other is there",
        ),
    }
}

/// The median of what the rounds' pairs come to: what disturbed one side of a round most probably
/// disturbed the other, too.
pub fn ratio(of: &[f64], to: &[f64]) -> f64 {
    let pairs = of.iter().zip(to);
    median(&pairs.map(|(of, to)| of / to).collect::<Vec<_>>())
}

/// A count as a number to be shown.
pub fn number(count: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    let number = count as f64;
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_the_median_of_pairs_and_not_the_pair_of_medians() {
        // A disturbance of a whole round changes nothing.
        assert_eq!(ratio(&[10.0, 1.0, 30.0], &[5.0, 0.5, 15.0]), 2.0);
        assert_eq!(ratio(&[1.0, 3.0, 2.0], &[1.0, 1.0, 1.0]), 2.0);
        assert!(ratio(&[], &[]).is_nan());
    }
}
