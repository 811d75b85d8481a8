//! What browsers and plain HTTP clients get on the same port.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use outcry_contracts::eventlog::v1::SubscribeRequest;
use outcry_contracts::users::v1::{GetMeRequest, GetMeResponse};
use outcry_gateway::Config;
use outcry_mesh::Role;
use outcry_mesh::token::PublicKey;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::rig::{Rig, TOKEN_LIFETIME, user};

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

/// The bytes of base64 that was encoded piece by piece.
fn untexted(text: &[u8]) -> Vec<u8> {
    text.chunks(4)
        .flat_map(|four| STANDARD.decode(four).unwrap())
        .collect()
}

#[tokio::test]
async fn a_browser_finds_one_message_and_then_the_trailers_in_the_body() {
    let rig = Rig::start().await;
    let token = rig.token(&user(7), Role::User);
    for (kind, text) in [
        ("application/grpc-web+proto", false),
        ("application/grpc-web", false),
        ("application/grpc-web-text", true),
        ("application/grpc-web-text+proto", true),
    ] {
        let head = format!(
            "POST /outcry.users.v1.UserService/GetMe HTTP/1.1\ncontent-type: {kind}\naccept: {kind}\nauthorization: Bearer {token}"
        );
        let sent = framed(&GetMeRequest {});
        let sent = if text {
            STANDARD.encode(sent).into()
        } else {
            sent
        };
        let (head, body) = exchange(&rig, &head, &sent).await;
        assert!(
            head.contains("content-type: application/grpc-web"),
            "{head}"
        );
        assert!(
            !head.contains("grpc-status"),
            "the head ends no call: {head}"
        );
        let body = dechunked(&body);
        let body = if text { untexted(&body) } else { body };
        // First the message, whole and plain.
        let [0, a, b, c, d, rest @ ..] = body.as_slice() else {
            panic!("{kind}: {body:?}");
        };
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        let (message, rest) = rest.split_at(length);
        let me = GetMeResponse::decode(message).unwrap();
        assert_eq!(me.user.unwrap().user_id, user(7));
        // Then the trailers, and nothing after them.
        let [0x80, a, b, c, d, trailers @ ..] = rest else {
            panic!("{kind}: no trailers in {rest:?}");
        };
        assert_eq!(
            u32::from_be_bytes([*a, *b, *c, *d]) as usize,
            trailers.len()
        );
        let trailers = std::str::from_utf8(trailers).unwrap();
        assert!(
            trailers.split("\r\n").any(|line| line == "grpc-status:0"),
            "{trailers}"
        );
        assert!(trailers.ends_with("\r\n"), "{trailers}");
    }
}

#[tokio::test]
async fn a_browsers_stream_ends_with_trailers_when_its_token_expires() {
    let rig = Rig::start().await;
    rig.happened_to(&user(7), 1).await;
    let token = rig.token(&user(7), Role::User);
    let body = framed(&SubscribeRequest::default());
    let head = format!(
        "POST /outcry.eventlog.v1.EventLogService/Subscribe HTTP/1.1\r\nhost: outcry\r\n\
         content-type: application/grpc-web+proto\r\nauthorization: Bearer {token}\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(rig.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&body).await.unwrap();
    let mut answer = Vec::new();
    // The first chunk is the first event: the stream is open.
    let begun = loop {
        assert_ne!(
            stream.read_buf(&mut answer).await.unwrap(),
            0,
            "ended early"
        );
        let head = answer.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(head) = head
            && answer.len() > head + 4
        {
            break head + 4;
        }
    };
    rig.clock.advance(TOKEN_LIFETIME * 2);
    stream.read_to_end(&mut answer).await.unwrap();
    let (messages, trailers) = unframed(&dechunked(&answer[begun..]));
    assert!(!messages.is_empty());
    assert!(trailers.contains("grpc-status:16"), "{trailers}");
    assert!(trailers.contains("grpc-status-details-bin:"), "{trailers}");
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
    let (head, body) = exchange(&rig, "GET /elsewhere HTTP/1.1", b"").await;
    assert!(head.starts_with("http/1.1 404"), "{head}");
    assert!(String::from_utf8(body).unwrap().contains("gRPC-Web"));
}
