//! Things to do at a time: durable, fired when due, tried again until done.

use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use futures::FutureExt;
use outcry_store::{Commit, CommitError, Conflict, StoreError, Timer, TimerWrite};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{Instrument, debug, error_span, info, warn};

use crate::backoff::Backoff;
use crate::clock::Clock;
use crate::context::Context;
use crate::faults::{Trouble, chain, panic_text};
use crate::messaging;
use crate::reaction::Fault;
use crate::tenure::Tenure;

/// What a service does when one of its timers is due.
#[async_trait]
pub trait TimerHandler: Send + Sync + 'static {
    /// What the timer leads to.
    ///
    /// The commit clears or re-sets the timer; one that does neither clears it. May run more than
    /// once for the same timer: calls to other services must be idempotent. Of several replicas
    /// one fires timers, and the commit takes effect only as long as that is this one.
    ///
    /// # Errors
    /// [`Fault::Retry`] and [`Fault::Park`] fire the timer again later, with growing waits: a
    /// timer is never lost. [`Fault::Discard`] clears it.
    async fn fire(&self, timer: &Timer) -> Result<Commit, Fault>;
}

/// Timers being fired at the same time at most.
const FIRING_MAX: usize = 64;

/// Longest time a handler may take; then it counts as failed and the timer fires again.
const FIRE_TIMEOUT: Duration = Duration::from_secs(30);

/// How often due timers are looked for without being woken.
const SWEEP: Duration = Duration::from_secs(5);

/// The same while some timers are due but cannot fire yet: they hide when the next one is due.
const BUSY_SWEEP: Duration = Duration::from_millis(250);

/// Waits before a timer that failed fires again.
const FAILED_BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(100),
    most: Duration::from_secs(30),
};

/// How long a failure is remembered after its wait; a timer cleared elsewhere would stay for ever.
const FAILED_KEPT: Duration = Duration::from_secs(600);

/// Waits while the store does not answer.
const STORE_BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(50),
    most: Duration::from_secs(5),
};

/// Fires the timers of one service, for as long as this replica is the one that does.
pub(crate) struct Timers {
    ctx: Context,
    handler: Arc<dyn TimerHandler>,
    tenure: Tenure,
    /// Being fired right now; each gives its timer's id back.
    firing: JoinSet<(String, Result<(), Trouble>)>,
    firing_ids: HashSet<String>,
    /// Failed lately: not to be fired before their time.
    failed: HashMap<String, Failed>,
    /// A commit was refused because another replica fires the timers now.
    is_fenced: bool,
}

#[derive(Debug)]
struct Failed {
    failures: u32,
    until: Instant,
}

// === impl Timers ===

impl Timers {
    pub(crate) fn new(ctx: Context, handler: Arc<dyn TimerHandler>, tenure: Tenure) -> Self {
        Self {
            ctx,
            handler,
            tenure,
            firing: JoinSet::new(),
            firing_ids: HashSet::new(),
            failed: HashMap::new(),
            is_fenced: false,
        }
    }

    /// Fires what is due until the tenure ends or turns out to have ended, then lets what is being
    /// fired finish. The caller bounds the latter by dropping this future, which breaks the
    /// handlers off.
    pub(crate) async fn run(mut self) {
        let stop = self.tenure.stop.clone();
        let clock = Arc::clone(&self.ctx.clock);
        let mut commits = self.ctx.store.commits();
        let mut store_failures = 0;
        while !stop.is_cancelled() && !self.is_fenced {
            // Seen before looking: a commit during the look wakes the next one.
            commits.mark_unchanged();
            let now = clock.now();
            let next = match self.start_due(now).await {
                Ok(next) => {
                    store_failures = 0;
                    next
                }
                Err(error) => {
                    store_failures += 1;
                    warn!(
                        service = self.ctx.service,
                        error = chain(&error),
                        "timers wait for the store"
                    );
                    STORE_BACKOFF.wait(store_failures, &stop).await;
                    continue;
                }
            };
            let next = next.filter(|due| *due > now);
            let sweep = if self.firing.is_empty() && self.failed.is_empty() {
                SWEEP
            } else {
                BUSY_SWEEP
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                Some(fired) = self.firing.join_next() => self.note(fired),
                _ = commits.changed() => {}
                () = tokio::time::sleep(sweep) => {}
                () = sleep_until(clock.as_ref(), next) => {}
            }
        }
        while let Some(fired) = self.firing.join_next().await {
            self.note(fired);
        }
    }

    /// Starts what is due and may fire; when the next timer is due, as far as the store tells.
    async fn start_due(&mut self, now: SystemTime) -> Result<Option<SystemTime>, StoreError> {
        let instant = Instant::now();
        self.failed
            .retain(|_, failed| failed.until + FAILED_KEPT > instant);
        // Those that cannot fire yet are still due and come first: ask for as many more.
        let limit = FIRING_MAX + self.firing_ids.len() + self.failed.len();
        for timer in self.ctx.store.timers_due(now, limit).await? {
            let waits = self
                .failed
                .get(&timer.id)
                .is_some_and(|failed| failed.until > instant);
            if self.firing.len() < FIRING_MAX && !waits && self.firing_ids.insert(timer.id.clone())
            {
                let ctx = self.ctx.clone();
                let handler = Arc::clone(&self.handler);
                let tenure = self.tenure.clone();
                let span = error_span!("timer", service = ctx.service, timer = timer.id);
                let firing = async move {
                    let traced = messaging::fire(ctx.service);
                    let outcome = traced.within(fire(&ctx, handler.as_ref(), &timer, &tenure));
                    let outcome = outcome.await;
                    (timer.id, outcome)
                };
                self.firing.spawn(firing.instrument(span));
            }
        }
        self.ctx.store.next_timer().await
    }

    /// Notes how firing a timer ended.
    fn note(&mut self, fired: Result<(String, Result<(), Trouble>), tokio::task::JoinError>) {
        // Handlers cannot panic through `fire`, and nobody aborts single tasks of the set.
        let Ok((id, outcome)) = fired else { return };
        self.firing_ids.remove(&id);
        let counts = &self.ctx.metrics().timers;
        match outcome {
            Ok(()) => {
                counts.fired.count();
                self.failed.remove(&id);
            }
            Err(Trouble::Fenced(reason)) => {
                self.ctx.metrics().leases.fenced.count();
                warn!(
                    service = self.ctx.service,
                    reason, "timers belong to another replica now"
                );
                self.is_fenced = true;
            }
            Err(trouble) => {
                counts.retried.count();
                let failed = self.failed.entry(id.clone()).or_insert(Failed {
                    failures: 0,
                    until: Instant::now(),
                });
                failed.failures += 1;
                failed.until = Instant::now() + FAILED_BACKOFF.after(failed.failures);
                warn!(
                    service = self.ctx.service,
                    timer = id,
                    failures = failed.failures,
                    reason = trouble.reason(),
                    "timer failed; it fires again"
                );
            }
        }
    }
}

/// Waits for a time that may not be known.
async fn sleep_until(clock: &dyn Clock, at: Option<SystemTime>) {
    match at {
        Some(at) => clock.sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Fires one timer; done when the commit is durable.
async fn fire(
    ctx: &Context,
    handler: &dyn TimerHandler,
    timer: &Timer,
    tenure: &Tenure,
) -> Result<(), Trouble> {
    let firing = AssertUnwindSafe(handler.fire(timer)).catch_unwind();
    let mut commit = match tokio::time::timeout(FIRE_TIMEOUT, firing).await {
        Err(_) => return Err(Trouble::Retry(format!("took longer than {FIRE_TIMEOUT:?}"))),
        Ok(Err(panic)) => return Err(Trouble::Retry(panic_text(panic.as_ref()))),
        Ok(Ok(Ok(commit))) => commit,
        Ok(Ok(Err(fault))) => match Trouble::from(fault) {
            Trouble::Discard(reason) => {
                info!(
                    service = ctx.service,
                    timer = timer.id,
                    reason,
                    "timer discarded"
                );
                Commit::default()
            }
            trouble => return Err(trouble),
        },
    };
    let mentioned = commit.timers.iter().any(|write| match write {
        TimerWrite::Set(set) => set.id == timer.id,
        TimerWrite::Clear { id } | TimerWrite::Fired { id, .. } => *id == timer.id,
    });
    if !mentioned {
        // Refused when the timer was set anew meanwhile: a new setting is never lost.
        commit.timers.push(TimerWrite::Fired {
            id: timer.id.clone(),
            due: timer.due,
        });
    }
    tenure
        .bind(&mut commit)
        .map_err(|error| Trouble::Retry(chain(&error)))?;
    match ctx.store.commit(commit).await {
        Ok(()) => {
            debug!(service = ctx.service, timer = timer.id, "timer fired");
            Ok(())
        }
        Err(CommitError::Store(error)) => Err(Trouble::Store(chain(&error))),
        Err(error @ CommitError::Conflict(Conflict::Fenced { .. })) => {
            Err(Trouble::Fenced(chain(&error)))
        }
        Err(error) => Err(Trouble::Retry(chain(&error))),
    }
}
