//! A private PostgreSQL keeps what it answered, whatever happens to it.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::time::Duration;

use outcry_servers::{Postgres, ServerError};
use tokio_postgres::{Client, NoTls};

/// More than anything here needs.
const LONG: Duration = Duration::from_secs(60);

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn numbers(url: &str) -> Vec<i32> {
    let client = connect(url).await;
    let rows = client.query("SELECT n FROM numbers ORDER BY n", &[]);
    rows.await.unwrap().iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn what_was_committed_survives_kill_stop_and_restart() {
    if !outcry_servers::present() {
        return;
    }
    let server = Postgres::start().await.unwrap();
    let url = server.create_database("kept").await.unwrap();
    let client = connect(&url).await;
    let setup = "CREATE TABLE numbers (n INT); INSERT INTO numbers VALUES (1)";
    client.batch_execute(setup).await.unwrap();

    server.kill().await.unwrap();
    assert!(client.execute("SELECT 1", &[]).await.is_err());
    assert!(matches!(server.kill().await, Err(ServerError::Down(_))));
    server.restart().await.unwrap();
    let client = connect(&url).await;
    let insert = "INSERT INTO numbers VALUES (2)";
    client.batch_execute(insert).await.unwrap();
    assert_eq!(numbers(&url).await, [1, 2]);

    server.stop().await.unwrap();
    server.restart().await.unwrap();
    assert_eq!(numbers(&url).await, [1, 2]);

    server.restart().await.unwrap();
    assert_eq!(numbers(&url).await, [1, 2]);
}

#[tokio::test]
async fn a_paused_server_answers_when_it_goes_on() {
    if !outcry_servers::present() {
        return;
    }
    let server = Postgres::start().await.unwrap();
    let client = connect(&server.url()).await;
    client.execute("SELECT 1", &[]).await.unwrap();

    server.pause().await.unwrap();
    let mut asked = tokio::spawn(async move { client.execute("SELECT 1", &[]).await });
    // It cannot answer: waiting shorter would prove nothing else.
    let waited = tokio::time::timeout(Duration::from_millis(200), &mut asked).await;
    assert!(waited.is_err());
    server.resume().await.unwrap();
    let answer = tokio::time::timeout(LONG, asked).await.unwrap();
    assert_eq!(answer.unwrap().unwrap(), 1);
}

#[tokio::test]
async fn a_paused_server_can_be_killed_and_dropped() {
    if !outcry_servers::present() {
        return;
    }
    let server = Postgres::start().await.unwrap();
    server.pause().await.unwrap();
    server.restart().await.unwrap();
    connect(&server.url()).await;
    server.pause().await.unwrap();
}

#[tokio::test]
async fn databases_are_apart_and_names_are_taken_once() {
    if !outcry_servers::present() {
        return;
    }
    let server = outcry_servers::shared_postgres().await.unwrap();
    let one = server.create_database("one").await.unwrap();
    let other = server.create_database("other-1").await.unwrap();
    let table = "CREATE TABLE numbers (n INT)";
    connect(&one).await.batch_execute(table).await.unwrap();
    connect(&other).await.batch_execute(table).await.unwrap();
    let taken = server.create_database("one").await;
    assert!(matches!(taken, Err(ServerError::Postgres(_))));
    let odd = server.create_database("one\"two").await;
    assert!(matches!(odd, Err(ServerError::Name(_))));
}

#[tokio::test]
async fn nobody_gets_in_without_the_password() {
    if !outcry_servers::present() {
        return;
    }
    let server = outcry_servers::shared_postgres().await.unwrap();
    for url in [
        format!("postgres://outcry@127.0.0.1:{}/postgres", server.port()),
        format!("postgres://outcry:no@127.0.0.1:{}/postgres", server.port()),
    ] {
        assert!(tokio_postgres::connect(&url, NoTls).await.is_err());
    }
}
