//! `POST /webhooks/payments/{provider}`: the one page that others write to.
//!
//! It knows no secret and believes nobody: the body goes to payments byte for byte, with the
//! signature header, and the answer comes back as an HTTP status. Everything but "taken" and "this
//! is wrong" asks the provider to send it again.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, post};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use outcry_contracts::payments::v1::ReceiveWebhookRequest;
use outcry_contracts::payments::v1::payment_service_client::PaymentServiceClient;
use outcry_events::Cause;
use outcry_mesh::trace::{CORRELATION, Described, KeyValue, Span, SpanKind};
use outcry_mesh::{CORRELATION_ID, Directory, correlate};
use outcry_service::Clock;
use serde_json::json;
use tonic::{Code, Status};
use tracing::Instrument;
use uuid::Uuid;

use super::admission::{Admission, Kind};
use super::caller::{Caller, Proxies};
use super::lane::Lane;
use super::outcome::told;
use crate::SERVICE;

/// Where webhooks come in.
pub(super) const PATH: &str = "/webhooks/payments/{provider}";

/// What the paths begin with.
const PREFIX: &str = "/webhooks/payments/";

/// Header with the signature.
const SIGNATURE: &str = "outcry-signature";

/// Who answers.
const PAYMENTS: &str = "payments";

/// Bytes of a body at most: several times what providers send.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Bytes of a provider's name at most, as the contract has it.
const PROVIDER_BYTES_MAX: usize = 64;

/// When a provider may come again, in seconds: longer than a store takes to come back.
const AGAIN_AFTER_S: u16 = 5;

/// What the page needs.
#[derive(Clone)]
pub(super) struct Door {
    pub(super) directory: Directory,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) admission: Admission,
    pub(super) proxies: Proxies,
    /// The longest a webhook may take, its body included.
    pub(super) deadline: Duration,
}

/// Whether a path is one of a provider's. What only begins like one is not: it must not be answered
/// in a way that a provider takes for a yes.
pub(super) fn is_page(path: &str) -> bool {
    path.strip_prefix(PREFIX)
        .is_some_and(|provider| !provider.is_empty() && !provider.contains('/'))
}

/// The page; other methods than POST are refused.
pub(super) fn page<S: Clone + Send + Sync + 'static>(door: Door) -> MethodRouter<S> {
    post(receive).with_state(door)
}

async fn receive(
    State(door): State<Door>,
    Path(provider): Path<String>,
    request: Request,
) -> Response {
    let correlation_id = door.clock.new_id();
    let span = tracing::error_span!("webhook", provider, %correlation_id);
    let traced = Span::begin(SERVICE, SpanKind::Server, None, || Described {
        name: "webhook".into(),
        attributes: vec![KeyValue::new(CORRELATION, correlation_id.to_string())],
    });
    let taking = tokio::time::timeout(
        door.deadline,
        traced
            .within(door.take(provider, request, correlation_id))
            .instrument(span),
    );
    let mut response = match taking.await {
        Ok(Ok(duplicate)) => Json(json!({ "duplicate": duplicate })).into_response(),
        Ok(Err(refused)) => refused.answer(correlation_id),
        Err(_elapsed) => {
            Refused::Again("the webhook took too long".to_owned()).answer(correlation_id)
        }
    };
    if let Ok(id) = HeaderValue::from_str(&correlation_id.to_string()) {
        response.headers_mut().insert(CORRELATION_ID, id);
    }
    response
}

/// Why a webhook was not taken.
enum Refused {
    /// The body is too large.
    TooLarge,
    /// The body did not come to its end.
    BrokenOff,
    /// It is to be sent again.
    Again(String),
    /// Payments says no.
    Status(Status),
}

// === impl Door ===

impl Door {
    /// Hands a webhook to payments; whether it had been taken before.
    async fn take(
        &self,
        provider: String,
        request: Request,
        correlation_id: Uuid,
    ) -> Result<bool, Refused> {
        let from = Caller::at(self.proxies.client_of(&request));
        let _ticket = self
            .admission
            .admit(Kind::Call(Lane::Orders), from)
            .map_err(Refused::Status)?;
        if provider.len() > PROVIDER_BYTES_MAX {
            let nobody = Status::not_found("there is no payment provider of this name");
            return Err(Refused::Status(nobody));
        }
        let signature = signature(request.headers());
        let body = whole(request.into_body()).await?;
        let mut webhook = tonic::Request::new(ReceiveWebhookRequest {
            provider,
            body: body.to_vec(),
            signature,
        });
        correlate(
            &mut webhook,
            &Cause::root(correlation_id, "service:gateway"),
        );
        let channel = self.directory.channel(SERVICE, PAYMENTS);
        let answer = PaymentServiceClient::new(channel)
            .receive_webhook(webhook)
            .await
            .map_err(Refused::Status)?;
        Ok(answer.into_inner().duplicate)
    }
}

/// The signature header; empty, and so refused, when there is none or more than one.
fn signature(headers: &HeaderMap) -> String {
    let mut all = headers.get_all(SIGNATURE).iter();
    match (all.next().map(HeaderValue::to_str), all.next()) {
        (Some(Ok(one)), None) => one.to_owned(),
        _ => String::new(),
    }
}

/// The body, byte for byte.
async fn whole(body: Body) -> Result<Bytes, Refused> {
    match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Refused::TooLarge),
        Err(_) => Err(Refused::BrokenOff),
    }
}

// === impl Refused ===

impl Refused {
    fn answer(self, correlation_id: Uuid) -> Response {
        let (code, message) = match self {
            Self::TooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("a webhook has at most {BODY_BYTES_MAX} bytes"),
            ),
            Self::BrokenOff => (
                StatusCode::BAD_REQUEST,
                "the body did not come to its end".to_owned(),
            ),
            Self::Again(message) => (StatusCode::SERVICE_UNAVAILABLE, message),
            Self::Status(status) => (
                code_of(status.code()),
                told(status, correlation_id).message().to_owned(),
            ),
        };
        tracing::debug!(%correlation_id, code = code.as_u16(), "webhook refused");
        let mut response = (code, Json(json!({ "error": message }))).into_response();
        if code == StatusCode::SERVICE_UNAVAILABLE {
            let wait = HeaderValue::from(AGAIN_AFTER_S);
            response.headers_mut().insert(RETRY_AFTER, wait);
        }
        response
    }
}

/// The HTTP status of a refusal: what would be refused again is the sender's fault, all else is to
/// be sent again.
fn code_of(code: Code) -> StatusCode {
    match code {
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::InvalidArgument => StatusCode::BAD_REQUEST,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_signature_header_counts_and_none_or_two_do_not() {
        let mut headers = HeaderMap::new();
        assert_eq!(signature(&headers), "");
        headers.append(SIGNATURE, HeaderValue::from_static("t=1,v1=00"));
        assert_eq!(signature(&headers), "t=1,v1=00");
        headers.append(SIGNATURE, HeaderValue::from_static("t=1,v1=00"));
        assert_eq!(signature(&headers), "");
        let unprintable = HeaderValue::from_bytes(b"\xff").unwrap();
        headers.insert(SIGNATURE, unprintable);
        assert_eq!(signature(&headers), "");
    }

    #[test]
    fn a_provider_is_one_segment_of_the_path() {
        assert!(is_page("/webhooks/payments/sandbox"));
        for other in [
            "/webhooks/payments",
            "/webhooks/payments/",
            "/webhooks/payments/sandbox/",
            "/webhooks/payments/a/b",
            "/webhooks/sandbox",
        ] {
            assert!(!is_page(other), "{other}");
        }
    }

    #[test]
    fn only_what_would_be_refused_again_is_the_senders_fault() {
        for (code, status) in [
            (Code::Unauthenticated, 401),
            (Code::NotFound, 404),
            (Code::InvalidArgument, 400),
            (Code::Unavailable, 503),
            (Code::ResourceExhausted, 503),
            (Code::DeadlineExceeded, 503),
            (Code::Internal, 503),
            (Code::Unimplemented, 503),
            (Code::PermissionDenied, 503),
        ] {
            assert_eq!(code_of(code).as_u16(), status, "{code:?}");
        }
    }
}
