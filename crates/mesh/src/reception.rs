//! Where calls of other processes come in: who calls is proven, whom they call is found, how much is bounded.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderValue, Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::body::Body;
use tonic::service::Routes;
use tonic::{Code, Status};
use tower::Service;

use crate::authorize::service_of;
use crate::certificates::Peer;
use crate::credentials::Credentials;
use crate::deadline::closing_frame;
use crate::directory::{Directory, not_running};
use crate::door::{Departure, Leaving, draining};
use crate::identity::Identity;
use crate::limit::NotBegun;
use crate::network::NOT_BEGUN;
use crate::passport;
use crate::refusal;
use crate::token::TokenError;
use crate::verification::Verification;

/// Unary calls of peers in progress at most; each ends by its deadline.
const CALLS_MAX: usize = 1024;
/// Streams to peers at most: apart from calls, since they may last for ever.
const STREAMS_MAX: usize = 1024;
/// Questions after health in progress at most: anybody may ask.
const PROBES_MAX: usize = 64;

/// When a refused call is worth repeating.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Value of the header that says a call was not begun.
const MARK: HeaderValue = HeaderValue::from_static("1");

/// The gRPC service that answers anybody.
const HEALTH: &str = "grpc.health.v1.Health";

/// Answers calls of other processes. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Reception {
    inner: Arc<Inner>,
}

struct Inner {
    directory: Directory,
    verification: Verification,
    health: Routes,
    calls: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    probes: Arc<Semaphore>,
}

impl Reception {
    pub(crate) fn new(directory: Directory, credentials: Credentials, health: Routes) -> Reception {
        Reception {
            inner: Arc::new(Inner {
                directory,
                verification: Verification::new(credentials),
                health: health.prepare(),
                calls: Arc::new(Semaphore::new(CALLS_MAX)),
                streams: Arc::new(Semaphore::new(STREAMS_MAX)),
                probes: Arc::new(Semaphore::new(PROBES_MAX)),
            }),
        }
    }

    /// Answers one request of a connection, whose other end may have proven who it is. Every failure
    /// is a response.
    pub(crate) async fn answer(
        &self,
        request: Request<Body>,
        peer: Option<&Peer>,
    ) -> Response<Body> {
        let path = request.uri().path();
        // Who names a target means that service's own methods, whatever they are called.
        if service_of(path) == Some(HEALTH) && !request.headers().contains_key(passport::TARGET) {
            return self.inner.health(request).await;
        }
        match self.inner.call(request, peer).await {
            Ok(mut response) => {
                // What a handler says about a call of its own is not said about this one.
                response.headers_mut().remove(NOT_BEGUN);
                if response.extensions_mut().remove::<NotBegun>().is_some() {
                    response.headers_mut().insert(NOT_BEGUN, MARK);
                }
                response
            }
            Err(Refused { status, elsewhere }) => {
                tracing::debug!(code = ?status.code(), message = status.message(), "peer refused");
                let mut response = status.into_http();
                if elsewhere {
                    response.headers_mut().insert(NOT_BEGUN, MARK);
                }
                response
            }
        }
    }
}

/// A call that was not begun.
struct Refused {
    status: Status,
    /// Another process may well take it.
    elsewhere: bool,
}

impl From<Status> for Refused {
    fn from(status: Status) -> Refused {
        Refused {
            status,
            elsewhere: false,
        }
    }
}

fn elsewhere(status: Status) -> Refused {
    Refused {
        status,
        elsewhere: true,
    }
}

impl Inner {
    async fn call(
        &self,
        mut request: Request<Body>,
        peer: Option<&Peer>,
    ) -> Result<Response<Body>, Refused> {
        let passport = passport::take(request.headers_mut())?;
        let proven = self
            .verification
            .caller(&passport, peer, SystemTime::now())?;
        let path = request.uri().path();
        let target = match passport.target {
            Some(target) => target,
            None => self
                .directory
                .local_owner(service_of(path).unwrap_or_default())
                .ok_or_else(|| not_served(path))?,
        };
        if proven.target.is_some_and(|named| named != target) {
            return Err(refusal::status(&TokenError::WrongAudience).into());
        }
        let departure = request.extensions().get::<Departure>().cloned();
        if departure.as_ref().is_some_and(Departure::is_draining) {
            return Err(elsewhere(draining()));
        }
        let server = self
            .directory
            .server(&target)
            .ok_or_else(|| elsewhere(not_running(&target)))?;
        let streaming = self
            .directory
            .rules()
            .rule(path)
            .is_some_and(|rule| rule.streaming);
        let places = if streaming {
            &self.streams
        } else {
            &self.calls
        };
        let place = taken(places).map_err(elsewhere)?;
        request.extensions_mut().insert(Identity {
            caller: Some(proven.caller),
            user: passport.user,
        });
        let response = server.call(request, Some(place)).await;
        // Calls end by their deadlines anyway.
        Ok(match departure.filter(|_| streaming) {
            Some(departure) => departing(response, None, departure),
            None => response,
        })
    }

    async fn health(&self, request: Request<Body>) -> Response<Body> {
        let place = match taken(&self.probes) {
            Ok(place) => place,
            Err(status) => return status.into_http(),
        };
        let departure = request.extensions().get::<Departure>().cloned();
        match self.health.clone().call(request).await {
            Ok(response) => match departure {
                Some(departure) => departing(response, Some(place), departure),
                None => response,
            },
            Err(never) => match never {},
        }
    }
}

/// The response on its way: it ends when its connection has to, and holds its place until it has gone.
fn departing(
    response: Response<Body>,
    place: Option<OwnedSemaphorePermit>,
    departure: Departure,
) -> Response<Body> {
    let end: BoxFuture<'static, Leaving> = Box::pin(departure.over());
    response.map(|inner| {
        Body::new(DepartingBody {
            inner,
            end,
            ended: false,
            _place: place,
        })
    })
}

struct DepartingBody {
    inner: Body,
    end: BoxFuture<'static, Leaving>,
    ended: bool,
    _place: Option<OwnedSemaphorePermit>,
}

impl HttpBody for DepartingBody {
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
        // First of all: a stream that always has something to say must end, too.
        if let Poll::Ready(why) = this.end.as_mut().poll(cx) {
            this.ended = true;
            this.inner = Body::empty();
            return Poll::Ready(Some(Ok(closing_frame(&why.status()))));
        }
        Pin::new(&mut this.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        // Unknown: one that has to end is shorter than it announced.
        SizeHint::default()
    }
}

fn taken(places: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Status> {
    Arc::clone(places)
        .try_acquire_owned()
        .map_err(|_| refusal::too_busy("too many calls are in progress here", RETRY_AFTER))
}

fn not_served(path: &str) -> Status {
    refusal::with_reason(
        Code::Unimplemented,
        "NO_SUCH_METHOD",
        format!("{path} is not served here"),
    )
}
