//! Things to do at a time.

use std::time::SystemTime;

use super::commit::time;
use super::events::column;
use super::source::Source;
use super::text;
use crate::error::StoreError;
use crate::timer::{Timer, time_of};

#[derive(Debug)]
pub(super) struct Timers {
    pub(super) due: String,
    pub(super) next: String,
}

// === impl Timers ===

impl Timers {
    pub(super) fn of(schema: &str) -> Self {
        let sql = |text: &str| text.replace('@', schema);
        Self {
            due: sql("SELECT id, due, payload FROM @.timers
                 WHERE due <= $1 ORDER BY due, id LIMIT $2"),
            next: sql("SELECT due FROM @.timers ORDER BY due LIMIT 1"),
        }
    }

    pub(super) async fn due(
        &self,
        source: &Source,
        now: SystemTime,
        limit: i64,
    ) -> Result<Vec<Timer>, StoreError> {
        let rows = source.query(&self.due, &[&time(now), &limit]).await?;
        rows.iter()
            .map(|row| {
                Ok(Timer {
                    id: text::read(column(row, 0)?),
                    due: time_of(column(row, 1)?),
                    payload: column(row, 2)?,
                })
            })
            .collect()
    }

    pub(super) async fn next(&self, source: &Source) -> Result<Option<SystemTime>, StoreError> {
        let rows = source.query(&self.next, &[]).await?;
        rows.first()
            .map(|row| Ok(time_of(column(row, 0)?)))
            .transpose()
    }
}
