//! One writing process per file.
//!
//! The lock is the operating system's, on a small file beside the database, so it ends with the
//! process however that ends. Readers do not take it.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use crate::error::OpenError;

/// Longest content of a lock file worth reading: a process id has ten digits at most.
const HOLDER_LEN_MAX: u64 = 16;

/// The right to write to one database file, held until dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

// === impl Lock ===

impl Lock {
    /// Takes the lock of `database` or says who has it.
    pub(crate) fn acquire(database: &Path) -> Result<Self, OpenError> {
        let path = lock_path(database);
        let folder_error = |source| OpenError::Folder {
            folder: crate::file::folder(database).to_owned(),
            source,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(folder_error)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::InUse {
                    path: database.to_owned(),
                    holder: holder(&mut file),
                });
            }
            Err(TryLockError::Error(source)) => return Err(folder_error(source)),
        }
        // Whose lock it is only serves the message above, but a folder that takes no bytes will
        // take no data either.
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| write!(file, "{}", std::process::id()))
            .map_err(folder_error)?;
        Ok(Self { _file: file })
    }
}

fn lock_path(database: &Path) -> PathBuf {
    let mut path = OsString::from(database);
    path.push(".lock");
    PathBuf::from(path)
}

/// Process id in the lock file.
fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(HOLDER_LEN_MAX).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
