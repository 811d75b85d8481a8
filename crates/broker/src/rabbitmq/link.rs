//! A connection that is there when it is needed, and made again when it broke.
//!
//! The client's own recovery is not used: it cannot be relied on after a server's restart, and it
//! would keep channels alive whose deliveries and confirms are gone.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use lapin::protocol::AMQPErrorKind;
use lapin::tcp::OwnedTLSConfig;
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{Channel, Connection, ConnectionProperties, ErrorKind, Event};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{debug, info, warn};

use super::fault::Fault;
use super::groups::Groups;
use super::{RabbitOptions, declarer};
use crate::topology::Topology;

/// How long opening a connection may take. A server under load answers in less; one that hangs is
/// left and tried again.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// How long anything else that is asked of the server may take, except a confirm.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(20);

/// Pause after the first failed attempt to connect. It doubles with every other one.
const BACKOFF_FIRST: Duration = Duration::from_millis(50);

/// Longest pause between two attempts: how late a server that came back is noticed at most.
const BACKOFF_MOST: Duration = Duration::from_secs(5);

/// One of the broker's connections.
#[derive(Debug)]
pub(super) struct Link {
    uri: AMQPUri,
    tls: OwnedTLSConfig,
    name: String,
    /// Groups that are made sure of on every new connection.
    groups: Arc<Groups>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    connection: Option<Arc<Connection>>,
    failures: u32,
    /// No attempt is made before.
    next_attempt: Option<Instant>,
    closed: bool,
}

// === impl Link ===

impl Link {
    /// A link for `purpose`, not yet connected.
    pub(super) fn new(
        options: &RabbitOptions,
        purpose: &str,
        groups: Arc<Groups>,
    ) -> Result<Self, Fault> {
        let mut uri: AMQPUri = options.url.parse().map_err(Fault::Address)?;
        let seconds = options.heartbeat.as_secs().max(1);
        uri.query.heartbeat = Some(u16::try_from(seconds).unwrap_or(u16::MAX));
        let wait = u64::try_from(CONNECT_MAX.as_millis()).unwrap_or(u64::MAX);
        uri.query.connection_timeout = Some(wait);
        let cert_chain = options.ca_certificates.clone();
        Ok(Self {
            uri,
            tls: OwnedTLSConfig {
                identity: None,
                cert_chain,
            },
            name: format!("{} ({purpose})", options.name),
            groups,
            state: Mutex::default(),
        })
    }

    /// Name of the connection, as operators see it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// A new channel, on a new connection when the old one is gone; within `patience`, however
    /// often it is tried.
    pub(super) async fn channel(&self, patience: Duration) -> Result<Channel, Fault> {
        let deadline = Instant::now() + patience;
        loop {
            let connection = self.connection(deadline).await?;
            match timeout(ANSWER_MAX, connection.create_channel()).await {
                Ok(Ok(channel)) => return Ok(channel),
                // The connection broke just now; the next round makes another.
                Ok(Err(_)) if !connection.status().connected() && Instant::now() < deadline => {}
                Ok(Err(error)) => return Err(Fault::of(error, "a channel")),
                Err(_) => {
                    return Err(Fault::Late {
                        what: "open a channel",
                        bound: ANSWER_MAX,
                    });
                }
            }
        }
    }

    /// The connection, made when there is none. Several may wait here; one connects.
    async fn connection(&self, deadline: Instant) -> Result<Arc<Connection>, Fault> {
        let late = || Fault::Late {
            what: "accept a connection",
            bound: CONNECT_MAX,
        };
        let locked = tokio::time::timeout_at(deadline, self.state.lock()).await;
        let mut state = locked.map_err(|_| late())?;
        if let Some(connection) = &state.connection
            && connection.status().connected()
        {
            return Ok(Arc::clone(connection));
        }
        state.connection = None;
        loop {
            if state.closed {
                return Err(late());
            }
            if let Some(at) = state.next_attempt.take() {
                sleep_until(at.min(deadline)).await;
            }
            match self.connect().await {
                Ok(connection) => {
                    state.failures = 0;
                    let connection = Arc::new(connection);
                    state.connection = Some(Arc::clone(&connection));
                    return Ok(connection);
                }
                Err(fault) => {
                    state.failures = state.failures.saturating_add(1);
                    let pause = backoff(state.failures);
                    let at = Instant::now() + pause;
                    state.next_attempt = Some(at);
                    let failures = state.failures;
                    warn!(
                        connection = self.name,
                        failures,
                        error = %fault,
                        "connecting to the broker failed"
                    );
                    if !fault.may_pass() || at >= deadline {
                        return Err(fault);
                    }
                }
            }
        }
    }

    /// Connects, and makes sure of the topology.
    async fn connect(&self) -> Result<Connection, Fault> {
        let properties =
            ConnectionProperties::default().with_connection_name(self.name.as_str().into());
        let opening = Connection::connect_uri_with_config(
            self.uri.clone(),
            properties,
            self.tls.clone(),
            lapin::runtime::default_runtime().map_err(Fault::Unreachable)?,
        );
        let connection = timeout(CONNECT_MAX, opening)
            .await
            .map_err(|_| Fault::Late {
                what: "accept a connection",
                bound: CONNECT_MAX,
            })?
            .map_err(Fault::of_connecting)?;
        tokio::spawn(watch(self.name.clone(), connection.events_listener()));
        declarer::ensure(&connection, &Topology::shared()).await?;
        for group in self.groups.all() {
            // The others are not to suffer from one.
            if let Err(fault) = declarer::ensure(&connection, &Topology::of_group(&group)).await {
                warn!(group = group.name, error = %fault, "declaring a group again failed");
            }
        }
        info!(
            connection = self.name,
            host = self.uri.authority.host,
            port = self.uri.authority.port,
            tls = self.uri.scheme == AMQPScheme::AMQPS,
            "connected to the broker"
        );
        Ok(connection)
    }

    /// Runs `work` on the connection that there is; connects first when there is none.
    pub(super) async fn with_connection<T>(
        &self,
        patience: Duration,
        work: impl AsyncFnOnce(&Connection) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let connection = self.connection(Instant::now() + patience).await?;
        work(&connection).await
    }

    /// Closes the connection for good.
    pub(super) async fn close(&self, patience: Duration) {
        let Ok(mut state) = timeout(patience, self.state.lock()).await else {
            return;
        };
        state.closed = true;
        let Some(connection) = state.connection.take() else {
            return;
        };
        // One that does not answer is closed by being dropped.
        let _ = timeout(patience, connection.close(200, "closed".into())).await;
    }
}

/// Whether an error ended a channel and left the connection as it is: looking for a queue that is not there
/// does.
fn is_of_a_channel(error: &lapin::Error) -> bool {
    match error.kind() {
        ErrorKind::ProtocolError(error) => matches!(error.kind(), AMQPErrorKind::Soft(_)),
        _ => false,
    }
}

/// Logs what the server says about the connection until it is gone.
async fn watch(connection: String, events: impl futures::Stream<Item = Event>) {
    let mut events = std::pin::pin!(events);
    while let Some(event) = events.next().await {
        match event {
            Event::ConnectionBlocked(reason) => {
                warn!(connection, reason, "the broker takes nothing at the moment");
            }
            Event::ConnectionUnblocked => info!(connection, "the broker takes messages again"),
            // One channel's business: whoever used it is told.
            Event::Error(error) if is_of_a_channel(&error) => {
                debug!(connection, error = %error, "the broker refused something");
            }
            Event::Error(error) => {
                warn!(connection, error = %error, "the connection to the broker broke");
                return;
            }
            _ => {}
        }
    }
}

/// The pause after so many failures: between half of it and all of it, so that not everybody comes
/// back at the same moment.
fn backoff(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let full = BACKOFF_FIRST
        .saturating_mul(1 << doublings)
        .min(BACKOFF_MOST);
    full.mul_f64(rand::random_range(0.5..=1.0))
}

/// Pauses as after a failed attempt.
pub(super) async fn pause(failures: u32) {
    sleep(backoff(failures)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound() {
        for failures in 1..100 {
            let pause = backoff(failures);
            assert!(pause >= BACKOFF_FIRST / 2 && pause <= BACKOFF_MOST);
        }
        assert!(backoff(20) >= BACKOFF_MOST / 2);
    }
}
