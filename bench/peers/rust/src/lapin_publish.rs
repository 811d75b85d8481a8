//! Publishes with lapin and nothing around it: the limit that a library on top of it can reach.

use std::collections::BTreeMap;
use std::time::Instant;

use futures_util::stream::{self, StreamExt};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};
use serde_json::{Value, json};

use crate::Failure;
use crate::driver::Driver;
use crate::latency::Latencies;
use crate::options::Options;

/// AMQP's number for a message that is written to disk.
const PERSISTENT: u8 = 2;

/// What AMQP calls a close without an error.
const REPLY_SUCCESS: u16 = 200;

struct Round {
    exchange: ShortString,
    routing_key: ShortString,
    count: usize,
    body: Vec<u8>,
    in_flight: usize,
    headers: BTreeMap<String, String>,
}

pub async fn run(options: &Options, mut driver: Driver) -> Result<(), Failure> {
    let round = Round {
        exchange: options.text("exchange")?.into(),
        routing_key: options.text("routing-key")?.into(),
        count: options.number("count")?,
        body: vec![b'x'; options.number("body-bytes")?],
        in_flight: options.number("in-flight")?,
        headers: match options.text("headers") {
            Ok(headers) => serde_json::from_str(headers)?,
            Err(_) => BTreeMap::new(),
        },
    };
    let properties = ConnectionProperties::default();
    let connection = Connection::connect(options.text("amqp")?, properties).await?;
    let channel = connection.create_channel().await?;
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await?;

    driver.ready("lapin 4.12.3")?;
    while driver.go().await? {
        driver.tell(&round.publish(&channel).await?)?;
    }
    connection.close(REPLY_SUCCESS, "done".into()).await?;
    Ok(())
}

impl Round {
    async fn publish(&self, channel: &Channel) -> Result<Value, Failure> {
        let (mut confirmed, mut nacked, mut returned) = (0, 0, 0);
        let mut latencies = Latencies::with_capacity(self.count);
        let start = Instant::now();
        // All in one task: a publish is complete only when its bytes are written, so one after the
        // other would wake lapin's I/O loop for each, while here it finds many to write at once.
        let mut answers = stream::iter(0..self.count)
            .map(|index| async move {
                let begun = Instant::now();
                let confirmation = self.publish_one(channel, index).await?;
                Ok::<_, lapin::Error>((confirmation, begun.elapsed()))
            })
            .buffer_unordered(self.in_flight);
        while let Some(answer) = answers.next().await {
            let (confirmation, latency) = answer?;
            latencies.record(latency);
            match confirmation {
                Confirmation::Ack(None) => confirmed += 1,
                Confirmation::Nack(None) => nacked += 1,
                Confirmation::Ack(Some(_)) | Confirmation::Nack(Some(_)) => returned += 1,
                Confirmation::NotRequested => return Err("confirms are off".into()),
            }
        }
        let seconds = start.elapsed().as_secs_f64();
        let (p50, p99) = latencies.p50_p99_us();
        Ok(json!({
            "count": self.count,
            "confirmed": confirmed,
            "nacked": nacked,
            "returned": returned,
            "seconds": seconds,
            "p50_us": p50,
            "p99_us": p99,
        }))
    }

    async fn publish_one(&self, channel: &Channel, index: usize) -> lapin::Result<Confirmation> {
        let options = BasicPublishOptions {
            mandatory: true,
            ..BasicPublishOptions::default()
        };
        let mut headers = FieldTable::default();
        for (name, value) in &self.headers {
            let value = AMQPValue::LongString(value.as_str().into());
            headers.insert(name.as_str().into(), value);
        }
        let properties = BasicProperties::default()
            .with_headers(headers)
            .with_delivery_mode(PERSISTENT)
            .with_content_type("application/protobuf".into())
            .with_message_id(index.to_string().into());
        channel
            .basic_publish(
                self.exchange.clone(),
                self.routing_key.clone(),
                options,
                &self.body,
                properties,
            )
            .await?
            .await
    }
}
