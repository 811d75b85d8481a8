//! What can go wrong with the file.

use std::path::PathBuf;
use std::sync::Arc;

/// Why a read or a write did not happen.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// SQLite refused a statement of this job; nothing of the job is kept.
    #[error("the database refused a statement")]
    Statement(#[source] Arc<rusqlite::Error>),
    /// The transaction this job was part of did not reach the disk; nothing of it is kept.
    #[error("the database could not {step} a group of writes")]
    Group {
        /// Which step failed: `begin`, `keep` or `commit`.
        step: &'static str,
        /// What SQLite said.
        #[source]
        source: Arc<rusqlite::Error>,
    },
    /// The job panicked; nothing of it is kept.
    #[error("a database job panicked")]
    Panicked,
    /// A write to a database that was opened for reading only.
    #[error("the database is open for reading only")]
    ReadOnly,
    /// The database has been closed.
    #[error("the database is closed")]
    Closed,
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self::Statement(Arc::new(error))
    }
}

/// Why a file could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder cannot be made or written to.
    #[error("cannot write to the data folder {}", folder.display())]
    Folder {
        /// The folder of the file.
        folder: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// Another process, or another part of this one, has the file open for writing.
    #[error(
        "{} is already in use by {}; stop that first or choose another data folder",
        path.display(),
        holder.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
    )]
    InUse {
        /// The database file.
        path: PathBuf,
        /// Process id of the holder, if it could be read.
        holder: Option<u32>,
    },
    /// There is no file to read.
    #[error("there is no database at {}", path.display())]
    Missing {
        /// The database file.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("{} is not a database of this platform", path.display())]
    Foreign {
        /// The database file.
        path: PathBuf,
    },
    /// A newer version of the platform has written the file.
    #[error(
        "{} has file layout {found}, this version knows layouts up to {known}; use a newer version",
        path.display()
    )]
    Newer {
        /// The database file.
        path: PathBuf,
        /// Layout of the file.
        found: u32,
        /// Newest layout this version knows.
        known: u32,
    },
    /// SQLite could not open the file or set it up.
    #[error("cannot open the database {}", path.display())]
    Sqlite {
        /// The database file.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
    /// The writer thread could not be started.
    #[error("cannot start the database writer")]
    Thread(#[source] std::io::Error),
}

/// Why the tables of a namespace could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// A newer version of the platform has written these tables.
    #[error(
        "the tables of {namespace} have version {found}, this version knows up to {known}; use a newer version"
    )]
    Newer {
        /// Whose tables.
        namespace: String,
        /// Version in the file.
        found: u32,
        /// Newest version known here.
        known: u32,
    },
    /// The file is open for reading only and its tables are older than this version needs.
    #[error(
        "the tables of {namespace} have version {found}, reading needs {known}; start the platform once to bring them up to date"
    )]
    Older {
        /// Whose tables.
        namespace: String,
        /// Version in the file; 0 means that they are not there.
        found: u32,
        /// Version needed here.
        known: u32,
    },
    /// A step failed. The tables are as they were before.
    #[error("cannot bring the tables of {namespace} to version {version}")]
    Step {
        /// Whose tables.
        namespace: String,
        /// Version the step leads to.
        version: u32,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
    /// The database failed.
    #[error(transparent)]
    Database(#[from] Error),
}

impl From<rusqlite::Error> for MigrateError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error.into())
    }
}
