//! The SQLite store does what every store must do.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;

use outcry_sqlite::Database;
use outcry_store::{SqliteStore, Store, conformance};
use tempfile::TempDir;

async fn open(folder: &TempDir, name: &str) -> Arc<dyn Store> {
    let database = Database::open(&folder.path().join(name).join("outcry.db")).unwrap();
    Arc::new(SqliteStore::open(&database, "samples").await.unwrap())
}

#[tokio::test]
async fn on_one_thread() {
    let folder = TempDir::new().unwrap();
    conformance::all(async |name: &str| open(&folder, name).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_many_threads() {
    let folder = TempDir::new().unwrap();
    conformance::all(async |name: &str| open(&folder, name).await).await;
}
