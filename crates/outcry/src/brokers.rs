//! What carries events: the embedded broker, or RabbitMQ.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use outcry_broker::{Broker, EmbeddedBroker, RabbitMq, RabbitOptions};

use crate::config::{Config, without_password};
use crate::stores::Stores;

/// Opens the broker that the configuration names; connections to a server are called `name` there.
///
/// # Errors
/// It cannot be used; the message says what to do.
pub async fn connect(
    config: &Config,
    stores: &Stores,
    name: &str,
) -> anyhow::Result<Arc<dyn Broker>> {
    if config.broker.url.is_empty() {
        let Stores::Sqlite(database) = stores else {
            bail!(
                "PostgreSQL needs RabbitMQ beside it: the embedded broker lives in the file of the \
                 embedded database; give --broker amqp://… as well"
            );
        };
        let broker = EmbeddedBroker::open(database)
            .await
            .context("opening the embedded broker")?;
        return Ok(Arc::new(broker));
    }
    Ok(Arc::new(rabbit(config, name).await?))
}

/// Whom to trust besides those whom the system does.
///
/// # Errors
/// The file cannot be read.
pub fn authorities(config: &Config) -> anyhow::Result<Option<String>> {
    let file = &config.broker.ca_file;
    if file.as_os_str().is_empty() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("reading `ca_file` in [broker], {}", file.display()))?;
    Ok(Some(text))
}

/// Connects to RabbitMQ.
///
/// # Errors
/// It cannot be reached, or does not let us in.
pub async fn rabbit(config: &Config, name: &str) -> anyhow::Result<RabbitMq> {
    let options = RabbitOptions {
        ca_certificates: authorities(config)?,
        ..RabbitOptions::new(&config.broker.url, name)
    };
    RabbitMq::connect(options)
        .await
        .with_context(|| format!("connecting to {}", without_password(&config.broker.url)))
}
