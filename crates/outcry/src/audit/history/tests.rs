use std::collections::HashSet;
use std::ffi::OsString;

use outcry_store::{Append, Commit, Handled, ViewWrite};

use super::*;
use crate::audit::{examine, samples};

/// The folder of a platform that still runs and has Alice and Bob, and nothing that heard of them.
async fn platform(folder: &tempfile::TempDir) -> (Database, SqliteStore, Vec<SealedEvent>) {
    let database = Database::open(&Folder::at(folder.path()).database()).unwrap();
    for service in NAMES {
        SqliteStore::open(&database, service).await.unwrap();
    }
    let users = SqliteStore::open(&database, "users").await.unwrap();
    let script = samples::Script::default()
        .then(samples::user(samples::ALICE))
        .then(samples::user(samples::BOB));
    let history = script.history();
    let events: Vec<_> = history.events.into_iter().map(|one| one.event).collect();
    let appends = events.iter().map(|event| Append {
        stream: event.stream(),
        expected: 0,
        events: vec![event.clone()],
    });
    let commit = Commit {
        appends: appends.collect(),
        ..Commit::default()
    };
    users.commit(commit).await.unwrap();
    let funds = SqliteStore::open(&database, "funds").await.unwrap();
    (database, funds, events)
}

fn copies() -> HashSet<OsString> {
    let files = std::fs::read_dir(std::env::temp_dir()).unwrap();
    files.map(|file| file.unwrap().file_name()).collect()
}

#[tokio::test]
async fn a_snapshot_is_taken_beside_a_running_platform_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let (database, _, events) = platform(&folder).await;
    let snapshot = Snapshot::copy_of(&Folder::at(folder.path())).await.unwrap();
    let history = History::read(&snapshot).await.unwrap();
    assert_eq!(history.events.len(), events.len());
    assert!(history.event(events[1].id()).is_some());
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
async fn what_nobody_has_heard_of_yet_is_pending_and_no_breach() {
    let folder = tempfile::tempdir().unwrap();
    let (_database, _, _) = platform(&folder).await;
    let snapshot = Snapshot::copy_of(&Folder::at(folder.path())).await.unwrap();
    let (_, findings) = examine(&snapshot).await.unwrap();
    snapshot.discard().await;
    assert_eq!(findings.breaches, []);
    assert_eq!(findings.pending["publishing by users"], 2);
    assert_eq!(findings.pending["archiving"], 2);
    assert_eq!(findings.pending["funds"], 2);
}

#[tokio::test]
async fn an_event_handled_without_its_effect_is_a_breach() {
    let folder = tempfile::tempdir().unwrap();
    let (_database, funds, events) = platform(&folder).await;
    for (event, keep) in events.iter().zip([true, false]) {
        let account = serde_json::json!({"standing": "active", "sequence": 0, "balances": {}});
        let account = ViewWrite::put("accounts", event.aggregate_id(), &account).unwrap();
        let commit = Commit {
            handled: Some(Handled {
                group: "funds".to_owned(),
                key: event.partition_key().to_owned(),
                event_id: event.id(),
                at: event.occurred_at(),
            }),
            views: keep.then_some(account).into_iter().collect(),
            ..Commit::default()
        };
        funds.commit(commit).await.unwrap();
    }
    let snapshot = Snapshot::copy_of(&Folder::at(folder.path())).await.unwrap();
    let (_, findings) = examine(&snapshot).await.unwrap();
    snapshot.discard().await;
    let [breach] = &findings.breaches[..] else {
        panic!("{:?}", findings.breaches);
    };
    assert_eq!(breach.invariant, "I14");
    assert_eq!(breach.subject, samples::id(samples::BOB));
}

#[tokio::test]
async fn a_folder_without_a_platform_is_refused_and_nothing_is_copied() {
    let folder = tempfile::tempdir().unwrap();
    let taken = Snapshot::copy_of(&Folder::at(folder.path())).await;
    assert!(taken.is_err_and(|error| error.to_string().contains("no platform")));
    std::fs::write(Folder::at(folder.path()).database(), "not a database").unwrap();
    assert!(Snapshot::copy_of(&Folder::at(folder.path())).await.is_err());
}
