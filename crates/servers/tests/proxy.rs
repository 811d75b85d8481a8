//! A proxy passes on, resets and refuses.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::io::ErrorKind;
use std::net::Ipv4Addr;

use outcry_servers::Proxy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A server that gives back what it gets, and its port.
async fn echo() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut input, mut output) = stream.split();
                tokio::io::copy(&mut input, &mut output).await
            });
        }
    });
    port
}

async fn connect(proxy: &Proxy) -> std::io::Result<TcpStream> {
    TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).await
}

async fn repeats(stream: &mut TcpStream, byte: u8) -> bool {
    stream.write_u8(byte).await.unwrap();
    stream.read_u8().await.unwrap() == byte
}

#[tokio::test]
async fn a_cut_resets_what_is_open_and_lets_new_connections_through() {
    let proxy = Proxy::start(echo().await).await.unwrap();
    let mut stream = connect(&proxy).await.unwrap();
    assert!(repeats(&mut stream, 1).await);

    proxy.cut();
    let broken = stream.read_u8().await.unwrap_err();
    assert_eq!(broken.kind(), ErrorKind::ConnectionReset);
    let mut stream = connect(&proxy).await.unwrap();
    assert!(repeats(&mut stream, 2).await);
}

#[tokio::test]
async fn refusing_keeps_what_is_open_and_accepting_takes_new_ones_again() {
    let proxy = Proxy::start(echo().await).await.unwrap();
    let mut stream = connect(&proxy).await.unwrap();
    assert!(repeats(&mut stream, 1).await);

    proxy.refuse().await;
    proxy.refuse().await;
    let refused = connect(&proxy).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    assert!(repeats(&mut stream, 2).await);

    proxy.accept().await.unwrap();
    proxy.accept().await.unwrap();
    let mut stream = connect(&proxy).await.unwrap();
    assert!(repeats(&mut stream, 3).await);
}

#[tokio::test]
async fn the_end_of_a_connection_is_passed_on_as_an_end() {
    let proxy = Proxy::start(echo().await).await.unwrap();
    let mut stream = connect(&proxy).await.unwrap();
    assert!(repeats(&mut stream, 1).await);
    stream.shutdown().await.unwrap();
    assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_url_goes_through_the_proxy() {
    let proxy = Proxy::start(5432).await.unwrap();
    assert_eq!(
        proxy.through("postgres://u:5432p@127.0.0.1:5432/d"),
        format!("postgres://u:5432p@127.0.0.1:{}/d", proxy.port())
    );
}
