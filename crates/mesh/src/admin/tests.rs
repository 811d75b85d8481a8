use std::net::SocketAddr;

use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tonic::transport::Channel as Transported;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::*;
use crate::address::Endpoints;

/// The port for operators of a process that calls one service nobody runs.
struct Office {
    directory: Directory,
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Office {
    async fn open() -> Office {
        let directory = Directory::new();
        let nowhere = Endpoints::at(["http://127.0.0.1:9"]).unwrap();
        directory.remote("funds", nowhere);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let serving = administer(
            directory.clone(),
            Registry::default(),
            listener,
            stop.clone(),
        );
        Office {
            directory,
            address,
            stop,
            task: tokio::spawn(serving),
        }
    }

    /// Status and text of a page, asked as probes and scrapers ask.
    async fn page(&self, path: &str) -> (u16, String) {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        let request = http::Request::get(path)
            .header("host", "admin")
            .body(Body::empty())
            .unwrap();
        let response = sender.send_request(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn channel(&self) -> Transported {
        let endpoint = Transported::from_shared(format!("http://{}", self.address));
        endpoint.unwrap().connect().await.unwrap()
    }

    async fn close(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

#[tokio::test]
async fn a_process_is_alive_before_it_is_ready() {
    let office = Office::open().await;
    assert_eq!(office.page("/livez").await.0, 200);
    assert_eq!(office.page("/readyz").await.0, 503);
    let mut health = HealthClient::new(office.channel().await);
    let request = HealthCheckRequest::default();
    let mut news = health.watch(request).await.unwrap().into_inner();
    // 2 is NOT_SERVING, 1 is SERVING.
    assert_eq!(news.message().await.unwrap().unwrap().status, 2);
    office.directory.set_ready(true);
    assert_eq!(news.message().await.unwrap().unwrap().status, 1);
    assert_eq!(office.page("/readyz").await.0, 200);
    drop((news, health));
    office.close().await;
}

#[tokio::test]
async fn counters_doors_and_targets_are_shown() {
    let office = Office::open().await;
    let (status, text) = office.page("/metrics").await;
    assert_eq!(status, 200);
    let counted = "outcry_door_connections_accepted_total{door=\"admin\"} 1";
    assert!(text.contains(counted), "{text}");
    // What one second brings is there from the beginning; it may have become more since.
    let budget = "outcry_retry_budget_left{grpc_target=\"funds\"} ";
    let left = text.lines().find_map(|line| line.strip_prefix(budget));
    let left: f64 = left.unwrap().parse().unwrap();
    assert!((10.0..=100.0).contains(&left), "{left}");
    assert!(text.ends_with("# EOF\n"), "{text}");
    let (status, text) = office.page("/mesh").await;
    assert_eq!(status, 200);
    let shown: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(shown["targets"][0]["name"], "funds");
    assert_eq!(shown["targets"][0]["endpoints"][0]["state"], "idle");
    assert_eq!(shown["doors"][0]["name"], "admin");
    office.close().await;
}

#[tokio::test]
async fn slow_calls_are_shown_with_the_flow_they_belong_to() {
    let office = Office::open().await;
    let (status, text) = office.page("/slowest").await;
    assert_eq!((status, text.as_str()), (200, r#"{"calls":[]}"#));
    let path = "/outcry.orders.v1.OrderService/PlaceOrder";
    let flow = uuid::Uuid::from_u128(7);
    let server = office.directory.metrics().server(path);
    server.call(Some(flow)).end(tonic::Code::Aborted, 0, 0);
    server.call(None).end(tonic::Code::Ok, 0, 0);
    let (_, text) = office.page("/slowest").await;
    let shown: serde_json::Value = serde_json::from_str(&text).unwrap();
    let calls = shown["calls"].as_array().unwrap();
    assert_eq!(calls.len(), 1, "{text}");
    assert_eq!(calls[0]["method"], path[1..]);
    assert_eq!(calls[0]["correlationId"], flow.to_string());
    assert_eq!(calls[0]["status"], "ABORTED");
    assert!(calls[0]["milliseconds"].as_f64().unwrap() > 0.0, "{text}");
    office.close().await;
}

#[tokio::test]
async fn debugging_tools_find_their_way_from_channels_and_servers_to_sockets() {
    let office = Office::open().await;
    let mut tool = channelz::ChannelzClient::new(office.channel().await);
    let found = channelz::walk(&mut tool).await;
    assert_eq!(found.channels, ["funds"]);
    assert_eq!(found.subchannels, ["http://127.0.0.1:9"]);
    assert_eq!(found.servers, ["admin"]);
    // The port itself, and the tool's own connection.
    assert_eq!(found.sockets.len(), 2);
    assert_eq!(found.sockets[0], office.address.to_string());
    let nobody = tool.get_socket(channelz::socket_numbered(12_345)).await;
    assert_eq!(nobody.unwrap_err().code(), tonic::Code::NotFound);
    drop(tool);
    office.close().await;
}
