//! The broker inside the process: a durable log in the platform's own SQLite file, with cursors.
//!
//! A message is one row of the log, whoever wants it. Each partition of each group reads the log by
//! itself, from where it is: the newest part from memory, older parts from the file. So a slow
//! partition costs a place in the log and a few messages of memory, and holds nobody up. What was
//! acknowledged is saved a few times a second; after a crash the rest is delivered again. The log
//! is cut behind the slowest partition of the declared groups.

mod cursors;
mod groups;
mod keeper;
mod lags;
mod log;
mod progress;
mod source;
mod tail;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use outcry_sqlite::{Database, Error, MigrateError, Schema, Undo};
use tokio::sync::{Mutex, Notify, watch};
use tokio::time::Instant;

use self::groups::GroupState;
use self::lags::Lags;
use self::source::EmbeddedSource;
use self::tail::Tail;
use crate::broker::{Broker, GroupStatus};
use crate::error::{BrokerError, PublishError};
use crate::group::Group;
use crate::message::Message;
use crate::subscription::Partition;

/// Messages in one write: more would keep the writes of others waiting.
const WRITE_BATCH: usize = 1000;

/// Times as long as it took to count in the file for which it is not counted again: every service asks every second,
/// and who is far behind would be held up by it.
const COUNT_PAUSE: u32 = 20;

/// A broker inside the process, on the platform's own SQLite file. Cheap to clone.
///
/// Its subscribers are in the same process; the file takes care that there is only one.
#[derive(Debug, Clone)]
pub struct EmbeddedBroker {
    shared: Arc<Shared>,
}

/// What the broker's handles, subscriptions and background tasks share.
#[derive(Debug)]
struct Shared {
    database: Database,
    tail: RwLock<Tail>,
    /// Position of the newest message.
    end: watch::Sender<u64>,
    groups: RwLock<HashMap<String, Arc<GroupState>>>,
    /// Held while groups change or cursors are saved.
    changing: Mutex<()>,
    /// Some partition has got further.
    advanced: Arc<Notify>,
    /// What was counted in the file last.
    counted: Mutex<Option<Counted>>,
    /// The log has been cut off up to here.
    trimmed_to: AtomicU64,
    closed: AtomicBool,
}

/// How far groups were behind.
#[derive(Debug)]
struct Counted {
    groups: Vec<(String, u32)>,
    at: Instant,
    took: Duration,
    lags: Vec<Vec<u64>>,
}

// === impl EmbeddedBroker ===

impl EmbeddedBroker {
    /// Opens the log in `database`, makes or updates its tables when needed, and starts the tasks
    /// that wake subscribers and save cursors.
    ///
    /// # Errors
    /// The tables are newer than this version, or the database failed.
    pub async fn open(database: &Database) -> Result<Self, BrokerError> {
        let migrated = database
            .migrate(Schema {
                namespace: "broker".to_owned(),
                steps: log::STEPS.iter().map(|step| (*step).to_owned()).collect(),
            })
            .await;
        migrated.map_err(|error: MigrateError| BrokerError::Backend(Arc::new(error)))?;
        let (end, groups) = database
            .read(|connection| {
                let end = log::end(connection)?;
                Ok::<_, Error>((end, cursors::load(connection, end)?))
            })
            .await?;
        let shared = Arc::new(Shared {
            database: database.clone(),
            tail: RwLock::new(Tail::after(end)),
            end: watch::Sender::new(end),
            groups: RwLock::new(groups),
            changing: Mutex::new(()),
            advanced: Arc::new(Notify::new()),
            counted: Mutex::default(),
            trimmed_to: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        });
        tokio::spawn(keeper::wake(
            Arc::downgrade(&shared),
            shared.end.subscribe(),
        ));
        tokio::spawn(keeper::save(
            Arc::downgrade(&shared),
            Arc::clone(&shared.advanced),
        ));
        Ok(Self { shared })
    }
}

#[async_trait]
impl Broker for EmbeddedBroker {
    async fn publish(&self, messages: Vec<Message>) -> Vec<Result<(), PublishError>> {
        let shared = &self.shared;
        let mut refused: HashSet<&str> = HashSet::new();
        let mut results: Vec<_> = messages
            .iter()
            .map(|message| {
                let key = message.partition_key.as_str();
                if refused.contains(key) {
                    return Err(PublishError::HeldBack);
                }
                shared.accepts(message).inspect_err(|_| {
                    refused.insert(key);
                })
            })
            .collect();
        // Where the accepted ones are among all.
        let places: Vec<_> = (0..messages.len())
            .filter(|place| results.get(*place).is_some_and(Result::is_ok))
            .collect();
        let accepted: Vec<_> = messages
            .into_iter()
            .zip(&results)
            .filter(|(_, result)| result.is_ok())
            .map(|(message, _)| Arc::new(message))
            .collect();
        let mut failed = None;
        for (batch, places) in accepted.chunks(WRITE_BATCH).zip(places.chunks(WRITE_BATCH)) {
            // After a failure nothing is written any more: it would overtake what failed.
            if failed.is_none() {
                failed = shared.append(batch).await.err();
            }
            if let Some(error) = &failed {
                for place in places {
                    if let Some(result) = results.get_mut(*place) {
                        *result = Err(error.clone());
                    }
                }
            }
        }
        results
    }

    async fn declare(&self, group: &Group) -> Result<(), BrokerError> {
        group.check()?;
        let shared = &self.shared;
        let _changing = shared.changing.lock().await;
        shared.refuse_closed()?;
        let known = shared.group(group.name);
        if known.as_ref().is_some_and(|known| known.is_like(group)) {
            return Ok(());
        }
        let next = match &known {
            Some(known) if known.is_attached() => {
                return Err(BrokerError::InUse {
                    group: group.name.to_owned(),
                });
            }
            Some(known) => known.changed(group),
            None => GroupState::new(group),
        };
        let record = next.record();
        shared
            .database
            .write(move |connection| cursors::declare(connection, &record))
            .await?;
        shared
            .groups
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(group.name.to_owned(), Arc::new(next));
        Ok(())
    }

    async fn subscribe(&self, group: &Group, partition: u32) -> Result<Partition, BrokerError> {
        group.check()?;
        // So that the group cannot change while it is being attached to.
        let _changing = self.shared.changing.lock().await;
        self.shared.refuse_closed()?;
        let Some(state) = self
            .shared
            .group(group.name)
            .filter(|known| known.is_like(group) && partition < group.partitions)
        else {
            return Err(BrokerError::NotDeclared {
                group: group.name.to_owned(),
            });
        };
        let source = EmbeddedSource::new(&self.shared, &state, partition as usize, group.prefetch);
        Ok(Partition::new(partition, source))
    }

    async fn remove(&self, group: &str) -> Result<(), BrokerError> {
        let shared = &self.shared;
        let _changing = shared.changing.lock().await;
        shared.refuse_closed()?;
        let Some(known) = shared.group(group) else {
            return Ok(());
        };
        if known.is_attached() {
            return Err(BrokerError::InUse {
                group: group.to_owned(),
            });
        }
        let name = group.to_owned();
        shared
            .database
            .write(move |connection| cursors::remove(connection, &name))
            .await?;
        shared
            .groups
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(group);
        // What only this group kept in the log can go.
        shared.advanced.notify_one();
        Ok(())
    }

    async fn groups(&self) -> Result<Vec<GroupStatus>, BrokerError> {
        self.shared.refuse_closed()?;
        let mut groups = self.shared.all_groups();
        groups.sort_by(|a, b| a.name.cmp(&b.name));
        let lags = self.shared.lags(&groups).await?;
        let status = |(group, partition_lag): (&Arc<GroupState>, Vec<u64>)| GroupStatus {
            name: group.name.clone(),
            topics: group.topics.clone(),
            partitions: group.partition_count(),
            lag: partition_lag.iter().sum(),
            partition_lag,
        };
        Ok(groups.iter().zip(lags).map(status).collect())
    }

    async fn close(&self) -> Result<(), BrokerError> {
        if self.shared.closed.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        for group in self.shared.all_groups() {
            group.end();
        }
        Ok(self.shared.save_cursors().await?)
    }
}

// === impl Shared ===

impl Shared {
    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    fn refuse_closed(&self) -> Result<(), BrokerError> {
        if self.is_closed() {
            return Err(BrokerError::Closed);
        }
        Ok(())
    }

    fn group(&self, name: &str) -> Option<Arc<GroupState>> {
        self.groups
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .cloned()
    }

    fn all_groups(&self) -> Vec<Arc<GroupState>> {
        self.groups
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect()
    }

    /// How many messages each partition of each group has not settled. Where the file has to be asked, the answer may
    /// be some times as old as it took to get it.
    async fn lags(&self, groups: &[Arc<GroupState>]) -> Result<Vec<Vec<u64>>, Error> {
        let mut lags = Lags::of(groups);
        let slowest = lags.slowest();
        let saw_all = {
            let tail = self.tail.read().unwrap_or_else(PoisonError::into_inner);
            tail.each_behind(slowest, |position, key_hash, topic| {
                lags.see(position, key_hash, topic);
            })
        };
        if saw_all {
            return Ok(lags.counts());
        }
        // Somebody is so far behind that the memory does not reach there.
        let mut counted = self.counted.lock().await;
        if let Some(counted) = &*counted
            && counted.groups == shape_of(groups)
            && counted.at.elapsed() < counted.took * COUNT_PAUSE
        {
            return Ok(counted.lags.clone());
        }
        let begun = Instant::now();
        let lags = Lags::of(groups);
        let lags = self
            .database
            .read(move |connection| log::count(connection, lags))
            .await?
            .counts();
        *counted = Some(Counted {
            groups: shape_of(groups),
            at: Instant::now(),
            took: begun.elapsed(),
            lags: lags.clone(),
        });
        Ok(lags)
    }

    /// Whether a message can be written and somebody wants it.
    fn accepts(&self, message: &Message) -> Result<(), PublishError> {
        if self.is_closed() {
            return Err(PublishError::Closed);
        }
        message.check()?;
        let groups = self.groups.read().unwrap_or_else(PoisonError::into_inner);
        if groups.values().any(|group| group.wants(&message.topic)) {
            Ok(())
        } else {
            Err(PublishError::Unroutable {
                topic: message.topic.clone(),
            })
        }
    }

    /// Writes messages behind the log, and into its tail in the order of the log.
    async fn append(self: &Arc<Self>, messages: &[Arc<Message>]) -> Result<(), PublishError> {
        let messages: Arc<[Arc<Message>]> = messages.into();
        let shared = Arc::clone(self);
        let written = Arc::clone(&messages);
        self.database
            .write_then(
                Undo::Group,
                move |connection| log::append(connection, &messages),
                move |positions: &Vec<Option<u64>>| shared.appended(&written, positions),
            )
            .await
            .map_err(|error: Error| PublishError::Backend(Arc::new(error)))?;
        Ok(())
    }

    fn appended(&self, messages: &[Arc<Message>], positions: &[Option<u64>]) {
        let mut tail = self.tail.write().unwrap_or_else(PoisonError::into_inner);
        for (message, position) in messages.iter().zip(positions) {
            // None: the log has it already.
            if let Some(position) = position {
                tail.push(*position, Arc::clone(message));
            }
        }
        let end = tail.end();
        drop(tail);
        self.end.send_if_modified(|known| {
            let newer = end > *known;
            *known = end.max(*known);
            newer
        });
    }
}

/// Names and partitions of groups.
fn shape_of(groups: &[Arc<GroupState>]) -> Vec<(String, u32)> {
    let shape = |group: &Arc<GroupState>| (group.name.clone(), group.partition_count());
    groups.iter().map(shape).collect()
}

impl Drop for Shared {
    fn drop(&mut self) {
        // The task that saves cursors looks whether anybody is left.
        self.advanced.notify_one();
    }
}

impl From<Error> for BrokerError {
    fn from(error: Error) -> Self {
        match error {
            Error::Closed => Self::Closed,
            error => Self::Backend(Arc::new(error)),
        }
    }
}
