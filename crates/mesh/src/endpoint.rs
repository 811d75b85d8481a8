//! One peer process: its connection, made when it is first needed and again when it is lost.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use http::{Response, Uri};
use hyper::body::Incoming;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::address::Address;
use crate::credentials::Membership;
use crate::wire::{CONNECT_WITHIN, Replayable, Token, Wire};

/// How long an endpoint that could not be reached is passed over.
pub(crate) const PASSED_OVER: Duration = Duration::from_millis(500);

/// Calls and streams in progress at one endpoint: what one peer takes at most.
const CALLS_MAX: usize = 2048;

/// One peer process.
#[derive(Debug)]
pub(crate) struct Endpoint {
    /// The service that is called there.
    target: Arc<str>,
    membership: Membership,
    address: Address,
    link: Mutex<Link>,
    calls: Arc<Semaphore>,
}

#[derive(Debug)]
enum Link {
    Down,
    /// Could not be made: not tried again before this moment.
    Failed(Instant),
    Connecting {
        outcome: Shared<BoxFuture<'static, Option<Wire>>>,
        /// It could not be reached the last time.
        again: bool,
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
    pub(crate) fn new(target: Arc<str>, membership: Membership, address: Address) -> Endpoint {
        Endpoint {
            target,
            membership,
            address,
            link: Mutex::new(Link::Down),
            calls: Arc::new(Semaphore::new(CALLS_MAX)),
        }
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Whether calls should go there. One that was passed over for long enough is tried in the
    /// background, so that calls which others can take do not wait for it.
    pub(crate) fn standing(self: &Arc<Self>) -> Standing {
        let mut link = self.link();
        match &*link {
            Link::Failed(until) if Instant::now() < *until => Standing::Failing,
            Link::Failed(_) => {
                let _in_the_background = self.connect_again(&mut link, true);
                Standing::Doubtful
            }
            Link::Connecting { again: true, .. } => Standing::Doubtful,
            Link::Connecting { again: false, .. } | Link::Up(_) | Link::Down => Standing::Good,
        }
    }

    /// Sends a request. What comes with the response is held until the response has been read.
    ///
    /// # Errors
    /// [`Failure`].
    pub(crate) async fn send(
        self: &Arc<Self>,
        request: &Replayable,
    ) -> Result<(Response<Incoming>, OwnedSemaphorePermit), Failure> {
        let place = Arc::clone(&self.calls)
            .try_acquire_owned()
            .map_err(|_| Failure::Full)?;
        let mut request = request.clone();
        *request.uri_mut() = self.uri(&request).ok_or(Failure::NoConnection)?;
        // A connection in use may have been closed a moment ago: then a new one is worth a try.
        let (wire, reused) = self.wire().await?;
        match self.send_on(wire, request.clone()).await {
            Err(Failure::NotBegun) if reused => {}
            sent => return sent.map(|response| (response, place)),
        }
        let (wire, _) = self.wire().await?;
        let sent = self.send_on(wire, request).await;
        sent.map(|response| (response, place))
    }

    async fn send_on(
        &self,
        wire: Wire,
        request: Replayable,
    ) -> Result<Response<Incoming>, Failure> {
        let token = wire.token().clone();
        let broken = match wire.send(request).await {
            Ok(response) => return Ok(response),
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

    fn uri(&self, request: &Replayable) -> Option<Uri> {
        Uri::builder()
            .scheme("http")
            .authority(self.address.authority().clone())
            .path_and_query(request.uri().path())
            .build()
            .ok()
    }

    /// The connection, and whether it was there before; made once for all who wait for it.
    async fn wire(self: &Arc<Self>) -> Result<(Wire, bool), Failure> {
        let connecting = {
            let mut link = self.link();
            match &*link {
                Link::Up(wire) if !wire.is_closed() => return Ok((wire.clone(), true)),
                Link::Failed(until) if Instant::now() < *until => {
                    return Err(Failure::NoConnection);
                }
                Link::Connecting { outcome, .. } => outcome.clone(),
                Link::Failed(_) => self.connect_again(&mut link, true),
                Link::Up(_) | Link::Down => self.connect_again(&mut link, false),
            }
        };
        let wire = connecting.await.ok_or(Failure::NoConnection)?;
        Ok((wire, false))
    }

    /// Connects in a task of its own: a caller that gives up leaves the others their connection.
    fn connect_again(
        self: &Arc<Self>,
        link: &mut Link,
        again: bool,
    ) -> Shared<BoxFuture<'static, Option<Wire>>> {
        let endpoint = Arc::clone(self);
        let task = tokio::spawn(async move {
            // Weak: an endpoint nobody knows any more takes its connection with it.
            let owner = Arc::downgrade(&endpoint);
            let ended = move |token: &Token| {
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
                    return Some(wire);
                }
                Ok(Err(error)) => error.to_string(),
                Err(_elapsed) => "no answer".to_owned(),
            };
            tracing::debug!(address = %endpoint.address, failure, "connecting failed");
            *endpoint.link() = Link::Failed(Instant::now() + PASSED_OVER);
            None
        });
        let outcome = task.map(|ended| ended.ok().flatten()).boxed().shared();
        *link = Link::Connecting {
            outcome: outcome.clone(),
            again,
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

    fn link(&self) -> MutexGuard<'_, Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
