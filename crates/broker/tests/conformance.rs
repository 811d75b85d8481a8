//! The embedded broker does what every broker must do.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::time::Duration;

use outcry_broker::{Broker, EmbeddedBroker, conformance};
use outcry_sqlite::{Database, OpenError};
use tempfile::TempDir;

/// Opens the broker in the file of that name. The one before may still be on its way out.
async fn open(folder: &TempDir, name: &str) -> Arc<dyn Broker> {
    let path = folder.path().join(name).join("outcry.db");
    for _ in 0..600 {
        match Database::open(&path) {
            Ok(database) => return Arc::new(EmbeddedBroker::open(&database).await.unwrap()),
            Err(OpenError::InUse { .. }) => tokio::time::sleep(Duration::from_millis(50)).await,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("{name} is still in use");
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
