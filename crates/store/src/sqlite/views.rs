//! Read models: rows, and their places in secondary orders.

use std::collections::HashMap;
use std::ops::Bound;

use outcry_sqlite::rusqlite::types::Value;
use outcry_sqlite::rusqlite::{Connection, OptionalExtension as _, params};

use super::errors::corrupt;
use super::page;
use super::tables::named;
use crate::error::{CommitError, Conflict, StoreError};
use crate::view::{Bounds, Change, Expect, Place, Scan, ViewRow, ViewWrite};

#[derive(Debug)]
pub(super) struct Views {
    pub(super) row: String,
    pub(super) state: String,
    insert: String,
    update: String,
    delete: String,
    add_order: String,
    drop_order: String,
    pub(super) by_key: String,
    pub(super) by_key_reverse: String,
    pub(super) by_order: String,
    pub(super) by_order_reverse: String,
}

/// A row's places in other orders: name and sort key, sorted, each once.
type Orders = Vec<(String, String)>;

/// What is there of a row that a commit writes.
pub(super) enum Found {
    /// The row, or none.
    Before(Option<State>),
    /// What the same commit wrote before.
    Written,
}

/// A row before it is written.
pub(super) struct State {
    id: i64,
    version: u64,
    orders: String,
}

// === impl Views ===

impl Views {
    pub(super) fn of(service: &str) -> Self {
        let sql = |text: &str| named(service, text);
        let by_key = |direction| {
            sql(&format!(
                "SELECT '', key, body, version FROM @_views
                 WHERE view = ?1 AND key >= ?2 AND key < ?3 ORDER BY key {direction} LIMIT ?4"
            ))
        };
        // The cross join fixes that the order is walked and the rows are looked up.
        let by_order = |direction| {
            sql(&format!(
                "SELECT o.sort_key, v.key, v.body, v.version
                 FROM @_view_orders o CROSS JOIN @_views v ON v.view = o.view AND v.key = o.key
                 WHERE o.view = ?1 AND o.name = ?2
                   AND (o.sort_key, o.key) >= (?3, ?4) AND (o.sort_key, o.key) < (?5, ?6)
                 ORDER BY o.sort_key {direction}, o.key {direction} LIMIT ?7"
            ))
        };
        Self {
            row: sql("SELECT '', key, body, version FROM @_views WHERE view = ?1 AND key = ?2"),
            state: sql("SELECT id, version, orders FROM @_views WHERE view = ?1 AND key = ?2"),
            insert: sql("INSERT INTO @_views (view, key, version, orders, body)
                 VALUES (?1, ?2, 1, ?3, ?4)"),
            update: sql(
                "UPDATE @_views SET version = version + 1, orders = ?2, body = ?3 WHERE id = ?1",
            ),
            delete: sql("DELETE FROM @_views WHERE id = ?1"),
            add_order: sql("INSERT INTO @_view_orders (view, name, sort_key, key)
                 VALUES (?1, ?2, ?3, ?4)"),
            drop_order: sql("DELETE FROM @_view_orders
                 WHERE view = ?1 AND name = ?2 AND sort_key = ?3 AND key = ?4"),
            by_key: by_key("ASC"),
            by_key_reverse: by_key("DESC"),
            by_order: by_order("ASC"),
            by_order_reverse: by_order("DESC"),
        }
    }

    /// Refuses writes that expect other rows than are there, counting those of the commit before them; otherwise says
    /// what is there for each.
    pub(super) fn judge(
        &self,
        connection: &Connection,
        writes: &[ViewWrite],
    ) -> Result<Vec<Found>, CommitError> {
        // Version of each row after the writes so far.
        let mut versions: HashMap<(&str, &str), u64> = HashMap::with_capacity(writes.len());
        let mut all = Vec::with_capacity(writes.len());
        for write in writes {
            let row = (write.view, write.key.as_str());
            let (version, found) = match versions.get(&row) {
                Some(version) => (*version, Found::Written),
                None => {
                    let state = self.state(connection, write)?;
                    let version = state.as_ref().map_or(0, |state| state.version);
                    (version, Found::Before(state))
                }
            };
            if let Expect::Version(expected) = write.expect
                && expected != version
            {
                return Err(CommitError::Conflict(Conflict::View {
                    view: write.view,
                    key: write.key.clone(),
                    expected,
                    found: version,
                }));
            }
            let after = match write.change {
                Change::Put { .. } => version + 1,
                Change::Delete => 0,
            };
            versions.insert(row, after);
            all.push(found);
        }
        Ok(all)
    }

    fn state(
        &self,
        connection: &Connection,
        write: &ViewWrite,
    ) -> Result<Option<State>, StoreError> {
        let state = connection
            .prepare_cached(&self.state)?
            .query_row([write.view, &write.key], |row| {
                Ok(State {
                    id: row.get(0)?,
                    version: row.get(1)?,
                    orders: row.get(2)?,
                })
            })
            .optional()?;
        Ok(state)
    }

    /// Writes a row that was judged.
    pub(super) fn write(
        &self,
        connection: &Connection,
        write: &ViewWrite,
        found: Found,
    ) -> Result<(), StoreError> {
        let state = match found {
            Found::Before(state) => state,
            Found::Written => self.state(connection, write)?,
        };
        match &write.change {
            Change::Put { body, indexes } => {
                self.put(connection, write, state.as_ref(), body, indexes)
            }
            Change::Delete => match state {
                Some(state) => self.delete(connection, write, &state),
                None => Ok(()),
            },
        }
    }

    fn put(
        &self,
        connection: &Connection,
        write: &ViewWrite,
        state: Option<&State>,
        body: &[u8],
        indexes: &[(&str, String)],
    ) -> Result<(), StoreError> {
        let mut new: Orders = indexes
            .iter()
            .map(|(name, sort_key)| ((*name).to_owned(), sort_key.clone()))
            .collect();
        new.sort_unstable();
        new.dedup();
        let text = serde_json::to_string(&new).map_err(|source| StoreError::Encode {
            view: write.view,
            key: write.key.clone(),
            source,
        })?;
        let Some(state) = state else {
            connection
                .prepare_cached(&self.insert)?
                .execute(params![write.view, write.key, text, body])?;
            return self.change_orders(connection, write, &[], &new);
        };
        connection
            .prepare_cached(&self.update)?
            .execute(params![state.id, text, body])?;
        // Most changes leave the row where it is.
        if text == state.orders {
            return Ok(());
        }
        self.change_orders(connection, write, &orders(write, state)?, &new)
    }

    fn delete(
        &self,
        connection: &Connection,
        write: &ViewWrite,
        state: &State,
    ) -> Result<(), StoreError> {
        connection
            .prepare_cached(&self.delete)?
            .execute([state.id])?;
        self.change_orders(connection, write, &orders(write, state)?, &[])
    }

    fn change_orders(
        &self,
        connection: &Connection,
        write: &ViewWrite,
        old: &[(String, String)],
        new: &[(String, String)],
    ) -> Result<(), StoreError> {
        let change = |sql: &str, (name, sort_key): &(String, String)| {
            connection
                .prepare_cached(sql)?
                .execute(params![write.view, name, sort_key, write.key])
        };
        for place in old.iter().filter(|place| !new.contains(place)) {
            change(&self.drop_order, place)?;
        }
        for place in new.iter().filter(|place| !old.contains(place)) {
            change(&self.add_order, place)?;
        }
        Ok(())
    }

    pub(super) fn row(
        &self,
        connection: &Connection,
        view: &str,
        key: &str,
    ) -> Result<Option<ViewRow>, StoreError> {
        let mut statement = connection.prepare_cached(&self.row)?;
        Ok(statement.query_row([view, key], row).optional()?)
    }

    pub(super) fn scan(
        &self,
        connection: &Connection,
        scan: &Scan,
    ) -> Result<Vec<ViewRow>, StoreError> {
        let Bounds { first, end } = Bounds::of(scan)?;
        // In SQLite every text sorts before every blob.
        let (end_sort_key, end_key) = match end {
            Bound::Excluded(end) => (Value::Text(end.sort_key), Value::Text(end.key)),
            Bound::Included(_) | Bound::Unbounded => {
                (Value::Blob(Vec::new()), Value::Blob(Vec::new()))
            }
        };
        let limit = page(scan.limit);
        let rows = match scan.index {
            None => {
                let sql = if scan.reverse {
                    &self.by_key_reverse
                } else {
                    &self.by_key
                };
                connection
                    .prepare_cached(sql)?
                    .query_map(params![scan.view, first.key, end_key, limit], row)?
                    .collect::<Result<_, _>>()?
            }
            Some(name) => {
                let sql = if scan.reverse {
                    &self.by_order_reverse
                } else {
                    &self.by_order
                };
                let params = params![
                    scan.view,
                    name,
                    first.sort_key,
                    first.key,
                    end_sort_key,
                    end_key,
                    limit
                ];
                connection
                    .prepare_cached(sql)?
                    .query_map(params, row)?
                    .collect::<Result<_, _>>()?
            }
        };
        Ok(rows)
    }
}

fn orders(write: &ViewWrite, state: &State) -> Result<Orders, StoreError> {
    serde_json::from_str(&state.orders)
        .map_err(|error| corrupt(format!("row {} of view {}", write.key, write.view), error))
}

fn row(row: &outcry_sqlite::rusqlite::Row<'_>) -> outcry_sqlite::rusqlite::Result<ViewRow> {
    let place = Place {
        sort_key: row.get(0)?,
        key: row.get(1)?,
    };
    Ok(ViewRow {
        cursor: place.cursor(),
        key: place.key,
        body: row.get(2)?,
        version: row.get(3)?,
    })
}
