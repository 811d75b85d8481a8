//! A replica in a process of its own: this test binary once more, told to be one.

use std::io::Read;
use std::process::Stdio;
use std::sync::Arc;

use outcry_mesh::{Directory, MeshKey, listen};
use outcry_service::{Context, Service, SystemClock, run};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use crate::journal::Journal;
use crate::place::Place;

/// The test that a child runs, and nothing else.
const ENTRY: &str = "replica::a_child_process_is_the_replica_it_is_told_to_be";

/// Variables that tell a child which service it is and where.
const SERVICE: &str = "OUTCRY_REPLICA_OF";
const STORE: &str = "OUTCRY_REPLICA_STORE";
const BROKER: &str = "OUTCRY_REPLICA_BROKER";

/// What a child says before its address once it can be reached.
const READY: &str = "replica at ";

/// A replica of a service, as a process.
pub struct Replica {
    /// Where its peers reach it, as it tells the store.
    pub address: String,
    child: Child,
}

impl Replica {
    /// Starts one more replica of `service`; comes back when it can be reached.
    pub async fn start(service: &str, place: &Place) -> Self {
        // Its standard input ends when this process does, in whatever way; then it ends, too.
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", ENTRY, "--nocapture"])
            .env(SERVICE, service)
            .env(STORE, &place.store)
            .env(BROKER, &place.broker)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = loop {
            let Some(line) = lines.next_line().await.unwrap() else {
                panic!("the replica ended before it could be reached");
            };
            if let Some((_, address)) = line.split_once(READY) {
                break address.to_owned();
            }
        };
        // What it says later is read, so that it never waits for a reader.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { address, child }
    }

    /// Kills it where it stands (SIGKILL) and waits until it is gone.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Asks it to stop and waits until it has drained.
    pub async fn stop(mut self) {
        drop(self.child.stdin.take());
        let status = self.child.wait().await.unwrap();
        assert!(status.success(), "the replica ended with {status}");
    }
}

/// The key of the mesh that replicas and stories are in.
pub fn mesh_key() -> MeshKey {
    MeshKey::from_secret(&[7; 32])
}

/// A service by name, as a child runs it.
fn service(ctx: &Context) -> Service {
    match ctx.service {
        "ledger" => Service::new("ledger").reacts(Journal { ctx: ctx.clone() }),
        other => Service::new(other).emits(&["trade.failed"]),
    }
}

#[test]
fn a_child_process_is_the_replica_it_is_told_to_be() {
    let Ok(name) = std::env::var(SERVICE) else {
        return;
    };
    let name = match name.as_str() {
        "ledger" => "ledger",
        "trades" => "trades",
        other => panic!("nobody is {other} here"),
    };
    let place = Place {
        store: std::env::var(STORE).unwrap(),
        broker: std::env::var(BROKER).unwrap(),
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(be(name, &place));
}

/// Runs as a replica until the standard input ends.
async fn be(name: &'static str, place: &Place) {
    let (store, broker) = tokio::join!(place.store(name), place.broker(name));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let directory = Directory::new();
    let clock = Arc::new(SystemClock::new());
    let ctx = Context::new(name, store, clock, directory.clone()).with_address(&address);
    let (shutdown, drained) = (CancellationToken::new(), CancellationToken::new());
    let told = shutdown.clone();
    std::thread::spawn(move || {
        // Nothing is ever written to it.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        told.cancel();
    });
    let peers = listen(directory.clone(), listener, mesh_key(), drained.clone());
    let peers = tokio::spawn(peers);
    directory.set_ready(true);
    println!("{READY}{address}");
    let service = service(&ctx);
    run(ctx, service, Arc::new(broker), shutdown).await.unwrap();
    drained.cancel();
    peers.await.unwrap();
}
