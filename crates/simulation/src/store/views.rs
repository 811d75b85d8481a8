//! Read models: rows, and their places in secondary orders.

use std::collections::{BTreeMap, BTreeSet};

use outcry_store::{Change, CommitError, Conflict, Expect, Scan, StoreError, ViewRow, ViewWrite};

use super::place::{Place, Span, cursor};

/// All views by name.
#[derive(Clone, Default)]
pub(super) struct Views {
    views: BTreeMap<&'static str, View>,
    /// What was there before each change.
    undo: Vec<(&'static str, String, Option<Row>)>,
}

#[derive(Clone, Default)]
struct View {
    rows: BTreeMap<String, Row>,
    /// The rows' places in each order.
    orders: BTreeMap<&'static str, BTreeSet<Place>>,
}

#[derive(Clone)]
struct Row {
    body: Vec<u8>,
    version: u64,
    /// Its places: name of the order and sort key, sorted, each once.
    orders: Vec<(&'static str, String)>,
}

// === impl Views ===

impl Views {
    pub(super) fn write(&mut self, write: ViewWrite) -> Result<(), CommitError> {
        let view = self.views.entry(write.view).or_default();
        let found = view.rows.get(&write.key).map_or(0, |row| row.version);
        if let Expect::Version(expected) = write.expect
            && expected != found
        {
            return Err(CommitError::Conflict(Conflict::View {
                view: write.view,
                key: write.key,
                expected,
                found,
            }));
        }
        let row = match write.change {
            Change::Put { body, indexes } => {
                let mut orders = indexes;
                orders.sort_unstable();
                orders.dedup();
                Some(Row {
                    body,
                    version: found + 1,
                    orders,
                })
            }
            Change::Delete => None,
        };
        let before = view.replace(&write.key, row);
        self.undo.push((write.view, write.key, before));
        Ok(())
    }

    pub(super) fn keep(&mut self) {
        self.undo.clear();
    }

    pub(super) fn undo(&mut self) {
        while let Some((view, key, before)) = self.undo.pop() {
            if let Some(view) = self.views.get_mut(view) {
                view.replace(&key, before);
            }
        }
    }

    pub(super) fn row(&self, view: &str, key: &str) -> Option<ViewRow> {
        let row = self.views.get(view)?.rows.get(key)?;
        Some(read("", key, row))
    }

    pub(super) fn scan(&self, scan: &Scan, limit: usize) -> Result<Vec<ViewRow>, StoreError> {
        let span = Span::of(scan)?;
        let Some(view) = self.views.get(scan.view).filter(|_| !span.is_empty()) else {
            return Ok(Vec::new());
        };
        let Some(index) = scan.index else {
            let rows = view.rows.range::<str, _>(span.keys());
            let rows = rows.map(|(key, row)| read("", key, row));
            return Ok(take(rows, scan.reverse, limit));
        };
        let Some(order) = view.orders.get(index) else {
            return Ok(Vec::new());
        };
        let places = order.range::<Place, _>(span.places());
        let rows = places.filter_map(|(sort_key, key)| {
            let row = view.rows.get(key)?;
            Some(read(sort_key, key, row))
        });
        Ok(take(rows, scan.reverse, limit))
    }

    pub(super) fn names(&self) -> Vec<&'static str> {
        self.views.keys().copied().collect()
    }

    pub(super) fn rows(&self, view: &str) -> Vec<ViewRow> {
        let rows = self.views.get(view).into_iter().flat_map(|view| &view.rows);
        rows.map(|(key, row)| read("", key, row)).collect()
    }
}

// === impl View ===

impl View {
    /// Puts a row, or takes it away, and its places with it; gives what was there.
    fn replace(&mut self, key: &str, row: Option<Row>) -> Option<Row> {
        let new = row.as_ref().map_or(Vec::new(), |row| row.orders.clone());
        let before = match (row, self.rows.get_mut(key)) {
            (Some(row), Some(there)) => Some(std::mem::replace(there, row)),
            (Some(row), None) => self.rows.insert(key.to_owned(), row),
            (None, _) => self.rows.remove(key),
        };
        let old = before.as_ref().map_or(&[][..], |row| row.orders.as_slice());
        // Most changes leave the row where it is.
        if old == new {
            return before;
        }
        for (name, sort_key) in old {
            if let Some(order) = self.orders.get_mut(name) {
                order.remove(&(sort_key.clone(), key.to_owned()));
            }
        }
        for (name, sort_key) in new {
            let order = self.orders.entry(name).or_default();
            order.insert((sort_key, key.to_owned()));
        }
        before
    }
}

fn read(sort_key: &str, key: &str, row: &Row) -> ViewRow {
    ViewRow {
        key: key.to_owned(),
        body: row.body.clone(),
        version: row.version,
        cursor: cursor(sort_key, key),
    }
}

fn take(
    rows: impl DoubleEndedIterator<Item = ViewRow>,
    reverse: bool,
    limit: usize,
) -> Vec<ViewRow> {
    if reverse {
        rows.rev().take(limit).collect()
    } else {
        rows.take(limit).collect()
    }
}
