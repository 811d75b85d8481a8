//! Those who call, and what became of their calls.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Status};

use super::service::{Ask, Client, Method};

/// As long as what a usual request says.
const TEXT: &str = "buy 100 ACME limit 25.40 good till cancelled, for account 0190c7f3-7d3a";

/// Between two looks of those who call at a rate: what is due is called at once.
const BEAT: Duration = Duration::from_millis(2);

/// What became of calls.
#[derive(Debug, Default, Clone)]
pub struct Tally {
    /// Calls that succeeded: when they began, and how long they took.
    pub answered: Vec<(Instant, Duration)>,
    /// Calls that failed: when they began, and how.
    pub failed: Vec<(Instant, Code)>,
}

// === impl Tally ===

impl Tally {
    /// All calls.
    pub fn calls(&self) -> usize {
        self.answered.len() + self.failed.len()
    }

    /// Failed calls of a hundred.
    pub fn failed_percent(&self) -> f64 {
        percent(self.failed.len(), self.calls())
    }

    /// Calls begun from a moment on that failed.
    pub fn failed_since(&self, moment: Instant) -> usize {
        self.failed.iter().filter(|(at, _)| *at >= moment).count()
    }

    /// Failed calls by their code, as text.
    pub fn codes(&self) -> String {
        let mut codes: BTreeMap<String, usize> = BTreeMap::new();
        for (_, code) in &self.failed {
            *codes.entry(format!("{code:?}")).or_default() += 1;
        }
        let texts = codes.iter().map(|(code, count)| format!("{count} {code}"));
        texts.collect::<Vec<_>>().join(", ")
    }

    /// How long calls took, in microseconds, in order.
    pub fn microseconds(&self) -> Vec<f64> {
        let taken = self
            .answered
            .iter()
            .map(|(_, took)| took.as_secs_f64() * 1e6);
        let mut all: Vec<f64> = taken.collect();
        all.sort_by(f64::total_cmp);
        all
    }

    fn add(&mut self, begun: Instant, outcome: Result<(), Status>) {
        match outcome {
            Ok(()) => self.answered.push((begun, begun.elapsed())),
            Err(status) => self.failed.push((begun, status.code())),
        }
    }

    /// Calls begun from a moment on.
    pub fn since(mut self, moment: Instant) -> Tally {
        self.answered.retain(|(at, _)| *at >= moment);
        self.failed.retain(|(at, _)| *at >= moment);
        self
    }

    /// All calls of several callers.
    pub fn join(all: impl IntoIterator<Item = Tally>) -> Tally {
        let mut whole = Tally::default();
        for one in all {
            whole.answered.extend(one.answered);
            whole.failed.extend(one.failed);
        }
        whole
    }
}

/// So many of a hundred; 0 of none.
pub fn percent(part: usize, whole: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    let (part, whole) = (part as f64, whole.max(1) as f64);
    part / whole * 100.0
}

/// Calls a second.
pub fn per_second(calls: usize, length: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    let calls = calls as f64;
    calls / length.as_secs_f64()
}

/// A request as the rigs make it.
pub fn ask() -> Ask {
    Ask {
        position: 0,
        text: TEXT.to_owned(),
    }
}

/// So many callers, each of whom calls again as soon as it has an answer.
pub async fn steady(
    client: &Client,
    method: Method,
    callers: usize,
    length: Duration,
) -> anyhow::Result<Tally> {
    let until = Instant::now() + length;
    let tasks = (0..callers).map(|_| {
        let client = Arc::clone(client);
        tokio::spawn(async move {
            let mut tally = Tally::default();
            while Instant::now() < until {
                let begun = Instant::now();
                let outcome = client.call(method, Request::new(ask())).await.map(|_| ());
                tally.add(begun, outcome);
            }
            tally
        })
    });
    let tallies = join_all(tasks).await;
    Ok(Tally::join(
        tallies.into_iter().collect::<Result<Vec<_>, _>>()?,
    ))
}

/// So many calls a second until `stop`, whether those before have ended or not.
pub async fn paced(
    client: Client,
    method: Method,
    per_second: u32,
    timeout: Duration,
    stop: CancellationToken,
) -> Tally {
    let mut calls = JoinSet::new();
    let (begun, mut made) = (Instant::now(), 0);
    let mut beats = interval(BEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = beats.tick() => {}
        }
        let due = begun.elapsed().as_secs_f64() * f64::from(per_second);
        while f64::from(made) < due {
            made += 1;
            let client = Arc::clone(&client);
            calls.spawn(async move {
                let mut request = Request::new(ask());
                request.set_timeout(timeout);
                let mut tally = Tally::default();
                let begun = Instant::now();
                let outcome = client.call(method, request).await.map(|_| ());
                tally.add(begun, outcome);
                tally
            });
        }
    }
    Tally::join(calls.join_all().await)
}
