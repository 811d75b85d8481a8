//! Who did what about parked events.

use outcry_sqlite::rusqlite::{Connection, Row, params};
use uuid::Uuid;

use super::rows::Head;
use crate::error::StoreError;
use crate::parking::{Asked, AuditAction, AuditEntry, AuditFilter};
use crate::sqlite::errors::corrupt;
use crate::sqlite::events::place;
use crate::sqlite::page;
use crate::sqlite::tables::named;
use crate::timer::{nanos, time_of};

#[derive(Debug)]
pub(in crate::sqlite) struct Audit {
    note: String,
    pub(in crate::sqlite) all: String,
    pub(in crate::sqlite) of_group: String,
}

// === impl Audit ===

impl Audit {
    pub(super) fn of(service: &str) -> Self {
        let list = |group: &str| {
            named(
                service,
                &format!(
                    "SELECT position, action, consumer_group, key, parked_position, event_id,
                         topic, asked_by, why, at
                     FROM @_parking_audit WHERE {group} position < ?1
                     ORDER BY position DESC LIMIT ?2"
                ),
            )
        };
        Self {
            note: named(
                service,
                "INSERT INTO @_parking_audit (action, consumer_group, key, parked_position,
                     event_id, topic, asked_by, why, at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            ),
            all: list(""),
            of_group: list("consumer_group = ?3 AND"),
        }
    }

    pub(super) fn note(
        &self,
        connection: &Connection,
        action: AuditAction,
        about: &Head,
        asked: &Asked,
    ) -> Result<(), StoreError> {
        let event_id = (!about.event_id.is_nil()).then(|| about.event_id.into_bytes());
        connection.prepare_cached(&self.note)?.execute(params![
            action.name(),
            about.group,
            about.key,
            place(about.position),
            event_id,
            about.topic,
            asked.by,
            asked.why,
            nanos(asked.at),
        ])?;
        Ok(())
    }

    pub(super) fn list(
        &self,
        connection: &Connection,
        filter: &AuditFilter,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        let before = place(filter.before.unwrap_or(u64::MAX));
        let limit = page(filter.limit);
        let mut entries = Vec::new();
        let mut read = |sql: &str, params: &[&dyn outcry_sqlite::rusqlite::ToSql]| {
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = statement.query(params)?;
            while let Some(row) = rows.next()? {
                entries.push(entry(row)?);
            }
            Ok::<_, StoreError>(())
        };
        match &filter.group {
            None => read(&self.all, params![before, limit])?,
            Some(group) => read(&self.of_group, params![before, limit, group])?,
        }
        Ok(entries)
    }
}

fn entry(row: &Row<'_>) -> Result<AuditEntry, StoreError> {
    let position = row.get(0)?;
    let action: String = row.get(1)?;
    Ok(AuditEntry {
        position,
        action: AuditAction::from_name(&action).ok_or_else(|| {
            corrupt(
                format!("entry {position} of the parking audit"),
                format!("there is no action {action}"),
            )
        })?,
        group: row.get(2)?,
        key: row.get(3)?,
        parked_position: row.get(4)?,
        event_id: row.get::<_, Option<[u8; 16]>>(5)?.map(Uuid::from_bytes),
        topic: row.get(6)?,
        asked: Asked {
            by: row.get(7)?,
            why: row.get(8)?,
            at: time_of(row.get(9)?),
        },
    })
}
