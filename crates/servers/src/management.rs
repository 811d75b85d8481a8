//! RabbitMQ's HTTP interface.

use std::net::Ipv4Addr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::ServerError;

/// How long an answer may take: a paused server must not hold up a test for ever.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// One request on a connection of its own, so that no state outlives a kill of the server.
pub(crate) async fn call(
    port: u16,
    user: &str,
    password: &str,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<(StatusCode, Value), ServerError> {
    let line = format!("{method} {path}");
    let failed = |reason: String| ServerError::RabbitMq {
        request: line.clone(),
        reason,
    };
    let bytes = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
    let secret = STANDARD.encode(format!("{user}:{password}"));
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, format!("127.0.0.1:{port}"))
        .header(AUTHORIZATION, format!("Basic {secret}"))
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(bytes))
        .map_err(|error| failed(error.to_string()))?;
    let answer = tokio::time::timeout(ANSWER_WITHIN, exchange(port, request));
    let (status, body) = answer
        .await
        .map_err(|_| failed(format!("no answer within {ANSWER_WITHIN:?}")))?
        .map_err(|error| failed(error.to_string()))?;
    if !status.is_success() {
        let said = String::from_utf8_lossy(&body);
        return Err(failed(format!("{status} {said}")));
    }
    if body.is_empty() {
        return Ok((status, Value::Null));
    }
    let value = serde_json::from_slice(&body).map_err(|error| failed(error.to_string()))?;
    Ok((status, value))
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn exchange(
    port: u16,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, Bytes), Failure> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let answer = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        Ok((status, body))
    }
    .await;
    connection.abort();
    answer
}
