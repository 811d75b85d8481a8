//! The data folder: one database, the keys, who the administrator is and where the platform listens.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// A data folder.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
}

/// The administrator made at the first start.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Administrator {
    /// E-mail address to sign in with.
    pub email: String,
    /// Password, made at random.
    pub password: String,
}

// === impl Folder ===

impl Folder {
    /// The folder at `path`, there or not.
    pub fn at(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }

    /// The same folder, made if it is not there and known to be writable.
    ///
    /// # Errors
    /// It cannot be made or written to; the message says what to do.
    pub fn make(path: &Path) -> anyhow::Result<Self> {
        let advice = || {
            format!(
                "cannot write to the data folder {}; name another with --data, or change its owner",
                path.display()
            )
        };
        fs::create_dir_all(path).with_context(advice)?;
        let probe = path.join(".writable");
        fs::write(&probe, b"").with_context(advice)?;
        fs::remove_file(&probe).with_context(advice)?;
        Ok(Self::at(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The one database.
    pub fn database(&self) -> PathBuf {
        self.path.join("outcry.db")
    }

    /// Folder of the keys that tokens are signed with.
    pub fn keys(&self) -> PathBuf {
        self.path.join("keys")
    }

    /// Where the key is that services of several processes know each other by, in a folder that
    /// is there.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn make_mesh_key(&self) -> anyhow::Result<PathBuf> {
        let keys = self.keys();
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder
            .create(&keys)
            .with_context(|| format!("making {}", keys.display()))?;
        Ok(keys.join("mesh"))
    }

    fn address_file(&self) -> PathBuf {
        self.path.join("address")
    }

    /// Who the administrator is, in a file for the owner of the folder.
    pub fn administrator_file(&self) -> PathBuf {
        self.path.join("administrator.toml")
    }

    /// Where the platform that runs in this folder listens, if one does.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn address(&self) -> anyhow::Result<Option<String>> {
        let text = read(&self.address_file())?;
        Ok(text.map(|text| text.trim().to_owned()))
    }

    /// Leaves word where the platform listens.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn set_address(&self, address: &str) -> anyhow::Result<()> {
        let path = self.address_file();
        // Whoever waits for the file reads it the moment it is there: it appears whole.
        let unfinished = path.with_extension("unfinished");
        fs::write(&unfinished, address)
            .and_then(|()| fs::rename(&unfinished, &path))
            .with_context(|| format!("writing {}", path.display()))
    }

    /// Takes the word back; nobody listens any more.
    pub fn clear_address(&self) {
        // Stale word is harmless: whoever follows it is told that nothing answers.
        let _gone = fs::remove_file(self.address_file());
    }

    /// The administrator made at the first start.
    ///
    /// # Errors
    /// The file cannot be read or understood.
    pub fn administrator(&self) -> anyhow::Result<Option<Administrator>> {
        let path = self.administrator_file();
        let Some(text) = read(&path)? else {
            return Ok(None);
        };
        let administrator =
            toml::from_str(&text).with_context(|| format!("reading {}", path.display()))?;
        Ok(Some(administrator))
    }

    /// Writes down the administrator, readable by the owner of the folder only, unless somebody who
    /// shares the folder has been faster; whoever is written down then.
    ///
    /// # Errors
    /// The file cannot be written or read.
    pub fn keep_administrator(
        &self,
        administrator: Administrator,
    ) -> anyhow::Result<Administrator> {
        let path = self.administrator_file();
        let writing = || format!("writing {}", path.display());
        let text = toml::to_string(&administrator).context("writing the administrator down")?;
        let draft = path.with_extension(format!("{}.draft", std::process::id()));
        write_private(&draft, &text).with_context(writing)?;
        // A link appears with all of the file behind it, or is refused.
        let linked = fs::hard_link(&draft, &path);
        fs::remove_file(&draft).with_context(writing)?;
        match linked {
            Ok(()) => Ok(administrator),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => self
                .administrator()?
                .context("the administrator's file is gone again"),
            Err(error) => Err(error).with_context(writing),
        }
    }
}

fn read(path: &Path) -> anyhow::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
    }
}

#[cfg(unix)]
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())
}

#[cfg(not(unix))]
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    fs::File::create(path)?.write_all(text.as_bytes())
}
