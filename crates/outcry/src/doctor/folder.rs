//! The data folder: whether it can be written, how much room there is, and what is in it.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use outcry_sqlite::Database;

use super::finding::Finding;
use crate::config::Config;
use crate::folder::Folder;

const AREA: &str = "data folder";

/// Room below which the embedded database may come to its end within minutes of trading.
const FREE_FAILED: u64 = 64 << 20;

/// Room below which somebody should think of more.
const FREE_DOUBTFUL: u64 = 1 << 30;

/// What is known of the folder.
#[derive(Debug, Clone)]
pub struct Facts {
    path: PathBuf,
    state: State,
    /// Bytes left for ordinary users.
    free: Option<u64>,
    /// Whether services keep their data in a file here.
    holds_data: bool,
    /// The file, when there is one: its bytes, or why it cannot be used.
    database: Option<Result<u64, String>>,
    /// Files with secrets that others may read.
    exposed: Vec<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// There is none yet.
    Missing,
    /// It can be written.
    Writable,
    /// It cannot; why.
    Closed(String),
}

/// Looks at the folder that the configuration names.
pub async fn gather(config: &Config) -> Facts {
    let folder = Folder::at(&config.data);
    let holds_data = config.database.url.is_empty();
    let database = folder.database();
    let mut secrets = vec![
        folder.administrator_file(),
        config.mesh.key.clone(),
        config.mesh.tls.key.clone(),
        config.gateway.tls.key.clone(),
    ];
    secrets.extend(files_in(&folder.keys()));
    Facts {
        state: state(&config.data),
        free: free(&config.data),
        database: if holds_data && database.is_file() {
            Some(usable(&database).await)
        } else {
            None
        },
        holds_data,
        exposed: secrets
            .into_iter()
            .filter(|path| is_exposed(path))
            .collect(),
        path: config.data.clone(),
    }
}

/// The files in a folder; none when there is no such folder.
fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

fn state(path: &Path) -> State {
    match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => State::Missing,
        Err(error) => State::Closed(error.to_string()),
        Ok(found) if !found.is_dir() => State::Closed("it is a file".to_owned()),
        Ok(_) => match Folder::make(path) {
            Ok(_) => State::Writable,
            Err(error) => State::Closed(error.root_cause().to_string()),
        },
    }
}

/// Bytes left where the folder is, or where it would be.
#[cfg(unix)]
fn free(path: &Path) -> Option<u64> {
    let whole = std::path::absolute(path).ok()?;
    let there = whole.ancestors().find(|path| path.exists())?;
    let found = rustix::fs::statvfs(there).ok()?;
    found.f_bavail.checked_mul(found.f_frsize)
}

#[cfg(not(unix))]
fn free(_: &Path) -> Option<u64> {
    None
}

async fn usable(database: &Path) -> Result<u64, String> {
    let opened = Database::open_read_only(database).map_err(|error| error.to_string())?;
    // It was only read.
    let _closed = opened.close().await;
    let found = fs::metadata(database).map_err(|error| error.to_string())?;
    Ok(found.len())
}

#[cfg(unix)]
fn is_exposed(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    let found = fs::metadata(path);
    found.is_ok_and(|found| found.permissions().mode() & 0o007 != 0)
}

#[cfg(not(unix))]
fn is_exposed(_: &Path) -> bool {
    false
}

/// Judges the folder.
pub fn judge(facts: &Facts) -> Vec<Finding> {
    let path = facts.path.display();
    let mut found = vec![match &facts.state {
        State::Writable => Finding::ok(AREA, format!("{path} can be written")),
        State::Missing => Finding::ok(
            AREA,
            format!("{path} is not there yet; it is made at the first start"),
        ),
        State::Closed(why) => Finding::failed(
            AREA,
            format!("{path} cannot be written: {why}"),
            "name another with --data, or change its owner",
        ),
    }];
    if let Some(free) = facts.free {
        found.push(room(free, facts.holds_data));
    }
    match &facts.database {
        Some(Ok(bytes)) => found.push(Finding::ok(
            AREA,
            format!("its database can be read, {}", size(*bytes)),
        )),
        Some(Err(why)) => found.push(Finding::failed(
            AREA,
            format!("its database cannot be used: {why}"),
            "run the version that wrote it, or start with another folder: --data",
        )),
        None => {}
    }
    for exposed in &facts.exposed {
        let place = exposed.display();
        found.push(Finding::failed(
            AREA,
            format!("everybody on this machine may read {place}, which is secret"),
            format!("chmod o-rwx {place}, and change what was in it if others use the machine"),
        ));
    }
    found
}

fn room(free: u64, holds_data: bool) -> Finding {
    let says = format!("{} are left on its disk", size(free));
    let mend = "make room, or move the folder to a larger disk: --data";
    match free {
        free if free < FREE_FAILED && holds_data => Finding::failed(AREA, says, mend),
        free if free < FREE_DOUBTFUL && holds_data => Finding::warning(AREA, says, mend),
        _ => Finding::ok(AREA, says),
    }
}

/// Bytes as people say them.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} bytes");
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "one digit behind the point is shown"
    )]
    let mut shown = bytes as f64 / 1024.0;
    let mut unit = UNITS[0];
    for larger in &UNITS[1..] {
        if shown < 1024.0 {
            break;
        }
        shown /= 1024.0;
        unit = larger;
    }
    format!("{shown:.1} {unit}")
}

#[cfg(test)]
mod tests {
    use super::super::finding::testing::{counts, saying};
    use super::*;

    fn facts() -> Facts {
        Facts {
            path: PathBuf::from("data"),
            state: State::Writable,
            free: Some(50 << 30),
            holds_data: true,
            database: Some(Ok(4096)),
            exposed: Vec::new(),
        }
    }

    #[test]
    fn a_folder_with_room_is_fine_and_one_that_is_not_there_will_be_made() {
        assert_eq!(counts(&judge(&facts())), (0, 0));
        let missing = Facts {
            state: State::Missing,
            database: None,
            ..facts()
        };
        assert_eq!(counts(&judge(&missing)), (0, 0));
    }

    #[test]
    fn little_room_matters_where_the_data_is() {
        let with = |free, holds_data| {
            counts(&judge(&Facts {
                free: Some(free),
                holds_data,
                ..facts()
            }))
        };
        assert_eq!(with(500 << 20, true), (0, 1));
        assert_eq!(with(1 << 20, true), (1, 0));
        assert_eq!(with(1 << 20, false), (0, 0));
    }

    #[test]
    fn what_cannot_be_written_or_read_or_may_be_read_by_all_is_wrong() {
        let found = judge(&Facts {
            state: State::Closed("permission denied".to_owned()),
            database: Some(Err("it is of a newer version".to_owned())),
            exposed: vec![PathBuf::from("data/keys/mesh")],
            ..facts()
        });
        assert_eq!(counts(&found), (3, 0));
        assert!(
            saying(&found, "permission denied")
                .mend
                .as_ref()
                .unwrap()
                .contains("--data")
        );
        assert!(
            saying(&found, "which is secret")
                .mend
                .as_ref()
                .unwrap()
                .contains("chmod")
        );
    }

    #[tokio::test]
    async fn a_folder_is_looked_at_and_left_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let missing = Config {
            data: folder.path().join("not yet"),
            ..Config::default()
        };
        let found = gather(&missing).await;
        assert_eq!(found.state, State::Missing);
        assert!(found.free.is_some());
        assert!(!missing.data.exists());
        let there = Config {
            data: folder.path().to_owned(),
            ..Config::default()
        };
        assert_eq!(gather(&there).await.state, State::Writable);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        fs::write(folder.path().join("outcry.db"), "something else").unwrap();
        let found = gather(&there).await.database;
        assert!(found.is_some_and(|found| found.is_err()));
    }

    #[test]
    fn sizes_are_told_with_one_digit_behind_the_point() {
        assert_eq!(size(512), "512 bytes");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(3 << 30), "3.0 GiB");
    }
}
