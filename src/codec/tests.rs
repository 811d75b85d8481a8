//! Requests and responses through generated clients and servers, without a network in between.

use tokio_stream::StreamExt as _;
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_types::StatusExt as _;

use super::*;
use crate::sample::v1::greet_service_client::GreetServiceClient;
use crate::sample::v1::greet_service_server::{GreetService, GreetServiceServer};
use crate::sample::v1::*;

/// Answers whatever reaches it, so what it never sees was refused before.
struct Greeter;

#[tonic::async_trait]
impl GreetService for Greeter {
    async fn greet(
        &self,
        request: Request<GreetRequest>,
    ) -> Result<Response<GreetResponse>, Status> {
        let greeting = request.into_inner().name.repeat(5);
        Ok(Response::new(GreetResponse { greeting }))
    }

    type GreetOftenStream =
        tokio_stream::Iter<std::vec::IntoIter<Result<GreetOftenResponse, Status>>>;

    async fn greet_often(
        &self,
        request: Request<GreetOftenRequest>,
    ) -> Result<Response<Self::GreetOftenStream>, Status> {
        let answers: Vec<_> = (0..request.into_inner().times)
            .map(|_| Ok(GreetOftenResponse::default()))
            .collect();
        Ok(Response::new(tokio_stream::iter(answers)))
    }

    async fn greet_all(
        &self,
        request: Request<Streaming<GreetAllRequest>>,
    ) -> Result<Response<GreetAllResponse>, Status> {
        let mut names = request.into_inner();
        let mut greeted = 0;
        while names.message().await?.is_some() {
            greeted += 1;
        }
        Ok(Response::new(GreetAllResponse { greeted }))
    }
}

fn client() -> GreetServiceClient<GreetServiceServer<Greeter>> {
    GreetServiceClient::new(GreetServiceServer::new(Greeter))
}

fn named(name: String) -> GreetRequest {
    GreetRequest { name, times: 0 }
}

#[tokio::test]
async fn a_valid_request_reaches_its_handler() {
    let answer = client().greet(named("a".to_owned())).await.unwrap();

    assert_eq!(answer.into_inner().greeting, "aaaaa");
}

#[tokio::test]
async fn an_invalid_request_is_refused_with_every_field_that_is_wrong() {
    let refusal = client()
        .greet(GreetRequest {
            name: String::new(),
            times: 4,
        })
        .await
        .unwrap_err();

    assert_eq!(refusal.code(), Code::InvalidArgument);
    let details = refusal.get_error_details();
    let info = details.error_info().unwrap();
    assert_eq!(
        (info.reason.as_str(), info.domain.as_str()),
        ("INVALID_REQUEST", "outcry")
    );
    let fields: Vec<(&str, &str, &str)> = details
        .bad_request()
        .unwrap()
        .field_violations
        .iter()
        .map(|violation| {
            (
                violation.field.as_str(),
                violation.reason.as_str(),
                violation.description.as_str(),
            )
        })
        .collect();
    assert_eq!(
        fields,
        [
            ("name", "STRING_MIN_LEN", "must have at least 1 character"),
            ("times", "UINT32_LTE", "must be at most 3")
        ]
    );
}

#[tokio::test]
async fn the_request_of_a_stream_is_validated_too() {
    let refusal = client()
        .greet_often(GreetOftenRequest { times: 4 })
        .await
        .unwrap_err();
    assert_eq!(refusal.code(), Code::InvalidArgument);

    let answers = client()
        .greet_often(GreetOftenRequest { times: 3 })
        .await
        .unwrap();
    assert_eq!(answers.into_inner().collect::<Vec<_>>().await.len(), 3);
}

#[tokio::test]
async fn every_item_of_a_streamed_request_is_validated() {
    let good = GreetAllRequest {
        name: "a".to_owned(),
    };
    let answer = client()
        .greet_all(tokio_stream::iter([good.clone(), good.clone()]))
        .await
        .unwrap();
    assert_eq!(answer.into_inner().greeted, 2);

    let refusal = client()
        .greet_all(tokio_stream::iter([good, GreetAllRequest::default()]))
        .await
        .unwrap_err();
    assert_eq!(refusal.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_client_accepts_a_response_that_breaks_a_rule() {
    let answer = client().greet(named("long".to_owned())).await.unwrap();

    assert!(answer.into_inner().validate().is_err());
}

#[tokio::test]
async fn a_request_of_the_greatest_size_passes_and_one_byte_more_does_not() {
    // A field of this length takes four bytes of tag and length.
    let fitting = named("a".repeat(MAX_REQUEST_BYTES - 4));
    assert_eq!(fitting.encoded_len(), MAX_REQUEST_BYTES);
    // Five times the name is more than a response may have.
    let refusal = client().greet(fitting.clone()).await.unwrap_err();
    assert!(
        refusal.message().contains(&MAX_RESPONSE_BYTES.to_string()),
        "{refusal}"
    );

    let refusal = client().greet(named(fitting.name + "a")).await.unwrap_err();
    assert!(
        refusal.message().contains(&MAX_REQUEST_BYTES.to_string()),
        "{refusal}"
    );
}

#[tokio::test]
async fn a_server_bounds_and_reads_what_any_client_sends() {
    let send = async |body: Vec<u8>| {
        let mut client = tonic::client::Grpc::new(GreetServiceServer::new(Greeter));
        let path = "/outcry.sample.v1.GreetService/Greet".parse().unwrap();
        let codec = RawCodec;
        client
            .unary::<Vec<u8>, GreetResponse, _>(Request::new(body), path, codec)
            .await
            .unwrap_err()
    };

    let oversized = send(named("a".repeat(MAX_REQUEST_BYTES)).encode_to_vec()).await;
    assert_eq!(oversized.code(), Code::ResourceExhausted);

    let malformed = send(vec![0x0a, 0x05, 0x61]).await;
    assert_eq!(malformed.code(), Code::InvalidArgument);
    let details = malformed.get_error_details();
    assert_eq!(details.error_info().unwrap().reason, MALFORMED_REQUEST);
}

/// A client that sends any bytes.
struct RawCodec;

/// Writes bytes as they are.
struct RawEncoder;

impl Codec for RawCodec {
    type Encode = Vec<u8>;
    type Decode = GreetResponse;
    type Encoder = RawEncoder;
    type Decoder = ResponseDecoder<GreetResponse>;

    fn encoder(&mut self) -> RawEncoder {
        RawEncoder
    }

    fn decoder(&mut self) -> Self::Decoder {
        ResponseDecoder(PhantomData)
    }
}

impl Encoder for RawEncoder {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        prost::bytes::BufMut::put_slice(buffer, &item);
        Ok(())
    }
}
