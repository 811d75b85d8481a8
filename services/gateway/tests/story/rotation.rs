//! Connections of clients grow old: nobody loses a call, and streams go on where they were.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use outcry_contracts::eventlog::v1::SubscribeRequest;
use outcry_contracts::eventlog::v1::event_log_service_client::EventLogServiceClient;
use outcry_contracts::users::v1::GetMeRequest;
use outcry_mesh::{Bounds, Role};
use outcry_service::testing::eventually;
use prost::Message;
use tokio::net::TcpStream;
use tonic::Code;
use tonic_types::StatusExt;

use crate::rig::{Rig, bearing, unhurried, user};

const ROTATIONS: u64 = 20;

/// Longest wait for something that must happen.
const PATIENCE: Duration = Duration::from_secs(60);

async fn rig() -> Rig {
    Rig::within(unhurried(), |bounds| Bounds {
        age_max: Duration::from_millis(100),
        age_grace: Duration::from_millis(30),
        ..bounds
    })
    .await
}

/// A client as gRPC libraries are: a request that was not taken goes out on a new connection, and
/// nothing else is ever sent twice.
struct Client {
    address: std::net::SocketAddr,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Client {
    async fn sender(&mut self) -> &mut SendRequest<Full<Bytes>> {
        let closed = self.sender.as_ref().is_none_or(SendRequest::is_closed);
        if closed {
            let stream = TcpStream::connect(self.address).await.unwrap();
            let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .unwrap();
            tokio::spawn(connection);
            self.sender = Some(sender);
        }
        self.sender.as_mut().unwrap()
    }

    /// Calls `GetMe`, and answers the status in the trailers.
    async fn get_me(&mut self, token: &str) -> String {
        let mut message = BytesMut::from(&[0][..]);
        message.put_u32(0);
        GetMeRequest {}.encode(&mut message).unwrap();
        let uri = format!("http://{}/outcry.users.v1.UserService/GetMe", self.address);
        let mut request = Request::post(uri)
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("authorization", format!("Bearer {token}"))
            .body(Full::new(message.freeze()))
            .unwrap();
        loop {
            let sending = self.sender().await.try_send_request(request.clone());
            match sending.await {
                Ok(response) => {
                    assert_eq!(response.status(), StatusCode::OK);
                    let whole = response.into_body().collect().await.unwrap();
                    let status = &whole.trailers().unwrap()["grpc-status"];
                    return status.to_str().unwrap().to_owned();
                }
                Err(mut error) => {
                    self.sender = None;
                    request = match error.take_message() {
                        Some(unsent) => unsent,
                        None => {
                            assert!(not_begun(error.error()), "{}", error.error());
                            request
                        }
                    };
                }
            }
        }
    }
}

/// Whether the gateway said that it never took the request.
fn not_begun(error: &hyper::Error) -> bool {
    let source = std::error::Error::source(error);
    source
        .and_then(|source| source.downcast_ref::<h2::Error>())
        .is_some_and(|error| error.is_remote() && error.is_go_away())
}

#[tokio::test]
async fn calls_go_on_over_twenty_rotations() {
    let rig = rig().await;
    let stop = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let (stop, token) = (Arc::clone(&stop), rig.token(&user(7), Role::User));
            let mut client = Client {
                address: rig.address,
                sender: None,
            };
            tokio::spawn(async move {
                let mut calls = 0_u64;
                while !stop.load(Ordering::Relaxed) {
                    assert_eq!(client.get_me(&token).await, "0");
                    calls += 1;
                }
                calls
            })
        })
        .collect();
    eventually("connections have been changed", async || {
        rig.ended("aged") >= 4 * ROTATIONS
    })
    .await;
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        let calls = tokio::time::timeout(PATIENCE, caller).await.unwrap();
        assert!(calls.unwrap() > ROTATIONS);
    }
    assert_eq!((rig.ended("cut_off"), rig.ended("broken")), (0, 0));
}

#[tokio::test]
async fn a_subscription_resumed_by_its_position_has_no_gap_and_no_duplicate() {
    const EVENTS: usize = 200;
    let rig = rig().await;
    let token = rig.token(&user(7), Role::User);
    let channel = rig.connect().await;
    let reader = tokio::spawn(async move {
        let mut log = EventLogServiceClient::new(channel);
        let (mut read, mut after_position, mut resumed) = (Vec::new(), 0, 0);
        while read.len() < EVENTS || resumed < ROTATIONS {
            let request = SubscribeRequest {
                after_position,
                ..SubscribeRequest::default()
            };
            let mut events = match log.subscribe(bearing(&token, request)).await {
                Ok(events) => events.into_inner(),
                // The connection had been told to close, and nothing was begun.
                Err(_) => continue,
            };
            loop {
                match events.message().await {
                    Ok(event) => {
                        let logged = event.unwrap().logged.unwrap();
                        after_position = logged.position;
                        read.push(logged.event.unwrap().event_id);
                    }
                    Err(ended) => {
                        let reason = ended.get_details_error_info().unwrap().reason;
                        assert_eq!(
                            (ended.code(), reason.as_str()),
                            (Code::Unavailable, "RECONNECT")
                        );
                        resumed += 1;
                        break;
                    }
                }
            }
        }
        read
    });
    let mut happened = Vec::new();
    for number in 0..EVENTS {
        let event = rig.happened_to(&user(7), number as u128).await;
        happened.push(event.id().to_string());
    }
    let read = tokio::time::timeout(PATIENCE, reader).await.unwrap();
    assert_eq!(read.unwrap(), happened);
}
