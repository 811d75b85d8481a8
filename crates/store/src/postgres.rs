//! The store in PostgreSQL, shared by all services of all processes.
//!
//! Each service has a schema of its own. A commit is one call of a function there: one round trip,
//! one transaction. Before positions are allotted it locks the partition keys and streams it adds
//! to, so that the positions of one key grow in commit order and commits about different keys do
//! not wait for one another.
//!
//! - `database`, `pool`, `session` – the connections of a process, and what they are set to
//! - `snapshot` – all services as they were at one moment
//! - `standing` – what the server says of itself and of the tables, for whoever operates it
//! - `commit`, `refusal` – a commit as parameters, and why it was refused
//! - `migrations` – making the tables
//! - `news` – telling other processes

mod commit;
mod connector;
mod database;
mod events;
mod failure;
mod leases;
mod marks;
mod migrations;
mod news;
mod options;
mod parking;
mod pool;
mod refusal;
mod session;
mod snapshot;
mod source;
mod standing;
mod text;
mod timers;
mod views;

#[cfg(test)]
mod plans;

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tokio::sync::watch;
use uuid::Uuid;

pub use self::commit::key_lock;
pub use self::database::PostgresDatabase;
pub use self::failure::PostgresError;
pub use self::migrations::Migration;
pub use self::options::PostgresOptions;
pub use self::snapshot::PostgresSnapshot;
pub use self::standing::{PostgresStanding, SchemaStanding};

use self::commit::{Parts, call};
use self::events::Events;
use self::leases::Leases;
use self::marks::Marks;
use self::news::Telling;
use self::parking::Parking;
use self::refusal::refused;
use self::source::Source;
use self::timers::Timers;
use self::views::Views;
use crate::commit::{Answer, Commit};
use crate::error::{CommitError, StoreError};
use crate::lease::{LeaseRequest, Member, RelaySlots, Share};
use crate::limits::PAGE_MAX;
use crate::parking::{AuditEntry, AuditFilter, Parked, ParkedFilter, Redrive};
use crate::store::{ReadAll, Store, StoredEvent};
use crate::timer::Timer;
use crate::view::{Scan, ViewRow};

/// How often a commit is repeated that the database has undone because of others.
const COLLISIONS_MAX: u32 = 8;

/// How long the first repetition waits at most; each further one twice as long.
const COLLISION_WAIT: Duration = Duration::from_millis(5);

/// The store of one service in a database.
#[derive(Debug)]
pub struct PostgresStore {
    source: Source,
    schema: String,
    statements: Statements,
    news: watch::Sender<u64>,
}

/// The statements of one schema.
#[derive(Debug)]
struct Statements {
    commit: String,
    events: Events,
    marks: Marks,
    views: Views,
    timers: Timers,
    parking: Parking,
    leases: Leases,
}

// === impl Statements ===

impl Statements {
    fn of(schema: &str) -> Self {
        Self {
            commit: call(schema),
            events: Events::of(schema),
            marks: Marks::of(schema),
            views: Views::of(schema),
            timers: Timers::of(schema),
            parking: Parking::of(schema),
            leases: Leases::of(schema),
        }
    }
}

// === impl PostgresDatabase ===

impl PostgresDatabase {
    /// All services as they are now, over a connection of its own.
    ///
    /// # Errors
    /// Those of [`connect`](Self::connect).
    pub async fn snapshot(
        url: &str,
        options: &PostgresOptions,
    ) -> Result<PostgresSnapshot, StoreError> {
        PostgresSnapshot::take(url, options).await
    }
}

// === impl PostgresStore ===

impl PostgresStore {
    /// Opens the schema of `service`, making it or bringing it up to date when needed. Stores of
    /// one service share their news, in this process and with other ones.
    ///
    /// # Errors
    /// The tables are newer than this version, the role may not make them, or `service` is not a
    /// plain name (`a` to `z`, `0` to `9`, `_`).
    pub async fn open(database: &PostgresDatabase, service: &str) -> Result<Self, StoreError> {
        database.migrate(service).await?;
        Self::on(database, service)
    }

    /// Opens the schema of `service` as it is: somebody else makes it and brings it up to date. See
    /// [`PostgresDatabase::migrate`].
    ///
    /// # Errors
    /// [`PostgresError::Older`] when that has not happened yet, and those of [`open`](Self::open).
    pub async fn open_migrated(
        database: &PostgresDatabase,
        service: &str,
    ) -> Result<Self, StoreError> {
        let store = Self::on(database, service)?;
        match database.check(&store.schema).await {
            Ok(()) => Ok(store),
            Err(source) => Err(source.of_tables(service)),
        }
    }

    fn on(database: &PostgresDatabase, service: &str) -> Result<Self, StoreError> {
        let schema = database.schema(service);
        let schema = schema.map_err(|source| source.of_tables(service))?;
        Ok(Self::of(Source::Database(database.clone()), schema))
    }

    fn of(source: Source, schema: String) -> Self {
        let news = match &source {
            Source::Database(database) => database.news().of(&schema),
            Source::Snapshot(_) => watch::Sender::new(0),
        };
        Self {
            statements: Statements::of(&schema),
            source,
            schema,
            news,
        }
    }

    /// Where the tables are.
    #[must_use]
    pub fn schema(&self) -> &str {
        &self.schema
    }

    fn telling<'a>(&'a self, database: &'a PostgresDatabase, is_news: bool) -> Telling<'a> {
        Telling {
            news: database.news(),
            schema: &self.schema,
            is_news,
        }
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        commit.check()?;
        if commit.is_empty() {
            return Ok(());
        }
        let database = self.source.database()?;
        let parts = Parts::of(&commit)?;
        let params = parts.params();
        let mut telling = self.telling(database, commit.is_news());
        let mut collisions = 0;
        loop {
            match database.execute(&self.statements.commit, &params).await {
                Ok(_) => return Ok(()),
                Err(error) if error.is_collision() && collisions < COLLISIONS_MAX => {
                    let longest = COLLISION_WAIT * (1 << collisions);
                    tokio::time::sleep(rand::random_range(Duration::ZERO..=longest)).await;
                    collisions += 1;
                }
                Err(error) => {
                    // Unless the server itself has said so, it may have been applied.
                    telling.is_news &= !error.is_undone();
                    return Err(refused(&commit, &parts, error));
                }
            }
        }
    }

    async fn read_stream(
        &self,
        stream: &str,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let events = &self.statements.events;
        events
            .stream(&self.source, stream, after, page(limit))
            .await
    }

    async fn read_all(&self, filter: &ReadAll) -> Result<Vec<StoredEvent>, StoreError> {
        let events = &self.statements.events;
        let (after, limit) = (filter.after, page(filter.limit));
        match &filter.partition_key {
            Some(key) => events.of_key(&self.source, key, after, limit).await,
            None => events.all(&self.source, after, limit).await,
        }
    }

    async fn unsent(
        &self,
        slots: RelaySlots,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let events = &self.statements.events;
        events.unsent(&self.source, slots, page(limit)).await
    }

    async fn mark_sent(&self, positions: Vec<u64>) -> Result<(), StoreError> {
        if positions.is_empty() {
            return Ok(());
        }
        let events = &self.statements.events;
        events.mark_sent(&self.source, &positions).await
    }

    async fn oldest_unsent(&self) -> Result<Option<(SystemTime, u64)>, StoreError> {
        self.statements.events.oldest_unsent(&self.source).await
    }

    async fn view(&self, view: &str, key: &str) -> Result<Option<ViewRow>, StoreError> {
        self.statements.views.row(&self.source, view, key).await
    }

    async fn scan(&self, scan: &Scan) -> Result<Vec<ViewRow>, StoreError> {
        let views = &self.statements.views;
        views.scan(&self.source, scan, page(scan.limit)).await
    }

    async fn answer(
        &self,
        principal: &str,
        method: &str,
        request_id: &str,
    ) -> Result<Option<Answer>, StoreError> {
        let marks = &self.statements.marks;
        marks
            .answer(&self.source, principal, method, request_id)
            .await
    }

    async fn is_handled(&self, group: &str, event_id: Uuid) -> Result<bool, StoreError> {
        let marks = &self.statements.marks;
        marks.is_handled(&self.source, group, event_id).await
    }

    async fn timers_due(&self, now: SystemTime, limit: usize) -> Result<Vec<Timer>, StoreError> {
        let timers = &self.statements.timers;
        timers.due(&self.source, now, page(limit)).await
    }

    async fn next_timer(&self) -> Result<Option<SystemTime>, StoreError> {
        self.statements.timers.next(&self.source).await
    }

    async fn parked(&self, filter: &ParkedFilter) -> Result<Vec<Parked>, StoreError> {
        let parking = &self.statements.parking;
        parking.list(&self.source, filter, page(filter.limit)).await
    }

    async fn parked_keys(&self, group: &str) -> Result<Vec<(String, u64)>, StoreError> {
        self.statements.parking.keys(&self.source, group).await
    }

    async fn first_parked(&self, group: &str, key: &str) -> Result<Option<u64>, StoreError> {
        self.statements
            .parking
            .first(&self.source, group, key)
            .await
    }

    async fn redrives(&self, group: &str, limit: usize) -> Result<Vec<Redrive>, StoreError> {
        let parking = &self.statements.parking;
        parking.redrives(&self.source, group, page(limit)).await
    }

    async fn parking_audit(&self, filter: &AuditFilter) -> Result<Vec<AuditEntry>, StoreError> {
        let parking = &self.statements.parking;
        parking
            .audit(&self.source, filter, page(filter.limit))
            .await
    }

    async fn forget(&self, before: SystemTime, limit: usize) -> Result<u64, StoreError> {
        let marks = &self.statements.marks;
        marks.forget(&self.source, before, page(limit)).await
    }

    async fn lease(&self, request: &LeaseRequest) -> Result<Vec<Share>, StoreError> {
        request.check()?;
        let database = self.source.database()?;
        let mut telling = self.telling(database, true);
        let (shares, freed) = self.statements.leases.lease(&self.source, request).await?;
        telling.is_news = freed;
        Ok(shares)
    }

    async fn leave(&self, member: &str) -> Result<(), StoreError> {
        let database = self.source.database()?;
        let _telling = self.telling(database, true);
        self.statements.leases.leave(&self.source, member).await
    }

    async fn holder(&self, pool: &str, slot: u32) -> Result<Option<Member>, StoreError> {
        self.statements
            .leases
            .holder(&self.source, pool, slot)
            .await
    }

    fn commits(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }
}

/// Rows of a page as the database has numbers.
fn page(limit: usize) -> i64 {
    i64::try_from(limit.min(PAGE_MAX)).unwrap_or(i64::MAX)
}
