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
use outcry_mesh::{Role, refusal};
use tonic::service::Routes;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_types::StatusExt;

use crate::rig::{Rig, user};

/// A service that publishes more each second and says as `unsent` how often it was asked; or one that
/// does not answer.
struct Service {
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
            instance: "first".into(),
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

fn serve(rig: &Rig, name: &str, answers: bool) {
    let service = Service {
        asked: AtomicU64::new(0),
        answers,
    };
    let routes = Routes::new(ReplicaServiceServer::new(service));
    rig.directory.register(name, routes).unwrap();
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
    serve(&rig, "funds", true);
    serve(&rig, "ledger", false);
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

/// Pictures that are looked at before giving up: each takes a second at most.
const PICTURES_MAX: usize = 20;

#[tokio::test]
async fn everybody_who_watches_sees_the_same_rounds() {
    let rig = Rig::start().await;
    serve(&rig, "funds", true);
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
