//! A private RabbitMQ keeps what it confirmed, whatever happens to it.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::net::Ipv4Addr;
use std::time::Duration;

use outcry_servers::{RabbitMq, ServerError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// More than anything here needs.
const LONG: Duration = Duration::from_secs(60);

async fn vhosts(server: &RabbitMq) -> Vec<String> {
    let found = server.get("/api/vhosts").await.unwrap();
    let names = found.as_array().unwrap().iter();
    names
        .map(|vhost| vhost["name"].as_str().unwrap().to_owned())
        .collect()
}

/// A connection on which the server answers at once.
async fn greeted(port: u16) -> TcpStream {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        .await
        .unwrap();
    stream.write_all(b"AMQP\x00\x00\x09\x01").await.unwrap();
    stream
}

#[tokio::test]
async fn what_was_declared_survives_kill_stop_and_restart() {
    if !outcry_servers::present() {
        return;
    }
    let server = RabbitMq::start().await.unwrap();
    let url = server.create_vhost("kept").await.unwrap();
    assert!(url.ends_with(&format!("@127.0.0.1:{}/kept", server.port())));

    server.kill().await.unwrap();
    assert!(server.get("/api/vhosts").await.is_err());
    assert!(matches!(server.kill().await, Err(ServerError::Down(_))));
    server.restart().await.unwrap();
    assert_eq!(vhosts(&server).await, ["/", "kept"]);

    server.stop().await.unwrap();
    server.restart().await.unwrap();
    assert_eq!(vhosts(&server).await, ["/", "kept"]);
}

#[tokio::test]
async fn a_paused_server_answers_when_it_goes_on() {
    if !outcry_servers::present() {
        return;
    }
    let server = RabbitMq::start().await.unwrap();
    server.pause().await.unwrap();
    let mut stream = greeted(server.port()).await;
    // It cannot answer: waiting shorter would prove nothing else.
    let waited = tokio::time::timeout(Duration::from_millis(200), stream.read_u8()).await;
    assert!(waited.is_err());
    server.resume().await.unwrap();
    let answer = tokio::time::timeout(LONG, stream.read_u8()).await.unwrap();
    assert_eq!(answer.unwrap(), 1);
}

#[tokio::test]
async fn several_servers_run_at_once_and_share_nothing() {
    if !outcry_servers::present() {
        return;
    }
    let (one, other) = tokio::join!(RabbitMq::start(), RabbitMq::start());
    let (one, other) = (one.unwrap(), other.unwrap());
    one.create_vhost("one").await.unwrap();
    other.create_vhost("other").await.unwrap();
    assert_eq!(vhosts(&one).await, ["/", "one"]);
    assert_eq!(vhosts(&other).await, ["/", "other"]);
}

#[tokio::test]
async fn it_has_the_plugins_and_features_of_the_platform_and_no_guest() {
    if !outcry_servers::present() {
        return;
    }
    let server = outcry_servers::shared_rabbitmq().await.unwrap();
    let overview = server.get("/api/overview").await.unwrap();
    let types = overview["exchange_types"].as_array().unwrap();
    assert!(types.iter().any(|kind| kind["name"] == "x-consistent-hash"));
    let users = server.get("/api/users").await.unwrap();
    assert_eq!(users.as_array().unwrap().len(), 1);
    let flags = server.get("/api/feature-flags").await.unwrap();
    let mut flags = flags.as_array().unwrap().iter();
    // Dead letters that are kept until they have arrived need it.
    let stream_queue = flags.find(|flag| flag["name"] == "stream_queue").unwrap();
    assert_eq!(stream_queue["state"], "enabled");

    server.create_vhost("taken").await.unwrap();
    let taken = server.create_vhost("taken").await;
    assert!(matches!(taken, Err(ServerError::RabbitMq { .. })));
    let odd = server.create_vhost("a/b").await;
    assert!(matches!(odd, Err(ServerError::Name(_))));
}
