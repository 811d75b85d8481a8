//! How a running service stands, as the gateway asks it.

use outcry_contracts::operations::v1::replica_service_client::ReplicaServiceClient;
use outcry_contracts::operations::v1::{GetStatusRequest, GetStatusResponse};
use outcry_service::Unknown;
use outcry_service::testing::{Platform, eventually};
use tonic::Code;

use crate::toys::{Script, deposit, funds, ledger};

async fn status(platform: &Platform, target: &'static str) -> GetStatusResponse {
    let mut replica = ReplicaServiceClient::new(platform.service("gateway", target));
    let status = replica.get_status(GetStatusRequest {}).await;
    status.unwrap().into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_tells_what_it_published_and_handled() {
    let folder = tempfile::tempdir().unwrap();
    let mut platform = Platform::open(folder.path()).await;
    let f = platform.context("funds").await;
    let l = platform.context("ledger").await;
    let script = Script::default();
    let services = [
        (f.clone(), funds(&f)),
        (l.clone(), ledger(&l, &script, Unknown::Park)),
    ];
    platform.start(services).await;
    deposit(&f, 1, &["r1", "r2", "r3"]).await;
    eventually("everything is counted", async || {
        let published = status(&platform, "funds").await.relay.unwrap().published;
        let groups = status(&platform, "ledger").await.groups;
        let handled = groups.iter().find(|group| group.group == "ledger");
        published == 3 && handled.is_some_and(|group| group.handled == 3)
    })
    .await;
    let told = status(&platform, "funds").await;
    assert_eq!(
        (told.service.as_str(), told.instance),
        ("funds", f.member.id)
    );
    let held: u64 = told.pools.iter().map(|pool| pool.held).sum();
    assert!(held > 0, "{:?}", told.pools);
    let mut nosy = ReplicaServiceClient::new(platform.service("ledger", "funds"));
    let denied = nosy.get_status(GetStatusRequest {}).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    platform.stop().await;
}
