//! The store in one SQLite file, shared by all services of a process.
//!
//! Each service has its own tables, named after it. A commit is one job of the writer thread, so
//! positions are given out in commit order and nothing is read that is not durable.

mod answers;
mod errors;
mod events;
mod inbox;
mod leases;
mod parking;
mod tables;
mod timers;
mod views;

#[cfg(test)]
mod plans;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use async_trait::async_trait;
use outcry_sqlite::rusqlite::Connection;
use outcry_sqlite::{Database, Undo};
use tokio::sync::watch;
use uuid::Uuid;

use self::leases::Leases;
use self::tables::Tables;
use crate::commit::{Answer, Commit};
use crate::error::{CommitError, StoreError};
use crate::lease::{LeaseRequest, Member, RelaySlots, Share};
use crate::limits::PAGE_MAX;
use crate::parking::{AuditEntry, AuditFilter, Parked, ParkedFilter, Redrive};
use crate::store::{ReadAll, Store, StoredEvent};
use crate::timer::Timer;
use crate::view::{Scan, ViewRow};

/// Rows of a scan that is as quick as a look-up by key.
const SHORT_SCAN: usize = 4;

/// Unsent events that are read on the asking thread; so many take less than a millisecond.
const SHORT_BATCH: usize = 256;

/// The store of one service in a SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    database: Database,
    tables: Arc<Tables>,
    /// In memory: only one process at a time has the file open, so nobody outlives them.
    leases: Arc<Mutex<Leases>>,
    news: watch::Sender<u64>,
}

// === impl SqliteStore ===

impl SqliteStore {
    /// Opens the tables of `service`, making them or bringing them up to date when needed. Open one
    /// store per service and share it: another one does not hear of this one's commits.
    ///
    /// # Errors
    /// The tables are newer than this version, or the file is open for reading only and they are
    /// older or missing, or `service` is not a plain name (`a` to `z`, `0` to `9`, `_`).
    pub async fn open(database: &Database, service: &'static str) -> Result<Self, StoreError> {
        let schema = tables::schema(service)?;
        database
            .migrate(schema)
            .await
            .map_err(|source| StoreError::Tables {
                service: service.to_owned(),
                source: source.into(),
            })?;
        Ok(Self {
            database: database.clone(),
            tables: Arc::new(Tables::of(service)),
            leases: Arc::default(),
            news: watch::Sender::new(0),
        })
    }

    async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection, &Tables) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let tables = Arc::clone(&self.tables);
        self.database
            .read(move |connection| job(connection, &tables))
            .await
    }

    /// A few rows by their key.
    async fn look_up<T>(
        &self,
        job: impl FnOnce(&Connection, &Tables) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let look_up = |connection: &Connection| job(connection, &self.tables);
        self.database.look_up(look_up).await
    }

    /// On the writer's thread, so that every commit fenced before the change is durable when the
    /// change is answered.
    async fn change_leases<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Leases) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let leases = Arc::clone(&self.leases);
        self.database
            .write_then(Undo::Group, move |_| Ok(change(&mut held(&leases))), |_| {})
            .await
    }

    async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection, &Tables) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let tables = Arc::clone(&self.tables);
        self.database
            .write(move |connection| job(connection, &tables))
            .await
    }
}

/// Applies a commit, provided that its slot is still held.
fn apply(
    connection: &Connection,
    tables: &Tables,
    leases: &Mutex<Leases>,
    commit: &Commit,
) -> Result<(), CommitError> {
    if let Some(fence) = &commit.fence {
        held(leases).check(fence)?;
    }
    tables.apply(connection, commit)
}

/// As [`apply`], also for a commit that may be refused after it has written something: that goes.
///
/// # Errors
/// The whole transaction is lost.
fn apply_alone(
    connection: &Connection,
    tables: &Tables,
    leases: &Mutex<Leases>,
    commit: &Commit,
) -> Result<Result<(), CommitError>, CommitError> {
    if commit.parked.is_empty() {
        let before = connection.total_changes();
        return match apply(connection, tables, leases, commit) {
            Err(error) if connection.total_changes() != before => Err(error),
            applied => Ok(applied),
        };
    }
    connection.execute_batch("SAVEPOINT one")?;
    let applied = apply(connection, tables, leases, commit);
    if applied.is_err() {
        connection.execute_batch("ROLLBACK TO one")?;
    }
    connection.execute_batch("RELEASE one")?;
    Ok(applied)
}

#[async_trait]
impl Store for SqliteStore {
    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        commit.check()?;
        if commit.is_empty() {
            return Ok(());
        }
        let is_news = commit.is_news();
        let tables = Arc::clone(&self.tables);
        let leases = Arc::clone(&self.leases);
        let news = self.news.clone();
        self.database
            .write_then(
                Undo::Group,
                move |connection| apply_alone(connection, &tables, &leases, &commit)?,
                move |()| {
                    if is_news {
                        news.send_modify(|commits| *commits += 1);
                    }
                },
            )
            .await
    }

    /// One job of the writer, so that what is durable is durable together.
    async fn commit_all(&self, mut commits: Vec<Commit>) -> (usize, Option<CommitError>) {
        let mut checked = commits.iter().map(Commit::check).enumerate();
        let invalid = checked.find_map(|(place, checked)| Some((place, checked.err()?)));
        if let Some((place, _)) = &invalid {
            commits.truncate(*place);
        }
        let is_news = commits.iter().any(Commit::is_news);
        let (tables, leases) = (Arc::clone(&self.tables), Arc::clone(&self.leases));
        let news = self.news.clone();
        let outcome = self
            .database
            .write_then(
                Undo::Group,
                move |connection| {
                    for (applied, commit) in commits.iter().enumerate() {
                        if let Err(error) = apply_alone(connection, &tables, &leases, commit)? {
                            return Ok((applied, Some(error)));
                        }
                    }
                    Ok::<_, CommitError>((commits.len(), None))
                },
                move |_| {
                    if is_news {
                        news.send_modify(|commits| *commits += 1);
                    }
                },
            )
            .await;
        match outcome {
            Ok((applied, None)) => (applied, invalid.map(|(_, error)| error.into())),
            Ok(stopped) => stopped,
            Err(error) => (0, Some(error)),
        }
    }

    async fn read_stream(
        &self,
        stream: &str,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let stream = stream.to_owned();
        self.read(move |connection, tables| {
            tables
                .events
                .stream(connection, &stream, after, page(limit))
        })
        .await
    }

    async fn read_all(&self, filter: &ReadAll) -> Result<Vec<StoredEvent>, StoreError> {
        let filter = filter.clone();
        self.read(move |connection, tables| {
            let limit = page(filter.limit);
            match &filter.partition_key {
                Some(key) => tables.events.of_key(connection, key, filter.after, limit),
                None => tables.events.all(connection, filter.after, limit),
            }
        })
        .await
    }

    async fn unsent(
        &self,
        slots: RelaySlots,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let unsent = move |connection: &Connection, tables: &Tables| {
            tables.events.unsent(connection, slots, page(limit))
        };
        // As a rule there are as many as came since the last time: a few.
        if limit <= SHORT_BATCH {
            return self.look_up(unsent).await;
        }
        self.read(unsent).await
    }

    async fn mark_sent(&self, positions: Vec<u64>) -> Result<(), StoreError> {
        let tables = Arc::clone(&self.tables);
        self.database
            .write_then(
                Undo::Group,
                move |connection| tables.events.mark_sent(connection, &positions),
                |()| {},
            )
            .await
    }

    async fn oldest_unsent(&self) -> Result<Option<(SystemTime, u64)>, StoreError> {
        self.read(|connection, tables| tables.events.oldest_unsent(connection))
            .await
    }

    async fn view(&self, view: &str, key: &str) -> Result<Option<ViewRow>, StoreError> {
        self.look_up(|connection, tables| tables.views.row(connection, view, key))
            .await
    }

    async fn scan(&self, scan: &Scan) -> Result<Vec<ViewRow>, StoreError> {
        if scan.limit <= SHORT_SCAN {
            let look_up =
                |connection: &Connection, tables: &Tables| tables.views.scan(connection, scan);
            return self.look_up(look_up).await;
        }
        let scan = scan.clone();
        self.read(move |connection, tables| tables.views.scan(connection, &scan))
            .await
    }

    async fn answer(
        &self,
        principal: &str,
        method: &str,
        request_id: &str,
    ) -> Result<Option<Answer>, StoreError> {
        self.look_up(|connection, tables| {
            tables
                .answers
                .find(connection, principal, method, request_id)
        })
        .await
    }

    async fn is_handled(&self, group: &str, event_id: Uuid) -> Result<bool, StoreError> {
        self.look_up(|connection, tables| tables.inbox.contains(connection, group, event_id))
            .await
    }

    async fn timers_due(&self, now: SystemTime, limit: usize) -> Result<Vec<Timer>, StoreError> {
        self.read(move |connection, tables| tables.timers.due(connection, now, page(limit)))
            .await
    }

    async fn next_timer(&self) -> Result<Option<SystemTime>, StoreError> {
        self.look_up(|connection, tables| tables.timers.next(connection))
            .await
    }

    async fn parked(&self, filter: &ParkedFilter) -> Result<Vec<Parked>, StoreError> {
        let filter = filter.clone();
        self.read(move |connection, tables| tables.parking.list(connection, &filter))
            .await
    }

    async fn parked_keys(&self, group: &str) -> Result<Vec<(String, u64)>, StoreError> {
        let group = group.to_owned();
        self.read(move |connection, tables| tables.parking.keys(connection, &group))
            .await
    }

    async fn first_parked(&self, group: &str, key: &str) -> Result<Option<u64>, StoreError> {
        self.look_up(|connection, tables| tables.parking.first(connection, group, key))
            .await
    }

    async fn redrives(&self, group: &str, limit: usize) -> Result<Vec<Redrive>, StoreError> {
        let group = group.to_owned();
        self.read(move |connection, tables| {
            tables.parking.redrives(connection, &group, page(limit))
        })
        .await
    }

    async fn parking_audit(&self, filter: &AuditFilter) -> Result<Vec<AuditEntry>, StoreError> {
        let filter = filter.clone();
        self.read(move |connection, tables| tables.parking.audit(connection, &filter))
            .await
    }

    async fn forget(&self, before: SystemTime, limit: usize) -> Result<u64, StoreError> {
        self.write(move |connection, tables| {
            let limit = page(limit);
            let marks = tables.inbox.forget(connection, before, limit)?;
            let answers = tables.answers.forget(connection, before, limit)?;
            Ok(marks + answers)
        })
        .await
    }

    async fn lease(&self, request: &LeaseRequest) -> Result<Vec<Share>, StoreError> {
        request.check()?;
        let request = request.clone();
        let (shares, freed) = self
            .change_leases(move |leases| leases.lease(&request, Instant::now()))
            .await?;
        if freed {
            self.news.send_modify(|commits| *commits += 1);
        }
        Ok(shares)
    }

    async fn leave(&self, member: &str) -> Result<(), StoreError> {
        let member = member.to_owned();
        self.change_leases(move |leases| leases.leave(&member))
            .await?;
        self.news.send_modify(|commits| *commits += 1);
        Ok(())
    }

    async fn holder(&self, pool: &str, slot: u32) -> Result<Option<Member>, StoreError> {
        Ok(held(&self.leases).holder(pool, slot, Instant::now()))
    }

    fn commits(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }
}

/// The leases are whole after every change, so a panic elsewhere cannot have left them half done.
fn held(leases: &Mutex<Leases>) -> MutexGuard<'_, Leases> {
    leases.lock().unwrap_or_else(PoisonError::into_inner)
}

fn page(limit: usize) -> usize {
    limit.min(PAGE_MAX)
}
