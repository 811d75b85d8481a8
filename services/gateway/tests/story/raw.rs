//! Calls as bytes: what no well-behaved client sends, and a service that takes any call.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::routing::any;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use outcry_mesh::Directory;
use tonic::Status;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::transport::Channel;
use tower::{Service, ServiceExt};

pub const GET_ME: &str = "/outcry.users.v1.UserService/GetMe";

/// A message as it travels, with a first byte of one's choice.
pub fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap();
    [&[flag][..], &length.to_be_bytes(), message].concat()
}

/// How an answer ended, and all headers and trailers it came with.
pub struct Answer {
    pub status: Status,
    pub said: HeaderMap,
}

/// Sends a call over HTTP/2 as it is given; `content-type` may be among the headers.
pub async fn send(
    channel: &Channel,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Answer {
    let mut request = Request::post(path);
    if !headers.iter().any(|(name, _)| *name == "content-type") {
        request = request.header(CONTENT_TYPE, "application/grpc");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = Full::new(body.into()).map_err(|never| match never {});
    let request = request.body(Body::new(body)).unwrap();
    let mut channel = channel.clone();
    let response = channel.ready().await.unwrap().call(request).await.unwrap();
    let mut said = response.headers().clone();
    let collected = response.into_body().collect().await.unwrap();
    if let Some(trailers) = collected.trailers() {
        said.extend(trailers.clone());
    }
    let status = Status::from_header_map(&said).unwrap();
    Answer { status, said }
}

/// The headers of all calls a probe has answered.
pub type Arrived = Arc<Mutex<Vec<(String, HeaderMap)>>>;

/// Puts something in the place of a service that answers any method with an empty message.
pub fn probe(directory: &Directory, service: &str) -> Arrived {
    let arrived = Arrived::default();
    let seen = Arc::clone(&arrived);
    let answering = any(move |request: axum::extract::Request| {
        let call = (request.uri().path().to_owned(), request.headers().clone());
        seen.lock().unwrap().push(call);
        async {
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
            let frames = [
                Frame::data(Bytes::from(framed(0, &[]))),
                Frame::trailers(trailers),
            ];
            let body = StreamBody::new(futures::stream::iter(frames.map(Ok::<_, Status>)));
            let mut response = http::Response::new(axum::body::Body::new(body));
            let grpc = HeaderValue::from_static("application/grpc");
            response.headers_mut().insert(CONTENT_TYPE, grpc);
            response
        }
    });
    let routes = Router::new().route("/{service}/{method}", answering);
    directory.register(service, Routes::from(routes)).unwrap();
    arrived
}

/// Names of headers, sorted.
pub fn names(headers: &HeaderMap) -> Vec<&str> {
    let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    names
}
