//! What clients write into metadata, and what of it services see.

use outcry_contracts::users::v1::GetMeRequest;
use outcry_gateway::Config;
use outcry_mesh::Role;
use tonic::Code;
use tonic_types::StatusExt;

use crate::browsers::exchange;
use crate::raw::{GET_ME, framed, names, probe, send};
use crate::rig::{Rig, user};

/// What somebody might take for the platform's own word.
const FORGED: [&str; 20] = [
    "outcry-user",
    "outcry-roles",
    "outcry-caller",
    "outcry-target",
    "outcry-mesh-token",
    "outcry-correlation-id",
    "outcry-causation-id",
    "outcry-request-id",
    "outcry-criticality",
    "outcry-fault",
    "outcry-client-address",
    "outcry-some-bin",
    "grpc-previous-rpc-attempts",
    "x-forwarded-for",
    "x-forwarded-client-cert",
    "x-real-ip",
    "forwarded",
    "x-user-id",
    "cookie",
    "x-anything",
];

/// A value that the platform never writes.
const FORGERY: &str = "Zm9yZ2Vk";

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

#[tokio::test]
async fn forged_metadata_arrives_nowhere() {
    let rig = Rig::start().await;
    let arrived = probe(&rig.directory, "orders");
    let path = "/outcry.orders.v1.OrderService/ListOrders";
    let token = format!("Bearer {}", rig.token(&user(7), Role::User));
    let traceparent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let mut headers: Vec<(&str, &str)> = FORGED.map(|name| (name, FORGERY)).to_vec();
    headers.push(("authorization", &token));
    headers.push(("traceparent", &traceparent));
    let answer = send(&rig.connect().await, path, &headers, framed(0, &[])).await;
    assert_eq!(answer.status.code(), Code::Ok, "{:?}", answer.status);
    let lines: String = FORGED.map(|name| format!("{name}: {FORGERY}\n")).concat();
    let head = format!(
        "POST {path} HTTP/1.1\ncontent-type: application/grpc-web+proto\nauthorization: {token}\n{lines}"
    );
    let (head, _) = exchange(&rig, &head, &framed(0, &[])).await;
    assert!(head.starts_with("http/1.1 200"), "{head}");

    // The directory has called it, too, to see what it serves.
    let calls = std::mem::take(&mut *arrived.lock().unwrap());
    let arrived: Vec<_> = calls
        .into_iter()
        .filter(|(called, _)| called == path)
        .map(|(_, headers)| headers)
        .collect();
    assert_eq!(arrived.len(), 2);
    for headers in &arrived {
        assert!(
            headers.values().all(|value| value != FORGERY),
            "{headers:?}"
        );
        for name in names(headers) {
            let is_own = name.starts_with("outcry-");
            let is_known = ["content-type", "te", "grpc-timeout", "traceparent"].contains(&name);
            assert!(is_own || is_known, "{name} came through");
        }
        assert!(!headers.contains_key("outcry-fault"));
    }
    let traced = arrived[0]["traceparent"].to_str().unwrap();
    assert!(traced.contains(TRACE), "{traced}");
}

#[tokio::test]
async fn metadata_is_bounded() {
    let rig = Rig::start().await;
    let token = format!("Bearer {}", rig.token(&user(7), Role::User));
    let many: Vec<String> = (0..100).map(|number| format!("x-{number}")).collect();
    let long = "v".repeat(9 * 1024);
    let many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "v")).collect();
    for mut headers in [many, vec![("x-long", long.as_str())]] {
        headers.push(("authorization", &token));
        let answer = send(&rig.connect().await, GET_ME, &headers, framed(0, &[])).await;
        let info = answer.status.get_details_error_info().unwrap();
        assert_eq!(
            (answer.status.code(), info.reason.as_str()),
            (Code::ResourceExhausted, "METADATA_TOO_LARGE")
        );
    }
    assert!(rig.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_address_behind_a_trusted_proxy_is_the_clients() {
    for (trusted, expected) in [("127.0.0.0/8", "192.0.2.1"), ("192.0.2.0/24", "127.0.0.1")] {
        let rig = Rig::with(Config {
            trusted_proxies: vec![trusted.to_owned()],
            ..Config::default()
        })
        .await;
        let mut request = rig.by(&user(7), Role::User, GetMeRequest {});
        let said = "203.0.113.9, 192.0.2.1".parse().unwrap();
        request.metadata_mut().insert("x-forwarded-for", said);
        rig.users().await.get_me(request).await.unwrap();
        assert_eq!(rig.last_seen().client_address.as_deref(), Some(expected));
    }
}
