//! What webhooks are signed with: given by the operator, or made at the first start.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use rand::Rng;
use serde::{Deserialize, Serialize, Serializer};

/// Shortest secret taken: below this many bytes a signature could be found by trying.
const SECRET_BYTES_MIN: usize = 16;

/// Bytes of a secret made here.
const MADE_BYTES: usize = 32;

/// Largest file that is read: a dozen secrets in the middle of a rotation.
const FILE_BYTES_MAX: u64 = 4096;

/// What is shown instead of a secret.
const HIDDEN: &str = "***";

/// A shared secret. It can be read from a configuration and is never written into one, into a log
/// or onto a screen.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

/// Why the secrets of webhooks cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read or written.
    #[error("webhook secrets {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// Everybody on the machine could read it.
    #[error("webhook secrets {path} can be read by everybody: allow their owner alone (chmod 600)")]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// It holds more than secrets.
    #[error("webhook secrets {path} have more than {FILE_BYTES_MAX} bytes")]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// It is easy to guess.
    #[error("a webhook secret must have at least {SECRET_BYTES_MIN} bytes")]
    TooShort,
}

// === impl Secret ===

impl Secret {
    /// The secret of this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// What signatures are keyed with.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// # Errors
    /// [`SecretError::TooShort`].
    pub(crate) fn check(&self) -> Result<(), SecretError> {
        if self.0.len() < SECRET_BYTES_MIN {
            return Err(SecretError::TooShort);
        }
        Ok(())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(HIDDEN)
    }
}

/// The secrets of a file, one a line, which is made with a random one when there is none.
///
/// # Errors
/// [`SecretError`].
pub(crate) fn read_or_create(path: &Path) -> Result<Vec<Secret>, SecretError> {
    let fail = |source| SecretError::Io {
        path: path.to_owned(),
        source,
    };
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            create(path).map_err(fail)?;
            File::open(path).map_err(fail)?
        }
        opened => opened.map_err(fail)?,
    };
    if exposed(&file).map_err(fail)? {
        return Err(SecretError::Exposed {
            path: path.to_owned(),
        });
    }
    let mut text = String::new();
    file.take(FILE_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(fail)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        // Cut off, the last one would be another secret.
        return Err(SecretError::TooLong {
            path: path.to_owned(),
        });
    }
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    Ok(lines.map(Secret::new).collect())
}

/// Makes the file whole or not at all; when another process was faster, its secret stays.
fn create(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder)?;
    }
    let secret: [u8; MADE_BYTES] = rand::rng().random();
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
    // A link appears with all of the file behind it, or is refused.
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
fn exposed(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    Ok(file.metadata()?.permissions().mode() & 0o007 != 0)
}

#[cfg(not(unix))]
fn exposed(_: &File) -> io::Result<bool> {
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_made_once_for_its_owner_alone_and_read_back_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys").join("webhook");
        let made = read_or_create(&path).unwrap();
        assert_eq!(made.len(), 1);
        made[0].check().unwrap();
        assert_eq!(read_or_create(&path).unwrap(), made);
        assert_eq!(
            fs::read_dir(path.parent().unwrap()).unwrap().count(),
            1,
            "no draft is left"
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_file_everybody_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("webhook");
        read_or_create(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let refused = read_or_create(&path);
        assert!(matches!(refused, Err(SecretError::Exposed { .. })));
    }

    #[test]
    fn several_lines_are_several_secrets() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("webhook");
        read_or_create(&path).unwrap();
        fs::write(&path, "the new one\n\n the old one \n").unwrap();
        let read = read_or_create(&path).unwrap();
        assert_eq!(
            read,
            [Secret::new("the new one"), Secret::new("the old one")]
        );
    }

    #[test]
    fn a_file_of_something_else_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("webhook");
        read_or_create(&path).unwrap();
        fs::write(&path, "x".repeat(4097)).unwrap();
        let refused = read_or_create(&path);
        assert!(matches!(refused, Err(SecretError::TooLong { .. })));
    }

    #[test]
    fn a_secret_is_shown_to_nobody() {
        let secret = Secret::new("0123456789abcdef");
        assert_eq!(format!("{secret:?}"), HIDDEN);
        assert_eq!(serde_json::to_string(&secret).unwrap(), r#""***""#);
        assert!(Secret::new("short").check().is_err());
    }
}
