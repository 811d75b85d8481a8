//! Streams of events, and which of them have not been sent.

use std::time::SystemTime;

use bytes::Bytes;
use outcry_events::SealedEvent;
use outcry_sqlite::rusqlite::{Connection, OptionalExtension as _, Params, Row, params};

use super::errors::corrupt;
use super::tables::named;
use crate::commit::Append;
use crate::error::{CommitError, Conflict, StoreError};
use crate::lease::{RelaySlots, relay_slot};
use crate::store::StoredEvent;
use crate::timer::{nanos, time_of};

#[derive(Debug)]
pub(super) struct Events {
    last: String,
    append: String,
    append_unsent: String,
    pub(super) stream: String,
    pub(super) all: String,
    pub(super) of_key: String,
    pub(super) unsent: String,
    mark_sent: String,
    pub(super) oldest_unsent: String,
}

// === impl Events ===

impl Events {
    pub(super) fn of(service: &str) -> Self {
        let sql = |text| named(service, text);
        Self {
            last: sql("SELECT max(sequence) FROM @_events WHERE stream = ?1"),
            append: sql(
                "INSERT INTO @_events (stream, sequence, partition_key, recorded_at, bytes)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            ),
            append_unsent: sql("INSERT INTO @_unsent (position, slot) VALUES (?1, ?2)"),
            stream: sql("SELECT position, bytes FROM @_events
                 WHERE stream = ?1 AND sequence > ?2 ORDER BY sequence LIMIT ?3"),
            all: sql("SELECT position, bytes FROM @_events
                 WHERE position > ?1 ORDER BY position LIMIT ?2"),
            of_key: sql("SELECT position, bytes FROM @_events
                 WHERE partition_key = ?1 AND position > ?2 ORDER BY position LIMIT ?3"),
            unsent: sql("SELECT e.position, e.bytes
                 FROM @_unsent u CROSS JOIN @_events e ON e.position = u.position
                 WHERE (1 << u.slot) & ?1 <> 0 ORDER BY u.position LIMIT ?2"),
            mark_sent: sql("DELETE FROM @_unsent WHERE position = ?1"),
            oldest_unsent: sql(
                "SELECT recorded_at, (SELECT count(*) FROM @_unsent) FROM @_events
                 WHERE position = (SELECT min(position) FROM @_unsent)",
            ),
        }
    }

    /// Refuses events of a stream that does not end where they expect it to, counting those of the commit before them.
    pub(super) fn judge(
        &self,
        connection: &Connection,
        appends: &[Append],
    ) -> Result<(), CommitError> {
        for (place, append) in appends.iter().enumerate() {
            let before = appends.iter().take(place).rev();
            let mut before = before.filter(|one| one.stream == append.stream);
            let found = match before.next() {
                Some(one) => one.expected + one.events.len() as u64,
                None => connection
                    .prepare_cached(&self.last)?
                    .query_row([&append.stream], |row| row.get::<_, Option<u64>>(0))?
                    .unwrap_or(0),
            };
            if found != append.expected {
                return Err(CommitError::Conflict(Conflict::Stream {
                    stream: append.stream.clone(),
                    expected: append.expected,
                    found,
                }));
            }
        }
        Ok(())
    }

    /// Adds events that were judged.
    pub(super) fn append(
        &self,
        connection: &Connection,
        append: &Append,
    ) -> Result<(), StoreError> {
        for event in &append.events {
            let recorded_at = event.recorded_at().unwrap_or(event.occurred_at());
            connection.prepare_cached(&self.append)?.execute(params![
                append.stream,
                event.sequence(),
                event.partition_key(),
                nanos(recorded_at),
                event.bytes().as_ref(),
            ])?;
            connection
                .prepare_cached(&self.append_unsent)?
                .execute(params![
                    connection.last_insert_rowid(),
                    relay_slot(event.partition_key())
                ])?;
        }
        Ok(())
    }

    pub(super) fn stream(
        &self,
        connection: &Connection,
        stream: &str,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        read(
            connection,
            &self.stream,
            params![stream, place(after), limit],
        )
    }

    pub(super) fn all(
        &self,
        connection: &Connection,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        read(connection, &self.all, params![place(after), limit])
    }

    pub(super) fn of_key(
        &self,
        connection: &Connection,
        key: &str,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        read(connection, &self.of_key, params![key, place(after), limit])
    }

    pub(super) fn unsent(
        &self,
        connection: &Connection,
        slots: RelaySlots,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        read(connection, &self.unsent, params![slots.bits(), limit])
    }

    pub(super) fn mark_sent(
        &self,
        connection: &Connection,
        positions: &[u64],
    ) -> Result<(), StoreError> {
        let mut statement = connection.prepare_cached(&self.mark_sent)?;
        for position in positions {
            statement.execute([place(*position)])?;
        }
        Ok(())
    }

    pub(super) fn oldest_unsent(
        &self,
        connection: &Connection,
    ) -> Result<Option<(SystemTime, u64)>, StoreError> {
        let oldest = connection
            .prepare_cached(&self.oldest_unsent)?
            .query_row([], |row| Ok((time_of(row.get(0)?), row.get(1)?)))
            .optional()?;
        Ok(oldest)
    }
}

/// A position or sequence as SQLite has numbers; beyond its largest there is nothing anyway.
pub(super) fn place(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn read(
    connection: &Connection,
    sql: &str,
    params: impl Params,
) -> Result<Vec<StoredEvent>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        events.push(stored(row)?);
    }
    Ok(events)
}

fn stored(row: &Row<'_>) -> Result<StoredEvent, StoreError> {
    let position = row.get(0)?;
    let bytes = Bytes::from(row.get::<_, Vec<u8>>(1)?);
    match SealedEvent::open(bytes) {
        Ok(event) => Ok(StoredEvent { position, event }),
        Err(error) => Err(corrupt(format!("event {position}"), error)),
    }
}
