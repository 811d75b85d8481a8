//! A replica's share of its service: which slots it holds, and the work that comes with them.
//!
//! Any number of processes run the same service on one store. What only one of them may do at a
//! time is a slot of a pool, held by lease. The tenant asks for its share, starts and stops the
//! work of slots as they come and go, and gives back what others should have. When the store does
//! not answer, work goes on: whoever has lost a slot without knowing finds its commits fenced.

mod holdings;

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use outcry_store::limits::LEASE_TTL;
use outcry_store::{Lease, LeaseRequest, Share};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use self::holdings::{Ending, Holdings};
use crate::backoff::Backoff;
use crate::context::Context;
use crate::faults::{chain, panic_text};
use crate::metrics::Value;
use crate::shift::Shift;
use crate::tenure::Tenure;

/// How often leases are renewed and shares are looked at: several times within [`LEASE_TTL`], so
/// that a lost answer or two cost no slot.
const RENEW_EVERY: Duration = Duration::from_millis(1250);

/// How soon after the last look news of the store may lead to another one. Free slots are news, but
/// so is every commit: each look in vain doubles the wait, up to [`RENEW_EVERY`].
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Longest wait for an answer. One that comes later is about leases that have run out.
const ANSWER_MAX: Duration = LEASE_TTL;

/// How long the slots of a pool whose work is stopping are renewed. By then nearly all of it has
/// ended, and those slots should go to others, who get them only when this member asks for no share
/// any more. What has not ended may still commit until somebody takes its slot.
const STOPPING_RENEWED: Duration = Duration::from_millis(2500);

/// Waits before the work of a slot that ended by itself is started again.
const RESTART_BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(50),
    most: Duration::from_secs(5),
};

/// A work that went on for so long before it ended has not failed in a row.
const CALM: Duration = Duration::from_secs(10);

/// What is done for a slot. Ends soon after the tenure's stop signal.
pub(crate) type Work =
    Box<dyn Fn(Tenure) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// A pool that the service shares in.
pub(crate) struct Pool {
    /// Its name.
    pub(crate) name: String,
    /// How many slots it has.
    pub(crate) slots: u32,
    /// When its work stops.
    pub(crate) shift: Shift,
    /// What is done for each slot.
    pub(crate) work: Work,
}

/// Holds one member's slots in all pools of its service.
pub(crate) struct Tenant {
    ctx: Context,
    pools: Vec<Rooms>,
    /// Ends with the pool's place among the pools and the slot.
    works: JoinSet<(usize, u32)>,
}

/// One pool from a member's point of view.
struct Rooms {
    pool: Pool,
    holdings: Holdings,
    running: HashMap<u32, Running>,
    /// How often in a row the work of a slot ended by itself.
    failures: HashMap<u32, u32>,
    /// When its work was first seen to be stopping.
    stopping_since: Option<Instant>,
    held: Arc<Value>,
}

#[derive(Debug)]
struct Running {
    stop: CancellationToken,
    since: Instant,
}

// === impl Pool ===

impl Pool {
    pub(crate) fn new<Working>(
        name: impl Into<String>,
        slots: u32,
        shift: &Shift,
        work: impl Fn(Tenure) -> Working + Send + Sync + 'static,
    ) -> Self
    where
        Working: Future<Output = ()> + Send + 'static,
    {
        Self {
            name: name.into(),
            slots,
            shift: shift.clone(),
            work: Box::new(move |tenure| Box::pin(work(tenure))),
        }
    }
}

// === impl Tenant ===

impl Tenant {
    pub(crate) fn new(ctx: Context, pools: Vec<Pool>) -> Self {
        let rooms = |pool: Pool| Rooms {
            held: ctx.metrics().leases.pool(&pool.name),
            pool,
            holdings: Holdings::default(),
            running: HashMap::new(),
            failures: HashMap::new(),
            stopping_since: None,
        };
        Self {
            pools: pools.into_iter().map(rooms).collect(),
            ctx,
            works: JoinSet::new(),
        }
    }

    /// Holds slots until `stop`; what is still held then is freed by whoever lets the member leave.
    /// Dropping it breaks all work off.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut commits = self.ctx.store.commits();
        let mut look_again = LOOK_AGAIN;
        while !stop.is_cancelled() {
            // Seen before asking: a slot that becomes free meanwhile leads to another look.
            commits.mark_unchanged();
            let has_moved = self.ask().await;
            let asked = Instant::now();
            if has_moved {
                look_again = LOOK_AGAIN;
            }
            let mut due = asked + RENEW_EVERY;
            let mut has_heard = false;
            loop {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => break,
                    Some(ended) = self.works.join_next() => {
                        if self.note(ended) {
                            break;
                        }
                    }
                    _ = commits.changed(), if !has_heard && self.lacks() => {
                        has_heard = true;
                        due = due.min(asked + look_again);
                    }
                    () = tokio::time::sleep_until(due) => break,
                }
            }
            look_again = if has_heard {
                (look_again * 2).min(RENEW_EVERY)
            } else {
                LOOK_AGAIN
            };
        }
    }

    /// Asks the store for the member's share of every pool and acts on the answer; whether slots
    /// came or are to go.
    async fn ask(&mut self) -> bool {
        // What has ended meanwhile goes along with this request.
        while let Some(ended) = self.works.try_join_next() {
            self.note(ended);
        }
        let pools = self.pools.iter_mut().filter_map(Rooms::request);
        let pools: Vec<_> = pools.collect();
        if pools.is_empty() {
            return false;
        }
        let request = LeaseRequest {
            member: self.ctx.member.clone(),
            pools,
        };
        let answer = tokio::time::timeout(ANSWER_MAX, self.ctx.store.lease(&request)).await;
        let reason = match answer {
            Ok(Ok(shares)) => return self.act(&shares),
            Ok(Err(error)) => chain(&error),
            Err(_) => format!("no answer within {ANSWER_MAX:?}"),
        };
        self.ctx.metrics().leases.failed.count();
        warn!(
            service = self.ctx.service,
            reason, "leases not renewed; work goes on"
        );
        false
    }

    /// Starts and stops what an answer of the store says; whether there was any of it.
    fn act(&mut self, shares: &[Share]) -> bool {
        let mut has_moved = false;
        for (place, rooms) in self.pools.iter_mut().enumerate() {
            let share = shares.iter().find(|share| share.pool == rooms.pool.name);
            let Some(share) = share else { continue };
            rooms.held.set(share.held.len() as u64);
            let steps = rooms.holdings.take(share);
            has_moved |= !steps.start.is_empty() || !steps.stop.is_empty();
            for slot in steps.stop {
                info!(
                    service = self.ctx.service,
                    pool = rooms.pool.name,
                    slot,
                    "slot goes"
                );
                if let Some(running) = rooms.running.get(&slot) {
                    running.stop.cancel();
                }
            }
            for lease in steps.start {
                let slot = lease.slot;
                let work = rooms.start(lease);
                self.works.spawn(async move {
                    work.await;
                    (place, slot)
                });
            }
        }
        has_moved
    }

    /// Takes in that a work has ended; whether the store should hear of it at once.
    fn note(&mut self, ended: Result<(usize, u32), tokio::task::JoinError>) -> bool {
        // Works cannot panic through `Rooms::start`, and nobody aborts single ones.
        let Ok((place, slot)) = ended else {
            return false;
        };
        let Some(rooms) = self.pools.get_mut(place) else {
            return false;
        };
        rooms.ended(slot);
        !rooms.pool.shift.is_stopping()
    }

    /// Whether more slots could be had.
    fn lacks(&self) -> bool {
        let mut open = self.pools.iter();
        open.any(|rooms| !rooms.pool.shift.is_stopping() && rooms.holdings.lacks(rooms.pool.slots))
    }
}

// === impl Rooms ===

impl Rooms {
    /// What to ask of the pool. One whose work is stopping is asked for only as long as something
    /// is left of it, so that this can still commit, and not for long.
    fn request(&mut self) -> Option<outcry_store::PoolRequest> {
        if self.pool.shift.is_stopping() {
            let since = *self.stopping_since.get_or_insert_with(Instant::now);
            if self.holdings.is_idle() || since.elapsed() > STOPPING_RENEWED {
                return None;
            }
        }
        Some(self.holdings.request(&self.pool.name, self.pool.slots))
    }

    /// The work of a slot that has been got.
    fn start(&mut self, lease: Lease) -> impl Future<Output = ()> + Send + 'static {
        let failures = self.failures.get(&lease.slot).copied().unwrap_or(0);
        let tenure = Tenure::new(lease, self.pool.shift.stop_signal());
        let (pool, slot) = (self.pool.name.clone(), tenure.lease.slot);
        let stop = tenure.stop.clone();
        self.running.insert(
            slot,
            Running {
                stop: stop.clone(),
                since: Instant::now(),
            },
        );
        info!(pool, slot, epoch = tenure.lease.epoch, "slot got");
        let work = (self.pool.work)(tenure);
        self.pool.shift.part(async move {
            if failures > 0 && !RESTART_BACKOFF.wait(failures, &stop).await {
                return;
            }
            if stop.is_cancelled() {
                return;
            }
            if let Err(panic) = AssertUnwindSafe(work).catch_unwind().await {
                let reason = panic_text(panic.as_ref());
                error!(pool, slot, reason, "the work of a slot broke");
            }
        })
    }

    fn ended(&mut self, slot: u32) {
        let running = self.running.remove(&slot);
        let ending = self.holdings.ended(slot);
        if ending == Ending::Told || self.pool.shift.is_stopping() {
            self.failures.remove(&slot);
            return;
        }
        let was_calm = running.is_some_and(|running| running.since.elapsed() > CALM);
        let failures = self.failures.entry(slot).or_default();
        *failures = if was_calm { 1 } else { *failures + 1 };
        warn!(
            pool = self.pool.name,
            slot,
            failures = *failures,
            "the work of a slot ended by itself; the slot is given back"
        );
    }
}
