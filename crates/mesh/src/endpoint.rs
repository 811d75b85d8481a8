//! One peer process: its connection, made when it is first needed and again when it is lost.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use h2::RecvStream;
use http::uri::{Parts, Scheme};
use http::{Response, Uri};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::address::Address;
use crate::conduct::Conduct;
use crate::count::Count;
use crate::credentials::Membership;
use crate::gate::Passage;
use crate::metrics::MeshMetrics;
use crate::overview::{self, State};
use crate::wire::{CONNECT_WITHIN, Replayable, Token, Wire};

/// How long an endpoint that could not be reached is passed over, after the first time and at most. A
/// process that comes back is found within a second, and one that is gone costs a packet a second.
const PASSED_OVER: Duration = Duration::from_millis(500);
pub(crate) const PASSED_OVER_MAX: Duration = Duration::from_secs(1);

/// Share of that time that chance takes away, so that not all callers come at once.
const PASSED_OVER_SPREAD: f64 = 0.2;

/// Calls and streams in progress at one endpoint: what one peer takes at most.
const CALLS_MAX: usize = 2048;

/// One peer process.
#[derive(Debug)]
pub(crate) struct Endpoint {
    address: Address,
    /// The service that is called there.
    target: Arc<str>,
    membership: Membership,
    metrics: MeshMetrics,
    link: Mutex<Link>,
    calls: Arc<Semaphore>,
    conduct: Conduct,
}

#[derive(Debug)]
enum Link {
    Down,
    /// Could not be made: not tried again before this moment.
    Failed {
        until: Instant,
        times: u32,
    },
    Connecting {
        outcome: Shared<BoxFuture<'static, Option<Wire>>>,
        /// How often in a row it could not be reached.
        times: u32,
    },
    Up(Wire),
}

/// How far calls should go to an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// As far as is known, it can be reached.
    Good,
    /// It could not be reached, and whether it can be by now is being found out.
    Doubtful,
    /// It could not be reached a moment ago.
    Failing,
}

/// Why there is no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// There is no connection; nothing was sent.
    NoConnection,
    /// The peer did not begin with the call.
    NotBegun,
    /// Too much is in progress there; nothing was sent.
    Full,
    /// The connection was lost during the call, which may have taken effect.
    Lost,
}

impl Endpoint {
    pub(crate) fn new(
        address: Address,
        target: Arc<str>,
        membership: Membership,
        metrics: MeshMetrics,
    ) -> Endpoint {
        Endpoint {
            address,
            target,
            membership,
            metrics,
            link: Mutex::new(Link::Down),
            calls: Arc::new(Semaphore::new(CALLS_MAX)),
            conduct: Conduct::new(Instant::now()),
        }
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    pub(crate) fn conduct(&self) -> &Conduct {
        &self.conduct
    }

    /// Calls and streams in progress there.
    pub(crate) fn calls(&self) -> usize {
        CALLS_MAX.saturating_sub(self.calls.available_permits())
    }

    /// Whether calls should go there. One that was passed over for long enough is tried in the
    /// background, so that calls which others can take do not wait for it.
    pub(crate) fn standing(self: &Arc<Self>) -> Standing {
        let mut link = self.link();
        match *link {
            Link::Failed { until, .. } if Instant::now() < until => Standing::Failing,
            Link::Failed { times, .. } => {
                let _in_the_background = self.connect_again(&mut link, times);
                Standing::Doubtful
            }
            Link::Connecting { times: 1.., .. } => Standing::Doubtful,
            Link::Connecting { times: 0, .. } | Link::Up(_) | Link::Down => Standing::Good,
        }
    }

    /// Sends a request. What comes with the response is held until the response has been read.
    ///
    /// # Errors
    /// [`Failure`].
    pub(crate) async fn send(
        self: &Arc<Self>,
        request: &Replayable,
    ) -> Result<(Response<RecvStream>, OwnedSemaphorePermit), Failure> {
        let place = Arc::clone(&self.calls)
            .try_acquire_owned()
            .map_err(|_| Failure::Full)?;
        // A connection in use may have been closed a moment ago: then a new one is worth a try.
        let mut again = true;
        loop {
            let (wire, reused) = self.wire().await?;
            match self.send_on(wire, request).await {
                Err(Failure::NotBegun) if reused && again => again = false,
                sent => return sent.map(|response| (response, place)),
            }
        }
    }

    async fn send_on(
        &self,
        wire: Wire,
        request: &Replayable,
    ) -> Result<Response<RecvStream>, Failure> {
        let uri = self.uri(request, wire.scheme());
        // The only copy that is made of it, for each time it is sent.
        let mut request = request.clone();
        *request.uri_mut() = uri.ok_or(Failure::NoConnection)?;
        let token = wire.token().clone();
        let broken = match wire.send(request) {
            Ok(sent) => match sent.response().await {
                Ok(response) => return Ok(response),
                Err(broken) => broken,
            },
            Err(broken) => broken,
        };
        tracing::debug!(address = %self.address, error = %broken.error, "call failed on its way");
        if broken.closing {
            self.forget(&token);
        }
        Err(if broken.not_begun {
            Failure::NotBegun
        } else {
            Failure::Lost
        })
    }

    fn uri(&self, request: &Replayable, scheme: Scheme) -> Option<Uri> {
        let mut parts = Parts::default();
        parts.scheme = Some(scheme);
        parts.authority = Some(self.address.authority().clone());
        parts.path_and_query = request.uri().path_and_query().cloned();
        Uri::from_parts(parts).ok()
    }

    /// The connection, and whether it was there before; made once for all who wait for it.
    async fn wire(self: &Arc<Self>) -> Result<(Wire, bool), Failure> {
        let connecting = {
            let mut link = self.link();
            match &*link {
                Link::Up(wire) if !wire.proof_has_ended() => return Ok((wire.clone(), true)),
                Link::Failed { until, .. } if Instant::now() < *until => {
                    return Err(Failure::NoConnection);
                }
                Link::Connecting { outcome, .. } => outcome.clone(),
                &Link::Failed { times, .. } => self.connect_again(&mut link, times),
                Link::Up(_) | Link::Down => self.connect_again(&mut link, 0),
            }
        };
        let wire = connecting.await.ok_or(Failure::NoConnection)?;
        Ok((wire, false))
    }

    /// Connects in a task of its own: a caller that gives up leaves the others their connection.
    fn connect_again(
        self: &Arc<Self>,
        link: &mut Link,
        times: u32,
    ) -> Shared<BoxFuture<'static, Option<Wire>>> {
        let endpoint = Arc::clone(self);
        let task = tokio::spawn(async move {
            // Weak: an endpoint nobody knows any more takes its connection with it.
            let owner = Arc::downgrade(&endpoint);
            let count = Arc::new(Count::new(&endpoint.target, &endpoint.metrics));
            let counted = Arc::clone(&count);
            let ended = move |token: &Token| {
                count.ended();
                if let Some(endpoint) = owner.upgrade() {
                    endpoint.forget(token);
                }
            };
            let connecting = Wire::connect(
                &endpoint.address,
                &endpoint.target,
                &endpoint.membership,
                ended,
            );
            let connected = tokio::time::timeout(CONNECT_WITHIN, connecting).await;
            let failure = match connected {
                Ok(Ok(wire)) => {
                    // Whoever began this holds the lock until `Connecting` is in place.
                    *endpoint.link() = Link::Up(wire.clone());
                    counted.connected();
                    endpoint.conduct.connected();
                    return Some(wire);
                }
                Ok(Err(error)) => error.to_string(),
                Err(_elapsed) => "no answer".to_owned(),
            };
            tracing::debug!(address = %endpoint.address, failure, "connecting failed");
            endpoint
                .metrics
                .endpoints()
                .failed_to_connect(&endpoint.target);
            let times = times.saturating_add(1);
            let until = Instant::now() + passed_over(times, fastrand::f64());
            *endpoint.link() = Link::Failed { until, times };
            None
        });
        let outcome = task.map(|ended| ended.ok().flatten()).boxed().shared();
        *link = Link::Connecting {
            outcome: outcome.clone(),
            times,
        };
        outcome
    }

    /// Lets a connection go on which nothing new is taken; calls in progress there go on.
    fn forget(&self, token: &Token) {
        let mut link = self.link();
        if matches!(&*link, Link::Up(current) if Arc::ptr_eq(current.token(), token)) {
            *link = Link::Down;
        }
    }

    /// What there is to see.
    pub(crate) fn overview(&self, now: Instant) -> overview::Endpoint {
        let seen = self.conduct.seen(now);
        // Rounded up: what is not over yet is not shown as over.
        let left = |until: Instant| {
            let left = until.saturating_duration_since(now);
            millis(left + Duration::from_nanos(999_999))
        };
        let link = match &*self.link() {
            Link::Down => State::Idle,
            Link::Connecting { .. } => State::Connecting,
            Link::Up(_) => State::Up,
            Link::Failed { until, .. } => State::Failed {
                for_ms: left(*until),
            },
        };
        let state = match (link, seen.passage) {
            (State::Failed { .. }, _) | (_, Passage::Open) => link,
            (_, Passage::Shut(until)) => State::Ejected {
                for_ms: left(until),
            },
            (_, Passage::Due) => State::Ejected { for_ms: 0 },
            (_, Passage::Probed) => State::HalfOpen,
        };
        let since = |moment: Instant| {
            let age = now.saturating_duration_since(moment);
            SystemTime::now()
                .checked_sub(age)?
                .duration_since(UNIX_EPOCH)
                .ok()
        };
        overview::Endpoint {
            address: self.address.to_string(),
            state,
            average_ms: seen.average.map(|average| average.as_secs_f64() * 1000.0),
            in_flight: self.calls(),
            started: seen.tally.started,
            succeeded: seen.tally.succeeded,
            failed: seen.tally.failed,
            ejections: seen.ejections,
            latest_call_ms: seen.tally.latest.and_then(since).map(millis),
        }
    }

    fn link(&self) -> MutexGuard<'_, Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long an endpoint is passed over that could not be reached so many times in a row.
fn passed_over(times: u32, chance: f64) -> Duration {
    let most = PASSED_OVER.saturating_mul(times).min(PASSED_OVER_MAX);
    most.mul_f64(1.0 - PASSED_OVER_SPREAD * chance.clamp(0.0, 1.0))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn an_endpoint_that_is_gone_for_long_is_tried_once_a_second() {
        assert_eq!(passed_over(1, 0.0), PASSED_OVER);
        assert_eq!(passed_over(2, 0.0), PASSED_OVER_MAX);
        assert_eq!(passed_over(u32::MAX, 0.0), PASSED_OVER_MAX);
        assert!(passed_over(1, 1.0) >= PASSED_OVER / 2);
    }

    /// Answers the first request, and hangs up once it has read the head of any other.
    async fn hang_up_after_one(peers: TcpListener, read: Arc<AtomicUsize>) {
        while let Ok((stream, _)) = peers.accept().await {
            let mut peer = h2::server::handshake(stream).await.unwrap();
            while let Some(Ok((_request, mut respond))) = peer.accept().await {
                if read.fetch_add(1, Ordering::Relaxed) > 0 {
                    break;
                }
                respond.send_response(Response::new(()), true).unwrap();
            }
        }
    }

    #[tokio::test]
    async fn a_call_that_a_peer_has_read_before_it_hangs_up_is_lost_and_not_repeated() {
        let peers = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", peers.local_addr().unwrap());
        let endpoint = Arc::new(Endpoint::new(
            address.parse().unwrap(),
            "funds".into(),
            Membership::default(),
            MeshMetrics::default(),
        ));
        let read = Arc::new(AtomicUsize::new(0));
        tokio::spawn(hang_up_after_one(peers, Arc::clone(&read)));
        let mut call = Replayable::new("question".into());
        *call.uri_mut() = "/service/method".parse().unwrap();
        assert!(endpoint.send(&call).await.is_ok());
        // The connection is one in use now: on it, a call not begun would be sent once more.
        assert_eq!(endpoint.send(&call).await.err(), Some(Failure::Lost));
        assert_eq!(read.load(Ordering::Relaxed), 2);
    }
}
