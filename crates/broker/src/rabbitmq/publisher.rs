//! Sends messages and waits until the server has them: confirmed and routed.
//!
//! A wave has a channel to itself. The client hands a returned message to whichever confirm it sees
//! next, not to the one it belongs to; so returned messages are told by what they are, when every
//! confirm of the channel has come. The same goes for the confirms' numbers, which are right only
//! when one task publishes.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::join_all;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{Channel, Confirmation};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::declarer::within;
use super::fault::Fault;
use super::link::Link;
use super::waves::Waves;
use super::wire;
use crate::error::PublishError;
use crate::message::Message;
use crate::topology::EVENTS;

/// Waves at the same time. More callers wait for their turn; a server confirms in batches anyway.
const WAVES_MAX: u32 = 16;

/// How long a server may take to confirm one wave. Long enough for one that is writing a lot, short
/// enough that a relay does not hang on a server that takes nothing. Afterwards the channel is given
/// up, and whatever it carried counts as not published.
pub const CONFIRM_MAX: Duration = Duration::from_secs(15);

/// How long a call waits for a connection while there is none.
const PATIENCE: Duration = Duration::from_secs(5);

/// Publishes over one connection.
#[derive(Debug)]
pub(super) struct Publisher {
    link: Link,
    turns: Semaphore,
    /// Channels in confirm mode with nothing unconfirmed.
    idle: Mutex<Vec<Channel>>,
}

/// A channel for one wave. Given up, unless the wave came to its end.
struct Turn<'a> {
    publisher: &'a Publisher,
    channel: Option<Channel>,
    _permit: SemaphorePermit<'a>,
}

// === impl Publisher ===

impl Publisher {
    pub(super) fn new(link: Link) -> Self {
        Self {
            link,
            turns: Semaphore::new(WAVES_MAX as usize),
            idle: Mutex::default(),
        }
    }

    pub(super) fn link(&self) -> &Link {
        &self.link
    }

    /// Publishes in waves; the outcome of each message.
    pub(super) async fn publish(&self, messages: &[Message]) -> Vec<Result<(), PublishError>> {
        let mut waves = Waves::of(messages);
        loop {
            let wave = waves.next();
            if wave.is_empty() {
                return waves.finish();
            }
            let sent: Vec<_> = wave
                .iter()
                .filter_map(|place| messages.get(*place))
                .collect();
            let outcomes = match self.send(&sent).await {
                Ok(outcomes) => outcomes,
                Err(error) => vec![Err(error); wave.len()],
            };
            waves.settle(&wave, outcomes);
        }
    }

    /// Sends messages of different keys, and waits for all of them. An error is that of all.
    async fn send(&self, wave: &[&Message]) -> Result<Vec<Result<(), PublishError>>, PublishError> {
        let turn = self.turn().await?;
        let Some(channel) = &turn.channel else {
            return Err(PublishError::Closed);
        };
        let sending = join_all(wave.iter().map(|message| send_one(channel, message)));
        let Ok(confirms) = timeout(CONFIRM_MAX, sending).await else {
            return Err(Fault::Late {
                what: "confirm",
                bound: CONFIRM_MAX,
            }
            .into());
        };
        let complete = confirms.iter().all(Result::is_ok);
        let returned: HashSet<(String, String)> = confirms
            .iter()
            .filter_map(|confirm| match confirm {
                Ok(Confirmation::Ack(Some(message)) | Confirmation::Nack(Some(message))) => {
                    let id = message.properties.message_id().as_ref();
                    let id = id.map_or_else(String::new, ToString::to_string);
                    Some((message.routing_key.to_string(), id))
                }
                _ => None,
            })
            .collect();
        if complete {
            turn.end();
        } else if let Some(Err(error)) = confirms.iter().find(|confirm| confirm.is_err()) {
            // Among those that were confirmed before may be returned ones that nobody has named.
            return Err(Fault::of(error.clone(), EVENTS).into());
        }
        let outcome = |(message, confirm): (&&Message, Result<Confirmation, lapin::Error>)| {
            if returned.contains(&(message.topic.clone(), message.event_id.clone())) {
                return Err(PublishError::Unroutable {
                    topic: message.topic.clone(),
                });
            }
            match confirm {
                Ok(Confirmation::Ack(_)) => Ok(()),
                _ => Err(Fault::NotTaken.into()),
            }
        };
        Ok(wave.iter().zip(confirms).map(outcome).collect())
    }

    async fn turn(&self) -> Result<Turn<'_>, PublishError> {
        // Only closing closes it.
        let permit = self.turns.acquire().await;
        let permit = permit.map_err(|_| PublishError::Closed)?;
        let mut turn = Turn {
            publisher: self,
            channel: None,
            _permit: permit,
        };
        let idle = {
            let mut idle = self.lock();
            idle.retain(|channel| channel.status().connected());
            idle.pop()
        };
        let channel = match idle {
            Some(channel) => channel,
            None => {
                let channel = self.link.channel(PATIENCE).await?;
                within(channel.confirm_select(ConfirmSelectOptions::default()))
                    .await?
                    .map_err(|error| Fault::of(error, "confirms"))?;
                channel
            }
        };
        turn.channel = Some(channel);
        Ok(turn)
    }

    /// Refuses new waves, lets those under way finish within `patience`, and disconnects.
    pub(super) async fn close(&self, patience: Duration) {
        // What has not finished by then counts as not published.
        let _ = timeout(patience, self.turns.acquire_many(WAVES_MAX)).await;
        self.turns.close();
        self.lock().clear();
        self.link.close(patience).await;
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Channel>> {
        // Nothing that panics happens while it is held.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends one message, and waits for its confirm. It is sent when the future is first polled.
async fn send_one(channel: &Channel, message: &Message) -> Result<Confirmation, lapin::Error> {
    let options = BasicPublishOptions {
        mandatory: true,
        ..BasicPublishOptions::default()
    };
    channel
        .basic_publish(
            EVENTS.into(),
            message.topic.as_str().into(),
            options,
            &message.body,
            wire::properties(message),
        )
        .await?
        .await
}

// === impl Turn ===

impl Turn<'_> {
    /// Everything is confirmed; the channel can be used again.
    fn end(mut self) {
        if let Some(channel) = self.channel.take() {
            self.publisher.lock().push(channel);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(channel) = self.channel.take() {
            // Nobody waits for the answer.
            let _ = channel.close(200, "given up".into()).now_or_never();
        }
    }
}
