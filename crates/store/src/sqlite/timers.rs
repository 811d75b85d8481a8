//! Things to do at a time.

use std::time::SystemTime;

use outcry_sqlite::rusqlite::{Connection, OptionalExtension as _, params};

use super::tables::named;
use crate::error::{CommitError, Conflict, StoreError};
use crate::timer::{Timer, TimerWrite, nanos, time_of};

#[derive(Debug)]
pub(super) struct Timers {
    set: String,
    clear: String,
    fired: String,
    is_set: String,
    pub(super) due: String,
    pub(super) next: String,
}

// === impl Timers ===

impl Timers {
    pub(super) fn of(service: &str) -> Self {
        let sql = |text| named(service, text);
        Self {
            set: sql("INSERT INTO @_timers (id, due, payload) VALUES (?1, ?2, ?3)
                 ON CONFLICT (id) DO UPDATE SET due = excluded.due, payload = excluded.payload"),
            clear: sql("DELETE FROM @_timers WHERE id = ?1"),
            fired: sql("DELETE FROM @_timers WHERE id = ?1 AND due = ?2"),
            is_set: sql("SELECT 1 FROM @_timers WHERE id = ?1 AND due = ?2"),
            due: sql("SELECT id, due, payload FROM @_timers
                 WHERE due <= ?1 ORDER BY due, id LIMIT ?2"),
            next: sql("SELECT due FROM @_timers ORDER BY due LIMIT 1"),
        }
    }

    /// Refuses to end timers that are not there, counting the writes of the commit before them.
    pub(super) fn judge(
        &self,
        connection: &Connection,
        writes: &[TimerWrite],
    ) -> Result<(), CommitError> {
        for (place, write) in writes.iter().enumerate() {
            let TimerWrite::Fired { id, due } = write else {
                continue;
            };
            let mut before = writes.iter().take(place).rev();
            let is_there = match before.find(|one| one.id() == id) {
                Some(TimerWrite::Set(timer)) => nanos(timer.due) == nanos(*due),
                Some(TimerWrite::Clear { .. } | TimerWrite::Fired { .. }) => false,
                None => connection
                    .prepare_cached(&self.is_set)?
                    .exists(params![id, nanos(*due)])?,
            };
            if !is_there {
                return Err(CommitError::Conflict(Conflict::Timer { id: id.clone() }));
            }
        }
        Ok(())
    }

    /// Writes what was judged.
    pub(super) fn write(
        &self,
        connection: &Connection,
        write: &TimerWrite,
    ) -> Result<(), StoreError> {
        match write {
            TimerWrite::Set(timer) => {
                connection.prepare_cached(&self.set)?.execute(params![
                    timer.id,
                    nanos(timer.due),
                    timer.payload
                ])?;
            }
            TimerWrite::Clear { id } => {
                connection.prepare_cached(&self.clear)?.execute([id])?;
            }
            TimerWrite::Fired { id, due } => {
                connection
                    .prepare_cached(&self.fired)?
                    .execute(params![id, nanos(*due)])?;
            }
        }
        Ok(())
    }

    pub(super) fn due(
        &self,
        connection: &Connection,
        now: SystemTime,
        limit: usize,
    ) -> Result<Vec<Timer>, StoreError> {
        let mut statement = connection.prepare_cached(&self.due)?;
        let rows = statement.query_map(params![nanos(now), limit], |row| {
            Ok(Timer {
                id: row.get(0)?,
                due: time_of(row.get(1)?),
                payload: row.get(2)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub(super) fn next(&self, connection: &Connection) -> Result<Option<SystemTime>, StoreError> {
        let next = connection
            .prepare_cached(&self.next)?
            .query_row([], |row| Ok(time_of(row.get(0)?)))
            .optional()?;
        Ok(next)
    }
}
