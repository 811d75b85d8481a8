//! The driver's own end of RabbitMQ: it makes the queues, fills them, and reads back what is in them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail, ensure};
use futures::StreamExt as _;
use futures::stream;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions,
    ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, ExchangeKind,
};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// AMQP's number for a message that is written to disk.
const PERSISTENT: u8 = 2;

/// Messages the driver takes before it acknowledges them.
const PREFETCH: u16 = 1_000;

/// Messages unconfirmed at a time while a queue is filled.
const FILLING: usize = 512;

/// How long the next message of a queue that is not empty may take.
const NEXT_MAX: Duration = Duration::from_secs(10);

/// The exchange that peers publish to.
pub const EXCHANGE: &str = "peers";

/// A connection of the driver.
pub struct Queues {
    connection: Connection,
}

/// Who listens at one queue, all the time.
pub struct Listener {
    heard: Arc<Mutex<Vec<Heard>>>,
    _listening: JoinSet<anyhow::Result<()>>,
}

/// A message that has arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// When, in microseconds since 1970.
    pub at: u64,
    /// Its body.
    pub body: Vec<u8>,
}

/// Microseconds since 1970.
pub fn micros(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

// === impl Queues ===

impl Queues {
    /// Connects, and declares the exchange.
    pub async fn connect(url: &str) -> anyhow::Result<Self> {
        let connection = Connection::connect(url, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        let durable = ExchangeDeclareOptions {
            durable: true,
            ..ExchangeDeclareOptions::default()
        };
        channel
            .exchange_declare(
                EXCHANGE.into(),
                ExchangeKind::Topic,
                durable,
                FieldTable::default(),
            )
            .await?;
        channel.close(200, "done".into()).await?;
        Ok(Self { connection })
    }

    /// Declares a durable quorum queue for what is published with a routing key.
    pub async fn declare(&self, queue: &str, key: &str) -> anyhow::Result<()> {
        let channel = self.connection.create_channel().await?;
        let mut arguments = FieldTable::default();
        arguments.insert(
            "x-queue-type".into(),
            AMQPValue::LongString("quorum".into()),
        );
        channel
            .queue_declare(queue.into(), QueueDeclareOptions::durable(), arguments)
            .await?;
        channel
            .queue_bind(
                queue.into(),
                EXCHANGE.into(),
                key.into(),
                QueueBindOptions::default(),
                FieldTable::default(),
            )
            .await?;
        channel.close(200, "done".into()).await?;
        Ok(())
    }

    /// Puts messages into a queue, numbered from 0, and waits until all are confirmed.
    pub async fn fill(&self, queue: &str, count: usize, bytes: usize) -> anyhow::Result<()> {
        let channel = self.connection.create_channel().await?;
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await?;
        let body = vec![b'x'; bytes];
        let (channel_of_all, body) = (&channel, &body);
        let mut confirms = stream::iter(0..count)
            .map(|index| async move { fill_one(channel_of_all, queue, index, body).await })
            .buffer_unordered(FILLING);
        while let Some(confirm) = confirms.next().await {
            let is_taken = matches!(confirm?, Confirmation::Ack(None));
            ensure!(is_taken, "a message for {queue} was not taken");
        }
        drop(confirms);
        channel.close(200, "done".into()).await?;
        Ok(())
    }

    /// How many messages wait in a queue.
    pub async fn waiting(&self, queue: &str) -> anyhow::Result<usize> {
        let channel = self.connection.create_channel().await?;
        let passive = QueueDeclareOptions {
            passive: true,
            ..QueueDeclareOptions::default()
        };
        let declared = channel
            .queue_declare(queue.into(), passive, FieldTable::default())
            .await?;
        let waiting = usize::try_from(declared.message_count())?;
        channel.close(200, "done".into()).await?;
        Ok(waiting)
    }

    /// Takes all that waits in a queue out of it; the ids of the messages, in their order.
    pub async fn take(&self, queue: &str) -> anyhow::Result<Vec<String>> {
        let waiting = self.waiting(queue).await?;
        let channel = self.connection.create_channel().await?;
        let mut deliveries = consume(&channel, queue, BasicConsumeOptions::default()).await?;
        let mut ids = Vec::with_capacity(waiting);
        let all_of_a_batch = BasicAckOptions { multiple: true };
        while ids.len() < waiting {
            let next = timeout(NEXT_MAX, deliveries.next()).await;
            let next =
                next.with_context(|| format!("{queue} gave {} of {waiting} messages", ids.len()))?;
            let delivery = next.context("the broker ended a consumer")??;
            ids.push(id(&delivery));
            let is_batch = ids.len().is_multiple_of(usize::from(PREFETCH / 2));
            if is_batch || ids.len() == waiting {
                delivery.acker.ack(all_of_a_batch).await?;
            }
        }
        drop(deliveries);
        channel.close(200, "done".into()).await?;
        Ok(ids)
    }

    /// Begins to listen at a queue. Nothing is acknowledged: it costs the server as little as possible.
    pub async fn listen(&self, queue: &str) -> anyhow::Result<Listener> {
        let channel = self.connection.create_channel().await?;
        let unacknowledged = BasicConsumeOptions {
            no_ack: true,
            ..BasicConsumeOptions::default()
        };
        let mut deliveries = consume(&channel, queue, unacknowledged).await?;
        let heard = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&heard);
        let mut listening = JoinSet::new();
        listening.spawn(async move {
            while let Some(delivery) = deliveries.next().await {
                let delivery = delivery?;
                let heard = Heard {
                    at: micros(SystemTime::now()),
                    body: delivery.data,
                };
                lock(&all).push(heard);
            }
            drop(channel);
            bail!("the broker ended a consumer");
        });
        Ok(Listener {
            heard,
            _listening: listening,
        })
    }
}

// === impl Listener ===

impl Listener {
    /// What has arrived since the last time, in its order.
    pub fn take(&self) -> Vec<Heard> {
        std::mem::take(&mut *lock(&self.heard))
    }
}

fn lock(heard: &Mutex<Vec<Heard>>) -> MutexGuard<'_, Vec<Heard>> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn consume(
    channel: &Channel,
    queue: &str,
    options: BasicConsumeOptions,
) -> anyhow::Result<lapin::Consumer> {
    channel
        .basic_qos(PREFETCH, BasicQosOptions::default())
        .await?;
    let consumer = channel
        .basic_consume(queue.into(), "".into(), options, FieldTable::default())
        .await?;
    Ok(consumer)
}

async fn fill_one(
    channel: &Channel,
    queue: &str,
    index: usize,
    body: &[u8],
) -> lapin::Result<Confirmation> {
    let mandatory = BasicPublishOptions {
        mandatory: true,
        ..BasicPublishOptions::default()
    };
    let properties = BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_content_type("application/protobuf".into())
        .with_message_id(index.to_string().into());
    // Straight to the queue: the default exchange knows all of them by their names.
    channel
        .basic_publish("".into(), queue.into(), mandatory, body, properties)
        .await?
        .await
}

fn id(delivery: &Delivery) -> String {
    let id = delivery.properties.message_id();
    id.as_ref().map(ToString::to_string).unwrap_or_default()
}
