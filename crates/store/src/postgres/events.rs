//! Streams of events, and which of them have not been sent.

use std::time::SystemTime;

use bytes::Bytes;
use outcry_events::SealedEvent;
use tokio_postgres::Row;

use super::commit::place;
use super::failure::{PostgresError, corrupt};
use super::session::Params;
use super::source::Source;
use super::text::stored;
use crate::error::StoreError;
use crate::lease::RelaySlots;
use crate::limits::RELAY_SLOTS;
use crate::store::StoredEvent;
use crate::timer::time_of;

#[derive(Debug)]
pub(super) struct Events {
    pub(super) stream: String,
    pub(super) all: String,
    pub(super) of_key: String,
    pub(super) unsent: String,
    pub(super) mark_sent: String,
    pub(super) oldest_unsent: String,
}

// === impl Events ===

impl Events {
    pub(super) fn of(schema: &str) -> Self {
        let sql = |text: &str| text.replace('@', schema);
        Self {
            stream: sql("SELECT position, bytes FROM @.events
                 WHERE stream = $1 AND sequence > $2 ORDER BY sequence LIMIT $3"),
            all: sql("SELECT position, bytes FROM @.events
                 WHERE position > $1 ORDER BY position LIMIT $2"),
            of_key: sql("SELECT position, bytes FROM @.events
                 WHERE partition_key = $1 AND position > $2 ORDER BY position LIMIT $3"),
            unsent: sql("SELECT e.position, e.bytes FROM (
                     SELECT position FROM @.unsent WHERE slot = ANY ($1)
                     ORDER BY position LIMIT $2
                 ) u JOIN @.events e ON e.position = u.position ORDER BY e.position"),
            mark_sent: sql("DELETE FROM @.unsent WHERE position = ANY ($1)"),
            oldest_unsent: sql(
                "SELECT recorded_at, (SELECT count(*) FROM @.unsent) FROM @.events
                 WHERE position = (SELECT position FROM @.unsent ORDER BY position LIMIT 1)",
            ),
        }
    }

    pub(super) async fn stream(
        &self,
        source: &Source,
        stream: &str,
        after: u64,
        limit: i64,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let params: Params<'_> = &[&stored(stream), &place(after), &limit];
        events(source.query(&self.stream, params).await?)
    }

    pub(super) async fn all(
        &self,
        source: &Source,
        after: u64,
        limit: i64,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let params: Params<'_> = &[&place(after), &limit];
        events(source.query(&self.all, params).await?)
    }

    pub(super) async fn of_key(
        &self,
        source: &Source,
        key: &str,
        after: u64,
        limit: i64,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let params: Params<'_> = &[&stored(key), &place(after), &limit];
        events(source.query(&self.of_key, params).await?)
    }

    pub(super) async fn unsent(
        &self,
        source: &Source,
        slots: RelaySlots,
        limit: i64,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let slots: Vec<i16> = (0..RELAY_SLOTS)
            .filter(|slot| slots.has(*slot))
            .filter_map(|slot| i16::try_from(slot).ok())
            .collect();
        events(source.query(&self.unsent, &[&slots, &limit]).await?)
    }

    pub(super) async fn mark_sent(
        &self,
        source: &Source,
        positions: &[u64],
    ) -> Result<(), StoreError> {
        let positions: Vec<_> = positions.iter().copied().map(place).collect();
        // Marking twice is fine, so a broken connection does not matter.
        source
            .database()?
            .query(&self.mark_sent, &[&positions])
            .await?;
        Ok(())
    }

    pub(super) async fn oldest_unsent(
        &self,
        source: &Source,
    ) -> Result<Option<(SystemTime, u64)>, StoreError> {
        let rows = source.query(&self.oldest_unsent, &[]).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        Ok(Some((time_of(column(row, 0)?), number(row, 1)?)))
    }
}

/// A value of a row.
pub(super) fn column<'a, T: tokio_postgres::types::FromSql<'a>>(
    row: &'a Row,
    place: usize,
) -> Result<T, StoreError> {
    Ok(row.try_get(place).map_err(PostgresError::Statement)?)
}

/// A number of a row that is never negative.
pub(super) fn number<T: TryFrom<i64>>(row: &Row, place: usize) -> Result<T, StoreError> {
    let number: i64 = column(row, place)?;
    T::try_from(number).map_err(|_| corrupt("a number", format!("{number} is out of range")))
}

fn events(rows: Vec<Row>) -> Result<Vec<StoredEvent>, StoreError> {
    rows.iter()
        .map(|row| {
            let position = number(row, 0)?;
            let bytes: &[u8] = column(row, 1)?;
            match SealedEvent::open(Bytes::copy_from_slice(bytes)) {
                Ok(event) => Ok(StoredEvent { position, event }),
                Err(error) => Err(corrupt(format!("event {position}"), error)),
            }
        })
        .collect()
}
