//! Consumes as a service does: a reaction, whose effect and inbox mark are one commit.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use async_trait::async_trait;
use outcry_broker::{Broker as _, Group, RabbitMq, RabbitOptions};
use outcry_events::SealedEvent;
use outcry_mesh::Directory;
use outcry_service::{Context, Fault, GroupSpec, Reaction, Service, SystemClock, Unknown};
use outcry_store::{Commit, PostgresDatabase, PostgresOptions, PostgresStore, Store, ViewWrite};
use serde::Serialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::driver::Driver;
use crate::load::{SERVICE, TOPIC};

/// Connections to the database, as many as every peer has.
pub const CONNECTIONS: usize = 8;

/// The group that consumes.
const GROUP: &str = "bench";

/// Where the effects are.
const VIEW: &str = "effect";

/// Counts the effects in the database.
pub const EFFECTS: &str = "SELECT count(*) FROM outcry_trades.views WHERE view = 'effect'";

/// How long it may take until all partitions are consumed.
const BEGIN_MAX: Duration = Duration::from_secs(30);

/// How often they are looked at.
const LOOK: Duration = Duration::from_millis(20);

/// What the driver asks for.
#[derive(clap::Args)]
pub struct Options {
    /// URL of the broker
    #[arg(long)]
    amqp: String,
    /// URL of the database
    #[arg(long)]
    postgres: String,
    /// Messages of a round
    #[arg(long)]
    count: u64,
}

/// A round's result.
#[derive(Debug, Serialize)]
struct Consumed {
    count: u64,
    new: u64,
    duplicates: u64,
    seconds: f64,
}

/// Writes down what has come, while a round is on.
struct Inbox {
    is_on: watch::Receiver<bool>,
    committed: Arc<watch::Sender<u64>>,
}

/// As many bytes as the peers write.
#[derive(Serialize)]
struct Effect<'a> {
    body: &'a str,
}

/// The group, as the broker declares it.
pub fn group() -> Group {
    Group::from(&spec())
}

fn spec() -> GroupSpec {
    GroupSpec::new(GROUP, &[TOPIC], Unknown::Park)
}

/// Consumes, round by round.
pub async fn run(options: Options, mut driver: Driver) -> anyhow::Result<()> {
    let store = open(&options.postgres).await?;
    let broker = RabbitMq::connect(RabbitOptions::new(&options.amqp, "bench")).await?;
    let (turn, is_on) = watch::channel(false);
    let committed = Arc::new(watch::Sender::new(0));
    let inbox = Inbox {
        is_on,
        committed: Arc::clone(&committed),
    };
    let clock = Arc::new(SystemClock::new());
    let ctx = Context::new(
        SERVICE,
        Arc::clone(&store) as Arc<dyn Store>,
        clock,
        Directory::new(),
    );
    let service = Service::new(SERVICE).reacts(inbox);
    let stop = CancellationToken::new();
    let running = outcry_service::run(ctx, service, Arc::new(broker.clone()), stop.clone());
    let running = tokio::spawn(running);
    all_are_held(&store, &format!("group/{GROUP}"), spec().partitions).await?;

    driver.ready()?;
    let mut before = 0;
    while driver.go().await? {
        let begun = Instant::now();
        turn.send(true)?;
        let mut counted = committed.subscribe();
        let until = before + options.count;
        before = *counted.wait_for(|count| *count >= until).await?;
        let seconds = begun.elapsed().as_secs_f64();
        turn.send(false)?;
        driver.tell(&Consumed {
            count: options.count,
            // The inbox tells of no event twice: the driver compares with the effects.
            new: options.count,
            duplicates: 0,
            seconds,
        })?;
    }
    stop.cancel();
    running.await??;
    broker.close().await?;
    Ok(())
}

/// The store of the service.
pub async fn open(url: &str) -> anyhow::Result<Arc<PostgresStore>> {
    let options = PostgresOptions {
        connections: CONNECTIONS,
        ..PostgresOptions::default()
    };
    let database = PostgresDatabase::connect(url, options).await?;
    Ok(Arc::new(PostgresStore::open(&database, SERVICE).await?))
}

/// Waits until every slot of a pool is held by somebody.
pub async fn all_are_held(store: &PostgresStore, pool: &str, slots: u32) -> anyhow::Result<()> {
    let deadline = Instant::now() + BEGIN_MAX;
    let mut slot = 0;
    while slot < slots {
        if store.holder(pool, slot).await?.is_some() {
            slot += 1;
            continue;
        }
        ensure!(
            Instant::now() < deadline,
            "nobody holds slot {slot} of {pool}"
        );
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

#[async_trait]
impl Reaction for Inbox {
    fn group(&self) -> GroupSpec {
        spec()
    }

    async fn react(&self, event: &SealedEvent) -> Result<Commit, Fault> {
        let mut is_on = self.is_on.clone();
        let turn = is_on.wait_for(|is_on| *is_on).await;
        turn.context("no further round").map_err(Fault::retry)?;
        let body = String::from_utf8_lossy(event.bytes());
        let effect = Effect { body: &body };
        let write = ViewWrite::put(VIEW, event.id().to_string(), &effect);
        Ok(Commit {
            views: vec![write.map_err(Fault::retry)?],
            ..Commit::default()
        })
    }

    async fn committed(&self, _: &SealedEvent) {
        self.committed.send_modify(|count| *count += 1);
    }
}
