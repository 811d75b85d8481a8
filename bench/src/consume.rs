//! Consuming through an inbox in PostgreSQL: a service's reaction beside bare lapin and beside what is
//! consumed with elsewhere.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use futures::StreamExt as _;
use futures::stream;
use outcry_broker::{Broker, CloudEvents, Message, RabbitMq, RabbitOptions};
use serde::Deserialize;
use tokio_postgres::Client;

use crate::database::connect;
use crate::ours::consume::{EFFECTS, group};
use crate::ours::event::Events;
use crate::peer::{BODY_BYTES, Options, Program};
use crate::peers::{Language, Peers};
use crate::queue::Queues;
use crate::report::{Report, Target};
use crate::sides::{self, Contestant, Judgement, OUTCRY, Outcome, Pace, Side};
use crate::trail::Trail;

/// What the others are measured beside.
const LAPIN: &str = "lapin";

/// Who takes part.
const PEERS: [Contestant; 8] = [
    Contestant::new(LAPIN, Language::Rust, "lapin-consume"),
    Contestant::new("amqp091-go", Language::Go, "amqp091-consume"),
    Contestant::new("Watermill", Language::Go, "watermill-consume"),
    Contestant::new("amqp-client (Java)", Language::Java, "client-consume"),
    Contestant::new("Spring AMQP", Language::Java, "spring-consume"),
    Contestant::new("aio-pika", Language::Python, "aio-pika-consume"),
    Contestant::new("FastStream", Language::Python, "faststream-consume"),
    Contestant::new("amqplib", Language::Node, "consume"),
];

/// Messages a peer has in hand at most: as many as a partition of Outcry's.
const PREFETCH: usize = 64;

/// Keys of Outcry's messages, enough for all of its partitions.
const KEYS: u32 = 1_024;

/// Messages of a batch while Outcry's queues are filled, and batches at a time.
const FILL_BATCH: usize = 256;
const FILLING: usize = 2;

/// How long a round may take.
const ROUND_MAX: Duration = Duration::from_secs(180);

/// Nearly lapin's rate, and more than any other peer's for the same processor time.
const JUDGEMENT: Judgement = Judgement {
    limit: LAPIN,
    by_time: Target::AtLeast(0.9),
    by_cpu: Target::AtLeast(1.5),
    has_order: false,
};

/// The tables of a peer's inbox, and its effects.
const TABLES: &str = "
    CREATE TABLE peer_inbox (message_id text PRIMARY KEY);
    CREATE TABLE peer_effect (message_id text, body bytea);";
const EMPTY: &str = "TRUNCATE peer_inbox, peer_effect";
const PEER_EFFECTS: &str = "SELECT count(*) FROM peer_effect";

const QUICK: Pace = Pace {
    count: 2_000,
    rounds: 3,
    budget: Duration::from_secs(65),
};

const FULL: Pace = Pace {
    count: 10_000,
    rounds: 5,
    budget: Duration::from_secs(40 * 60),
};

/// What a peer says of a round.
#[derive(Debug, Deserialize)]
struct Consumed {
    new: usize,
    duplicates: usize,
    seconds: f64,
}

/// The servers, as the driver sees them.
struct Rig {
    queues: Queues,
    /// To fill Outcry's queues.
    broker: RabbitMq,
    events: Events,
    /// The databases of the sides.
    databases: Vec<(&'static str, Client)>,
}

/// Measures the chapter.
pub async fn measure(quick: bool, peers: &Peers, report: &mut Report) -> anyhow::Result<()> {
    let pace = if quick { QUICK } else { FULL };
    report.chapter("Consuming through an inbox in PostgreSQL");
    report.note(format!(
        "{} messages of {BODY_BYTES} bytes wait in the queue when a round begins; each is handled in \
         one transaction (seen before? then an effect of as many bytes) and acknowledged after it. 8 \
         connections to the database each. One warm-up round, then medians of rounds in turns.",
        pace.count
    ));
    report.note(format!(
        "Outcry consumes as every service does: 8 partitions with a queue each, keys in order. It \
         writes mark and effect in one call, which says whether the event was seen before. Peers consume \
         one queue with a prefetch of {PREFETCH} and keep no order."
    ));
    report.note(
        "Lost is what has no effect in the database afterwards. Order cannot be told from that.",
    );
    let (postgres, rabbit) = tokio::try_join!(
        outcry_servers::Postgres::start(),
        outcry_servers::RabbitMq::start()
    )?;
    let amqp = rabbit.create_vhost("bench").await?;
    let mut rig = Rig {
        queues: Queues::connect(&amqp).await?,
        broker: RabbitMq::connect(RabbitOptions::new(&amqp, "driver")).await?,
        events: Events::of_bytes(BODY_BYTES)?,
        databases: Vec::new(),
    };
    rig.broker.declare(&group()).await?;
    let url = postgres.create_database("outcry").await?;
    rig.databases.push((OUTCRY, connect(&url).await?));
    let mut options = vec![("amqp", amqp.clone()), ("postgres", url)];
    options.push(("count", pace.count.to_string()));
    let mut all = vec![Side::start(OUTCRY, &Program::ours()?, "consume", &options).await?];

    let mut urls = Vec::new();
    for peer in &PEERS {
        rig.queues.declare(peer.job, peer.job).await?;
        let url = postgres.create_database(peer.job).await?;
        let database = connect(&url).await?;
        database.batch_execute(TABLES).await?;
        rig.databases.push((peer.name, database));
        urls.push((peer.name, url));
    }
    let options = |peer: &Contestant| -> Options {
        let url = urls.iter().find(|(name, _)| *name == peer.name);
        vec![
            ("amqp", amqp.clone()),
            ("queue", peer.job.to_owned()),
            (
                "postgres",
                url.map(|(_, url)| url.clone()).unwrap_or_default(),
            ),
            ("count", pace.count.to_string()),
            ("prefetch", PREFETCH.to_string()),
        ]
    };
    all.extend(sides::start_peers(&PEERS, peers, report, options).await);
    sides::alternate(&mut all, &pace, report, async |side| {
        rig.round(side, pace.count).await
    })
    .await?;
    sides::judge(&all, JUDGEMENT, report);
    sides::stop(all, report).await;
    rig.broker.close().await?;
    Ok(())
}

// === impl Rig ===

impl Rig {
    /// Fills a side's queue, lets it consume, and counts the effects.
    async fn round(&self, side: &mut Side, count: usize) -> anyhow::Result<Outcome> {
        let database = self.databases.iter().find(|(name, _)| *name == side.name);
        let (_, database) = database.context("a side without a database")?;
        let effects = if side.name == OUTCRY {
            EFFECTS
        } else {
            database.batch_execute(EMPTY).await?;
            PEER_EFFECTS
        };
        let before = counted(database, effects).await?;
        if side.name == OUTCRY {
            self.fill(count).await?;
        } else {
            self.queues.fill(side.job, count, BODY_BYTES).await?;
        }
        let round = side.peer.round::<Consumed>(ROUND_MAX).await?;
        let Consumed {
            new,
            duplicates,
            seconds,
        } = round.result;
        ensure!(
            new + duplicates == count,
            "{new} new messages and {duplicates} known ones of {count}"
        );
        let made = counted(database, effects).await? - before;
        Ok(Outcome {
            seconds,
            cpu_seconds: round.cpu_seconds,
            trail: Trail {
                lost: count.saturating_sub(made),
                duplicated: duplicates + made.saturating_sub(count),
                reordered: 0,
            },
        })
    }

    /// Publishes events for Outcry's group.
    async fn fill(&self, count: usize) -> anyhow::Result<()> {
        let mut messages = Vec::with_capacity(count);
        for id in 0..u64::try_from(count)? {
            let key = u32::try_from(id % u64::from(KEYS))?;
            let event = self.events.event(id, key)?;
            messages.push(Message::of(&event, CloudEvents::default()));
        }
        let batches = messages.chunks(FILL_BATCH).map(<[Message]>::to_vec);
        let mut outcomes = stream::iter(batches)
            .map(|batch| self.broker.publish(batch))
            .buffer_unordered(FILLING);
        while let Some(batch) = outcomes.next().await {
            batch.into_iter().collect::<Result<(), _>>()?;
        }
        Ok(())
    }
}

async fn counted(database: &Client, statement: &str) -> anyhow::Result<usize> {
    let count: i64 = database.query_one(statement, &[]).await?.get(0);
    Ok(usize::try_from(count)?)
}
