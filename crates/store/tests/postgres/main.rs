//! The PostgreSQL store does what every store must do, and what only it promises: several
//! processes on the same data, and what becomes of it when a server or a connection dies.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod failures;
mod fixtures;
mod order;
mod replicas;
mod snapshots;
mod standing;
mod tables;

use std::sync::Arc;

use outcry_servers::{Postgres, shared_postgres};
use outcry_store::{PostgresDatabase, PostgresOptions, PostgresStore, Store, conformance};

/// Opens a store on the database of that name, which is made when it is new.
async fn open(server: &Postgres, name: &str) -> Arc<dyn Store> {
    let name = name.replace(' ', "-");
    let url = match server.create_database(&name).await {
        Ok(url) => url,
        // It is there already.
        Err(_) => server.url().replace("/postgres", &format!("/{name}")),
    };
    let database = PostgresDatabase::connect(&url, PostgresOptions::default())
        .await
        .unwrap();
    Arc::new(PostgresStore::open(&database, "samples").await.unwrap())
}

#[tokio::test]
async fn on_one_thread() {
    if !outcry_servers::present() {
        return;
    }
    let server = shared_postgres().await.unwrap();
    conformance::all(async |name: &str| open(server, &format!("one-{name}")).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_many_threads() {
    if !outcry_servers::present() {
        return;
    }
    let server = shared_postgres().await.unwrap();
    conformance::all(async |name: &str| open(server, &format!("many-{name}")).await).await;
}
