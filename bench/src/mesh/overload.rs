//! Three times as many calls as can be answered, of which few matter most.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::Setting;
use super::callers::{Tally, paced, percent};
use super::desk::Desk;
use super::service::Method;
use super::side::Side;
use super::table::Row;

const RIG: &str = "overload";

/// Calls worked on at once, and for how long each: 400 calls a second.
const PLACES: usize = 4;
const WORK: Duration = Duration::from_millis(10);

/// Calls a second: 1,200 together.
const READS: u32 = 1_080;
const CANCELS: u32 = 120;

/// How long a call may take.
const TIMEOUT: Duration = Duration::from_millis(250);

/// How long it takes until a service knows how much it can do.
const LEARN: Duration = Duration::from_secs(1);

/// Cancels that must be answered, in percent.
const ANSWERED_MIN: f64 = 99.0;

struct Outcome {
    reads: f64,
    cancels: f64,
    /// How cancels failed.
    codes: String,
    /// All that was answered, each second.
    goodput: f64,
}

/// All measures.
pub async fn measure(setting: &Setting) -> anyhow::Result<Vec<Row>> {
    let [bare, outcry] = setting.sides()?;
    let outcomes = [run(&bare, setting).await?, run(&outcry, setting).await?];
    let are_kept = outcomes[1].cancels >= ANSWERED_MIN;
    Ok(vec![
        Row::judged(
            RIG,
            "3x too many calls, after 1 s: cancels answered in 250 ms",
            outcomes
                .each_ref()
                .map(|one| format!("{:.2}% {}", one.cancels, one.codes)),
            format!(">= {ANSWERED_MIN}%"),
            are_kept,
        ),
        Row::told(
            RIG,
            "reads, which may be refused, answered in 250 ms",
            outcomes.each_ref().map(|one| format!("{:.1}%", one.reads)),
        ),
        Row::told(
            RIG,
            "answered each second, of 400 that can be",
            outcomes.map(|one| format!("{:.0}", one.goodput)),
        ),
    ])
}

async fn run(side: &Side, setting: &Setting) -> anyhow::Result<Outcome> {
    let replica = side.start(&Desk::bounded(PLACES, WORK)).await?;
    let client = side.client(&[replica.address])?;
    let stop = CancellationToken::new();
    let loads = [(Method::Read, READS), (Method::Cancel, CANCELS)].map(|(method, rate)| {
        let client = Arc::clone(&client);
        tokio::spawn(paced(client, method, rate, TIMEOUT, stop.clone()))
    });
    let from = Instant::now() + LEARN;
    tokio::time::sleep(LEARN + setting.length).await;
    stop.cancel();
    let [reads, cancels] = loads;
    let (reads, cancels) = (reads.await?.since(from), cancels.await?.since(from));
    let answered = |tally: &Tally| percent(tally.answered.len(), tally.calls());
    let all = reads.answered.len() + cancels.answered.len();
    Ok(Outcome {
        reads: answered(&reads),
        cancels: answered(&cancels),
        codes: cancels.codes(),
        goodput: super::callers::per_second(all, setting.length),
    })
}
