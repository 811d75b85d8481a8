//! A relay in a process of its own: this program once more.

use std::io::Read;
use std::process::Stdio;
use std::sync::Arc;

use anyhow::Context as _;
use outcry_broker::{RabbitMq, RabbitOptions};
use outcry_mesh::Directory;
use outcry_service::{Context, Service, SystemClock};
use outcry_store::{PostgresDatabase, PostgresOptions, PostgresStore};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use crate::load::{SERVICE, TOPIC};

/// Variables that tell a relay where the outbox and the broker are.
const STORE: &str = "OUTCRY_BENCH_STORE";
const BROKER: &str = "OUTCRY_BENCH_BROKER";

/// A running relay.
pub struct Relay {
    child: Child,
}

impl Relay {
    /// Starts one.
    pub fn start(store: &str, broker: &str) -> anyhow::Result<Self> {
        // Its standard input ends when this process does, in whatever way; then it ends, too.
        let child = Command::new(std::env::current_exe()?)
            .arg("relay")
            .env(STORE, store)
            .env(BROKER, broker)
            .stdin(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        Ok(Self { child })
    }

    /// Asks it to stop and waits until it has.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        drop(self.child.stdin.take());
        let status = self.child.wait().await?;
        anyhow::ensure!(status.success(), "a relay ended with {status}");
        Ok(())
    }
}

/// Relays until the standard input ends.
pub async fn run() -> anyhow::Result<()> {
    let url = |name| std::env::var(name).with_context(|| format!("{name} is not set"));
    let database = PostgresDatabase::connect(&url(STORE)?, PostgresOptions::default()).await?;
    let store = Arc::new(PostgresStore::open(&database, SERVICE).await?);
    let broker = RabbitMq::connect(RabbitOptions::new(url(BROKER)?, "relay")).await?;
    let clock = Arc::new(SystemClock::new());
    let ctx = Context::new(SERVICE, store, clock, Directory::new());
    let shutdown = CancellationToken::new();
    let told = shutdown.clone();
    std::thread::spawn(move || {
        // Nothing is ever written to it; an error is an end, too.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        told.cancel();
    });
    let service = Service::new(SERVICE).emits(&[TOPIC]);
    outcry_service::run(ctx, service, Arc::new(broker), shutdown).await?;
    Ok(())
}
