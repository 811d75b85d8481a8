//! Bodies that are not what they should be.

use outcry_contracts::options::v1::Role as ContractRole;
use outcry_contracts::users::v1::{GetMeRequest, SetUserRolesRequest};
use outcry_gateway::Config;
use outcry_mesh::Role;
use tonic::Code;
use tonic_types::StatusExt;

use crate::browsers::exchange;
use crate::raw::{GET_ME, framed, send};
use crate::rig::{Rig, user};

const GZIP: (&str, &str) = ("grpc-encoding", "gzip");
const COMPRESSED: (Code, &str) = (Code::Unimplemented, "COMPRESSION_NOT_SUPPORTED");
const MALFORMED: (Code, &str) = (Code::InvalidArgument, "MALFORMED_BODY");
const TOO_LARGE: (Code, &str) = (Code::ResourceExhausted, "MESSAGE_TOO_LARGE");
const NO_CALL: (Code, &str) = (Code::InvalidArgument, "NOT_A_GRPC_CALL");

/// What is sent, its headers, its body, and how it is refused.
type Case<'a> = (
    &'a str,
    &'a [(&'a str, &'a str)],
    Vec<u8>,
    (Code, &'static str),
);

/// The head of a gzip file that would go on for ever.
const BOMB: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xed, 0xc1, 1];

#[tokio::test]
async fn a_body_that_is_not_one_plain_message_is_refused_with_the_reason() {
    let rig = Rig::start().await;
    let channel = rig.connect().await;
    let token = format!("Bearer {}", rig.token(&user(7), Role::User));
    let nothing = framed(0, &[]);
    let five_megabytes = framed(0, &vec![0; 5 << 20]);
    let table: &[Case<'_>] = &[
        ("gzip", &[GZIP], framed(1, BOMB), COMPRESSED),
        (
            "gzip, and nothing in it",
            &[GZIP],
            nothing.clone(),
            COMPRESSED,
        ),
        (
            "a lie",
            &[("grpc-encoding", "identity")],
            framed(1, BOMB),
            COMPRESSED,
        ),
        ("gzip unannounced", &[], framed(1, BOMB), COMPRESSED),
        (
            "a body in gzip",
            &[("content-encoding", "gzip")],
            BOMB.to_vec(),
            COMPRESSED,
        ),
        ("five megabytes", &[], five_megabytes.clone(), TOO_LARGE),
        // The announcement is enough: nobody waits for the rest.
        (
            "four gigabytes",
            &[],
            vec![0, 0xff, 0xff, 0xff, 0xff, 1],
            TOO_LARGE,
        ),
        ("five of them, in one", &[GZIP], five_megabytes, COMPRESSED),
        ("nothing", &[], Vec::new(), MALFORMED),
        ("half a prefix", &[], nothing[..3].to_vec(), MALFORMED),
        (
            "half a message",
            &[],
            framed(0, &[1; 9])[..9].to_vec(),
            MALFORMED,
        ),
        (
            "two messages",
            &[],
            [nothing.clone(), nothing.clone()].concat(),
            MALFORMED,
        ),
        ("an unknown first byte", &[], framed(2, &[]), MALFORMED),
        (
            "trailers",
            &[],
            framed(0x80, b"grpc-status:0\r\n"),
            MALFORMED,
        ),
        (
            "JSON",
            &[("content-type", "application/grpc+json")],
            nothing.clone(),
            NO_CALL,
        ),
        (
            "an invention",
            &[("content-type", "application/grpcfoo")],
            nothing.clone(),
            NO_CALL,
        ),
        (
            "JSON of the web",
            &[("content-type", "application/grpc-web+json")],
            nothing,
            NO_CALL,
        ),
    ];
    for (what, headers, body, expected) in table {
        let headers = [headers, &[("authorization", token.as_str())][..]].concat();
        let answer = send(&channel, GET_ME, &headers, body.clone()).await;
        let info = answer.status.get_details_error_info();
        let reason = info.map(|info| info.reason).unwrap_or_default();
        assert_eq!((answer.status.code(), reason.as_str()), *expected, "{what}");
        if *expected == COMPRESSED {
            assert_eq!(answer.said["grpc-accept-encoding"], "identity", "{what}");
        }
    }
    assert!(
        rig.seen.lock().unwrap().is_empty(),
        "none of them reached the service"
    );
    let request = rig.by(&user(7), Role::User, GetMeRequest {});
    rig.users().await.get_me(request).await.unwrap();
}

#[tokio::test]
async fn a_browsers_body_is_held_to_the_same() {
    let rig = Rig::start().await;
    let token = rig.token(&user(7), Role::User);
    for (headers, body, expected) in [
        ("content-encoding: gzip", BOMB.to_vec(), "grpc-status: 12"),
        ("grpc-encoding: gzip", framed(1, BOMB), "grpc-status: 12"),
        ("x-grpc-web: 1", framed(1, BOMB), "grpc-status: 12"),
        ("x-grpc-web: 1", vec![0, 0, 0x50, 0, 0, 1], "grpc-status: 8"),
        (
            "x-grpc-web: 1",
            framed(0, &[1; 9])[..9].to_vec(),
            "grpc-status: 3",
        ),
    ] {
        let head = format!(
            "POST {GET_ME} HTTP/1.1\ncontent-type: application/grpc-web+proto\n\
             authorization: Bearer {token}\n{headers}"
        );
        let (head, _) = exchange(&rig, &head, &body).await;
        assert!(head.contains(expected), "{headers}: {head}");
    }
    // Text that is no base64 is the client's mistake, not a failure of the platform.
    let head = format!(
        "POST {GET_ME} HTTP/1.1\ncontent-type: application/grpc-web-text\nauthorization: Bearer {token}"
    );
    let (head, _) = exchange(&rig, &head, b"****").await;
    assert!(head.contains("grpc-status: 3"), "{head}");
    assert!(rig.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn long_lists_and_deep_nesting_are_refused() {
    let rig = Rig::start().await;
    let roles = SetUserRolesRequest {
        user_id: user(8),
        roles: vec![ContractRole::User.into(); 10_000],
        ..Default::default()
    };
    let request = rig.by(&user(1), Role::Admin, roles);
    let refused = rig.users().await.set_user_roles(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let violations = refused.get_details_bad_request().unwrap().field_violations;
    assert!(violations.iter().any(|one| one.field == "roles"));

    // A group in a group in a group: each byte opens one more.
    let token = format!("Bearer {}", rig.token(&user(7), Role::User));
    let nested = framed(0, &[0x0b; 100_000]);
    let headers = [("authorization", token.as_str())];
    let answer = send(&rig.connect().await, GET_ME, &headers, nested).await;
    assert_ne!(answer.status.code(), Code::Ok);
    assert!(rig.seen.lock().unwrap().is_empty());
    let request = rig.by(&user(7), Role::User, GetMeRequest {});
    rig.users().await.get_me(request).await.unwrap();
}

#[tokio::test]
async fn an_answer_that_no_client_takes_is_not_sent() {
    let rig = Rig::with(Config {
        answer_bytes_max: 20,
        ..Config::default()
    })
    .await;
    let request = rig.by(&user(7), Role::User, GetMeRequest {});
    let refused = rig.users().await.get_me(request).await.unwrap_err();
    let info = refused.get_details_error_info().unwrap();
    assert_eq!(
        (refused.code(), info.reason.as_str()),
        (Code::ResourceExhausted, "ANSWER_TOO_LARGE")
    );
}
