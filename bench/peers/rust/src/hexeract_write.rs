//! Writes business rows, each with a message in hexeract's outbox in the same transaction.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hexeract::outbox::OutboxPublisher;
use hexeract::outbox_sql::PgOutboxPublisher;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;

use crate::Failure;
use crate::driver::Driver;
use crate::hexeract_event::{LIBRARY, OUTBOX, PeerEvent, connect, declare};
use crate::latency::Latencies;
use crate::options::Options;

/// As many connections, and writers, as every peer has.
const CONNECTIONS: u64 = 8;

/// About what a message has besides its padding.
const JSON_BYTES: usize = 52;

struct Writer {
    publisher: PgOutboxPublisher,
    count: u64,
    /// Commits a second; 0 is as fast as it goes.
    rate: u64,
    keys: u64,
    pad: String,
}

pub async fn run(options: &Options, mut driver: Driver) -> Result<(), Failure> {
    let connections = u32::try_from(CONNECTIONS)?;
    let pool = connect(options.text("postgres")?, connections).await?;
    declare(&pool).await?;
    let body: usize = options.number("body-bytes")?;
    let writer = Arc::new(Writer {
        publisher: PgOutboxPublisher::new(pool, OUTBOX)?,
        count: options.number("count")?,
        rate: options.number("rate")?,
        keys: options.number("keys")?,
        pad: "x".repeat(body.saturating_sub(JSON_BYTES)),
    });
    if writer.keys == 0 {
        return Err("--keys must be at least 1".into());
    }

    driver.ready(LIBRARY)?;
    // Rows of earlier rounds stay, so a round's ids follow those of the one before.
    let mut first = 0;
    while driver.go().await? {
        driver.tell(&write(&writer, first).await?)?;
        first += writer.count;
    }
    Ok(())
}

/// How long commits took, and whole transactions.
#[derive(Default)]
struct Measured {
    commits: Latencies,
    transactions: Latencies,
}

async fn write(writer: &Arc<Writer>, first: u64) -> Result<Value, Failure> {
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for share in 0..CONNECTIONS {
        let writer = Arc::clone(writer);
        tasks.spawn(async move { writer.write_share(share, first, start).await });
    }
    let mut measured = Measured::default();
    while let Some(share) = tasks.join_next().await {
        let share = share??;
        measured.commits.merge(share.commits);
        measured.transactions.merge(share.transactions);
    }
    let seconds = start.elapsed().as_secs_f64();
    let (commit_p50, commit_p99) = measured.commits.p50_p99_us();
    let (transaction_p50, transaction_p99) = measured.transactions.p50_p99_us();
    Ok(json!({
        "count": writer.count,
        "seconds": seconds,
        "commit_p50_us": commit_p50,
        "commit_p99_us": commit_p99,
        "transaction_p50_us": transaction_p50,
        "transaction_p99_us": transaction_p99,
    }))
}

impl Writer {
    /// Writes each message of its keys at its time, or at once when late. A key is one task's, so
    /// that its messages are committed in the order of their ids.
    async fn write_share(
        &self,
        share: u64,
        first: u64,
        start: Instant,
    ) -> Result<Measured, Failure> {
        let mut measured = Measured::default();
        for index in 0..self.count {
            let id = first + index;
            let key = id % self.keys;
            if key % CONNECTIONS != share {
                continue;
            }
            if self.rate > 0 {
                let due = Duration::from_secs_f64(index as f64 / self.rate as f64);
                tokio::time::sleep_until(start + due).await;
            }
            self.write_one(id, key, &mut measured).await?;
        }
        Ok(measured)
    }

    async fn write_one(&self, id: u64, key: u64, measured: &mut Measured) -> Result<(), Failure> {
        let begun = Instant::now();
        let mut transaction = self.publisher.pool().begin().await?;
        sqlx::query("INSERT INTO peer_business (id, note) VALUES ($1, $2)")
            .bind(i64::try_from(id)?)
            .bind("a business row")
            .execute(&mut *transaction)
            .await?;
        let event = PeerEvent {
            id,
            key,
            at: u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros())?,
            pad: self.pad.clone(),
        };
        // The subject is what the library orders by.
        let subject = Uuid::from_u128(u128::from(key));
        self.publisher
            .publish_in_tx_with_subject(&mut transaction, subject, &event)
            .await?;
        let committing = Instant::now();
        transaction.commit().await?;
        measured.commits.record(committing.elapsed());
        measured.transactions.record(begun.elapsed());
        Ok(())
    }
}
