//! Calls to services of other processes: which endpoint, with which proof, and what after a failure.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::{Code, Status};

use crate::address::{Address, Endpoints};
use crate::credentials::{Credentials, Membership};
use crate::deadline::{self, BoundedBody};
use crate::endpoint::{Failure, PASSED_OVER};
use crate::identity::Identity;
use crate::metrics::MeshMetrics;
use crate::pass::Passes;
use crate::passport::{self, Proof};
use crate::pool::Pool;
use crate::refusal;
use crate::wire::Replayable;

/// Endpoints one call is sent to, at most: enough to pass over a rolling restart. Those that cannot
/// be connected to do not count, since they are passed over by all calls at once.
const ATTEMPTS_MAX: usize = 4;

/// Largest request that is sent to another process: the largest message a service takes, and its frame.
const REQUEST_BYTES_MAX: usize = 4 * 1024 * 1024 + 5;

/// Replicas called by their address whose connections are kept.
const REPLICAS_MAX: usize = 64;

/// Header of an answer whose call was not begun, so that it may be made elsewhere, whatever it does.
/// Only a listener itself writes it.
pub(crate) const NOT_BEGUN: HeaderName = HeaderName::from_static("outcry-not-begun");

/// What a process knows of the others.
#[derive(Default)]
pub(crate) struct Network {
    metrics: MeshMetrics,
    membership: Membership,
    passes: Passes,
    pools: RwLock<HashMap<String, Arc<Pool>>>,
    replicas: Mutex<Vec<Replica>>,
}

/// One process that is called by its address, and what is called there.
struct Replica {
    target: String,
    address: Address,
    pool: Arc<Pool>,
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("services", &self.names())
            .finish_non_exhaustive()
    }
}

/// What matters of a call on its way.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) target: String,
    pub(crate) streaming: bool,
    pub(crate) idempotent: bool,
}

impl Network {
    pub(crate) fn new(metrics: MeshMetrics) -> Network {
        Network {
            metrics,
            ..Network::default()
        }
    }

    /// Proves itself with these credentials from now on.
    pub(crate) fn join(&self, credentials: Credentials) {
        self.membership.join(credentials);
        self.passes.forget();
    }

    pub(crate) fn credentials(&self) -> Option<Credentials> {
        self.membership.credentials()
    }

    pub(crate) fn add(&self, name: &str, endpoints: Endpoints) {
        let pool = Arc::new(Pool::new(name, self.membership.clone(), endpoints));
        self.pools
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.to_owned(), pool);
    }

    /// Names of the services that run elsewhere.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        let pools = self.pools.read().unwrap_or_else(PoisonError::into_inner);
        pools.keys().cloned().collect()
    }

    pub(crate) fn pool(&self, name: &str) -> Option<Arc<Pool>> {
        let pools = self.pools.read().unwrap_or_else(PoisonError::into_inner);
        pools.get(name).cloned()
    }

    /// The process at an address, with the connection it had when the target was last called there.
    pub(crate) fn replica(&self, target: &str, address: &str) -> Option<Arc<Pool>> {
        let address: Address = address.parse().ok()?;
        let mut replicas = self.replicas();
        let known = replicas
            .iter()
            .position(|one| one.address == address && one.target == target);
        let replica = match known {
            Some(index) => replicas.remove(index),
            None => {
                let membership = self.membership.clone();
                let pool = Pool::of_one(target, membership, address.clone());
                Replica {
                    target: target.to_owned(),
                    address,
                    pool: Arc::new(pool),
                }
            }
        };
        let pool = Arc::clone(&replica.pool);
        if replicas.len() >= REPLICAS_MAX {
            // The front is the one whose last call is the longest ago.
            replicas.remove(0);
        }
        replicas.push(replica);
        Some(pool)
    }

    /// Makes a call at one of the pool's endpoints. Every failure is a response.
    pub(crate) async fn call(
        &self,
        pool: Arc<Pool>,
        call: Call,
        request: Request<Body>,
    ) -> Response<Body> {
        let wish = deadline::parse_timeout(request.headers());
        let now = Instant::now();
        let deadline =
            deadline::incoming(wish, call.streaming).and_then(|wait| now.checked_add(wait));
        let attempts = self.attempts(pool, &call, request, deadline);
        let outcome = match deadline {
            Some(deadline) if deadline <= now => return deadline::exceeded().into_http(),
            Some(deadline) => tokio::time::timeout_at(deadline, attempts).await,
            None => Ok(attempts.await),
        };
        match outcome {
            Ok(Ok(response)) => {
                response.map(|body| Body::new(BoundedBody::new(body, deadline, None)))
            }
            Ok(Err(status)) => status.into_http(),
            Err(_elapsed) => deadline::exceeded().into_http(),
        }
    }

    async fn attempts(
        &self,
        pool: Arc<Pool>,
        call: &Call,
        request: Request<Body>,
        deadline: Option<Instant>,
    ) -> Result<Response<Body>, Status> {
        let mut request = self.replayable(call, request).await?;
        let mut tried = Vec::new();
        let mut spare = usize::from(call.idempotent);
        let mut last = None;
        let mut sent = 0;
        while sent < ATTEMPTS_MAX
            && let Some(endpoint) = pool.next(&tried).await
        {
            if let Some(deadline) = deadline {
                let left = deadline.saturating_duration_since(Instant::now());
                deadline::put_timeout(request.headers_mut(), left);
            }
            let answer = endpoint.send(&request).await.map(|(response, place)| {
                let not_begun = response.headers().contains_key(NOT_BEGUN);
                (received(response, place), not_begun)
            });
            tried.push(endpoint);
            sent += usize::from(!matches!(answer, Err(Failure::NoConnection)));
            let unavailable = |response: &Response<Body>| {
                response.headers().get(Status::GRPC_STATUS)
                    == Some(&HeaderValue::from(Code::Unavailable as i32))
            };
            match answer {
                Ok((response, true)) => last = Some(response),
                Ok((response, false)) if spare > 0 && unavailable(&response) => {
                    spare -= 1;
                    last = Some(response);
                }
                Ok((response, false)) => return Ok(response),
                Err(Failure::Lost) if spare > 0 => {
                    spare -= 1;
                    last = Some(lost(&call.target).into_http());
                }
                Err(Failure::Lost) => return Err(lost(&call.target)),
                Err(Failure::Full) => last = Some(full(&call.target).into_http()),
                Err(Failure::NoConnection | Failure::NotBegun) => {}
            }
        }
        last.ok_or_else(|| unreachable(&call.target))
    }

    /// The request with its proof, in a form that can be sent again.
    async fn replayable(&self, call: &Call, request: Request<Body>) -> Result<Replayable, Status> {
        let (mut head, body) = request.into_parts();
        // Extensions mean something within this process only.
        let extensions = std::mem::take(&mut head.extensions);
        let identity = extensions.get::<Identity>().cloned().unwrap_or_default();
        let caller = identity.caller.unwrap_or_default();
        let proof = match self.credentials().ok_or_else(no_credentials)? {
            Credentials::Key(key) => {
                let now = SystemTime::now();
                Proof::Token(self.passes.token(&key, &caller, &call.target, now)?)
            }
            Credentials::Certificates(_) => Proof::Name(caller),
        };
        passport::write(
            &mut head.headers,
            &proof,
            &call.target,
            identity.user.as_ref(),
        )?;
        clean(&mut head.headers);
        let body = whole(body).await?;
        Ok(Request::from_parts(head, Full::new(body)))
    }

    fn replicas(&self) -> MutexGuard<'_, Vec<Replica>> {
        self.replicas.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes away what belongs to the connection a request came on, and says what gRPC asks for.
fn clean(headers: &mut HeaderMap) {
    for name in [
        HOST,
        CONTENT_LENGTH,
        CONNECTION,
        TRANSFER_ENCODING,
        NOT_BEGUN,
    ] {
        headers.remove(name);
    }
    headers.insert(TE, HeaderValue::from_static("trailers"));
}

async fn whole(body: Body) -> Result<Bytes, Status> {
    match Limited::new(body, REQUEST_BYTES_MAX).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(error) => Err(Status::from_error(error)),
    }
}

/// A peer's response as the caller sees it.
fn received(response: Response<Incoming>, place: OwnedSemaphorePermit) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    head.headers.remove(NOT_BEGUN);
    if head.status != StatusCode::OK {
        return not_grpc(head.status).into_http();
    }
    let body = ReceivedBody {
        inner: body,
        ended: false,
        _place: place,
    };
    Response::from_parts(head, Body::new(body))
}

/// The body of a peer's response: a lost connection ends it with a status, like everything else.
struct ReceivedBody {
    inner: Incoming,
    ended: bool,
    _place: OwnedSemaphorePermit,
}

impl HttpBody for ReceivedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        if this.ended {
            return Poll::Ready(None);
        }
        match std::task::ready!(Pin::new(&mut this.inner).poll_frame(cx)) {
            Some(Err(error)) => {
                tracing::debug!(%error, "a response broke off");
                this.ended = true;
                let frame = deadline::closing_frame(&broken_off());
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Ok(frame)) => Poll::Ready(Some(Ok(frame))),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        // Unknown: a body that breaks off is shorter than it announced.
        SizeHint::default()
    }
}

pub(crate) fn unreachable(target: &str) -> Status {
    retry_soon(
        "SERVICE_UNREACHABLE",
        format!("no replica of service {target} can be reached"),
    )
}

fn full(target: &str) -> Status {
    refusal::retry_after(
        Code::ResourceExhausted,
        "TOO_BUSY",
        format!("too many calls to service {target} are in progress"),
        RETRY_AFTER,
    )
}

fn lost(target: &str) -> Status {
    retry_soon(
        "CONNECTION_LOST",
        format!(
            "the connection to service {target} was lost during the call, which may have taken \
             effect: repeat it with the same request id, or read the state"
        ),
    )
}

fn broken_off() -> Status {
    retry_soon(
        "CONNECTION_LOST",
        "the connection was lost before the whole answer had come".to_owned(),
    )
}

fn retry_soon(reason: &str, message: String) -> Status {
    refusal::retry_after(Code::Unavailable, reason, message, RETRY_AFTER)
}

/// When a failed call is worth repeating: unreachable endpoints are tried again by then.
const RETRY_AFTER: Duration = PASSED_OVER.saturating_mul(2);

fn too_large() -> Status {
    refusal::with_metadata(
        Code::ResourceExhausted,
        "MESSAGE_TOO_LARGE",
        format!("the request is too large; send at most {REQUEST_BYTES_MAX} bytes"),
        [("bytes_max".to_owned(), REQUEST_BYTES_MAX.to_string())],
    )
}

fn no_credentials() -> Status {
    refusal::with_reason(
        Code::FailedPrecondition,
        "NO_CREDENTIALS",
        "this process has neither a mesh key nor certificates, and calls no other process without",
    )
}

/// What an HTTP status means where gRPC was expected, as the gRPC specification has it.
fn not_grpc(status: StatusCode) -> Status {
    let code = match status.as_u16() {
        400 => Code::Internal,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::Unimplemented,
        429 | 502 | 503 | 504 => Code::Unavailable,
        _ => Code::Unknown,
    };
    refusal::with_reason(
        code,
        "NOT_A_PEER",
        format!("something between the services answered with HTTP status {status}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_to_replicas_are_kept_up_to_a_bound() {
        let network = Network::default();
        assert!(network.replica("a", "nonsense").is_none());
        let address = |number: usize| format!("http://10.0.0.1:{}", 1000 + number);
        let first = network.replica("a", &address(0)).unwrap();
        for number in 1..REPLICAS_MAX {
            network.replica("a", &address(number)).unwrap();
        }
        assert!(Arc::ptr_eq(
            &first,
            &network.replica("a", &address(0)).unwrap()
        ));
        // One more: the second one, called the longest ago, makes room.
        network.replica("a", &address(REPLICAS_MAX)).unwrap();
        assert_eq!(network.replicas().len(), REPLICAS_MAX);
        assert!(Arc::ptr_eq(
            &first,
            &network.replica("a", &address(0)).unwrap()
        ));
        let second: Address = address(1).parse().unwrap();
        assert!(network.replicas().iter().all(|one| one.address != second));
        // Another service at the same address proves itself anew.
        let other = network.replica("b", &address(0)).unwrap();
        assert!(!Arc::ptr_eq(&first, &other));
    }

    #[tokio::test]
    async fn a_request_is_held_up_to_the_bound_and_no_further() {
        let body = |bytes: usize| Body::new(Full::new(Bytes::from(vec![0; bytes])));
        assert!(whole(body(REQUEST_BYTES_MAX)).await.is_ok());
        let refused = whole(body(REQUEST_BYTES_MAX + 1)).await.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted);
    }
}
