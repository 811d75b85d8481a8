//! `outcry bench`: how fast a running installation is, seen by those who trade on it.
//!
//! People in pairs trade with each other through the public API: a sale, then the purchase that takes it. The orders
//! are real, and so is all that follows from them.
//!
//! Rooms, in reading order:
//! - [`pair`] – one who sells, and one who buys the same
//! - [`closings`] – when trades were settled, from the events
//! - [`result`] – what came of it

mod closings;
mod pair;
mod result;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinSet;

use crate::arguments::Bench;
use crate::output::Output;
use crate::session;

use closings::Closings;
use pair::{Answered, Pair, TRIP};
use result::Outcome;

/// How long the last trades may take to be settled after the last order.
const SETTLED_MAX: Duration = Duration::from_secs(60);

/// `outcry bench --symbol SYMBOL`: exits with 1 when an order was not settled.
///
/// # Errors
/// The platform cannot be reached, or refuses an order.
pub async fn run(bench: Bench, out: Output) -> anyhow::Result<ExitCode> {
    let (site, admin) = session::open_with_site(&bench.target).await?;
    let mut pairs = Vec::new();
    for number in 0..bench.pairs {
        let pair = Pair::hire(&site, &admin, &bench, number).await;
        pairs.push(Arc::new(
            pair.with_context(|| format!("hiring pair {number}"))?,
        ));
    }
    let closings = Closings::watch(&admin).await?;
    let trips = bench.orders.div_ceil(TRIP);
    let bar = ProgressBar::new(u64::from(trips * TRIP));
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} orders {per_sec} {eta}") {
        bar.set_style(style);
    }
    let begun = Instant::now();
    let answered = trade(&pairs, trips, &bar).await?;
    let acknowledged = begun.elapsed();
    bar.finish_and_clear();
    let waiting = out.waiting("waiting for the last trades to be settled");
    closings.until(answered.len(), SETTLED_MAX).await;
    waiting.finish_and_clear();
    let outcome = Outcome::of(&answered, &closings, begun, acknowledged);
    if out.is_json() {
        out.document(&outcome.json())?;
    } else {
        out.text(&outcome.lines())?;
    }
    Ok(match outcome.unsettled {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// All pairs at once, each with one order on its way at a time, until so many trips are made.
async fn trade(
    pairs: &[Arc<Pair>],
    trips: u32,
    bar: &ProgressBar,
) -> anyhow::Result<Vec<Answered>> {
    let left = Arc::new(AtomicU32::new(trips));
    let mut trading = JoinSet::new();
    for pair in pairs {
        let (pair, left, bar) = (Arc::clone(pair), Arc::clone(&left), bar.clone());
        trading.spawn(async move {
            let mut answered = Vec::new();
            while take(&left) {
                answered.extend(pair.trip().await?);
                bar.inc(u64::from(TRIP));
            }
            anyhow::Ok(answered)
        });
    }
    let mut all = Vec::new();
    while let Some(ended) = trading.join_next().await {
        all.extend(ended??);
    }
    Ok(all)
}

fn take(left: &AtomicU32) -> bool {
    let less = |left: u32| left.checked_sub(1);
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
        .is_ok()
}
