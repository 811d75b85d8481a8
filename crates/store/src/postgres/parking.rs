//! Events put aside with their keys, requests to bring them back, and who did what.

use bytes::Bytes;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::commit::place;
use super::events::{column, number};
use super::failure::corrupt;
use super::session::Params;
use super::source::Source;
use super::text::{self, stored};
use crate::error::StoreError;
use crate::parking::{Asked, AuditAction, AuditEntry, AuditFilter, Parked, ParkedFilter, Redrive};
use crate::timer::time_of;

#[derive(Debug)]
pub(super) struct Parking {
    pub(super) first: String,
    pub(super) keys: String,
    list: String,
    pub(super) redrives: String,
    pub(super) audit: String,
    pub(super) audit_of_group: String,
}

/// Values of a statement that is put together.
type Values = Vec<Box<dyn ToSql + Sync + Send>>;

// === impl Parking ===

impl Parking {
    pub(super) fn of(schema: &str) -> Self {
        let sql = |text: &str| text.replace('@', schema);
        let audit = |group: &str| {
            sql(&format!(
                "SELECT position, action, consumer_group, key, parked_position, event_id, topic,
                     asked_by, why, at
                 FROM @.parking_audit WHERE {group} position < $1
                 ORDER BY position DESC LIMIT $2"
            ))
        };
        Self {
            first: sql(
                "SELECT position FROM @.parked WHERE consumer_group = $1 AND key = $2
                 ORDER BY position LIMIT 1",
            ),
            keys: sql(
                "SELECT key, count(*) FROM @.parked WHERE consumer_group = $1
                 GROUP BY key ORDER BY key",
            ),
            list: sql(
                "SELECT position, consumer_group, key, event_id, topic, attempts, parked_at,
                     reason, headers, bytes,
                     EXISTS (SELECT FROM @.redrives r
                             WHERE r.consumer_group = p.consumer_group AND r.key = p.key
                               AND coalesce(r.only_position, p.position) = p.position)
                 FROM @.parked p WHERE position > $1",
            ),
            redrives: sql(
                "SELECT key, only_position, per_second, asked_by, why, at FROM @.redrives
                 WHERE consumer_group = $1 ORDER BY id LIMIT $2",
            ),
            audit: audit(""),
            audit_of_group: audit("consumer_group = $3 AND"),
        }
    }

    pub(super) async fn first(
        &self,
        source: &Source,
        group: &str,
        key: &str,
    ) -> Result<Option<u64>, StoreError> {
        let params: Params<'_> = &[&stored(group), &stored(key)];
        let rows = source.query(&self.first, params).await?;
        rows.first().map(|row| number(row, 0)).transpose()
    }

    pub(super) async fn keys(
        &self,
        source: &Source,
        group: &str,
    ) -> Result<Vec<(String, u64)>, StoreError> {
        let rows = source.query(&self.keys, &[&stored(group)]).await?;
        rows.iter()
            .map(|row| Ok((text::read(column(row, 0)?), number(row, 1)?)))
            .collect()
    }

    pub(super) async fn list(
        &self,
        source: &Source,
        filter: &ParkedFilter,
        limit: i64,
    ) -> Result<Vec<Parked>, StoreError> {
        let (sql, values) = self.listing(filter, limit);
        let params: Vec<&(dyn ToSql + Sync)> = values
            .iter()
            .map(|value| value.as_ref() as &(dyn ToSql + Sync))
            .collect();
        let rows = source.query(&sql, &params).await?;
        rows.iter().map(parked).collect()
    }

    /// The statement for a filter, and its values.
    pub(super) fn listing(&self, filter: &ParkedFilter, limit: i64) -> (String, Values) {
        let mut sql = self.list.clone();
        let mut values: Values = vec![Box::new(place(filter.after))];
        let mut demand = |term: &str, value: Box<dyn ToSql + Sync + Send>| {
            values.push(value);
            sql.push_str(&format!(" AND {term} = ${}", values.len()));
        };
        if let Some(group) = &filter.group {
            // Without a key or an event the rows are best walked in their own order; an expression
            // keeps the database from collecting those of the group and sorting them.
            let narrow = filter.key.is_some() || filter.event_id.is_some();
            let term = if narrow {
                "consumer_group"
            } else {
                "consumer_group || ''"
            };
            demand(term, Box::new(stored(group).into_owned()));
        }
        if let Some(key) = &filter.key {
            demand("key", Box::new(stored(key).into_owned()));
        }
        if let Some(topic) = &filter.topic {
            demand("topic", Box::new(stored(topic).into_owned()));
        }
        if let Some(event_id) = filter.event_id {
            demand("event_id", Box::new(event_id));
        }
        if let Some(position) = filter.position {
            demand("position", Box::new(place(position)));
        }
        values.push(Box::new(limit));
        sql.push_str(&format!(" ORDER BY position LIMIT ${}", values.len()));
        (sql, values)
    }

    pub(super) async fn redrives(
        &self,
        source: &Source,
        group: &str,
        limit: i64,
    ) -> Result<Vec<Redrive>, StoreError> {
        let params: Params<'_> = &[&stored(group), &limit];
        let rows = source.query(&self.redrives, params).await?;
        rows.iter()
            .map(|row| {
                let only: Option<i64> = column(row, 1)?;
                Ok(Redrive {
                    group: group.to_owned(),
                    key: text::read(column(row, 0)?),
                    only: only.map(i64::unsigned_abs),
                    per_second: number(row, 2)?,
                    asked: asked(row, 3)?,
                })
            })
            .collect()
    }

    pub(super) async fn audit(
        &self,
        source: &Source,
        filter: &AuditFilter,
        limit: i64,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        let before = place(filter.before.unwrap_or(u64::MAX));
        let rows = match &filter.group {
            None => source.query(&self.audit, &[&before, &limit]).await?,
            Some(group) => {
                let params: Params<'_> = &[&before, &limit, &stored(group)];
                source.query(&self.audit_of_group, params).await?
            }
        };
        rows.iter().map(entry).collect()
    }
}

fn parked(row: &Row) -> Result<Parked, StoreError> {
    let position = number(row, 0)?;
    let headers: &str = column(row, 8)?;
    Ok(Parked {
        position,
        group: text::read(column(row, 1)?),
        key: text::read(column(row, 2)?),
        event_id: column(row, 3)?,
        topic: text::read(column(row, 4)?),
        attempts: number(row, 5)?,
        parked_at: time_of(column(row, 6)?),
        reason: text::read(column(row, 7)?),
        headers: serde_json::from_str(headers).map_err(|error| {
            corrupt(format!("headers of the event parked at {position}"), error)
        })?,
        bytes: Bytes::copy_from_slice(column(row, 9)?),
        redrive_requested: column(row, 10)?,
    })
}

fn entry(row: &Row) -> Result<AuditEntry, StoreError> {
    let position = number(row, 0)?;
    let action: &str = column(row, 1)?;
    Ok(AuditEntry {
        position,
        action: AuditAction::from_name(action).ok_or_else(|| {
            corrupt(
                format!("entry {position} of the parking audit"),
                format!("there is no action {action}"),
            )
        })?,
        group: text::read(column(row, 2)?),
        key: text::read(column(row, 3)?),
        parked_position: number(row, 4)?,
        event_id: column(row, 5)?,
        topic: text::read(column(row, 6)?),
        asked: asked(row, 7)?,
    })
}

/// Who, why and when, from three columns.
fn asked(row: &Row, first: usize) -> Result<Asked, StoreError> {
    Ok(Asked {
        by: text::read(column(row, first)?),
        why: text::read(column(row, first + 1)?),
        at: time_of(column(row, first + 2)?),
    })
}
