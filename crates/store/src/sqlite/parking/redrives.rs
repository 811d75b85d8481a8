//! Open requests to bring keys back: at most one per key.

use outcry_sqlite::rusqlite::{Connection, OptionalExtension as _, params};

use super::rows::Head;
use crate::error::StoreError;
use crate::parking::{Asked, Redrive, RedriveRequest, RedriveScope};
use crate::sqlite::events::place;
use crate::sqlite::tables::named;
use crate::timer::{nanos, time_of};

#[derive(Debug)]
pub(in crate::sqlite) struct Redrives {
    pub(in crate::sqlite) open_key: String,
    pub(in crate::sqlite) open_group: String,
    end: String,
    end_single: String,
    pub(in crate::sqlite) asked_by: String,
    pub(in crate::sqlite) list: String,
}

// === impl Redrives ===

impl Redrives {
    pub(super) fn of(service: &str) -> Self {
        let open = |only: &str, key: &str| {
            named(
                service,
                &format!(
                    "INSERT INTO @_redrives
                         (consumer_group, key, only_position, per_second, asked_by, why, at)
                     SELECT DISTINCT consumer_group, key, {only}, ?2, ?3, ?4, ?5 FROM @_parked
                     WHERE consumer_group = ?1 {key}
                     ON CONFLICT (consumer_group, key) DO UPDATE SET
                         only_position = CASE WHEN only_position IS NULL THEN NULL
                                              ELSE excluded.only_position END,
                         per_second = excluded.per_second,
                         asked_by = excluded.asked_by, why = excluded.why, at = excluded.at"
                ),
            )
        };
        let sql = |text| named(service, text);
        Self {
            open_key: open("?7", "AND key = ?6"),
            open_group: open("NULL", ""),
            end: sql("DELETE FROM @_redrives WHERE consumer_group = ?1 AND key = ?2"),
            end_single: sql("DELETE FROM @_redrives
                 WHERE consumer_group = ?1 AND key = ?2 AND only_position = ?3"),
            asked_by: sql("SELECT asked_by FROM @_redrives WHERE consumer_group = ?1 AND key = ?2"),
            list: sql(
                "SELECT key, only_position, per_second, asked_by, why, at FROM @_redrives
                 WHERE consumer_group = ?1 ORDER BY id LIMIT ?2",
            ),
        }
    }

    /// Opens or widens requests; whether there was anything to ask for.
    pub(super) fn open(
        &self,
        connection: &Connection,
        request: &RedriveRequest,
        about: &Head,
    ) -> Result<bool, StoreError> {
        let RedriveRequest {
            group, per_second, ..
        } = request;
        let Asked { by, why, at } = &request.asked;
        let keys = match request.scope {
            RedriveScope::Group => connection
                .prepare_cached(&self.open_group)?
                .execute(params![group, per_second, by, why, nanos(*at)])?,
            RedriveScope::Key(_) | RedriveScope::Event(_) => {
                let only = Some(about.position).filter(|position| *position != 0);
                connection.prepare_cached(&self.open_key)?.execute(params![
                    group,
                    per_second,
                    by,
                    why,
                    nanos(*at),
                    about.key,
                    only.map(place),
                ])?
            }
        };
        Ok(keys > 0)
    }

    /// Ends a key's request; whether there was one.
    pub(super) fn end(
        &self,
        connection: &Connection,
        group: &str,
        key: &str,
    ) -> Result<bool, StoreError> {
        let ended = connection
            .prepare_cached(&self.end)?
            .execute([group, key])?;
        Ok(ended > 0)
    }

    /// Ends a key's request if it was for this row alone.
    pub(super) fn end_single(
        &self,
        connection: &Connection,
        head: &Head,
    ) -> Result<(), StoreError> {
        connection
            .prepare_cached(&self.end_single)?
            .execute(params![head.group, head.key, place(head.position)])?;
        Ok(())
    }

    /// Who asked for the key to be redriven; empty when nobody did.
    pub(super) fn asked_by(
        &self,
        connection: &Connection,
        head: &Head,
    ) -> Result<String, StoreError> {
        let by = connection
            .prepare_cached(&self.asked_by)?
            .query_row([&head.group, &head.key], |row| row.get(0))
            .optional()?;
        Ok(by.unwrap_or_default())
    }

    pub(super) fn list(
        &self,
        connection: &Connection,
        group: &str,
        limit: usize,
    ) -> Result<Vec<Redrive>, StoreError> {
        let mut statement = connection.prepare_cached(&self.list)?;
        let rows = statement.query_map(params![group, limit], |row| {
            Ok(Redrive {
                group: group.to_owned(),
                key: row.get(0)?,
                only: row.get(1)?,
                per_second: row.get(2)?,
                asked: Asked {
                    by: row.get(3)?,
                    why: row.get(4)?,
                    at: time_of(row.get(5)?),
                },
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
