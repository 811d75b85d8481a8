//! The file the mesh key is kept in: 32 bytes, or the same as 64 hexadecimal digits.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use rand::Rng;

use super::peer::MeshKey;

/// Bytes of the secret.
const SECRET_BYTES: usize = 32;
/// Largest file that is read: the digits and some white space.
const FILE_BYTES_MAX: u64 = 256;

/// Why a mesh key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file cannot be read or written.
    #[error("mesh key {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// The file holds something else.
    #[error("mesh key {path} is neither 32 bytes nor 64 hexadecimal digits")]
    NotAKey {
        /// The file.
        path: PathBuf,
    },
    /// Everybody on the machine could read it.
    #[error("mesh key {path} can be read by everybody: allow its owner alone (chmod 600)")]
    Exposed {
        /// The file.
        path: PathBuf,
    },
}

impl MeshKey {
    /// Reads the key from a file.
    ///
    /// # Errors
    /// [`KeyFileError`]; a missing file is an error, since a key of its own would shut this process out.
    pub fn read(path: &Path) -> Result<MeshKey, KeyFileError> {
        let fail = |source| KeyFileError::Io {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(fail)?;
        if exposed(&file).map_err(fail)? {
            return Err(KeyFileError::Exposed {
                path: path.to_owned(),
            });
        }
        let mut content = Vec::new();
        file.take(FILE_BYTES_MAX)
            .read_to_end(&mut content)
            .map_err(fail)?;
        secret(&content)
            .map(|secret| MeshKey::from_secret(&secret))
            .ok_or_else(|| KeyFileError::NotAKey {
                path: path.to_owned(),
            })
    }

    /// Reads the key from a file, which is made with a random secret when there is none.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn read_or_create(path: &Path) -> Result<MeshKey, KeyFileError> {
        match MeshKey::read(path) {
            Err(KeyFileError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
                create(path).map_err(|source| KeyFileError::Io {
                    path: path.to_owned(),
                    source,
                })?;
                MeshKey::read(path)
            }
            read => read,
        }
    }
}

/// Makes the file whole or not at all; when another process was faster, its key stays.
fn create(path: &Path) -> io::Result<()> {
    let secret: [u8; SECRET_BYTES] = rand::rng().random();
    let digits: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", std::process::id()));
    let draft = path.with_file_name(name);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&draft)?;
    file.write_all(format!("{digits}\n").as_bytes())?;
    file.sync_all()?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    }
}

/// Whether others than the owner and its group may read the file: orchestrators mount secrets
/// readable for the group of an unprivileged process.
#[cfg(unix)]
pub(crate) fn exposed(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    Ok(file.metadata()?.permissions().mode() & 0o007 != 0)
}

#[cfg(not(unix))]
pub(crate) fn exposed(_: &File) -> io::Result<bool> {
    Ok(false)
}

fn secret(content: &[u8]) -> Option<[u8; SECRET_BYTES]> {
    if let Ok(secret) = content.try_into() {
        return Some(secret);
    }
    let digits = content.trim_ascii();
    if digits.len() != 2 * SECRET_BYTES {
        return None;
    }
    let mut secret = [0; SECRET_BYTES];
    for (byte, pair) in secret.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(secret)
}

fn digit(character: u8) -> Option<u8> {
    char::from(character)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_read_back_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mesh.key");
        assert!(matches!(MeshKey::read(&path), Err(KeyFileError::Io { .. })));
        let made = MeshKey::read_or_create(&path).unwrap();
        let read = MeshKey::read_or_create(&path).unwrap();
        let now = SystemTime::now();
        let token = made.token("orders", "funds", now).unwrap();
        assert!(read.verify(&token, now).is_ok());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn bytes_and_digits_are_the_same_secret_and_nothing_else_is_one() {
        let digits = "2a".repeat(32);
        assert_eq!(secret(&[42; 32]), Some([42; 32]));
        assert_eq!(secret(digits.as_bytes()), Some([42; 32]));
        assert_eq!(secret(format!(" {digits}\n").as_bytes()), Some([42; 32]));
        let near = ["".to_owned(), "2a".repeat(31), "zz".repeat(32)];
        assert!(near.iter().all(|bad| secret(bad.as_bytes()).is_none()));
    }

    #[cfg(unix)]
    #[test]
    fn a_key_everybody_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mesh.key");
        MeshKey::read_or_create(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(
            MeshKey::read(&path),
            Err(KeyFileError::Exposed { .. })
        ));
    }
}
