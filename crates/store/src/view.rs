//! Read models: rows of JSON under a key, listed in any of several orders, page by page.

mod cursor;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::StoreError;

pub(crate) use self::cursor::{Bounds, Place};

/// Rows of a page when nothing else is asked for.
const SCAN_LIMIT: usize = 50;

/// A change to one row of a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewWrite {
    /// The view, for example `orders`.
    pub view: &'static str,
    /// The row.
    pub key: String,
    /// What must hold for the row before.
    pub expect: Expect,
    /// What becomes of it.
    pub change: Change,
}

/// What must hold for a row before it is changed; otherwise the commit is a conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Nothing.
    Any,
    /// The row was written so often since it was made; 0 means that there is no such row.
    Version(u64),
}

/// What becomes of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It is this from now on.
    Put {
        /// JSON.
        body: Vec<u8>,
        /// Its places in the view's other orders: name of the order, sort key. All of them: earlier
        /// ones are gone. Several in one order are allowed.
        indexes: Vec<(&'static str, String)>,
    },
    /// It is gone. Gone already is fine, unless `expect` says otherwise.
    Delete,
}

/// One row as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewRow {
    /// The row's key.
    pub key: String,
    /// JSON.
    pub body: Vec<u8>,
    /// How often it was written since it was made, from 1.
    pub version: u64,
    /// Where a scan goes on behind this row, for [`Scan::after`]. Opaque.
    pub cursor: String,
}

/// Which rows of a view are wanted, and in which order. Orders compare bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// The view.
    pub view: &'static str,
    /// One of the view's other orders; none means by key. Rows with the same sort key are ordered
    /// by key.
    pub index: Option<&'static str>,
    /// Only rows whose sort key begins so.
    pub prefix: String,
    /// Only rows behind this one, in the direction of reading.
    pub after: Option<String>,
    /// Rows wanted at most.
    pub limit: usize,
    /// From the last to the first.
    pub reverse: bool,
}

// === impl ViewWrite ===

impl ViewWrite {
    /// Puts `row` as JSON under `key`, whatever was there.
    ///
    /// # Errors
    /// The row cannot be written as JSON.
    pub fn put<T: Serialize>(
        view: &'static str,
        key: impl Into<String>,
        row: &T,
    ) -> Result<Self, StoreError> {
        let key = key.into();
        match serde_json::to_vec(row) {
            Ok(body) => Ok(Self {
                view,
                key,
                expect: Expect::Any,
                change: Change::Put {
                    body,
                    indexes: Vec::new(),
                },
            }),
            Err(source) => Err(StoreError::Encode { view, key, source }),
        }
    }

    /// Deletes the row under `key`, whatever it was.
    pub fn delete(view: &'static str, key: impl Into<String>) -> Self {
        Self {
            view,
            key: key.into(),
            expect: Expect::Any,
            change: Change::Delete,
        }
    }

    /// Gives the row a place in another order of the view. A deleted row has none.
    #[must_use]
    pub fn index(mut self, name: &'static str, sort_key: impl Into<String>) -> Self {
        if let Change::Put { indexes, .. } = &mut self.change {
            indexes.push((name, sort_key.into()));
        }
        self
    }

    /// Demands the version the row has before; 0 for a row that must not be there.
    #[must_use]
    pub fn expect(mut self, version: u64) -> Self {
        self.expect = Expect::Version(version);
        self
    }
}

// === impl ViewRow ===

impl ViewRow {
    /// The row's value.
    ///
    /// # Errors
    /// The JSON is not such a value.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, StoreError> {
        serde_json::from_slice(&self.body).map_err(|source| StoreError::Decode {
            key: self.key.clone(),
            source,
        })
    }
}

// === impl Scan ===

impl Scan {
    /// The first rows of a view by key.
    #[must_use]
    pub fn new(view: &'static str) -> Self {
        Self {
            view,
            index: None,
            prefix: String::new(),
            after: None,
            limit: SCAN_LIMIT,
            reverse: false,
        }
    }

    /// In this order of the view.
    #[must_use]
    pub fn index(mut self, name: &'static str) -> Self {
        self.index = Some(name);
        self
    }

    /// Only rows whose sort key begins so.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Behind the row with this cursor; none means from the beginning.
    #[must_use]
    pub fn after(mut self, cursor: Option<String>) -> Self {
        self.after = cursor;
        self
    }

    /// At most so many.
    #[must_use]
    pub fn limit(mut self, rows: usize) -> Self {
        self.limit = rows;
        self
    }

    /// From the last to the first.
    #[must_use]
    pub fn reverse(mut self) -> Self {
        self.reverse = true;
        self
    }
}
