//! Relays as a service does that does nothing else.

use std::sync::Arc;

use outcry_broker::{Broker as _, RabbitMq, RabbitOptions};
use outcry_mesh::Directory;
use outcry_service::{Context, Service, SystemClock};
use outcry_store::Store;
use outcry_store::limits::RELAY_SLOTS;
use tokio_util::sync::CancellationToken;

use super::consume::{all_are_held, open};
use super::driver::Driver;
use crate::load::{SERVICE, TOPIC};

/// The pool of the relay's slots.
const POOL: &str = "relay";

/// What the driver asks for.
#[derive(clap::Args)]
pub struct Options {
    /// URL of the broker
    #[arg(long)]
    amqp: String,
    /// URL of the database
    #[arg(long)]
    postgres: String,
}

/// Relays until the standard input ends.
pub async fn run(options: Options, mut driver: Driver) -> anyhow::Result<()> {
    let store = open(&options.postgres).await?;
    let broker = RabbitMq::connect(RabbitOptions::new(&options.amqp, "relay")).await?;
    let clock = Arc::new(SystemClock::new());
    let ctx = Context::new(
        SERVICE,
        Arc::clone(&store) as Arc<dyn Store>,
        clock,
        Directory::new(),
    );
    let stop = CancellationToken::new();
    let service = Service::new(SERVICE).emits(&[TOPIC]);
    let running = outcry_service::run(ctx, service, Arc::new(broker.clone()), stop.clone());
    let mut running = tokio::spawn(running);
    all_are_held(&store, POOL, RELAY_SLOTS).await?;

    driver.ready()?;
    tokio::select! {
        ended = driver.end() => ended?,
        ended = &mut running => {
            ended??;
            anyhow::bail!("the relay ended");
        }
    }
    stop.cancel();
    running.await??;
    broker.close().await?;
    Ok(())
}
