//! Read models: rows, and their places in secondary orders.

use std::ops::Bound;

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::events::{column, number};
use super::session::Params;
use super::source::Source;
use super::text::{self, stored};
use crate::error::StoreError;
use crate::view::{Bounds, Place, Scan, ViewRow};

#[derive(Debug)]
pub(super) struct Views {
    pub(super) row: String,
    schema: String,
}

// === impl Views ===

impl Views {
    pub(super) fn of(schema: &str) -> Self {
        Self {
            row: format!(
                "SELECT '' COLLATE \"C\", key, body, version FROM {schema}.views
                 WHERE view = $1 AND key = $2"
            ),
            schema: schema.to_owned(),
        }
    }

    pub(super) async fn row(
        &self,
        source: &Source,
        view: &str,
        key: &str,
    ) -> Result<Option<ViewRow>, StoreError> {
        let params: Params<'_> = &[&stored(view), &stored(key)];
        let rows = source.query(&self.row, params).await?;
        rows.first().map(view_row).transpose()
    }

    pub(super) async fn scan(
        &self,
        source: &Source,
        scan: &Scan,
        limit: i64,
    ) -> Result<Vec<ViewRow>, StoreError> {
        let Bounds { first, end } = Bounds::of(scan)?;
        let end = match end {
            Bound::Excluded(end) => Some(end),
            Bound::Included(_) | Bound::Unbounded => None,
        };
        let sql = self.listing(scan.index.is_some(), end.is_some(), scan.reverse);
        let mut texts = vec![stored(scan.view)];
        for place in [Some(&first), end.as_ref()].into_iter().flatten() {
            if scan.index.is_some() {
                texts.push(stored(&place.sort_key));
            }
            texts.push(stored(&place.key));
        }
        texts.extend(scan.index.map(stored));
        let mut params: Vec<&(dyn ToSql + Sync)> = vec![&limit];
        params.extend(texts.iter().map(|text| text as &(dyn ToSql + Sync)));
        let rows = source.query(&sql, &params).await?;
        rows.iter().map(view_row).collect()
    }

    /// Walks an index from one bound to the other: by key, or in another order. An end that is not
    /// there is not in the statement, so that the index is walked from the right place backwards,
    /// too. The rows of another order are looked up when it is known which ones are wanted.
    pub(super) fn listing(&self, in_order: bool, has_end: bool, reverse: bool) -> String {
        let schema = &self.schema;
        let direction = if reverse { "DESC" } else { "ASC" };
        if !in_order {
            let end = if has_end { "AND key < $4" } else { "" };
            return format!(
                "SELECT '' COLLATE \"C\", key, body, version FROM {schema}.views
                 WHERE view = $2 AND key >= $3 {end} ORDER BY key {direction} LIMIT $1"
            );
        }
        let (end, name) = if has_end {
            ("AND (sort_key, key) < ($5, $6)", "$7")
        } else {
            ("", "$5")
        };
        format!(
            "SELECT o.sort_key, v.key, v.body, v.version FROM (
                 SELECT sort_key, key FROM {schema}.view_orders
                 WHERE view = $2 AND name = {name} AND (sort_key, key) >= ($3, $4) {end}
                 ORDER BY sort_key {direction}, key {direction} LIMIT $1
             ) o JOIN {schema}.views v ON v.view = $2 AND v.key = o.key
             ORDER BY o.sort_key {direction}, o.key {direction}"
        )
    }
}

fn view_row(row: &Row) -> Result<ViewRow, StoreError> {
    let place = Place {
        sort_key: text::read(column(row, 0)?),
        key: text::read(column(row, 1)?),
    };
    Ok(ViewRow {
        cursor: place.cursor(),
        key: place.key,
        body: column(row, 2)?,
        version: number(row, 3)?,
    })
}
