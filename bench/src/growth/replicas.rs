//! Replicas of one consumer over RabbitMQ: events a second of one, two and four.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use outcry_broker::{Broker, CloudEvents, Message, RabbitMq, RabbitOptions};
use outcry_events::SealedEvent;
use outcry_mesh::Directory;
use outcry_service::{
    Context, Fault, GroupSpec, Reaction, RunError, Service, SystemClock, Unknown, declare, run,
};
use outcry_store::{Commit, PostgresDatabase, PostgresOptions, PostgresStore, ViewWrite};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::fill;
use crate::load::TOPIC;

/// How many there are, one after the other.
pub const REPLICAS: [usize; 3] = [1, 2, 4];

/// Whose replicas: a service without events of its own.
const SERVICE: &str = "reports";

/// Slots of the consumer that replicas share.
const POOL: &str = "group/reports";

/// Partitions: two for each of four replicas.
const PARTITIONS: u32 = 8;

/// Its view.
const VIEW: &str = "failures";

/// Messages published at a time.
const BATCH: usize = 256;

/// How long replicas may take to share the partitions, and all events to be handled.
const PATIENCE: Duration = Duration::from_secs(120);

/// How often it is looked.
const LOOK: Duration = Duration::from_millis(5);

/// Writes a row for each event, as a view does.
struct Clerk {
    handled: Arc<AtomicU64>,
}

/// One of the replicas, with connections of its own.
struct Replica {
    ctx: Context,
    running: JoinSet<Result<(), RunError>>,
    shutdown: CancellationToken,
}

#[tonic::async_trait]
impl Reaction for Clerk {
    fn group(&self) -> GroupSpec {
        GroupSpec::new(SERVICE, &[TOPIC], Unknown::Skip).partitions(PARTITIONS)
    }

    async fn react(&self, event: &SealedEvent) -> Result<Commit, Fault> {
        let row = ViewWrite::put(VIEW, event.aggregate_id(), &event.sequence());
        Ok(Commit {
            views: vec![row.map_err(Fault::retry)?],
            ..Commit::default()
        })
    }

    async fn committed(&self, _event: &SealedEvent) {
        self.handled.fetch_add(1, Ordering::Relaxed);
    }
}

/// Events a second of so many replicas, from the first published to the last handled.
pub async fn rate(
    postgres: &outcry_servers::Postgres,
    rabbit: &outcry_servers::RabbitMq,
    replicas: usize,
    events: u64,
) -> anyhow::Result<f64> {
    let name = format!("replicas-{replicas}");
    let database = postgres.create_database(&name).await?;
    let vhost = rabbit.create_vhost(&name).await?;
    let handled = Arc::new(AtomicU64::new(0));
    let broker = RabbitMq::connect(RabbitOptions::new(&vhost, "publisher")).await?;
    declare(&service(&handled), &broker).await?;
    let mut all = Vec::new();
    for _ in 0..replicas {
        all.push(Replica::start(&database, &vhost, &handled).await?);
    }
    until_shared(&all).await?;
    let messages = messages(events)?;
    let begun = Instant::now();
    for batch in messages.chunks(BATCH) {
        for outcome in broker.publish(batch.to_vec()).await {
            outcome?;
        }
    }
    until_handled(&handled, events).await?;
    let rate = events as f64 / begun.elapsed().as_secs_f64();
    for replica in all {
        replica.stop().await?;
    }
    broker.close().await?;
    Ok(rate)
}

fn service(handled: &Arc<AtomicU64>) -> Service {
    Service::new(SERVICE).reacts(Clerk {
        handled: Arc::clone(handled),
    })
}

fn messages(events: u64) -> anyhow::Result<Vec<Message>> {
    let mut messages = Vec::new();
    for number in 0..events {
        // Neighbours have different keys: all partitions are busy.
        let event = fill::first_event(number)?;
        messages.push(Message::of(&event, CloudEvents::Plain));
    }
    Ok(messages)
}

/// Waits until every replica has its share of the partitions.
async fn until_shared(replicas: &[Replica]) -> anyhow::Result<()> {
    let end = Instant::now() + PATIENCE;
    let share = u64::from(PARTITIONS) / replicas.len() as u64;
    let has_share = |replica: &Replica| replica.ctx.metrics().leases.held_of(POOL) == share;
    while !replicas.iter().all(has_share) {
        ensure!(Instant::now() < end, "replicas do not share the partitions");
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

async fn until_handled(handled: &AtomicU64, events: u64) -> anyhow::Result<()> {
    let end = Instant::now() + PATIENCE;
    loop {
        let done = handled.load(Ordering::Relaxed);
        if done >= events {
            return Ok(());
        }
        if Instant::now() > end {
            bail!("{} events were not handled", events - done);
        }
        tokio::time::sleep(LOOK).await;
    }
}

// === impl Replica ===

impl Replica {
    async fn start(database: &str, vhost: &str, handled: &Arc<AtomicU64>) -> anyhow::Result<Self> {
        let database = PostgresDatabase::connect(database, PostgresOptions::default()).await?;
        let store = Arc::new(PostgresStore::open(&database, SERVICE).await?);
        let broker = RabbitMq::connect(RabbitOptions::new(vhost, "replica")).await?;
        let clock = Arc::new(SystemClock::new());
        let ctx = Context::new(SERVICE, store, clock, Directory::new());
        let shutdown = CancellationToken::new();
        let mut running = JoinSet::new();
        let service = service(handled);
        running.spawn(run(
            ctx.clone(),
            service,
            Arc::new(broker),
            shutdown.clone(),
        ));
        Ok(Self {
            ctx,
            running,
            shutdown,
        })
    }

    async fn stop(mut self) -> anyhow::Result<()> {
        self.shutdown.cancel();
        while let Some(ended) = self.running.join_next().await {
            ended??;
        }
        Ok(())
    }
}
