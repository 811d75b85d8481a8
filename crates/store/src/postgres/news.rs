//! Telling processes of each other's commits.
//!
//! A commit tells the readers of its own process at once. Other processes are told by NOTIFY,
//! outside of the commit: inside, it would make commits wait for one another, whatever they are
//! about. What gets lost with a connection is made up for: after a new one everybody is told.

use std::collections::{BTreeSet, HashMap};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio_postgres::AsyncMessage;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::connector::Connector;
use super::failure::PostgresError;
use super::session::{Messages, Session};

/// How long news gather before others are told: at most one notification per service in that time.
const GATHER: Duration = Duration::from_millis(5);

/// How long it takes to the next try when there is no connection: doubled from the first to the
/// last.
const RECONNECT_FIRST: Duration = Duration::from_millis(100);
const RECONNECT_LAST: Duration = Duration::from_secs(5);

/// Who is told what in this process, and what others are to be told.
#[derive(Debug)]
pub(super) struct News {
    /// Tells this process's own notifications from those of others.
    origin: Uuid,
    /// The name of the channel.
    channel: String,
    watches: Mutex<HashMap<String, watch::Sender<u64>>>,
    /// Schemas with news that others have not been told.
    untold: Mutex<BTreeSet<String>>,
    wake: Notify,
}

/// Tells of a commit when it goes, unless it is known that nothing was written. A commit that is
/// given up half way may have been.
pub(super) struct Telling<'a> {
    pub(super) news: &'a News,
    pub(super) schema: &'a str,
    pub(super) is_news: bool,
}

// === impl Telling ===

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        if self.is_news {
            self.news.tell(self.schema);
        }
    }
}

// === impl News ===

impl News {
    pub(super) fn new(prefix: &str) -> Self {
        Self {
            origin: Uuid::now_v7(),
            channel: format!("{prefix}_news"),
            watches: Mutex::default(),
            untold: Mutex::default(),
            wake: Notify::new(),
        }
    }

    /// The news of a schema, the same for all that ask.
    pub(super) fn of(&self, schema: &str) -> watch::Sender<u64> {
        let mut watches = lock(&self.watches);
        watches.entry(schema.to_owned()).or_default().clone()
    }

    /// Tells this process at once and others soon.
    pub(super) fn tell(&self, schema: &str) {
        self.bump(schema);
        lock(&self.untold).insert(schema.to_owned());
        self.wake.notify_one();
    }

    fn bump(&self, schema: &str) {
        if let Some(watch) = lock(&self.watches).get(schema) {
            watch.send_modify(|commits| *commits += 1);
        }
    }

    fn bump_all(&self) {
        for watch in lock(&self.watches).values() {
            watch.send_modify(|commits| *commits += 1);
        }
    }

    /// Listens and notifies until `shutdown`, over one connection that is made again when it
    /// breaks.
    pub(super) async fn run(
        self: Arc<Self>,
        connector: Arc<Connector>,
        shutdown: CancellationToken,
    ) {
        let mut wait = RECONNECT_FIRST;
        while !shutdown.is_cancelled() {
            match self.listen(&connector, &shutdown, &mut wait).await {
                Ok(()) => {}
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        retry_in = ?wait,
                        "no news from other processes: their commits are found by looking"
                    );
                }
            }
            let jitter = rand::random_range(Duration::ZERO..=wait / 2);
            tokio::select! {
                () = tokio::time::sleep(wait + jitter) => {}
                () = shutdown.cancelled() => {}
            }
            wait = (wait * 2).min(RECONNECT_LAST);
        }
    }

    /// Until the connection ends.
    async fn listen(
        self: &Arc<Self>,
        connector: &Connector,
        shutdown: &CancellationToken,
        wait: &mut Duration,
    ) -> Result<(), PostgresError> {
        let (session, messages) = connector.open().await?;
        let mut reading = Reading(tokio::spawn(Arc::clone(self).read(messages)));
        session.batch(&format!("LISTEN {}", self.channel)).await?;
        *wait = RECONNECT_FIRST;
        // Whatever was told while nobody listened.
        self.bump_all();
        loop {
            tokio::select! {
                _ = &mut reading.0 => return Ok(()),
                () = shutdown.cancelled() => return Ok(()),
                () = self.wake.notified() => self.notify(&session).await?,
            }
            tokio::time::sleep(GATHER).await;
        }
    }

    async fn notify(&self, session: &Session) -> Result<(), PostgresError> {
        let untold = mem::take(&mut *lock(&self.untold));
        if untold.is_empty() {
            return Ok(());
        }
        let payloads: Vec<_> = untold
            .iter()
            .map(|schema| format!("{} {schema}", self.origin))
            .collect();
        let sql = "SELECT pg_notify($1, payload) FROM unnest($2::text[]) payload";
        match session.query(sql, &[&self.channel, &payloads]).await {
            Ok(_) => Ok(()),
            Err(failure) => {
                // To be told over the next connection.
                lock(&self.untold).extend(untold);
                self.wake.notify_one();
                Err(failure.error)
            }
        }
    }

    /// Does the connection's work and hears what others tell.
    async fn read(self: Arc<Self>, mut messages: Messages) {
        let origin = self.origin.to_string();
        while let Some(message) = messages.next().await {
            match message {
                Ok(AsyncMessage::Notification(notification)) => {
                    match notification.payload().split_once(' ') {
                        Some((from, _)) if from == origin => {}
                        Some((_, schema)) => self.bump(schema),
                        None => self.bump_all(),
                    }
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::debug!(%error, "the connection for news has ended");
                    return;
                }
            }
        }
    }
}

/// A task that ends with whoever waits for it.
struct Reading(JoinHandle<()>);

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What is in there is whole after every change.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
