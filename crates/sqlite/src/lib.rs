//! One SQLite file: a writer thread with group commit and a pool of readers.
//!
//! Owns: the file, its lock, its settings, and the versions of the tables others keep in it.
//!
//! Rooms, in reading order:
//! - [`database`] – what others hold: `write`, `read`, `close`
//! - [`schema`] – tables of one namespace, brought up to date step by step
//! - [`error`] – what can go wrong
//! - `writer` – the thread that groups writes into transactions
//! - `readers` – connections that only read
//! - `lock` – one writing process per file
//! - `file` – how a connection is opened and set up
//!
//! Invariants:
//! 1. A write is answered after the transaction it was part of is on the disk, never before.
//! 2. A write that fails leaves nothing behind. It takes no other write with it, unless it was to be undone with its
//!    group ([`Undo`]) and failed after it had written.
//! 3. When a transaction fails as a whole, every write in it is told so.
//! 4. At most one process writes to a file; any number may read it meanwhile.
//! 5. A file of a newer version is refused and left untouched.

pub mod database;
pub mod error;
pub mod schema;

mod file;
mod lock;
mod readers;
mod writer;

pub use database::Database;
pub use error::{Error, MigrateError, OpenError};
pub use rusqlite;
pub use schema::Schema;
pub use writer::Undo;
