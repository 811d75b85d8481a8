//! What the database says, in the words of the seam.

use outcry_sqlite::rusqlite;

use crate::error::{CommitError, StoreError};

impl From<outcry_sqlite::Error> for StoreError {
    fn from(error: outcry_sqlite::Error) -> Self {
        Self::Backend(error.into())
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        outcry_sqlite::Error::from(error).into()
    }
}

impl From<outcry_sqlite::Error> for CommitError {
    fn from(error: outcry_sqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<rusqlite::Error> for CommitError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

/// A stored value that cannot be read.
pub(super) fn corrupt(
    what: impl Into<String>,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StoreError {
    StoreError::Corrupt {
        what: what.into(),
        source: source.into(),
    }
}
