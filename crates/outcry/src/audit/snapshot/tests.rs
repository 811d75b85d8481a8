use std::collections::HashSet;
use std::ffi::OsString;
use std::time::UNIX_EPOCH;

use outcry_contracts::users::v1::UserCreatedEvent;
use outcry_events::{Cause, SealedEvent, Stamp, seal};
use outcry_store::{Append, Commit};

use super::*;

/// The folder of a platform that still runs and has one user.
async fn platform(folder: &tempfile::TempDir) -> (Database, SealedEvent) {
    let database = Database::open(&Folder::at(folder.path()).database()).unwrap();
    for service in NAMES {
        SqliteStore::open(&database, service).await.unwrap();
    }
    let created = UserCreatedEvent {
        user_id: Uuid::from_u128(1).to_string(),
        display_name: "Sample".to_owned(),
        ..UserCreatedEvent::default()
    };
    let stamp = Stamp {
        event_id: Uuid::from_u128(2),
        sequence: 1,
        occurred_at: UNIX_EPOCH,
        recorded_at: UNIX_EPOCH,
        cause: &Cause::root(Uuid::from_u128(3), "service:samples"),
    };
    let event = seal(&created, stamp).unwrap();
    let append = Append {
        stream: event.stream(),
        expected: 0,
        events: vec![event.clone()],
    };
    let commit = Commit {
        appends: vec![append],
        ..Commit::default()
    };
    let users = SqliteStore::open(&database, "users").await.unwrap();
    users.commit(commit).await.unwrap();
    (database, event)
}

fn copies() -> HashSet<OsString> {
    let files = std::fs::read_dir(std::env::temp_dir()).unwrap();
    files.map(|file| file.unwrap().file_name()).collect()
}

#[tokio::test]
async fn a_snapshot_is_taken_beside_a_running_platform_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let (database, event) = platform(&folder).await;
    let snapshot = Snapshot::copy_of(&Folder::at(folder.path())).await.unwrap();
    let (history, findings) = outcry_audit::examine(&snapshot.stores).await.unwrap();
    assert_eq!(history.events.len(), 1);
    assert!(history.event(event.id()).is_some());
    assert_eq!(findings.breaches, []);
    let Frozen::Copy { path, .. } = &snapshot.frozen else {
        panic!("a folder is copied");
    };
    let name = path.file_name().unwrap().to_owned();
    assert!(copies().contains(&name));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
    }
    snapshot.discard().await;
    let name = name.into_string().unwrap();
    let left = copies();
    assert!(
        !left
            .iter()
            .any(|file| file.to_string_lossy().starts_with(&name))
    );
    database.close().await.unwrap();
}

#[tokio::test]
async fn a_folder_without_a_platform_is_refused_and_nothing_is_copied() {
    let folder = tempfile::tempdir().unwrap();
    let taken = Snapshot::copy_of(&Folder::at(folder.path())).await;
    assert!(taken.is_err_and(|error| error.to_string().contains("no platform")));
    std::fs::write(Folder::at(folder.path()).database(), "not a database").unwrap();
    assert!(Snapshot::copy_of(&Folder::at(folder.path())).await.is_err());
}
