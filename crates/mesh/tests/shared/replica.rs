//! A process whose one service answers as it is told to, and counts what it is asked.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use outcry_mesh::authorize::{Rule, Rules};
use outcry_mesh::{Channel, Directory, Endpoints, MeshKey, listen};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use uuid::Uuid;

/// The method that is called.
pub const CHECK: &str = "/grpc.health.v1.Health/Check";

/// How a replica answers.
#[derive(Debug, Clone)]
pub enum Mood {
    Well,
    /// Well, after so long.
    Slow(Duration),
    /// With this status.
    Failing(Status),
    /// With this status, or well without one, once the gate lets it.
    Held(Option<Status>),
    /// By asking the service of this name, and failing in words of its own when that fails.
    Asking(&'static str),
}

#[derive(Clone)]
struct Moody {
    name: &'static str,
    directory: Directory,
    mood: Arc<Mutex<Mood>>,
    gate: Arc<Semaphore>,
    calls: Arc<AtomicUsize>,
    previous: Arc<Mutex<Vec<Option<String>>>>,
}

#[tonic::async_trait]
impl Health for Moody {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let previous = request.metadata().get("grpc-previous-rpc-attempts");
        let previous = previous.map(|text| text.to_str().unwrap().to_owned());
        self.previous.lock().unwrap().push(previous);
        let mood = self.mood.lock().unwrap().clone();
        let failure = match mood {
            Mood::Well => None,
            Mood::Slow(time) => {
                tokio::time::sleep(time).await;
                None
            }
            Mood::Failing(status) => Some(status),
            Mood::Held(answer) => {
                self.gate.acquire().await.unwrap().forget();
                answer
            }
            Mood::Asking(next) => {
                let channel = self.directory.channel(self.name, next);
                let asked = HealthClient::new(channel).check(ask()).await;
                asked
                    .err()
                    .map(|_| Status::unavailable("the next one fails"))
            }
        };
        match failure {
            Some(status) => Err(status),
            None => Ok(Response::new(HealthCheckResponse { status: 1 })),
        }
    }

    type WatchStream = tokio_stream::Empty<Result<HealthCheckResponse, Status>>;

    async fn watch(
        &self,
        _: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        Ok(Response::new(tokio_stream::empty()))
    }
}

/// One process with one replica of one service.
pub struct Replica {
    pub directory: Directory,
    pub address: String,
    pub gate: Arc<Semaphore>,
    mood: Arc<Mutex<Mood>>,
    calls: Arc<AtomicUsize>,
    previous: Arc<Mutex<Vec<Option<String>>>>,
    task: JoinHandle<()>,
}

impl Replica {
    pub async fn start(name: &'static str, mood: Mood) -> Replica {
        let directory = Directory::with(rules(true), Uuid::now_v7);
        let moody = Moody {
            name,
            directory: directory.clone(),
            mood: Arc::new(Mutex::new(mood)),
            gate: Arc::new(Semaphore::new(0)),
            calls: Arc::default(),
            previous: Arc::default(),
        };
        let routes = Routes::new(HealthServer::new(moody.clone()));
        directory.register(name, routes).unwrap();
        directory.set_ready(true);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let task = tokio::spawn(listen(directory.clone(), listener, key(), stop));
        Replica {
            directory,
            address,
            gate: moody.gate,
            mood: moody.mood,
            calls: moody.calls,
            previous: moody.previous,
            task,
        }
    }

    pub fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// What each call said about attempts before it.
    pub fn previous(&self) -> Vec<Option<String>> {
        self.previous
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Ends as a process does that is killed.
    pub async fn kill(&mut self) {
        self.task.abort();
        (&mut self.task).await.unwrap_err();
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub fn key() -> MeshKey {
    MeshKey::from_secret(&[7; 32])
}

/// Rules by which services may call each other, and repeat it or not.
pub fn rules(idempotent: bool) -> Rules {
    let rule = Rule {
        callers: ["a", "b", "c", "d"].map(str::to_owned).to_vec(),
        idempotent,
        ..Rule::default()
    };
    [(CHECK.to_owned(), rule)].into_iter().collect()
}

/// A process that serves nothing and knows one service at some replicas.
pub fn caller_of(idempotent: bool, name: &str, replicas: &[&Replica]) -> Directory {
    let directory = Directory::with(rules(idempotent), Uuid::now_v7);
    directory.join(key());
    knows(&directory, name, replicas);
    directory
}

pub fn knows(directory: &Directory, name: &str, replicas: &[&Replica]) {
    let addresses = replicas.iter().map(|one| one.address.as_str());
    directory.remote(name, Endpoints::at(addresses).unwrap());
}

pub fn client(directory: &Directory) -> HealthClient<Channel> {
    HealthClient::new(directory.channel("d", "a"))
}

pub fn ask() -> HealthCheckRequest {
    HealthCheckRequest::default()
}
