//! Relays hexeract's outbox to RabbitMQ: the library's worker, and its bus as the worker's handler.

use std::sync::Arc;
use std::time::Duration;

use hexeract::bus::{Exchange, ExchangeKind, RawBusPublish};
use hexeract::bus_rabbitmq::RabbitMqTransport;
use hexeract::core::HandlerContext;
use hexeract::outbox::{Event, Handler, OutboxError};
use hexeract::outbox_sql::PgOutboxWorkerBuilder;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::Failure;
use crate::driver::Driver;
use crate::hexeract_event::{DEAD_LETTERS, LIBRARY, OUTBOX, PeerEvent, connect, declare};
use crate::options::Options;

/// The library's own values. Its documentation goes down to 20 ms for low latency, and to two
/// workers for more than 100 events a second.
const POLL_MS: u64 = 100;
const BATCH: usize = 10;
const WORKERS: usize = 1;

/// Connections beyond one for each worker, as the library's documentation counts them.
const SPARE_CONNECTIONS: usize = 2;

struct Relay {
    transport: RabbitMqTransport,
}

impl Handler<PeerEvent> for Relay {
    type Error = OutboxError;

    async fn handle(&self, event: PeerEvent, context: &HandlerContext) -> Result<(), OutboxError> {
        let payload = serde_json::to_vec(&event)?;
        let topic = PeerEvent::EVENT_TYPE;
        // Under the id it has in the outbox: one published twice can be told by it.
        let message_id = *context.message_id.as_uuid();
        self.transport
            .publish_raw(topic, message_id, topic, &payload)
            .await
            .map_err(|error| OutboxError::Internal(error.to_string()))
    }
}

pub async fn run(options: &Options, mut driver: Driver) -> Result<(), Failure> {
    let poll = Duration::from_millis(options.number_or("poll-ms", POLL_MS)?);
    let batch = options.number_or("batch", BATCH)?;
    let workers = options.number_or("workers", WORKERS)?;
    let connections = u32::try_from(workers + SPARE_CONNECTIONS)?;
    let pool = connect(options.text("postgres")?, connections).await?;
    declare(&pool).await?;
    // The same durable topic exchange that the driver declares.
    let exchange = Exchange::new(options.text("exchange")?, ExchangeKind::Topic)?.durable(true);
    // Confirmed, mandatory and persistent unless one asks for less.
    let transport = RabbitMqTransport::with_exchange(options.text("amqp")?, exchange).await?;
    let relay = Arc::new(Relay { transport });

    let cancel = CancellationToken::new();
    let mut running = JoinSet::new();
    for _ in 0..workers {
        let worker = PgOutboxWorkerBuilder::new(pool.clone())
            .table_name(OUTBOX)
            .dead_letter_table(DEAD_LETTERS)
            .shared_handler::<PeerEvent, _>(Arc::clone(&relay))
            .poll_interval(poll)
            .batch_size(batch)
            .build()?;
        running.spawn(worker.run(cancel.clone()));
    }

    driver.ready(LIBRARY)?;
    tokio::select! {
        ended = driver.end() => ended?,
        _ = running.join_next() => return Err("a worker of the relay ended".into()),
    }
    cancel.cancel();
    while let Some(worker) = running.join_next().await {
        worker??;
    }
    Ok(())
}
