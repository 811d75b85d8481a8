//! Strangers who try to take the public port for themselves.

use std::time::Duration;

use outcry_contracts::users::v1::GetMeRequest;
use outcry_gateway::Config;
use outcry_mesh::Role;
use outcry_service::testing::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::rig::{Rig, unhurried, user};
use crate::stranger::{
    ENHANCE_YOUR_CALM, PREFACE, Stranger, call, endless_headers, more_headers, reset,
};

const GET_ME: &str = "/outcry.users.v1.UserService/GetMe";
const SUBSCRIBE: &str = "/outcry.eventlog.v1.EventLogService/Subscribe";

/// Longest wait for something that must happen.
const PATIENCE: Duration = Duration::from_secs(60);

async fn in_time<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.unwrap()
}

/// What the other side says until it closes.
async fn until_closed(stream: &mut TcpStream) -> String {
    let mut said = Vec::new();
    // A reset is an end, too.
    let _ = in_time(stream.read_to_end(&mut said)).await;
    String::from_utf8_lossy(&said).into_owned()
}

/// A signed-in user who calls on and on until `attack` is over; no call fails.
async fn while_somebody_works<T>(rig: &Rig, attack: JoinHandle<T>) -> T {
    let mut users = rig.users().await;
    let mut calls = 0;
    while !attack.is_finished() || calls == 0 {
        let request = rig.by(&user(7), Role::User, GetMeRequest {});
        in_time(users.get_me(request)).await.unwrap();
        calls += 1;
    }
    attack.await.unwrap()
}

async fn until_ended(rig: &Rig, reason: &str, count: u64) {
    eventually(reason, async || rig.ended(reason) == count).await;
}

#[tokio::test]
async fn streams_begun_and_reset_without_end_close_their_connection_and_nobody_elses() {
    let rig = Rig::with(unhurried()).await;
    let address = rig.address;
    let attack = tokio::spawn(async move {
        let (mut writer, goodbye) = Stranger::connect(address).await.listening();
        for number in 0..20_000 {
            let stream = 2 * number + 1;
            let both = [call(stream, GET_ME), reset(stream)].concat();
            if writer.write_all(&both).await.is_err() {
                break;
            }
        }
        in_time(goodbye).await.unwrap()
    });
    let code = while_somebody_works(&rig, attack).await;
    assert_eq!(code, Some(ENHANCE_YOUR_CALM));
    until_ended(&rig, "flood", 1).await;
}

#[tokio::test]
async fn streams_reset_after_they_were_taken_count_as_well() {
    const AT_ONCE: u32 = 100;
    let rig = Rig::within(Config::default(), |bounds| outcry_mesh::Bounds {
        resets_at_once_max: AT_ONCE,
        resets_per_second_max: 0,
        ..bounds
    })
    .await;
    let mut stranger = Stranger::connect(rig.address).await;
    for number in 0..=AT_ONCE {
        let stream = 2 * number + 1;
        stranger.send(&call(stream, SUBSCRIBE)).await.unwrap();
        assert!(in_time(stranger.is_heard()).await, "after {number} resets");
        stranger.send(&reset(stream)).await.unwrap();
    }
    let (_writer, goodbye) = stranger.listening();
    assert_eq!(in_time(goodbye).await.unwrap(), Some(ENHANCE_YOUR_CALM));
    until_ended(&rig, "flood", 1).await;
}

#[tokio::test]
async fn headers_that_never_end_close_their_connection() {
    let rig = Rig::with(unhurried()).await;
    let address = rig.address;
    let attack = tokio::spawn(async move {
        let (mut writer, goodbye) = Stranger::connect(address).await.listening();
        writer.write_all(&endless_headers(1)).await.unwrap();
        let more = more_headers(1);
        while writer.write_all(&more).await.is_ok() {}
        in_time(goodbye).await.unwrap()
    });
    let code = while_somebody_works(&rig, attack).await;
    assert_eq!(code, Some(ENHANCE_YOUR_CALM));
    until_ended(&rig, "flood", 1).await;
}

#[tokio::test]
async fn connections_that_ask_for_nothing_are_closed() {
    const SOCKETS: u64 = 200;
    let rig = Rig::within(Config::default(), |bounds| outcry_mesh::Bounds {
        first_request_within: Duration::from_millis(300),
        close_within: Duration::from_millis(100),
        ..bounds
    })
    .await;
    let mut sockets = Vec::new();
    for number in 0..SOCKETS {
        let mut socket = TcpStream::connect(rig.address).await.unwrap();
        // Nothing, half a greeting, or all of it.
        let said = [&b""[..], &PREFACE[..9], PREFACE][usize::try_from(number % 3).unwrap()];
        socket.write_all(said).await.unwrap();
        sockets.push(socket);
    }
    for mut socket in sockets {
        until_closed(&mut socket).await;
    }
    until_ended(&rig, "first_request_late", SOCKETS).await;
}

#[tokio::test]
async fn headers_of_http_1_that_come_one_by_one_are_not_waited_for() {
    let rig = Rig::within(Config::default(), |bounds| outcry_mesh::Bounds {
        headers_within: Duration::from_millis(300),
        ..bounds
    })
    .await;
    let mut socket = TcpStream::connect(rig.address).await.unwrap();
    socket
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n")
        .await
        .unwrap();
    let (mut reader, mut writer) = socket.split();
    let mut said = Vec::new();
    let dripping = async {
        while writer.write_all(b"x-more: 1\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        std::future::pending::<()>().await
    };
    in_time(async {
        tokio::select! {
            _closed = reader.read_to_end(&mut said) => {}
            () = dripping => {}
        }
    })
    .await;
    let said = String::from_utf8_lossy(&said);
    assert!(!said.contains("200 OK"), "{said}");
}

#[tokio::test]
async fn an_address_gets_so_many_connections_and_no_more() {
    let rig = Rig::with(Config {
        connections_per_address_max: 2,
        ..Config::default()
    })
    .await;
    let mut users = rig.users().await;
    let ask = || rig.by(&user(7), Role::User, GetMeRequest {});
    users.get_me(ask()).await.unwrap();
    let mut second = Stranger::connect(rig.address).await;
    assert!(in_time(second.is_heard()).await);
    let mut third = TcpStream::connect(rig.address).await.unwrap();
    assert_eq!(until_closed(&mut third).await, "");
    assert_eq!(rig.ended("too_many_of_address"), 1);
    users.get_me(ask()).await.unwrap();
}

#[tokio::test]
async fn noise_is_answered_with_an_end() {
    let rig = Rig::with(unhurried()).await;
    for said in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 no TLS here\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        &[0xff; 300],
        b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
    ] {
        let mut socket = TcpStream::connect(rig.address).await.unwrap();
        socket.write_all(said).await.unwrap();
        let answer = until_closed(&mut socket).await;
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 400"),
            "{answer}"
        );
    }
    let long = format!(
        "GET / HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n",
        "y".repeat(64 * 1024)
    );
    let mut socket = TcpStream::connect(rig.address).await.unwrap();
    let _ = socket.write_all(long.as_bytes()).await;
    let answer = until_closed(&mut socket).await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431"),
        "{answer}"
    );
    let request = rig.by(&user(7), Role::User, GetMeRequest {});
    rig.users().await.get_me(request).await.unwrap();
}
