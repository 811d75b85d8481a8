//! Publishes with the broker as a relay does: batch by batch, each waited for.

use std::time::Instant;

use anyhow::bail;
use outcry_broker::{Broker, CloudEvents, Group, Message, PublishError, RabbitMq, RabbitOptions};
use outcry_events::SealedEvent;
use serde::Serialize;
use tokio::task::JoinSet;

use super::driver::Driver;
use super::event::Events;
use crate::load::TOPIC;

/// Messages of a batch: as many as the relay of a service has in one.
const BATCH: usize = 256;

/// What the driver asks for.
#[derive(clap::Args, Clone)]
pub struct Options {
    /// URL of the broker
    #[arg(long)]
    amqp: String,
    /// Messages of a round
    #[arg(long)]
    count: usize,
    /// Bytes of a message's body
    #[arg(long)]
    body_bytes: usize,
    /// Unconfirmed messages at most; beyond one batch several relays publish beside each other
    #[arg(long)]
    in_flight: usize,
}

/// A round's result.
#[derive(Debug, Default, Serialize)]
struct Published {
    count: usize,
    confirmed: usize,
    nacked: usize,
    returned: usize,
    seconds: f64,
}

/// The group that gets what is published, in one queue as the peers' have one.
pub fn group() -> Group {
    Group {
        name: "bench",
        topics: vec![TOPIC.to_owned()],
        partitions: 1,
        prefetch: 64,
    }
}

/// Keys of the messages: as many as can be in flight, so that none waits for an earlier one of its
/// key. Message `index` has key `index` modulo this.
pub fn keys(in_flight: usize) -> usize {
    relays(in_flight) * BATCH
}

fn relays(in_flight: usize) -> usize {
    (in_flight / BATCH).max(1)
}

/// Publishes, round by round.
pub async fn run(options: Options, mut driver: Driver) -> anyhow::Result<()> {
    let broker = RabbitMq::connect(RabbitOptions::new(&options.amqp, "bench")).await?;
    let made = Events::of_bytes(options.body_bytes)?;
    let mut events = Vec::new();
    for key in 0..keys(options.in_flight) {
        events.push(made.event(0, u32::try_from(key)?)?);
    }
    driver.ready()?;
    while driver.go().await? {
        let published = publish(&options, &broker, &events).await?;
        driver.tell(&published)?;
    }
    broker.close().await?;
    Ok(())
}

/// A round: each relay takes every so many batches, always with the same keys, so that keys stay in
/// order.
async fn publish(
    options: &Options,
    broker: &RabbitMq,
    events: &[SealedEvent],
) -> anyhow::Result<Published> {
    let relays = relays(options.in_flight);
    let count = options.count;
    let begun = Instant::now();
    let mut working = JoinSet::new();
    for (relay, events) in events.chunks(BATCH).enumerate() {
        let (broker, events) = (broker.clone(), events.to_vec());
        working.spawn(async move {
            let mut published = Published::default();
            for batch in (relay..count.div_ceil(BATCH)).step_by(relays) {
                let indexes = batch * BATCH..((batch + 1) * BATCH).min(count);
                let messages = indexes.zip(&events).map(|(index, event)| Message {
                    event_id: index.to_string(),
                    ..Message::of(event, CloudEvents::default())
                });
                let outcomes = broker.publish(messages.collect()).await;
                published.add(&outcomes)?;
            }
            anyhow::Ok(published)
        });
    }
    let mut all = Published {
        count,
        ..Published::default()
    };
    while let Some(published) = working.join_next().await {
        let published = published??;
        all.confirmed += published.confirmed;
        all.nacked += published.nacked;
        all.returned += published.returned;
    }
    all.seconds = begun.elapsed().as_secs_f64();
    Ok(all)
}

// === impl Published ===

impl Published {
    fn add(&mut self, outcomes: &[Result<(), PublishError>]) -> anyhow::Result<()> {
        for outcome in outcomes {
            match outcome {
                Ok(()) => self.confirmed += 1,
                Err(PublishError::Unroutable { .. }) => self.returned += 1,
                Err(PublishError::Backend(_) | PublishError::HeldBack) => self.nacked += 1,
                Err(error) => bail!("cannot publish: {error}"),
            }
        }
        Ok(())
    }
}
