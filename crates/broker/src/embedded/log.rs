//! The log in the file.

use std::sync::Arc;

use bytes::Bytes;
use outcry_events::key::key_hash;
use outcry_sqlite::Error;
use outcry_sqlite::rusqlite::types::Type;
use outcry_sqlite::rusqlite::{self, Connection, OptionalExtension as _, Row, params};

use super::groups::Wanted;
use super::lags::Lags;
use super::tail::{Placed, READ_BYTES, READ_MESSAGES, weight};
use crate::message::Message;

/// Steps that lead to the tables of this version.
pub(super) const STEPS: [&str; 1] = ["
    -- AUTOINCREMENT: positions go on when the log has been emptied, so cursors stay right.
    CREATE TABLE broker_log (
        position       INTEGER PRIMARY KEY AUTOINCREMENT,
        topic          TEXT NOT NULL,
        partition_key  TEXT NOT NULL,
        event_id       TEXT NOT NULL UNIQUE,
        correlation_id TEXT NOT NULL,
        source         TEXT NOT NULL,
        headers        TEXT NOT NULL,
        body           BLOB NOT NULL
    ) STRICT;

    CREATE TABLE broker_groups (
        name   TEXT PRIMARY KEY NOT NULL,
        topics TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;

    -- Everything up to `position` is settled.
    CREATE TABLE broker_cursors (
        name      TEXT NOT NULL,
        partition INTEGER NOT NULL,
        position  INTEGER NOT NULL,
        PRIMARY KEY (name, partition)
    ) STRICT, WITHOUT ROWID;
"];

/// Rows looked at in one read of a partition that is far behind: bounds how long it keeps a reading
/// connection.
const READ_ROWS: usize = 4096;

/// Position of the newest message there has ever been.
pub(super) fn end(connection: &Connection) -> Result<u64, Error> {
    let end = connection
        .prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'broker_log'")?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(end.unwrap_or(0))
}

/// Adds messages; the position of each, none for those whose event is in the log already.
pub(super) fn append(
    connection: &Connection,
    messages: &[Arc<Message>],
) -> Result<Vec<Option<u64>>, Error> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO broker_log
             (topic, partition_key, event_id, correlation_id, source, headers, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (event_id) DO NOTHING
         RETURNING position",
    )?;
    let mut positions = Vec::with_capacity(messages.len());
    for message in messages {
        let headers = serde_json::to_string(&message.headers)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        let position = statement
            .query_row(
                params![
                    message.topic,
                    message.partition_key,
                    message.event_id,
                    message.correlation_id,
                    message.source,
                    headers,
                    message.body.as_ref(),
                ],
                |row| row.get(0),
            )
            .optional()?;
        positions.push(position);
    }
    Ok(positions)
}

/// What one look into the file came to.
#[derive(Debug)]
pub(super) struct Look {
    /// The wanted messages.
    pub(super) found: Vec<Placed>,
    /// There are no others up to here.
    pub(super) to: u64,
    /// Nor behind that: it was the end of the log.
    pub(super) at_end: bool,
}

/// The first messages behind `after` that are wanted.
pub(super) fn read(
    connection: &Connection,
    after: u64,
    wanted: &Wanted<'_>,
) -> Result<Look, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT position, topic, partition_key, event_id, correlation_id, source, headers, body
         FROM broker_log WHERE position > ?1 ORDER BY position LIMIT ?2",
    )?;
    let mut rows = statement.query(params![after, READ_ROWS])?;
    let mut look = Look {
        found: Vec::new(),
        to: after,
        at_end: true,
    };
    let mut bytes = 0;
    let mut looked_at = 0;
    while let Some(row) = rows.next()? {
        look.to = row.get(0)?;
        looked_at += 1;
        if wanted.fits(key_hash(text(row, 2)?), text(row, 1)?) {
            let message = message(row)?;
            bytes += weight(&message);
            look.found.push((look.to, Arc::new(message)));
        }
        if look.found.len() >= READ_MESSAGES || bytes >= READ_BYTES || looked_at >= READ_ROWS {
            look.at_end = false;
            break;
        }
    }
    Ok(look)
}

/// Shows `lags` every message it may count.
pub(super) fn count(connection: &Connection, mut lags: Lags) -> Result<Lags, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT position, topic, partition_key FROM broker_log
         WHERE position > ?1 ORDER BY position",
    )?;
    let mut rows = statement.query([lags.slowest()])?;
    while let Some(row) = rows.next()? {
        lags.see(row.get(0)?, key_hash(text(row, 2)?), text(row, 1)?);
    }
    drop(rows);
    Ok(lags)
}

/// Cuts off at most `limit` messages up to `to`; how many there were.
pub(super) fn trim(connection: &Connection, to: u64, limit: usize) -> Result<usize, Error> {
    let mut statement = connection.prepare_cached(
        "DELETE FROM broker_log WHERE position IN
         (SELECT position FROM broker_log WHERE position <= ?1 ORDER BY position LIMIT ?2)",
    )?;
    Ok(statement.execute(params![to, limit])?)
}

fn message(row: &Row<'_>) -> rusqlite::Result<Message> {
    let headers = serde_json::from_str(text(row, 6)?)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(6, Type::Text, error.into()))?;
    Ok(Message {
        topic: row.get(1)?,
        partition_key: row.get(2)?,
        event_id: row.get(3)?,
        correlation_id: row.get(4)?,
        source: row.get(5)?,
        headers,
        body: Bytes::from(row.get::<_, Vec<u8>>(7)?),
    })
}

/// A text column without copying it.
fn text<'a>(row: &'a Row<'_>, column: usize) -> rusqlite::Result<&'a str> {
    Ok(row.get_ref(column)?.as_str()?)
}
