//! How the platform stands, as operators see it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use outcry_contracts::operations::v1::replica_service_server::{
    ReplicaService, ReplicaServiceServer,
};
use outcry_contracts::operations::v1::status_service_client::StatusServiceClient;
use outcry_contracts::operations::v1::*;
use outcry_gateway::Step;
use outcry_mesh::{Directory, Endpoints, MeshKey, Role, listen, refusal};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_types::StatusExt;

use crate::rig::{Rig, user};

/// A service that publishes more each second and says as `unsent` how often it was asked; or one that
/// does not answer.
struct Service {
    instance: &'static str,
    asked: AtomicU64,
    answers: bool,
}

#[tonic::async_trait]
impl ReplicaService for Service {
    async fn get_status(
        &self,
        _: Request<GetStatusRequest>,
    ) -> Result<Response<GetStatusResponse>, Status> {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst);
        if !self.answers {
            return Err(refusal::with_reason(Code::Internal, "BROKEN", "is broken"));
        }
        Ok(Response::new(GetStatusResponse {
            instance: self.instance.into(),
            ready: true,
            relay: Some(RelayCounts {
                published: 100 * asked * asked,
                unsent: asked,
                ..Default::default()
            }),
            ..Default::default()
        }))
    }
}

/// Registers a service under a name.
fn serve(directory: &Directory, name: &str, instance: &'static str, answers: bool) {
    let service = Service {
        instance,
        asked: AtomicU64::new(0),
        answers,
    };
    let routes = Routes::new(ReplicaServiceServer::new(service));
    directory.register(name, routes).unwrap();
}

/// Pictures that are looked at before giving up: each takes a second at most.
const PICTURES_MAX: usize = 20;

/// What the processes of a story prove themselves with.
fn key() -> MeshKey {
    MeshKey::from_secret(&[7; 32])
}

/// A process of its own with one replica of funds: where it is, and what ends it.
async fn process(instance: &'static str) -> (String, CancellationToken) {
    let directory = Directory::new();
    serve(&directory, "funds", instance, true);
    directory.set_ready(true);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let stop = CancellationToken::new();
    tokio::spawn(listen(directory, listener, key(), stop.clone()));
    (address, stop)
}

async fn client(rig: &Rig) -> StatusServiceClient<Channel> {
    StatusServiceClient::new(rig.connect().await)
}

async fn pictures(rig: &Rig) -> Streaming<WatchStatusResponse> {
    let request = rig.by(&user(9), Role::Viewer, WatchStatusRequest {});
    let answer = client(rig).await.watch_status(request).await;
    answer.unwrap().into_inner()
}

async fn audit(rig: &Rig) -> Streaming<WatchAuditResponse> {
    let request = rig.by(&user(9), Role::Viewer, WatchAuditRequest {});
    let answer = client(rig).await.watch_audit(request).await;
    answer.unwrap().into_inner()
}

async fn next<T>(stream: &mut Streaming<T>) -> T {
    stream.message().await.unwrap().unwrap()
}

#[tokio::test]
async fn rates_of_every_service_come_by_themselves_and_what_is_silent_says_why() {
    let rig = Rig::start().await;
    serve(&rig.directory, "funds", "first", true);
    serve(&rig.directory, "ledger", "first", false);
    let mut pictures = pictures(&rig).await;
    // Counts become rates with the second round.
    let picture = loop {
        let picture = next(&mut pictures).await;
        if picture.services[0].published_per_second > 0.0 {
            break picture;
        }
    };
    let names: Vec<_> = picture.services.iter().map(|one| &one.service).collect();
    assert_eq!(names, ["funds", "ledger"]);
    let replica = &picture.services[0].replicas[0];
    assert_eq!(
        (replica.state(), replica.instance.as_str()),
        (ReplicaState::Ready, "first")
    );
    let replica = &picture.services[1].replicas[0];
    assert_eq!(replica.state(), ReplicaState::Silent);
    assert!(replica.problem.contains("is broken"), "{replica:?}");
}

#[tokio::test]
async fn everybody_who_watches_sees_the_same_rounds() {
    let rig = Rig::start().await;
    serve(&rig.directory, "funds", "first", true);
    let (mut one, mut other) = (pictures(&rig).await, pictures(&rig).await);
    let (mut seen_by_one, mut seen_by_other) = (BTreeSet::new(), BTreeSet::new());
    // Rounds of their own would show each of them other numbers.
    for _ in 0..PICTURES_MAX {
        seen_by_one.insert(next(&mut one).await.services[0].unsent_events);
        seen_by_other.insert(next(&mut other).await.services[0].unsent_events);
        if seen_by_one.intersection(&seen_by_other).count() > 1 {
            return;
        }
    }
    panic!("{seen_by_one:?} and {seen_by_other:?}");
}

#[tokio::test]
async fn every_replica_of_other_processes_is_asked_and_one_that_is_gone_is_silent() {
    let rig = Rig::start().await;
    let (one, _running) = process("one").await;
    let (other, stop) = process("other").await;
    rig.directory.join(key());
    let endpoints = Endpoints::at([one.as_str(), other.as_str()]).unwrap();
    rig.directory.remote("funds", endpoints);
    let mut pictures = pictures(&rig).await;
    let ready = |picture: &WatchStatusResponse, instance: &str| {
        let mut replicas = picture.services[0].replicas.iter();
        let there = replicas.find(|replica| replica.instance == instance);
        there.is_some_and(|replica| replica.state() == ReplicaState::Ready)
    };
    for _ in 0..PICTURES_MAX {
        let picture = next(&mut pictures).await;
        if ready(&picture, "one") && ready(&picture, "other") {
            stop.cancel();
        }
        let mut replicas = picture.services[0].replicas.iter();
        let gone = replicas.find(|replica| replica.state() == ReplicaState::Silent);
        if let Some(gone) = gone.filter(|_| stop.is_cancelled()) {
            assert_eq!(gone.address, other);
            assert!(!gone.problem.is_empty());
            assert!(ready(&picture, "one"), "{picture:?}");
            return;
        }
    }
    panic!("the replica that is gone was never silent");
}

#[tokio::test]
async fn customers_see_neither_status_nor_audit_and_viewers_start_none() {
    let rig = Rig::start().await;
    let mut client = client(&rig).await;
    let asked = rig.by(&user(1), Role::User, WatchStatusRequest {});
    let denied = client.watch_status(asked).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    let asked = rig.by(&user(1), Role::User, WatchAuditRequest {});
    let denied = client.watch_audit(asked).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    let asked = rig.by(&user(9), Role::Viewer, RunAuditRequest {});
    let denied = client.run_audit(asked).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn a_gateway_without_all_data_names_the_command_instead() {
    let rig = Rig::start().await;
    let state = next(&mut audit(&rig).await).await;
    assert!(!state.available);
    assert!(state.command.starts_with("outcry audit"), "{state:?}");
    let asked = rig.by(&user(9), Role::Admin, RunAuditRequest {});
    let refused = client(&rig).await.run_audit(asked).await.unwrap_err();
    let info = refused.get_details_error_info().unwrap();
    assert_eq!(info.reason, "AUDIT_NOT_HERE");
}

#[tokio::test]
async fn an_administrator_starts_the_audit_and_whoever_watches_sees_what_it_found() {
    let rig = Rig::start().await;
    rig.edge.audit_by(Arc::new(|tell| {
        Box::pin(async move {
            tell(Step {
                done: 0,
                of: 1,
                name: "reading",
            });
            let breach = InvariantBreach {
                invariant: "I8".into(),
                subject: "order 1".into(),
                what: "is wrong".into(),
            };
            Ok(AuditReport {
                events: 7,
                breaches: vec![breach],
                ..Default::default()
            })
        })
    }));
    let mut watched = audit(&rig).await;
    let state = next(&mut watched).await;
    assert!(state.available && !state.running && state.last.is_none());
    let asked = rig.by(&user(9), Role::Admin, RunAuditRequest {});
    client(&rig).await.run_audit(asked).await.unwrap();
    let found = loop {
        if let Some(found) = next(&mut watched).await.last {
            break found;
        }
    };
    assert_eq!((found.events, found.breaches.len()), (7, 1));
    assert!(found.started_at.is_some() && found.ended_at.is_some());
}
