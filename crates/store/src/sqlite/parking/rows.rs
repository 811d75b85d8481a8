//! The parked events themselves.

use outcry_sqlite::rusqlite::types::Value;
use outcry_sqlite::rusqlite::{Connection, OptionalExtension as _, Row, params, params_from_iter};
use uuid::Uuid;

use crate::error::{CommitError, Duplicate, StoreError};
use crate::parking::{Parked, ParkedEvent, ParkedFilter};
use crate::sqlite::errors::corrupt;
use crate::sqlite::events::place;
use crate::sqlite::page;
use crate::sqlite::tables::named;
use crate::timer::{nanos, time_of};

#[derive(Debug)]
pub(in crate::sqlite) struct Rows {
    insert: String,
    pub(in crate::sqlite) find: String,
    pub(in crate::sqlite) first: String,
    pub(in crate::sqlite) head: String,
    fail: String,
    remove: String,
    reset_row: String,
    pub(in crate::sqlite) reset_key: String,
    pub(in crate::sqlite) reset_group: String,
    pub(in crate::sqlite) keys: String,
    list: String,
}

/// What a parked row, or several of them, are about.
#[derive(Debug)]
pub(super) struct Head {
    /// 0 for several.
    pub(super) position: u64,
    pub(super) group: String,
    /// Empty for a whole group.
    pub(super) key: String,
    /// Nil for several.
    pub(super) event_id: Uuid,
    pub(super) topic: String,
}

// === impl Head ===

impl Head {
    /// All rows of a key.
    pub(super) fn key(group: &str, key: &str) -> Self {
        Self {
            position: 0,
            group: group.to_owned(),
            key: key.to_owned(),
            event_id: Uuid::nil(),
            topic: String::new(),
        }
    }

    /// All rows of a group.
    pub(super) fn group(group: &str) -> Self {
        Self::key(group, "")
    }
}

// === impl Rows ===

impl Rows {
    pub(super) fn of(service: &str) -> Self {
        let sql = |text| named(service, text);
        Self {
            insert: sql(
                "INSERT INTO @_parked (consumer_group, key, event_id, topic, attempts,
                     parked_at, reason, headers, bytes)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            ),
            find: sql("SELECT position FROM @_parked WHERE consumer_group = ?1 AND event_id = ?2"),
            first: sql(
                "SELECT position FROM @_parked WHERE consumer_group = ?1 AND key = ?2
                 ORDER BY position LIMIT 1",
            ),
            head: sql(
                "SELECT position, consumer_group, key, event_id, topic FROM @_parked
                 WHERE position = ?1",
            ),
            fail: sql(
                "UPDATE @_parked SET reason = ?2, attempts = attempts + ?3 WHERE position = ?1",
            ),
            remove: sql("DELETE FROM @_parked WHERE position = ?1"),
            reset_row: sql("UPDATE @_parked SET attempts = 0 WHERE position = ?1"),
            reset_key: sql(
                "UPDATE @_parked SET attempts = 0 WHERE consumer_group = ?1 AND key = ?2",
            ),
            reset_group: sql("UPDATE @_parked SET attempts = 0 WHERE consumer_group = ?1"),
            keys: sql(
                "SELECT key, count(*) FROM @_parked WHERE consumer_group = ?1
                 GROUP BY key ORDER BY key",
            ),
            list: sql(
                "SELECT position, consumer_group, key, event_id, topic, attempts, parked_at,
                     reason, headers, bytes,
                     EXISTS (SELECT 1 FROM @_redrives r
                             WHERE r.consumer_group = p.consumer_group AND r.key = p.key
                               AND coalesce(r.only_position, p.position) = p.position)
                 FROM @_parked p WHERE position > ?1",
            ),
        }
    }

    pub(super) fn insert(
        &self,
        connection: &Connection,
        event: &ParkedEvent,
    ) -> Result<(), StoreError> {
        let headers = serde_json::to_string(&event.headers)
            .map_err(|error| corrupt("the headers of an event to be parked", error))?;
        connection.prepare_cached(&self.insert)?.execute(params![
            event.group,
            event.key,
            event.event_id.as_bytes(),
            event.topic,
            event.attempts,
            nanos(event.parked_at),
            event.reason,
            headers,
            event.bytes.as_ref(),
        ])?;
        Ok(())
    }

    pub(super) fn refuse_parked(
        &self,
        connection: &Connection,
        event: &ParkedEvent,
    ) -> Result<(), CommitError> {
        let position = connection
            .prepare_cached(&self.find)?
            .query_row(params![event.group, event.event_id.as_bytes()], |row| {
                row.get(0)
            })
            .optional()?;
        match position {
            None => Ok(()),
            Some(position) => Err(CommitError::Duplicate(Duplicate::Parked {
                group: event.group.clone(),
                event_id: event.event_id,
                position,
            })),
        }
    }

    pub(super) fn first(
        &self,
        connection: &Connection,
        group: &str,
        key: &str,
    ) -> Result<Option<u64>, StoreError> {
        let first = connection
            .prepare_cached(&self.first)?
            .query_row([group, key], |row| row.get(0))
            .optional()?;
        Ok(first)
    }

    pub(super) fn head(
        &self,
        connection: &Connection,
        position: u64,
    ) -> Result<Option<Head>, StoreError> {
        let head = connection
            .prepare_cached(&self.head)?
            .query_row([place(position)], |row| {
                Ok(Head {
                    position: row.get(0)?,
                    group: row.get(1)?,
                    key: row.get(2)?,
                    event_id: Uuid::from_bytes(row.get(3)?),
                    topic: row.get(4)?,
                })
            })
            .optional()?;
        Ok(head)
    }

    pub(super) fn fail(
        &self,
        connection: &Connection,
        position: u64,
        reason: &str,
        attempts: u32,
    ) -> Result<(), StoreError> {
        connection.prepare_cached(&self.fail)?.execute(params![
            place(position),
            reason,
            attempts
        ])?;
        Ok(())
    }

    pub(super) fn remove(&self, connection: &Connection, position: u64) -> Result<(), StoreError> {
        connection
            .prepare_cached(&self.remove)?
            .execute([place(position)])?;
        Ok(())
    }

    pub(super) fn reset_attempts(
        &self,
        connection: &Connection,
        about: &Head,
    ) -> Result<(), StoreError> {
        if about.position != 0 {
            let mut statement = connection.prepare_cached(&self.reset_row)?;
            statement.execute([place(about.position)])?;
        } else if about.key.is_empty() {
            let mut statement = connection.prepare_cached(&self.reset_group)?;
            statement.execute([&about.group])?;
        } else {
            let mut statement = connection.prepare_cached(&self.reset_key)?;
            statement.execute([&about.group, &about.key])?;
        }
        Ok(())
    }

    pub(super) fn keys(
        &self,
        connection: &Connection,
        group: &str,
    ) -> Result<Vec<(String, u64)>, StoreError> {
        let mut statement = connection.prepare_cached(&self.keys)?;
        let rows = statement.query_map([group], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub(super) fn list(
        &self,
        connection: &Connection,
        filter: &ParkedFilter,
    ) -> Result<Vec<Parked>, StoreError> {
        let (sql, params) = self.listing(filter);
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(params))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(parked(row)?);
        }
        Ok(found)
    }

    /// The statement for what the filter asks for. There are few different ones, so each stays
    /// prepared.
    pub(in crate::sqlite) fn listing(&self, filter: &ParkedFilter) -> (String, Vec<Value>) {
        let mut sql = self.list.clone();
        let mut params = vec![Value::Integer(place(filter.after))];
        let mut demand = |term: &str, value: Value| {
            params.push(value);
            sql.push_str(&format!(" AND {term} = ?{}", params.len()));
        };
        if let Some(group) = &filter.group {
            // Without a key or an event the rows are best walked in their own order; the plus
            // keeps SQLite from collecting those of the group and sorting them.
            let narrow = filter.key.is_some() || filter.event_id.is_some();
            let term = if narrow {
                "consumer_group"
            } else {
                "+consumer_group"
            };
            demand(term, Value::Text(group.clone()));
        }
        if let Some(key) = &filter.key {
            demand("key", Value::Text(key.clone()));
        }
        if let Some(topic) = &filter.topic {
            demand("topic", Value::Text(topic.clone()));
        }
        if let Some(event_id) = filter.event_id {
            demand("event_id", Value::Blob(event_id.as_bytes().to_vec()));
        }
        if let Some(position) = filter.position {
            demand("position", Value::Integer(place(position)));
        }
        let limit = i64::try_from(page(filter.limit)).unwrap_or(i64::MAX);
        params.push(Value::Integer(limit));
        sql.push_str(&format!(" ORDER BY position LIMIT ?{}", params.len()));
        (sql, params)
    }
}

fn parked(row: &Row<'_>) -> Result<Parked, StoreError> {
    let position: u64 = row.get(0)?;
    let headers: String = row.get(8)?;
    Ok(Parked {
        position,
        group: row.get(1)?,
        key: row.get(2)?,
        event_id: Uuid::from_bytes(row.get(3)?),
        topic: row.get(4)?,
        attempts: row.get(5)?,
        parked_at: time_of(row.get(6)?),
        reason: row.get(7)?,
        headers: serde_json::from_str(&headers).map_err(|error| {
            corrupt(format!("headers of the event parked at {position}"), error)
        })?,
        bytes: row.get::<_, Vec<u8>>(9)?.into(),
        redrive_requested: row.get(10)?,
    })
}
