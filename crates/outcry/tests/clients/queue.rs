//! Queues as a client of the broker sees them.

use std::collections::BTreeMap;
use std::time::Duration;

use lapin::message::BasicGetMessage;
use lapin::options::{BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use outcry_servers::RabbitMq;

use super::person::arrives;

/// The exchange that every event is published to.
const EVENTS: &str = "outcry.events";

/// How long a confirm may take.
const CONFIRM_MAX: Duration = Duration::from_secs(30);

/// A message as it lies in a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lying {
    pub body: Vec<u8>,
    /// Texts only.
    pub headers: BTreeMap<String, String>,
}

/// A connection of the story's own.
pub struct Queues {
    channel: Channel,
    _connection: Connection,
}

/// Waits until somebody consumes from a queue.
pub async fn is_consumed(rabbit: &RabbitMq, queue: &str) {
    let path = format!("/api/queues/%2F/{queue}");
    arrives(&format!("a consumer of {queue}"), async || {
        let found = rabbit.get(&path).await.ok()?;
        (found["consumers"].as_u64()? > 0).then_some(())
    })
    .await;
}

// === impl Queues ===

impl Queues {
    pub async fn open(rabbit: &RabbitMq) -> Self {
        let properties = ConnectionProperties::default();
        let connection = Connection::connect(&rabbit.url(), properties)
            .await
            .unwrap();
        let channel = connection.create_channel().await.unwrap();
        let confirms = ConfirmSelectOptions::default();
        channel.confirm_select(confirms).await.unwrap();
        Self {
            channel,
            _connection: connection,
        }
    }

    /// A queue bound to topics.
    pub async fn bind(&self, queue: &str, topics: &[&str]) {
        let declared =
            self.channel
                .queue_declare(queue.into(), Default::default(), FieldTable::default());
        declared.await.unwrap();
        for topic in topics {
            let bound = self.channel.queue_bind(
                queue.into(),
                EVENTS.into(),
                (*topic).into(),
                Default::default(),
                FieldTable::default(),
            );
            bound.await.unwrap();
        }
    }

    /// Publishes bytes as anybody could.
    pub async fn publish(&self, topic: &str, headers: &BTreeMap<String, String>, body: &[u8]) {
        let mut table = FieldTable::default();
        for (name, value) in headers {
            let value = AMQPValue::LongString(value.as_str().into());
            table.insert(name.as_str().into(), value);
        }
        let properties = BasicProperties::default()
            .with_delivery_mode(2)
            .with_headers(table);
        let options = BasicPublishOptions::default();
        let published = self
            .channel
            .basic_publish(EVENTS.into(), topic.into(), options, body, properties)
            .await
            .unwrap();
        let confirmed = tokio::time::timeout(CONFIRM_MAX, published).await;
        confirmed.unwrap().unwrap();
    }

    /// Takes so many messages, waiting for them.
    pub async fn take(&self, queue: &str, count: usize) -> Vec<Lying> {
        let mut taken = Vec::new();
        while taken.len() < count {
            let what = format!("message {} of {queue}", taken.len() + 1);
            taken.push(arrives(&what, async || self.next(queue).await).await);
        }
        taken
    }

    /// The next message, if there is one.
    pub async fn next(&self, queue: &str) -> Option<Lying> {
        let options = BasicGetOptions { no_ack: true };
        let got = self.channel.basic_get(queue.into(), options).await;
        got.unwrap().map(lying)
    }
}

fn lying(got: BasicGetMessage) -> Lying {
    let headers = got.delivery.properties.headers().iter();
    let texts = headers
        .flat_map(FieldTable::inner)
        .filter_map(|(name, value)| {
            let AMQPValue::LongString(text) = value else {
                return None;
            };
            let text = String::from_utf8_lossy(text.as_bytes()).into_owned();
            Some((name.to_string(), text))
        });
    Lying {
        headers: texts.collect(),
        body: got.delivery.data.clone(),
    }
}
