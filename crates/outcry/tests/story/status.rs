//! How a whole platform stands, and its audit started from inside.

use outcry_contracts::operations::v1::status_service_client::StatusServiceClient;
use outcry_contracts::operations::v1::{
    ReplicaState, RunAuditRequest, WatchAuditRequest, WatchStatusRequest,
};

use super::outcry::{Outcry, services};
use super::person::{Followed, Person, connect};

#[tokio::test]
async fn an_administrator_sees_every_service_and_what_the_audit_finds() {
    let services = services();
    let mut outcry = Outcry::new();
    outcry.up();
    let channel = connect(&outcry.data()).await;
    let admin = Person::administrator(&channel, &outcry.data()).await;
    let mut status = StatusServiceClient::new(admin.signed());

    let pictures = status.watch_status(WatchStatusRequest {}).await.unwrap();
    let pictures = Followed::from(pictures.into_inner());
    let seen = pictures
        .until("every service is ready", |pictures| {
            pictures.last().is_some_and(|picture| {
                let replicas = picture.services.iter().flat_map(|one| &one.replicas);
                let ready = replicas.filter(|one| one.state() == ReplicaState::Ready);
                ready.count() == services.len()
            })
        })
        .await;
    let picture = seen.last().unwrap();
    assert_eq!(picture.services.len(), services.len());
    let with_groups = picture.services.iter().filter(|one| !one.groups.is_empty());
    let consumers = services.iter().filter(|service| service.consumes);
    let consumers = consumers.count();
    assert_eq!(with_groups.count(), consumers, "{:?}", picture.services);
    drop(pictures);

    let audit = status.watch_audit(WatchAuditRequest {}).await.unwrap();
    let audit = Followed::from(audit.into_inner());
    status.run_audit(RunAuditRequest {}).await.unwrap();
    let seen = audit
        .until("the audit has ended", |states| {
            states.last().is_some_and(|state| {
                assert_eq!(state.failure, "");
                state.last.is_some()
            })
        })
        .await;
    let state = seen.last().unwrap();
    assert!(state.available && !state.running);
    assert!(seen.iter().any(|state| state.running && state.steps > 0));
    let report = state.last.as_ref().unwrap();
    assert!(report.events > 0, "the administrator is one event at least");
    assert!(report.breaches.is_empty(), "{:?}", report.breaches);
    assert!(report.invariants.iter().all(|one| one.checks > 0));
    outcry.stop();
}
