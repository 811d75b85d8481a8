//! Consumes with lapin through an inbox in PostgreSQL, with manual acknowledgement.

use std::time::Instant;

use deadpool_postgres::{Manager, Pool};
use futures_util::stream::{StreamExt, TryStreamExt};
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Connection, ConnectionProperties};
use serde_json::{Value, json};
use tokio_postgres::NoTls;

use crate::Failure;
use crate::driver::Driver;
use crate::options::Options;

/// As many connections as every peer has.
const CONNECTIONS: usize = 8;

/// What AMQP calls a close without an error.
const REPLY_SUCCESS: u16 = 200;

pub async fn run(options: &Options, mut driver: Driver) -> Result<(), Failure> {
    let count = options.number("count")?;
    let prefetch: u16 = options.number("prefetch")?;
    let queue = options.text("queue")?.into();
    let pool = connect(options.text("postgres")?).await?;
    let properties = ConnectionProperties::default();
    let connection = Connection::connect(options.text("amqp")?, properties).await?;
    let channel = connection.create_channel().await?;
    channel
        .basic_qos(prefetch, BasicQosOptions::default())
        .await?;

    driver.ready("lapin 4.12.3")?;
    while driver.go().await? {
        let result = consume(&channel, &queue, &pool, count, usize::from(prefetch)).await?;
        driver.tell(&result)?;
    }
    connection.close(REPLY_SUCCESS, "done".into()).await?;
    Ok(())
}

/// A pool whose connections are all open already.
async fn connect(url: &str) -> Result<Pool, Failure> {
    let manager = Manager::new(url.parse()?, NoTls);
    let pool = Pool::builder(manager).max_size(CONNECTIONS).build()?;
    let mut open = Vec::new();
    for _ in 0..CONNECTIONS {
        open.push(pool.get().await?);
    }
    Ok(pool)
}

async fn consume(
    channel: &Channel,
    queue: &ShortString,
    pool: &Pool,
    count: usize,
    at_a_time: usize,
) -> Result<Value, Failure> {
    let start = Instant::now();
    let consumer = channel
        .basic_consume(
            queue.clone(),
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        )
        .await?;
    let tag = consumer.tag();
    let (new, duplicates) = consumer
        .take(count)
        .map(|delivery| async { take(pool, delivery?).await })
        .buffer_unordered(at_a_time)
        .try_fold((0, 0), |(new, duplicates), is_new| async move {
            Ok(if is_new {
                (new + 1, duplicates)
            } else {
                (new, duplicates + 1)
            })
        })
        .await?;
    let seconds = start.elapsed().as_secs_f64();
    if new + duplicates < count {
        return Err("the broker ended the consumer".into());
    }
    channel
        .basic_cancel(tag, BasicCancelOptions::default())
        .await?;
    Ok(json!({ "count": count, "new": new, "duplicates": duplicates, "seconds": seconds }))
}

/// Writes the message and its effect in one transaction, and acknowledges it then; whether it is
/// new.
async fn take(pool: &Pool, delivery: Delivery) -> Result<bool, Failure> {
    let message_id = delivery.properties.message_id().as_ref();
    let message_id = message_id.ok_or("a message without an id")?.as_str();
    let mut client = pool.get().await?;
    let transaction = client.transaction().await?;
    let insert = "INSERT INTO peer_inbox (message_id) VALUES ($1) ON CONFLICT DO NOTHING";
    let insert = transaction.prepare_cached(insert).await?;
    let new = transaction.execute(&insert, &[&message_id]).await? == 1;
    if new {
        let effect = "INSERT INTO peer_effect (message_id, body) VALUES ($1, $2)";
        let effect = transaction.prepare_cached(effect).await?;
        let body = delivery.data.as_slice();
        transaction.execute(&effect, &[&message_id, &body]).await?;
    }
    transaction.commit().await?;
    drop(client);
    delivery.acker.ack(BasicAckOptions::default()).await?;
    Ok(new)
}
