//! A service whose calls can be watched, with the health methods in place of its own.

#![allow(dead_code, reason = "each file of stories uses its part")]

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use outcry_events::Cause;
use outcry_mesh::authorize::{Rule, Rules};
use outcry_mesh::criticality::{self, Level};
use outcry_mesh::{Directory, Identity, Role, User, cause, deadline};
use tokio::sync::Semaphore;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::Health;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_types::StatusExt;

pub const CHECK: &str = "/grpc.health.v1.Health/Check";
pub const WATCH: &str = "/grpc.health.v1.Health/Watch";

/// What a handler saw of a call.
#[derive(Debug, Clone)]
pub struct Seen {
    pub service: &'static str,
    pub identity: Identity,
    pub cause: Cause,
    pub remaining: Option<Duration>,
    pub level: Option<Level>,
}

/// A service that notes what it sees and then does what the request says:
/// `hang`, `panic`, wait at the `gate`, be `unavailable`, pretend to be `untouched`, or call the next service
/// named in `a>b>c`.
#[derive(Clone)]
pub struct Probe {
    name: &'static str,
    directory: Directory,
    seen: Arc<Mutex<Vec<Seen>>>,
    pub gate: Arc<Semaphore>,
    pub inside: Inside,
}

/// How many handlers are at work, streams included.
#[derive(Debug, Clone, Default)]
pub struct Inside(Arc<AtomicUsize>);

/// One of them, until dropped.
struct AtWork(Inside);

impl Inside {
    pub fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    fn enter(&self) -> AtWork {
        self.0.fetch_add(1, Ordering::SeqCst);
        AtWork(self.clone())
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Probe {
    pub fn new(name: &'static str, directory: &Directory, seen: &Arc<Mutex<Vec<Seen>>>) -> Probe {
        Probe {
            name,
            directory: directory.clone(),
            seen: Arc::clone(seen),
            gate: Arc::new(Semaphore::new(0)),
            inside: Inside::default(),
        }
    }

    fn note<T>(&self, request: &Request<T>) {
        self.seen.lock().unwrap().push(Seen {
            service: self.name,
            identity: outcry_mesh::identity(request).clone(),
            cause: cause(request),
            remaining: deadline::remaining(),
            level: criticality::current(),
        });
    }
}

type Answers = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

#[tonic::async_trait]
impl Health for Probe {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        self.note(&request);
        let _at_work = self.inside.enter();
        let asked = request.into_inner().service;
        match asked.split_once('>') {
            _ if asked == "hang" => std::future::pending().await,
            _ if asked == "unavailable" => Err(Status::unavailable("as asked")),
            _ if asked == "untouched" => {
                let mut status = Status::unavailable("as asked");
                let mark = "1".parse().unwrap();
                status.metadata_mut().insert("outcry-not-begun", mark);
                Err(status)
            }
            _ if asked == "gate" => {
                self.gate.acquire().await.unwrap().forget();
                Ok(Response::new(HealthCheckResponse { status: 1 }))
            }
            _ if asked == "panic" => panic!("as asked"),
            Some((next, rest)) => {
                let channel = self.directory.channel(self.name, next.to_owned());
                let mut client = HealthClient::new(channel);
                client
                    .check(HealthCheckRequest {
                        service: rest.to_owned(),
                    })
                    .await
            }
            None => Ok(Response::new(HealthCheckResponse { status: 1 })),
        }
    }

    type WatchStream = Answers;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Answers>, Status> {
        self.note(&request);
        let at_work = self.inside.enter();
        let one = tokio_stream::once(Ok(HealthCheckResponse { status: 1 }));
        let answers: Answers = match request.into_inner().service.as_str() {
            "endless" => Box::pin(one.chain(tokio_stream::pending())),
            // Asks another service only once the stream is being read.
            "lazy" => {
                let client = HealthClient::new(self.directory.channel(self.name, "b"));
                Box::pin(one.then(move |answer| {
                    let mut client = client.clone();
                    async move {
                        client.check(HealthCheckRequest::default()).await?;
                        answer
                    }
                }))
            }
            _ => Box::pin(one),
        };
        Ok(Response::new(Box::pin(answers.map(move |answer| {
            let _until_the_end = &at_work;
            answer
        }))))
    }
}

pub fn rules() -> Rules {
    let internal = |streaming| Rule {
        roles: vec![Role::User],
        callers: ["a", "b", "c"].map(str::to_owned).to_vec(),
        streaming,
        ..Rule::default()
    };
    [(CHECK, internal(false)), (WATCH, internal(true))]
        .into_iter()
        .map(|(path, rule)| (path.to_owned(), rule))
        .collect()
}

pub fn ask(what: &str) -> Request<HealthCheckRequest> {
    Request::new(HealthCheckRequest {
        service: what.to_owned(),
    })
}

pub fn customer() -> User {
    User {
        id: "u1".into(),
        roles: vec![Role::User],
    }
}

pub fn reason(status: &Status) -> String {
    status
        .get_details_error_info()
        .map(|info| info.reason)
        .unwrap_or_default()
}
