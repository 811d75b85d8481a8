//! One good endpoint, and one that is slow or fails at once: where calls go.

use std::sync::Arc;
use std::time::Duration;

use tonic::Code;

use super::Setting;
use super::callers::{Tally, per_second, percent, steady};
use super::desk::Desk;
use super::service::Method;
use super::side::Side;
use super::table::Row;

const RIG: &str = "slow";

const CALLERS: usize = 32;

/// What the slow one adds to each call.
const ADDED: Duration = Duration::from_millis(20);

/// What a good one takes, so that one which fails at once looks fast.
const WORK: Duration = Duration::from_millis(1);

/// Largest share of calls the bad one may get, in percent.
const SHARE_MAX: f64 = 5.0;

/// How many times more calls a second there must be than bare tonic's.
const FASTER_MIN: f64 = 10.0;

/// A good replica and a bad one.
struct Pair {
    good: Arc<Desk>,
    bad: Arc<Desk>,
}

/// What calls to a pair came to.
struct Outcome {
    /// Share of calls that the bad one took, in percent.
    share: f64,
    tally: Tally,
}

/// All measures.
pub async fn measure(setting: &Setting) -> anyhow::Result<Vec<Row>> {
    let mut rows = slow(setting).await?;
    for code in [Code::Unavailable, Code::Internal] {
        rows.push(failing(code, setting).await?);
    }
    Ok(rows)
}

async fn slow(setting: &Setting) -> anyhow::Result<Vec<Row>> {
    let pair = || Pair {
        good: Desk::new(),
        bad: Desk::slow(ADDED),
    };
    let outcomes = both(setting, pair).await?;
    let rates = outcomes
        .each_ref()
        .map(|one| per_second(one.tally.answered.len(), setting.length));
    let faster = rates[1] / rates[0];
    let is_avoided = outcomes[1].share < SHARE_MAX;
    Ok(vec![
        Row::judged(
            RIG,
            "1 of 2 is 20 ms slower: its share of calls",
            outcomes.map(|one| format!("{:.2}%", one.share)),
            format!("< {SHARE_MAX}%"),
            is_avoided,
        ),
        Row::judged(
            RIG,
            "1 of 2 is 20 ms slower: calls/s",
            rates.map(|rate| format!("{rate:.0}")),
            format!(">= {FASTER_MIN}x (is {faster:.1}x)"),
            faster >= FASTER_MIN,
        ),
    ])
}

async fn failing(code: Code, setting: &Setting) -> anyhow::Result<Row> {
    let pair = || {
        let bad = Desk::new();
        bad.fail(code);
        Pair {
            good: Desk::slow(WORK),
            bad,
        }
    };
    let outcomes = both(setting, pair).await?;
    let is_avoided = outcomes[1].share < SHARE_MAX;
    Ok(Row::judged(
        RIG,
        format!("1 of 2 answers {code:?} at once: its share"),
        outcomes.map(|one| {
            let failed = one.tally.failed_percent();
            format!("{:.2}%, {failed:.2}% of calls failed", one.share)
        }),
        format!("< {SHARE_MAX}%"),
        is_avoided,
    ))
}

/// Calls a pair on each side.
async fn both(setting: &Setting, pair: impl Fn() -> Pair) -> anyhow::Result<[Outcome; 2]> {
    let [bare, outcry] = setting.sides()?;
    Ok([
        called(&bare, pair(), setting.length).await?,
        called(&outcry, pair(), setting.length).await?,
    ])
}

async fn called(side: &Side, desks: Pair, length: Duration) -> anyhow::Result<Outcome> {
    let good = side.start(&desks.good).await?;
    let bad = side.start(&desks.bad).await?;
    let client = side.client(&[good.address, bad.address])?;
    let tally = steady(&client, Method::Read, CALLERS, length).await?;
    let (good, bad) = (desks.good.arrived(), desks.bad.arrived());
    Ok(Outcome {
        share: percent(bad, good + bad),
        tally,
    })
}
