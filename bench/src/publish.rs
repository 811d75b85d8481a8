//! Publishing, confirmed and routed: Outcry's broker beside bare lapin, which it is made with, and beside
//! what is published with elsewhere.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use outcry_broker::topology::{EVENTS, SLOT_VALUE, slot_header};
use outcry_broker::{Broker as _, CloudEvents, Message, RabbitMq, RabbitOptions};
use serde::Deserialize;

use crate::load::TOPIC;
use crate::ours::event::Events;
use crate::ours::publish::{group, keys};
use crate::peer::{BODY_BYTES, Options, Program};
use crate::peers::{Language, Peers};
use crate::queue::{EXCHANGE, Queues};
use crate::report::{Report, Target};
use crate::sides::{self, Contestant, Judgement, OUTCRY, Outcome, Pace, Side};
use crate::trail::{Arrived, Trail};

/// What Outcry's broker is made with.
const LAPIN: &str = "lapin";

/// The limit of what is made with it: as many bytes a message, the same way through the server.
const SAME: &str = "lapin with Outcry's headers and exchanges";

/// Who takes part.
const PEERS: [Contestant; 9] = [
    Contestant::new(SAME, Language::Rust, "lapin-publish"),
    Contestant::new(LAPIN, Language::Rust, "lapin-publish"),
    Contestant::new("amqp091-go", Language::Go, "amqp091-publish"),
    Contestant::new("Watermill", Language::Go, "watermill-publish"),
    Contestant::new("amqp-client (Java)", Language::Java, "client-publish"),
    Contestant::new("Spring AMQP", Language::Java, "spring-publish"),
    Contestant::new("aio-pika", Language::Python, "aio-pika-publish"),
    Contestant::new("FastStream", Language::Python, "faststream-publish"),
    Contestant::new("amqplib", Language::Node, "publish"),
];

/// Messages unconfirmed at a time: two batches of a relay.
const IN_FLIGHT: usize = 512;

/// How long a round may take.
const ROUND_MAX: Duration = Duration::from_secs(120);

/// Nearly the limit's rate, and more than any other peer's for the same processor time.
const JUDGEMENT: Judgement = Judgement {
    limit: SAME,
    by_time: Target::AtLeast(0.9),
    by_cpu: Target::AtLeast(1.5),
    has_order: true,
};

/// The queue of Outcry's group.
const QUEUE: &str = "outcry.bench.000";

const QUICK: Pace = Pace {
    count: 8_000,
    rounds: 3,
    budget: Duration::from_secs(70),
};

const FULL: Pace = Pace {
    count: 30_000,
    rounds: 5,
    budget: Duration::from_secs(30 * 60),
};

/// What a peer says of a round.
#[derive(Debug, Deserialize)]
struct Published {
    confirmed: usize,
    nacked: usize,
    /// None where the library does not tell.
    returned: Option<usize>,
    seconds: f64,
}

/// Measures the chapter.
pub async fn measure(quick: bool, peers: &Peers, report: &mut Report) -> anyhow::Result<()> {
    let pace = if quick { QUICK } else { FULL };
    report.chapter("Publishing, confirmed and routed, to a durable quorum queue");
    report.note(format!(
        "Messages of {BODY_BYTES} bytes, persistent, mandatory, confirmed, at most {IN_FLIGHT} \
         unconfirmed, {} a round; one warm-up round, then medians of rounds in turns. Ratios are \
         medians of the rounds' pairs. Processor time is that of the publishing process alone.",
        pace.count
    ));
    report.note(format!(
        "Outcry publishes as its relay does: in batches that it waits for, two at a time, over {} \
         keys, with the headers of CloudEvents (about as long as the body) and through its own \
         exchanges (topic, then headers). Peers publish to a topic exchange without headers; so \
         does lapin, which is there a second time with Outcry's headers and exchanges: that is \
         the limit.",
        keys(IN_FLIGHT)
    ));
    report.note(
        "Read back from the queue after each round: order is that within keys, of which all sides \
         have as many.",
    );
    let rabbit = outcry_servers::RabbitMq::start().await?;
    let url = rabbit.create_vhost("bench").await?;
    let queues = Queues::connect(&url).await?;
    for peer in PEERS.iter().filter(|peer| peer.name != SAME) {
        queues.declare(peer.job, peer.job).await?;
    }
    let mut all = vec![start_outcry(&url, pace).await?];
    let headers = headers()?;
    let options = |peer: &Contestant| -> Options {
        let mut options = options(&url, pace);
        if peer.name == SAME {
            options.push(("exchange", EVENTS.to_owned()));
            options.push(("routing-key", TOPIC.to_owned()));
            options.push(("headers", headers.clone()));
        } else {
            options.push(("exchange", EXCHANGE.to_owned()));
            options.push(("routing-key", peer.job.to_owned()));
        }
        options
    };
    all.extend(sides::start_peers(&PEERS, peers, report, options).await);
    sides::alternate(&mut all, &pace, report, async |side| {
        round(side, &queues, pace.count).await
    })
    .await?;
    sides::judge(&all, JUDGEMENT, report);
    sides::stop(all, report).await;
    Ok(())
}

fn options(url: &str, pace: Pace) -> Options {
    vec![
        ("amqp", url.to_owned()),
        ("count", pace.count.to_string()),
        ("body-bytes", BODY_BYTES.to_string()),
        ("in-flight", IN_FLIGHT.to_string()),
    ]
}

/// What Outcry puts on a message beside its body, as JSON.
fn headers() -> anyhow::Result<String> {
    let event = Events::of_bytes(BODY_BYTES)?.event(0, 0)?;
    let message = Message::of(&event, CloudEvents::default());
    let slot = slot_header(&message.partition_key);
    let mut headers: BTreeMap<_, _> = message.headers.into_iter().collect();
    headers.insert(slot, SLOT_VALUE.to_owned());
    Ok(serde_json::to_string(&headers)?)
}

async fn start_outcry(url: &str, pace: Pace) -> anyhow::Result<Side> {
    let broker = RabbitMq::connect(RabbitOptions::new(url, "driver")).await?;
    broker.declare(&group()).await?;
    broker.close().await?;
    Side::start(OUTCRY, &Program::ours()?, "publish", &options(url, pace)).await
}

/// A round of one side, and what is in its queue afterwards.
async fn round(side: &mut Side, queues: &Queues, count: usize) -> anyhow::Result<Outcome> {
    let round = side.peer.round::<Published>(ROUND_MAX).await?;
    let published = round.result;
    ensure!(
        published.confirmed == count && published.nacked == 0,
        "{} of {count} messages were confirmed, {} refused",
        published.confirmed,
        published.nacked
    );
    let returned = published.returned.unwrap_or_default();
    ensure!(returned == 0, "{returned} messages were returned");
    let queue = match side.name {
        OUTCRY | SAME => QUEUE,
        _ => side.job,
    };
    let mut arrived = Vec::with_capacity(count);
    for id in queues.take(queue).await? {
        let id: u64 = id
            .parse()
            .with_context(|| format!("{queue} has a message {id:?}"))?;
        let key = id % u64::try_from(keys(IN_FLIGHT))?;
        arrived.push(Arrived { id, key });
    }
    Ok(Outcome {
        seconds: published.seconds,
        cpu_seconds: round.cpu_seconds,
        trail: Trail::of(arrived, count),
    })
}
