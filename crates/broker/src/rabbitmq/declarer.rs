//! Makes exchanges, queues and bindings, or makes sure that they are there.

use std::future::Future;

use lapin::options::{
    ExchangeBindOptions, ExchangeDeclareOptions, ExchangeDeleteOptions, ExchangeUnbindOptions,
    QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, Error, ExchangeKind};
use tokio::time::timeout;

use super::fault::{Fault, Refusal, refusal};
use super::link::ANSWER_MAX;
use crate::topology::{Argument, Arguments, Binding, Destination, Exchange, Queue, Topology};

/// A channel that is opened again after every refusal, which closes it.
pub(super) struct Declarer<'a> {
    connection: &'a Connection,
    channel: Option<Channel>,
    /// The server has refused to let this user declare; what must exist is looked at only.
    only_looks: bool,
}

/// What a look at a queue shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    /// Messages that nobody has in hand.
    pub(super) ready: u64,
    /// Subscriptions, active or not.
    pub(super) consumers: u64,
}

/// Makes sure of a topology: declares everything, which changes nothing when it is there already.
/// A user who may not declare gets along when it is there.
pub(super) async fn ensure(connection: &Connection, topology: &Topology) -> Result<(), Fault> {
    let mut declarer = Declarer::new(connection);
    for exchange in &topology.exchanges {
        declarer.exchange(exchange).await?;
    }
    for queue in &topology.queues {
        declarer.queue(queue).await?;
    }
    for binding in &topology.bindings {
        declarer.binding(binding).await?;
    }
    declarer.finish().await;
    Ok(())
}

// === impl Declarer ===

impl<'a> Declarer<'a> {
    pub(super) fn new(connection: &'a Connection) -> Self {
        Self {
            connection,
            channel: None,
            only_looks: false,
        }
    }

    async fn channel(&mut self) -> Result<Channel, Fault> {
        if let Some(channel) = &self.channel
            && channel.status().connected()
        {
            return Ok(channel.clone());
        }
        let opened = within(self.connection.create_channel()).await?;
        let channel = opened.map_err(|error| Fault::of(error, "a channel"))?;
        self.channel = Some(channel.clone());
        Ok(channel)
    }

    pub(super) async fn finish(self) {
        if let Some(channel) = self.channel {
            // The connection closes what is left of it.
            let _ = within(channel.close(200, "done".into())).await;
        }
    }

    pub(super) async fn exchange(&mut self, exchange: &Exchange) -> Result<(), Fault> {
        let what = format!("exchange {}", exchange.name);
        if !self.only_looks {
            match self.declare_exchange(exchange, false).await? {
                Err(error) if is_forbidden(&error) => self.only_looks = true,
                declared => return declared.map_err(|error| Fault::of(error, &what)),
            }
        }
        let found = self.declare_exchange(exchange, true).await?;
        found.map_err(|error| Fault::of(error, &what))
    }

    async fn declare_exchange(
        &mut self,
        exchange: &Exchange,
        passive: bool,
    ) -> Result<Result<(), Error>, Fault> {
        let options = ExchangeDeclareOptions {
            passive,
            durable: true,
            ..ExchangeDeclareOptions::default()
        };
        let kind = match exchange.kind.as_str() {
            "topic" => ExchangeKind::Topic,
            "fanout" => ExchangeKind::Fanout,
            other => ExchangeKind::Custom(other.to_owned()),
        };
        let channel = self.channel().await?;
        within(channel.exchange_declare(
            exchange.name.as_str().into(),
            kind,
            options,
            table(&exchange.arguments),
        ))
        .await
    }

    pub(super) async fn queue(&mut self, queue: &Queue) -> Result<(), Fault> {
        let what = format!("queue {}", queue.name);
        if !self.only_looks {
            let channel = self.channel().await?;
            let declared = within(channel.queue_declare(
                queue.name.as_str().into(),
                QueueDeclareOptions::durable(),
                table(&queue.arguments),
            ))
            .await?;
            match declared {
                Err(error) if is_forbidden(&error) => self.only_looks = true,
                declared => {
                    return declared
                        .map(|_| ())
                        .map_err(|error| Fault::of(error, &what));
                }
            }
        }
        match self.look(&queue.name).await? {
            Some(_) => Ok(()),
            None => Err(Fault::Missing { what }),
        }
    }

    /// A user who may not declare cannot even look whether something is bound. Whoever made what it
    /// leads to has made the binding.
    pub(super) async fn binding(&mut self, binding: &Binding) -> Result<(), Fault> {
        if self.only_looks {
            return Ok(());
        }
        let channel = self.channel().await?;
        let (source, destination) = (binding.source.as_str(), binding.destination.as_str());
        let key = binding.key.as_str().into();
        let bound = match binding.to {
            Destination::Queue => {
                let options = QueueBindOptions::default();
                let slots = table(&binding.arguments);
                within(channel.queue_bind(destination.into(), source.into(), key, options, slots))
                    .await?
            }
            Destination::Exchange => {
                let options = ExchangeBindOptions::default();
                let arguments = table(&binding.arguments);
                let binding = channel.exchange_bind(
                    destination.into(),
                    source.into(),
                    key,
                    options,
                    arguments,
                );
                within(binding).await?
            }
        };
        bound.map_err(|error| Fault::of(error, &format!("binding {binding}")))
    }

    pub(super) async fn unbind(&mut self, binding: &Binding) -> Result<(), Fault> {
        let channel = self.channel().await?;
        let (source, destination) = (binding.source.as_str(), binding.destination.as_str());
        let key = binding.key.as_str().into();
        let arguments = table(&binding.arguments);
        let unbound = match binding.to {
            Destination::Queue => {
                within(channel.queue_unbind(destination.into(), source.into(), key, arguments))
                    .await?
            }
            Destination::Exchange => {
                let options = ExchangeUnbindOptions::default();
                let unbinding = channel.exchange_unbind(
                    destination.into(),
                    source.into(),
                    key,
                    options,
                    arguments,
                );
                within(unbinding).await?
            }
        };
        gone(unbound, &format!("binding {binding}"))
    }

    /// What a queue holds; none when it does not exist.
    pub(super) async fn look(&mut self, queue: &str) -> Result<Option<Look>, Fault> {
        let channel = self.channel().await?;
        let found = within(channel.queue_declare(
            queue.into(),
            QueueDeclareOptions::durable().passive(),
            FieldTable::default(),
        ))
        .await?;
        match found {
            Ok(found) => Ok(Some(Look {
                ready: u64::from(found.message_count()),
                consumers: u64::from(found.consumer_count()),
            })),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(Fault::of(error, &format!("queue {queue}"))),
        }
    }

    /// Deletes a queue with whatever is in it. None is fine.
    pub(super) async fn delete_queue(&mut self, queue: &str) -> Result<(), Fault> {
        let channel = self.channel().await?;
        // Quorum queues know no `if-empty` and `if-unused`: whoever calls has looked.
        let options = QueueDeleteOptions::default();
        let deleted = within(channel.queue_delete(queue.into(), options)).await?;
        gone(deleted.map(|_| ()), &format!("queue {queue}"))
    }

    /// Deletes an exchange with its bindings. None is fine.
    pub(super) async fn delete_exchange(&mut self, exchange: &str) -> Result<(), Fault> {
        let channel = self.channel().await?;
        let options = ExchangeDeleteOptions::default();
        let deleted = within(channel.exchange_delete(exchange.into(), options)).await?;
        gone(deleted, &format!("exchange {exchange}"))
    }
}

fn is_forbidden(error: &Error) -> bool {
    matches!(refusal(error), Some((Refusal::Forbidden, _)))
}

fn is_missing(error: &Error) -> bool {
    matches!(refusal(error), Some((Refusal::Missing, _)))
}

/// What is not there need not be removed.
fn gone(removed: Result<(), Error>, what: &str) -> Result<(), Fault> {
    match removed {
        Err(error) if is_missing(&error) => Ok(()),
        removed => removed.map_err(|error| Fault::of(error, what)),
    }
}

/// Bounds the wait for one answer.
pub(super) async fn within<T>(answer: impl Future<Output = T>) -> Result<T, Fault> {
    timeout(ANSWER_MAX, answer).await.map_err(|_| Fault::Late {
        what: "answer",
        bound: ANSWER_MAX,
    })
}

/// Arguments as AMQP carries them.
fn table(arguments: &Arguments) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, argument) in arguments {
        let value = match argument {
            Argument::Flag(flag) => AMQPValue::Boolean(*flag),
            Argument::Number(number) => AMQPValue::LongLongInt(*number),
            Argument::Text(text) => AMQPValue::LongString(text.as_str().into()),
            Argument::Other(other) => AMQPValue::LongString(other.to_string().into()),
        };
        table.insert(name.as_str().into(), value);
    }
    table
}
