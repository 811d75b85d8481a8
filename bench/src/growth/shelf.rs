//! A store in a folder of its own that can be closed and opened again.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use outcry_sqlite::Database;
use outcry_store::{Commit, ReadAll, SqliteStore, Store as _};
use tempfile::TempDir;

use super::fill::{self, SERVICE};

/// Events read at a time while everything is read again.
const PAGE: usize = 2_000;

/// A store.
pub struct Shelf {
    folder: TempDir,
    pub database: Database,
    pub store: Arc<SqliteStore>,
    /// The next stream that nobody has appended to.
    next: u64,
}

// === impl Shelf ===

impl Shelf {
    /// One with nothing in it.
    pub async fn new() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let database = Database::open(&path(&folder))?;
        let store = Arc::new(SqliteStore::open(&database, SERVICE).await?);
        Ok(Self {
            folder,
            database,
            store,
            next: 0,
        })
    }

    /// Says that streams up to this one are there.
    pub fn filled_to(&mut self, stream: u64) {
        self.next = self.next.max(stream);
    }

    /// Closes it and opens it again; the time from opening to the first answer.
    pub async fn reopen(self) -> anyhow::Result<(Self, Duration)> {
        let Self {
            folder,
            database,
            store,
            next,
        } = self;
        drop(store);
        database.close().await?;
        let begun = Instant::now();
        let database = Database::open(&path(&folder))?;
        let store = Arc::new(SqliteStore::open(&database, SERVICE).await?);
        store.oldest_unsent().await?;
        let opened = begun.elapsed();
        let shelf = Self {
            folder,
            database,
            store,
            next,
        };
        Ok((shelf, opened))
    }

    /// Appends one event to a stream of its own; how long it took.
    pub async fn append(&mut self) -> anyhow::Result<Duration> {
        let event = fill::first_event(self.next)?;
        let commit = Commit {
            appends: vec![fill::append(event)],
            ..Commit::default()
        };
        self.timed(commit).await
    }

    /// Handles one event as a consumer does; how long it took.
    pub async fn handle(&mut self) -> anyhow::Result<Duration> {
        let commit = fill::handling(self.next)?;
        self.timed(commit).await
    }

    async fn timed(&mut self, commit: Commit) -> anyhow::Result<Duration> {
        self.next += 1;
        let begun = Instant::now();
        self.store.commit(commit).await?;
        Ok(begun.elapsed())
    }

    /// Reads a whole stream; how long it took.
    pub async fn read(&self, stream: u64) -> anyhow::Result<Duration> {
        let name = fill::stream_name(stream);
        let begun = Instant::now();
        let events = self.store.read_stream(&name, 0, PAGE).await?;
        anyhow::ensure!(!events.is_empty(), "a stream is empty");
        Ok(begun.elapsed())
    }

    /// Reads so many events from the front, as whoever builds a view again does; events a second.
    pub async fn rebuild(&self, events: usize) -> anyhow::Result<f64> {
        let begun = Instant::now();
        let (mut read, mut after) = (0, 0);
        while read < events {
            let filter = ReadAll {
                after,
                partition_key: None,
                limit: PAGE,
            };
            let page = self.store.read_all(&filter).await?;
            let Some(last) = page.last() else { break };
            after = last.position;
            read += page.len();
        }
        Ok(read as f64 / begun.elapsed().as_secs_f64())
    }

    /// Bytes of its file.
    pub fn bytes(&self) -> anyhow::Result<u64> {
        Ok(std::fs::metadata(path(&self.folder))?.len())
    }
}

fn path(folder: &TempDir) -> PathBuf {
    folder.path().join("outcry.db")
}
