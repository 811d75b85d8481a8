//! Which events a group has handled.

use std::time::SystemTime;

use outcry_sqlite::rusqlite::{Connection, params};
use uuid::Uuid;

use super::tables::named;
use crate::error::{CommitError, Duplicate, StoreError};
use crate::timer::nanos;

#[derive(Debug)]
pub(super) struct Inbox {
    pub(super) contains: String,
    insert: String,
    pub(super) forget: String,
}

// === impl Inbox ===

impl Inbox {
    pub(super) fn of(service: &str) -> Self {
        let sql = |text| named(service, text);
        Self {
            contains: sql("SELECT 1 FROM @_handled WHERE consumer_group = ?1 AND event_id = ?2"),
            insert: sql("INSERT INTO @_handled (consumer_group, event_id, at) VALUES (?1, ?2, ?3)"),
            forget: sql(
                "DELETE FROM @_handled WHERE (consumer_group, event_id) IN
                 (SELECT consumer_group, event_id FROM @_handled WHERE at < ?1 ORDER BY at LIMIT ?2)",
            ),
        }
    }

    pub(super) fn contains(
        &self,
        connection: &Connection,
        group: &str,
        event_id: Uuid,
    ) -> Result<bool, StoreError> {
        let mut statement = connection.prepare_cached(&self.contains)?;
        Ok(statement.exists(params![group, event_id.as_bytes()])?)
    }

    pub(super) fn refuse_handled(
        &self,
        connection: &Connection,
        group: &str,
        event_id: Uuid,
    ) -> Result<(), CommitError> {
        if self.contains(connection, group, event_id)? {
            return Err(CommitError::Duplicate(Duplicate::Handled {
                group: group.to_owned(),
                event_id,
            }));
        }
        Ok(())
    }

    pub(super) fn insert(
        &self,
        connection: &Connection,
        group: &str,
        event_id: Uuid,
        at: SystemTime,
    ) -> Result<(), StoreError> {
        connection.prepare_cached(&self.insert)?.execute(params![
            group,
            event_id.as_bytes(),
            nanos(at)
        ])?;
        Ok(())
    }

    pub(super) fn forget(
        &self,
        connection: &Connection,
        before: SystemTime,
        limit: usize,
    ) -> Result<u64, StoreError> {
        let mut statement = connection.prepare_cached(&self.forget)?;
        Ok(statement.execute(params![nanos(before), limit])? as u64)
    }
}
