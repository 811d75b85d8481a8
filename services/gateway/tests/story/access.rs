//! The table of who may call what, asked of a running gateway: every method, over the socket, as
//! everybody who comes from outside.

use std::collections::BTreeMap;

use axum::Router;
use axum::routing::any;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use outcry_contracts::users::v1::GetMeRequest;
use outcry_mesh::{Directory, Role};
use tonic::body::Body;
use tonic::service::Routes;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::rig::{Rig, user};

/// The table as the mesh's tests keep it.
const TABLE: &str = include_str!("../../../../crates/mesh/tests/access.golden");

/// Those who come from outside, as the table names them, and what their tokens say.
const OUTSIDERS: [(&str, Option<Role>); 4] = [
    ("visitor", None),
    ("user", Some(Role::User)),
    ("viewer", Some(Role::Viewer)),
    ("admin", Some(Role::Admin)),
];

/// Says that a call has come through to the service, in the place of an answer.
const REACHED: &str = "REACHED";

/// Services that the rig does not run: all that the table names.
fn others() -> impl Iterator<Item = &'static str> {
    let header = TABLE.lines().find(|line| line.starts_with(' ')).unwrap();
    let are_none = ["nobody", outcry_gateway::SERVICE, "stranger"];
    let outsiders = OUTSIDERS.map(|(name, _)| name);
    header
        .split_whitespace()
        .filter(move |name| !are_none.contains(name) && !outsiders.contains(name))
}

/// The table's cells by method, then by caller.
fn table() -> BTreeMap<String, BTreeMap<&'static str, &'static str>> {
    let mut lines = TABLE
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let callers: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
    let mut table = BTreeMap::new();
    let mut service = "";
    for line in lines {
        if !line.starts_with(' ') {
            service = line;
            continue;
        }
        let mut words = line.split_whitespace();
        let path = format!("/{service}/{}", words.next().unwrap());
        table.insert(path, callers.iter().copied().zip(words).collect());
    }
    table
}

/// Puts something that answers any method in the place of a service.
fn stand_in(directory: &Directory, name: &str) {
    let reached = any(|| async {
        let mut answer = Status::unimplemented(REACHED).into_http::<Body>();
        let grpc = HeaderValue::from_static("application/grpc");
        answer.headers_mut().insert(CONTENT_TYPE, grpc);
        answer
    });
    let routes = Router::new().route("/{service}/{method}", reached);
    directory.register(name, Routes::from(routes)).unwrap();
}

/// How a call with an empty request ended, as the table has it.
fn told(status: &Result<(), Status>) -> &'static str {
    let Err(status) = status else { return "yes" };
    let info = status.get_details_error_info();
    let reason = info.map(|info| info.reason).unwrap_or_default();
    match (status.code(), reason.as_str()) {
        (Code::Unauthenticated, "NOT_SIGNED_IN") => "sign-in",
        (Code::PermissionDenied, "NOT_ALLOWED") => "-",
        (Code::Unimplemented, "NO_SUCH_METHOD") => "hidden",
        (Code::Unauthenticated | Code::PermissionDenied, _) => "denied for another reason",
        // A request without anything in it is refused by most, but not for who sent it.
        _ => "yes",
    }
}

/// Whether the gateway itself serves a method: an answer is a real one then.
fn is_the_gateways_own(path: &str) -> bool {
    path.starts_with("/outcry.eventlog.") || path.starts_with("/outcry.operations.")
}

#[tokio::test]
async fn whoever_comes_from_outside_gets_what_the_table_says_and_nothing_else() {
    let rig = Rig::start().await;
    let request = rig.by(&user(1), Role::User, GetMeRequest {});
    // From now on the gateway knows the keys, and users can be another.
    rig.users().await.get_me(request).await.unwrap();
    for name in others() {
        stand_in(&rig.directory, name);
    }
    let table = table();
    assert_eq!(table.len(), rig.directory.rules().iter().count());
    let mut grpc = tonic::client::Grpc::new(rig.connect().await);
    let mut wrong = Vec::new();
    for (path, cells) in &table {
        for (name, role) in OUTSIDERS {
            let request = match role {
                Some(role) => rig.by(&user(1), role, ()),
                None => tonic::Request::new(()),
            };
            let codec: tonic_prost::ProstCodec<(), ()> = tonic_prost::ProstCodec::default();
            grpc.ready().await.unwrap();
            let ended = grpc
                .server_streaming(request, path.parse().unwrap(), codec)
                .await
                .map(drop);
            let expected = cells[name];
            let has_come_through = match &ended {
                _ if is_the_gateways_own(path) => expected == "yes",
                Err(status) => status.message() == REACHED,
                Ok(()) => true,
            };
            if told(&ended) != expected || has_come_through != (expected == "yes") {
                wrong.push(format!("{path} as {name}: {expected} expected, {ended:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
