//! What browsers and plain HTTP clients get on the same port.

use outcry_contracts::users::v1::{GetMeRequest, GetMeResponse};
use outcry_gateway::Config;
use outcry_mesh::Role;
use outcry_mesh::token::PublicKey;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::rig::{Rig, user};

/// One HTTP/1.1 exchange: the head and the body as they came.
pub async fn exchange(rig: &Rig, head: &str, body: &[u8]) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(rig.address).await.unwrap();
    let length = body.len();
    let head = head.trim_end().replace('\n', "\r\n");
    let request =
        format!("{head}\r\nhost: outcry\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let split = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    let head = String::from_utf8(answer[..split].to_vec())
        .unwrap()
        .to_lowercase();
    (head, answer[split + 4..].to_vec())
}

fn framed(message: &impl Message) -> Vec<u8> {
    let bytes = message.encode_to_vec();
    let mut framed = vec![0];
    framed.extend(u32::try_from(bytes.len()).unwrap().to_be_bytes());
    framed.extend(bytes);
    framed
}

/// Takes chunked transfer coding away.
fn dechunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(line) = body.windows(2).position(|two| two == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&body[..line]).unwrap(), 16).unwrap();
        if size == 0 {
            break;
        }
        whole.extend(&body[line + 2..line + 2 + size]);
        body = &body[line + 2 + size + 2..];
    }
    whole
}

/// The messages and the trailers of a gRPC-Web body.
fn unframed(mut body: &[u8]) -> (Vec<Vec<u8>>, String) {
    let (mut messages, mut trailers) = (Vec::new(), String::new());
    while let [flag, a, b, c, d, rest @ ..] = body {
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        let (frame, after) = rest.split_at(length);
        match flag {
            0 => messages.push(frame.to_vec()),
            _ => trailers.push_str(std::str::from_utf8(frame).unwrap()),
        }
        body = after;
    }
    (messages, trailers)
}

#[tokio::test]
async fn a_browser_calls_by_grpc_web_over_http_1() {
    let rig = Rig::start().await;
    let token = rig.token(&user(7), Role::User);
    let head = format!(
        "POST /outcry.users.v1.UserService/GetMe HTTP/1.1\ncontent-type: application/grpc-web+proto\nauthorization: Bearer {token}"
    );
    let (head, body) = exchange(&rig, &head, &framed(&GetMeRequest {})).await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let (messages, trailers) = unframed(&dechunked(&body));
    let me = GetMeResponse::decode(messages[0].as_slice()).unwrap();
    assert_eq!(me.user.unwrap().user_id, user(7));
    assert!(trailers.contains("grpc-status:0"), "{trailers}");
}

#[tokio::test]
async fn a_refusal_reaches_a_browser_with_its_details() {
    let rig = Rig::start().await;
    let head = "POST /outcry.users.v1.UserService/GetMe HTTP/1.1\ncontent-type: application/grpc-web+proto";
    let (head, body) = exchange(&rig, head, &framed(&GetMeRequest {})).await;
    let shown = format!("{head}\n{}", unframed(&dechunked(&body)).1);
    assert!(
        shown.contains("grpc-status: 16") || shown.contains("grpc-status:16"),
        "{shown}"
    );
    assert!(shown.contains("grpc-status-details-bin"), "{shown}");
}

#[tokio::test]
async fn only_the_named_origins_may_call_across() {
    let allowed_origins = vec!["https://desk.example".to_owned()];
    let rig = Rig::with(Config {
        allowed_origins,
        ..Config::default()
    })
    .await;
    let preflight = |origin: &str| {
        format!(
            "OPTIONS /outcry.users.v1.UserService/GetMe HTTP/1.1\norigin: {origin}\n\
             access-control-request-method: POST\n\
             access-control-request-headers: content-type,x-grpc-web,authorization"
        )
    };
    let (head, _) = exchange(&rig, &preflight("https://desk.example"), b"").await;
    assert!(
        head.contains("access-control-allow-origin: https://desk.example"),
        "{head}"
    );
    assert!(head.contains("x-grpc-web"), "{head}");
    let (head, _) = exchange(&rig, &preflight("https://evil.example"), b"").await;
    assert!(!head.contains("access-control-allow-origin"), "{head}");
}

#[tokio::test]
async fn the_key_set_is_published() {
    let rig = Rig::start().await;
    let (head, body) = exchange(&rig, "GET /.well-known/jwks.json HTTP/1.1", b"").await;
    assert!(
        head.contains("application/json") && head.contains("max-age"),
        "{head}"
    );
    let set: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let key = PublicKey::from_jwk(&set["keys"][0]).unwrap();
    assert_eq!(key, rig.keys.lock().unwrap()[0].public_key());
}

#[tokio::test]
async fn the_health_page_says_what_is_served_and_strangers_are_told_what_this_is() {
    let rig = Rig::start().await;
    let (head, body) = exchange(&rig, "GET /healthz HTTP/1.1", b"").await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let page: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(page["status"], "serving");
    assert!(
        page["services"]
            .as_array()
            .unwrap()
            .contains(&"users".into()),
        "{page}"
    );
    let (head, body) = exchange(&rig, "GET / HTTP/1.1", b"").await;
    assert!(head.starts_with("http/1.1 404"), "{head}");
    assert!(String::from_utf8(body).unwrap().contains("gRPC-Web"));
}
