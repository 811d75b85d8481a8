//! A consumer group at work: inbox, reaction, commit; and what happens when that fails.
//!
//! The store is the judge of every race: it refuses to handle an event whose key is parked, to park
//! one behind a key that has become free meanwhile, and to do anything for a slot that another
//! replica has got. So no lock is needed here for anything to be right.

mod attempt;
mod lanes;
mod parking;
mod partition;
mod redrive;
mod run;
mod subscription;

use std::sync::Arc;
use std::time::Duration;

use outcry_store::{Commit, CommitError, Conflict, StoreError};
use tokio::sync::Mutex;
use tracing::warn;

use crate::backoff::Backoff;
use crate::context::Context;
use crate::faults::chain;
use crate::metrics::GroupMetrics;
use crate::reaction::{GroupSpec, Reaction};
use crate::tenure::Tenure;

/// Waits while the store does not answer.
const STORE_BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(50),
    most: Duration::from_secs(5),
};

/// One consumer group of one service: shared by its partitions and its redriver.
pub(crate) struct Consumer {
    ctx: Context,
    reaction: Arc<dyn Reaction>,
    spec: GroupSpec,
    metrics: Arc<GroupMetrics>,
    /// Held while a run is decided and written: runs of two partitions would be in each other's way.
    turn: Mutex<()>,
}

/// The slot is to be let go, or has been lost: what was begun is given up, to be delivered again.
#[derive(Debug)]
pub(crate) struct Stopped;

// === impl Consumer ===

impl Consumer {
    pub(crate) fn new(ctx: Context, reaction: Arc<dyn Reaction>) -> Self {
        let spec = reaction.group();
        let metrics = ctx.metrics().group(spec.name);
        Self {
            ctx,
            reaction,
            spec,
            metrics,
            turn: Mutex::new(()),
        }
    }

    /// Name, topics and manners of the group.
    pub(crate) fn spec(&self) -> &GroupSpec {
        &self.spec
    }

    /// Asks the store until it answers.
    async fn insist<T, Answer>(
        &self,
        tenure: &Tenure,
        ask: impl Fn() -> Answer,
    ) -> Result<T, Stopped>
    where
        Answer: Future<Output = Result<T, StoreError>>,
    {
        let mut failures = 0;
        loop {
            match ask().await {
                Ok(answer) => return Ok(answer),
                Err(error) => {
                    failures += 1;
                    self.pause(failures, &chain(&error), tenure).await?;
                }
            }
        }
    }

    /// Has the store commit for a slot until it answers; its answer may be no.
    async fn insist_commit(
        &self,
        tenure: &Tenure,
        commit: Commit,
    ) -> Result<Result<(), CommitError>, Stopped> {
        let commit = Commit {
            fence: Some(tenure.fence()),
            ..commit
        };
        let answer = self
            .insist(tenure, || async {
                match self.ctx.store.commit(commit.clone()).await {
                    Err(CommitError::Store(error)) => Err(error),
                    answer => Ok(answer),
                }
            })
            .await?;
        match answer {
            Err(error @ CommitError::Conflict(Conflict::Fenced { .. })) => {
                Err(self.fenced(&chain(&error)))
            }
            answer => Ok(answer),
        }
    }

    /// Notes that another replica has the slot.
    fn fenced(&self, reason: &str) -> Stopped {
        self.ctx.metrics().leases.fenced.count();
        warn!(
            group = self.spec.name,
            reason, "slot is in other hands; leaving it"
        );
        Stopped
    }

    /// Waits for a store that does not answer: nothing is acknowledged, parked or given up.
    async fn pause(&self, failures: u32, reason: &str, tenure: &Tenure) -> Result<(), Stopped> {
        self.metrics.paused.count();
        warn!(
            group = self.spec.name,
            failures, reason, "consumer waits for the store"
        );
        if STORE_BACKOFF.wait(failures, &tenure.stop).await {
            Ok(())
        } else {
            Err(Stopped)
        }
    }
}
