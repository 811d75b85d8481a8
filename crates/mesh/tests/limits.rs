//! What a server does when not everything can be done: which calls it takes, which it lets go, and how it is
//! made to fail on purpose.

#![expect(clippy::unwrap_used, reason = "a story that cannot go on fails there")]

#[path = "shared/probe.rs"]
mod probe;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use outcry_mesh::authorize::Rules;
use outcry_mesh::criticality::{CRITICALITY, Level};
use outcry_mesh::{Channel, Directory, MeshKey, listen};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::Request;
use tonic::service::Routes;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::HealthServer;
use uuid::Uuid;

use crate::probe::{Probe, Seen, ask, rules};

/// Longest wait for something that must happen.
const PATIENCE: Duration = Duration::from_secs(20);

fn key() -> MeshKey {
    MeshKey::from_secret(&[7; 32])
}

async fn in_time<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.unwrap()
}

/// A process with some probes that answers others, too.
struct Process {
    directory: Directory,
    address: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Process {
    async fn start(services: &[&'static str], rules: Rules) -> Process {
        let directory = Directory::with(rules, Uuid::now_v7);
        let seen = Arc::default();
        for name in services {
            let probe = Probe::new(name, &directory, &seen);
            let routes = Routes::new(HealthServer::new(probe));
            directory.register(name, routes).unwrap();
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let task = tokio::spawn(listen(directory.clone(), listener, key(), stop.clone()));
        Process {
            directory,
            address,
            seen,
            stop,
            task,
        }
    }

    fn client(&self, caller: &'static str, target: &'static str) -> HealthClient<Channel> {
        HealthClient::new(self.directory.channel(caller, target))
    }

    fn levels(&self) -> Vec<(&'static str, Level)> {
        let seen = self.seen.lock().unwrap();
        seen.iter()
            .map(|one| (one.service, one.level.unwrap()))
            .collect()
    }

    async fn stop(self) {
        self.stop.cancel();
        in_time(self.task).await.unwrap();
    }
}

/// A question that matters as much as its caller says.
fn ask_at(level: &'static str, what: &str) -> Request<HealthCheckRequest> {
    let mut request = ask(what);
    let value = level.parse().unwrap();
    request.metadata_mut().insert(CRITICALITY, value);
    request
}

#[tokio::test]
async fn calls_made_meanwhile_matter_as_much_over_two_hops_and_over_the_network() {
    let far = Process::start(&["c"], rules()).await;
    let near = Process::start(&["a", "b"], rules()).await;
    let address = far.address.parse().unwrap();
    near.directory.remote("c", address);
    for level in Level::ALL {
        let request = ask_at(level.name(), "b>c>");
        let mut client = near.client("b", "a");
        client.check(request).await.unwrap();
        assert_eq!(near.levels(), [("a", level), ("b", level)]);
        assert_eq!(far.levels(), [("c", level)]);
        near.seen.lock().unwrap().clear();
        far.seen.lock().unwrap().clear();
    }
    // Nothing said, or nothing meant: the method's own level.
    near.client("b", "a").check(ask("b>c>")).await.unwrap();
    let nonsense = ask_at("MOST_IMPORTANT_OF_ALL", "");
    near.client("b", "a").check(nonsense).await.unwrap();
    let own = Level::Critical;
    assert_eq!(near.levels(), [("a", own), ("b", own), ("a", own)]);
    assert_eq!(far.levels(), [("c", own)]);
    near.stop().await;
    far.stop().await;
}
