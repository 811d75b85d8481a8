//! How a connection to the file is opened and set up.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::error::OpenError;
use crate::schema;

/// Marks the file as one of this platform, in the place SQLite keeps for that (`OTCY`).
const APPLICATION_ID: u32 = 0x4f54_4359;

/// Layout of what this crate itself keeps in the file: the table of namespace versions.
const LAYOUT: u32 = 1;

/// Longest wait for another connection. Only recovery after a crash and readers of other processes
/// ever make one wait.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Prepared statements kept per connection: ten services with about thirty each, and the broker.
const STATEMENTS_MAX: usize = 512;

/// Page cache of the writer, KiB: the upper levels of every index of a busy platform.
const WRITER_CACHE_KIB: i32 = 32 * 1024;

/// Page cache of one reader, KiB.
const READER_CACHE_KIB: i32 = 8 * 1024;

/// Size the write-ahead log is cut back to after it was longer, bytes.
pub(crate) const LOG_KEPT_BYTES: u32 = 64 * 1024 * 1024;

/// The folder a database file lies in.
pub(crate) fn folder(database: &Path) -> &Path {
    match database.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// The one connection that writes. Makes the file when there is none.
pub(crate) fn open_writer(path: &Path) -> Result<Connection, OpenError> {
    let sqlite = |source| refused(path, source);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(sqlite)?;
    set_up(&connection, WRITER_CACHE_KIB).map_err(sqlite)?;
    let new = check_identity(&connection, path)? == Identity::Empty;
    connection
        .pragma_update(None, "journal_mode", "wal")
        .and_then(|()| connection.pragma_update(None, "synchronous", "full"))
        .and_then(|()| connection.pragma_update(None, "foreign_keys", "on"))
        .and_then(|()| connection.pragma_update(None, "journal_size_limit", LOG_KEPT_BYTES))
        .map_err(sqlite)?;
    if new {
        connection
            .execute_batch(&format!(
                "BEGIN IMMEDIATE;
                 PRAGMA application_id = {APPLICATION_ID};
                 PRAGMA user_version = {LAYOUT};
                 {versions}
                 COMMIT;",
                versions = schema::VERSIONS_TABLE
            ))
            .map_err(sqlite)?;
    }
    Ok(connection)
}

/// A connection that copies the log of a file that is open for writing, and does nothing else.
pub(crate) fn open_copier(path: &Path) -> Result<Connection, OpenError> {
    let open = || {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "trusted_schema", "off")?;
        Ok(connection)
    };
    open().map_err(|source| refused(path, source))
}

/// A connection that only reads.
pub(crate) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    set_up(&connection, READER_CACHE_KIB)?;
    connection.pragma_update(None, "query_only", "on")?;
    Ok(connection)
}

/// Whether a file that is there can be read by this version.
pub(crate) fn check_readable(path: &Path) -> Result<Connection, OpenError> {
    if !path.exists() {
        return Err(OpenError::Missing {
            path: path.to_owned(),
        });
    }
    let connection = open_reader(path).map_err(|source| refused(path, source))?;
    match check_identity(&connection, path)? {
        Identity::Ours => Ok(connection),
        Identity::Empty => Err(OpenError::Foreign {
            path: path.to_owned(),
        }),
    }
}

fn set_up(connection: &Connection, cache_kib: i32) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    // A plan that depends on what is bound, as it does for `LIMIT ?`, would be made again whenever another value is.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // Negative means KiB, positive would mean pages.
    connection.pragma_update(None, "cache_size", -cache_kib)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.pragma_update(None, "trusted_schema", "off")
}

fn refused(path: &Path, source: rusqlite::Error) -> OpenError {
    let path = path.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => OpenError::Foreign { path },
        _ => OpenError::Sqlite { path, source },
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Identity {
    /// Nothing has been written yet.
    Empty,
    /// A file of this platform in a layout known here.
    Ours,
}

fn check_identity(connection: &Connection, path: &Path) -> Result<Identity, OpenError> {
    let read = |pragma: &str| {
        connection
            .pragma_query_value(None, pragma, |row| row.get::<_, u32>(0))
            .map_err(|source| refused(path, source))
    };
    let application_id = read("application_id")?;
    if application_id == 0 && read("schema_version")? == 0 {
        return Ok(Identity::Empty);
    }
    if application_id != APPLICATION_ID {
        return Err(OpenError::Foreign {
            path: path.to_owned(),
        });
    }
    match read("user_version")? {
        found if found > LAYOUT => Err(OpenError::Newer {
            path: path.to_owned(),
            found,
            known: LAYOUT,
        }),
        _ => Ok(Identity::Ours),
    }
}
