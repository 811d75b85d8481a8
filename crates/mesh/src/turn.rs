//! One attempt at one endpoint, from its beginning to its end, however it ends.

use std::sync::Arc;

use tokio::time::Instant;
use tonic::Code;

use crate::endpoint::Endpoint;
use crate::gate::Verdict;
use crate::pool::Pool;

/// An attempt in progress. Dropped before its end, the caller did not wait for it.
#[derive(Debug)]
pub(crate) struct Turn {
    pool: Arc<Pool>,
    endpoint: Arc<Endpoint>,
    /// It finds out whether the endpoint is well again.
    probe: bool,
    began: Instant,
    ended: bool,
}

impl Turn {
    pub(crate) fn new(
        pool: &Arc<Pool>,
        endpoint: Arc<Endpoint>,
        probe: bool,
        now: Instant,
    ) -> Turn {
        Turn {
            pool: Arc::clone(pool),
            endpoint,
            probe,
            began: now,
            ended: false,
        }
    }

    pub(crate) fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    /// When it was chosen, which is when its request is sent.
    pub(crate) fn began(&self) -> Instant {
        self.began
    }

    /// The request is on its way.
    pub(crate) fn begin(&self) {
        self.endpoint.conduct().began(self.began);
    }

    pub(crate) fn end(mut self, verdict: Verdict) {
        self.note(verdict);
    }

    fn note(&mut self, verdict: Verdict) {
        if !std::mem::replace(&mut self.ended, true) {
            self.pool
                .ended(&self.endpoint, verdict, self.began, self.probe);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.note(Verdict::Unknown);
    }
}

/// What a code says about the endpoint that answered with it. One that breaks over every call answers sooner
/// than the others, and would draw all calls to itself; where it is the calls that are broken, the others
/// answer the same.
pub(crate) fn verdict_of(code: Code) -> Verdict {
    match code {
        Code::Unavailable | Code::Internal | Code::Unknown | Code::DataLoss => Verdict::Failed,
        Code::ResourceExhausted => Verdict::Declined,
        Code::DeadlineExceeded => Verdict::TimedOut,
        Code::Cancelled => Verdict::Unknown,
        _ => Verdict::Good,
    }
}
