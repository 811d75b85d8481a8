//! A steady load of commits, spread over some keys.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use outcry_contracts::trades::v1::{FailureReason, TradeFailedEvent};
use outcry_events::{Cause, SealedEvent, Stamp, seal};
use outcry_store::{Append, Commit, PostgresStore, Store};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Whose outbox it is.
pub const SERVICE: &str = "trades";

/// What is published.
pub const TOPIC: &str = "trade.failed";

/// Partition keys. The first one is A, whose commits are made to wait.
pub const KEYS: u32 = 16;

/// Those who commit to each key, each with a stream of its own: several commits of A wait at once.
pub const WRITERS: u32 = 2;

/// Between two commits of one writer; together 64 a second, far below what two cores can do.
const EVERY: Duration = Duration::from_millis(500);

/// A commit that was answered.
#[derive(Clone, Copy, Debug)]
pub struct Made {
    /// Its one event.
    pub event: Uuid,
    /// Number of its key.
    pub key: u32,
    /// When it was asked for.
    pub begun: Instant,
    /// When it was answered.
    pub answered: Instant,
}

/// Writers at work.
pub struct Load {
    made: Arc<Mutex<Vec<Made>>>,
    writers: JoinSet<anyhow::Result<()>>,
    stop: CancellationToken,
}

/// A partition key.
pub fn symbol(key: u32) -> String {
    format!("S{key}")
}

// === impl Load ===

impl Load {
    /// Begins to commit.
    pub fn start(store: &Arc<PostgresStore>) -> Self {
        let (made, stop) = (Arc::default(), CancellationToken::new());
        let mut writers = JoinSet::new();
        let all = KEYS * WRITERS;
        for number in 0..all {
            let writer = Writer {
                key: number % KEYS,
                number,
                store: Arc::clone(store),
                made: Arc::clone(&made),
            };
            // Evenly over the period, so that they do not all come at once.
            writers.spawn(writer.write(EVERY * number / all, stop.clone()));
        }
        Self {
            made,
            writers,
            stop,
        }
    }

    /// What was committed so far.
    pub fn made(&self) -> Vec<Made> {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.clone()
    }

    /// Lets the last commits end; all that was committed.
    pub async fn stop(mut self) -> anyhow::Result<Vec<Made>> {
        self.stop.cancel();
        while let Some(ended) = self.writers.join_next().await {
            ended??;
        }
        Ok(self.made())
    }
}

/// One who commits one event at a time.
struct Writer {
    number: u32,
    key: u32,
    store: Arc<PostgresStore>,
    made: Arc<Mutex<Vec<Made>>>,
}

// === impl Writer ===

impl Writer {
    async fn write(self, offset: Duration, stop: CancellationToken) -> anyhow::Result<()> {
        let mut ticks = interval_at((Instant::now() + offset).into(), EVERY);
        // What a commit that waits has missed is not made up for.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut sequence = 0;
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                _ = ticks.tick() => {}
            }
            let event = self.event(sequence + 1)?;
            let id = event.id();
            let commit = Commit {
                appends: vec![Append {
                    stream: event.stream(),
                    expected: sequence,
                    events: vec![event],
                }],
                ..Commit::default()
            };
            let begun = Instant::now();
            self.store.commit(commit).await?;
            sequence += 1;
            let made = Made {
                event: id,
                key: self.key,
                begun,
                answered: Instant::now(),
            };
            let mut all = self.made.lock().unwrap_or_else(PoisonError::into_inner);
            all.push(made);
        }
    }

    fn event(&self, sequence: u64) -> anyhow::Result<SealedEvent> {
        let id = |kind| Uuid::from_u64_pair(kind, self.number.into()).to_string();
        let event = TradeFailedEvent {
            trade_id: id(1),
            order_id: id(2),
            user_id: id(3),
            symbol: symbol(self.key),
            reason: FailureReason::UnknownSymbol.into(),
            message: String::new(),
        };
        let now = SystemTime::now();
        let stamp = Stamp {
            event_id: Uuid::now_v7(),
            sequence,
            occurred_at: now,
            recorded_at: now,
            cause: &Cause::root(Uuid::now_v7(), "service:trades"),
        };
        Ok(seal(&event, stamp)?)
    }
}
