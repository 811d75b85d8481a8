//! The file of the key that access tokens are signed with: made at the first start.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use outcry_mesh::token::SigningKey;
use outcry_store::CommitError;
use rand::TryRngCore;
use rand::rngs::OsRng;

/// Name of the file: the seed of an Ed25519 key, 32 bytes.
const FILE: &str = "access-token.key";

/// Bytes of the seed.
const SEED_BYTES: usize = 32;

/// Why the service does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The key's file cannot be read or made.
    #[error("the signing key {path} cannot be {verb}")]
    Key {
        /// Its file.
        path: PathBuf,
        /// What was tried.
        verb: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is there but is no key.
    #[error(
        "{path} is not a signing key of {SEED_BYTES} bytes; restore it, or remove it to sign everybody out"
    )]
    NotAKey {
        /// Its file.
        path: PathBuf,
    },
    /// Others may read it.
    #[error("{path} can be read by others; run: chmod 600 {path}")]
    Exposed {
        /// Its file.
        path: PathBuf,
    },
    /// Nobody would know what tokens are signed with.
    #[error("publishing the signing key")]
    Publish(#[source] CommitError),
}

/// Puts a new key in the place of the one in `folder`; that is gone then.
pub(crate) fn replace(folder: &Path) -> Result<SigningKey, StartError> {
    let path = folder.join(FILE);
    let renamed = draft(folder).and_then(|draft| fs::rename(draft, &path));
    let synced = renamed.and_then(|()| sync(folder));
    synced.map_err(|source| StartError::Key {
        path,
        verb: "replaced",
        source,
    })?;
    load_or_make(folder)
}

/// The key in `folder`, made when there is none. A few bytes, read now and then: not worth a thread.
pub(crate) fn load_or_make(folder: &Path) -> Result<SigningKey, StartError> {
    let path = folder.join(FILE);
    let failed = |verb| {
        let path = path.clone();
        move |source| StartError::Key { path, verb, source }
    };
    if !path.try_exists().map_err(failed("looked for"))? {
        make(folder, &path).map_err(failed("made"))?;
    }
    let mut file = File::open(&path).map_err(failed("opened"))?;
    if is_exposed(&file).map_err(failed("looked at"))? {
        return Err(StartError::Exposed { path });
    }
    let mut bytes = Vec::with_capacity(SEED_BYTES + 1);
    // One byte more than a key has tells a longer file apart.
    (&mut file)
        .take(SEED_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(failed("read"))?;
    match <[u8; SEED_BYTES]>::try_from(bytes) {
        Ok(seed) => Ok(SigningKey::from_seed(&seed)),
        Err(_) => Err(StartError::NotAKey { path }),
    }
}

/// Writes a new key under another name and then gives it its own: a crash leaves a whole key or
/// none, and of two who make one at the same time, the first wins.
fn make(folder: &Path, path: &Path) -> io::Result<()> {
    let draft = draft(folder)?;
    let named = match fs::hard_link(&draft, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        named => named,
    };
    fs::remove_file(&draft)?;
    named?;
    sync(folder)
}

/// A new key under a name that nobody reads.
fn draft(folder: &Path) -> io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let mut seed = [0; SEED_BYTES];
    OsRng.try_fill_bytes(&mut seed).map_err(io::Error::other)?;
    let path = folder.join(format!("{FILE}.{}", std::process::id()));
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(&path)?;
    file.write_all(&seed)?;
    file.sync_all()?;
    Ok(path)
}

/// Makes names in a folder last.
#[cfg(unix)]
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Elsewhere, folders cannot be opened.
#[cfg(not(unix))]
fn sync(_folder: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn is_exposed(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt as _;
    /// Any right of the group or of others.
    const OTHERS: u32 = 0o077;
    Ok(file.metadata()?.permissions().mode() & OTHERS != 0)
}

/// Elsewhere, the folder's own rights have to do.
#[cfg(not(unix))]
fn is_exposed(_file: &File) -> io::Result<bool> {
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once_and_found_again() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("deep/keys");
        let made = load_or_make(&folder).unwrap();
        let found = load_or_make(&folder).unwrap();
        assert_eq!(made.kid(), found.kid());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        let other = load_or_make(&home.path().join("other")).unwrap();
        assert_ne!(made.kid(), other.kid());
    }

    #[test]
    fn a_replaced_key_is_another_one_in_the_same_place() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().to_owned();
        let made = load_or_make(&folder).unwrap();
        let new = replace(&folder).unwrap();
        assert_ne!(made.kid(), new.kid());
        let found = load_or_make(&folder).unwrap();
        assert_eq!(found.kid(), new.kid());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }

    #[test]
    fn half_a_key_is_refused() {
        let home = tempfile::tempdir().unwrap();
        load_or_make(home.path()).unwrap();
        let path = home.path().join(FILE);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..16]).unwrap();
        let refused = load_or_make(home.path());
        assert!(matches!(refused, Err(StartError::NotAKey { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn a_key_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let home = tempfile::tempdir().unwrap();
        load_or_make(home.path()).unwrap();
        let path = home.path().join(FILE);
        let rights = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(rights & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let refused = load_or_make(home.path());
        assert!(matches!(refused, Err(StartError::Exposed { .. })));
    }
}
