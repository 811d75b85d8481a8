//! The one task that writes for a symbol: takes requests from its inbox, lets the desk decide
//! them one after the other, commits what several of them lead to as one, then answers.

use std::collections::VecDeque;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use outcry_service::Context;
use outcry_service::backoff::Backoff;
use outcry_store::limits::COMMIT_EVENTS_MAX;
use outcry_store::{Commit, CommitError, Conflict, Fence, StoreError, timer};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use uuid::Uuid;

use super::handle::{Answer, DeskHandle, Inbox, Job};
use super::replay::{LoadError, load};
use super::{Ask, Batch, Desk, Lack, Market, Pen, Snapshot, Told, Unwritable, Verdict};
use crate::trade::trade_id;
use crate::views;

/// Requests carried out in one go: enough to share the wait for the disk, few enough that the
/// first of them does not wait long for the last.
const BATCH_MAX: usize = 256;

/// Matches or expiries in one decision of the book. Each is two events at most.
pub(crate) const STEP_MAX: usize = 200;

/// Events of one decision: those of the step, and the order's own.
const STEP_EVENTS_MAX: usize = 2 * STEP_MAX + 4;

/// Tries of a batch, with [`RETRY_BACKOFF`] about two seconds: what callers wait for.
const ATTEMPTS_MAX: u32 = 6;

/// Waits between the tries.
const RETRY_BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(20),
    most: Duration::from_secs(1),
};

/// Why a writer has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It was told to, and has finished what waited.
    Told,
    /// The symbol is somebody else's by now.
    Fenced,
}

/// The task of a desk.
pub(crate) struct Writer {
    ctx: Context,
    market: Market,
    /// The right to write for the symbol.
    fence: Fence,
    desk: Desk,
    /// The desk has changed without the store: it must be loaded before it is used again.
    stale: bool,
    inbox: Inbox,
    shown: watch::Sender<Arc<Snapshot>>,
    /// Tells whoever shows books that there is something new to show.
    news: watch::Sender<()>,
    /// The clock's last answer; the venue's time never goes back. While there is backlog it stands
    /// still: what a command leads to happens at its time.
    now: SystemTime,
}

/// Why a batch did not come about.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("reading what the desk has to be told")]
    Read(#[from] StoreError),
    #[error("committing a batch")]
    Commit(#[from] CommitError),
    #[error("writing down the venue's own work")]
    Unwritable(#[from] Unwritable),
    /// One job's fault, which has been answered: the others go on without it.
    #[error("a request could not be carried out")]
    Job,
}

/// What became of the requests that were to be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carried {
    /// All are answered.
    Out,
    /// None is answered: the right to write is gone.
    Fenced,
}

/// A job that was carried out in the batch and waits for the commit.
type Done = (Job, Verdict);

/// Loads the desk of a market; the writer must then be run. It writes as long as `fence` holds,
/// and tells `news` whenever the book has changed.
pub(crate) async fn open(
    ctx: &Context,
    market: Market,
    fence: Fence,
    news: watch::Sender<()>,
) -> Result<(DeskHandle, Writer), LoadError> {
    let desk = load(ctx.store.as_ref(), &market).await?;
    info!(
        symbol = market.symbol,
        orders = desk.trades().len(),
        digest = desk.digest(),
        "book loaded"
    );
    let (shown, snapshot) = watch::channel(Arc::new(desk.snapshot()));
    let (handle, inbox) = DeskHandle::new(snapshot);
    let writer = Writer {
        ctx: ctx.clone(),
        market,
        fence,
        now: desk.latest(),
        desk,
        stale: false,
        inbox,
        shown,
        news,
    };
    Ok((handle, writer))
}

// === impl Writer ===

impl Writer {
    /// Whether the desk holds no order.
    pub(crate) fn is_idle(&self) -> bool {
        self.desk.is_empty()
    }

    /// Carries out requests until `stop`, then those that wait already.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> Ended {
        // What was due or unfinished when the desk was closed, and the timers of what is not.
        let mut jobs = Vec::new();
        loop {
            if self.carry_out(jobs.into(), &stop).await == Carried::Fenced {
                // Whoever waits is told by that: nobody can answer them here any more.
                info!(symbol = self.market.symbol, "the desk has moved on");
                return Ended::Fenced;
            }
            jobs = Vec::new();
            while jobs.is_empty() {
                tokio::select! {
                    // First: under load there is always a request, and the desk must end.
                    biased;
                    () = stop.cancelled(), if !self.inbox.is_closed() => self.inbox.close(),
                    received = self.inbox.recv_many(&mut jobs, BATCH_MAX) => {
                        if received == 0 {
                            return Ended::Told;
                        }
                    }
                }
            }
        }
    }

    /// Carries out all of these, in as few commits as they fit into, and answers.
    async fn carry_out(&mut self, mut waiting: VecDeque<Job>, stop: &CancellationToken) -> Carried {
        let mut attempt = 0;
        // Jobs whose orders have been committed in part: they are answered with the rest.
        let mut partly = Vec::new();
        loop {
            let mut done = std::mem::take(&mut partly);
            match self.commit_some(&mut waiting, &mut done, attempt > 0).await {
                Ok(batch) => {
                    attempt = 0;
                    if self.desk.backlog(self.now).is_some() {
                        partly = done;
                        continue;
                    }
                    self.answer_all(done, &batch).await;
                    self.keep(&batch).await;
                    if waiting.is_empty() {
                        return Carried::Out;
                    }
                }
                Err(failure) if failure.is_fence() => return Carried::Fenced,
                Err(failure) => {
                    self.stale = true;
                    attempt += u32::from(!matches!(failure, Failure::Job));
                    warn!(
                        symbol = self.market.symbol,
                        attempt,
                        error = &failure as &dyn Error,
                        "batch failed; loading the book again"
                    );
                    for (job, _) in done.into_iter().rev() {
                        waiting.push_front(job);
                    }
                    if attempt == ATTEMPTS_MAX {
                        for job in waiting {
                            let _ = job.answer.send(Answer::Unavailable);
                        }
                        return Carried::Out;
                    }
                    if attempt > 0 {
                        wait(attempt, stop).await;
                    }
                }
            }
        }
    }

    /// Lets the desk work off its backlog and carry out jobs until a commit is full, and commits.
    /// Jobs carried out are moved from `waiting` to `done`.
    async fn commit_some(
        &mut self,
        waiting: &mut VecDeque<Job>,
        done: &mut Vec<Done>,
        careful: bool,
    ) -> Result<Batch, Failure> {
        if self.stale {
            self.desk = load(self.ctx.store.as_ref(), &self.market).await?;
            self.now = self.now.max(self.desk.latest());
            self.stale = false;
            // What failed may have been written after all, and then nothing is left to commit.
            self.show();
        }
        let mut batch = Batch::default();
        while batch.events() + STEP_EVENTS_MAX <= COMMIT_EVENTS_MAX {
            if self.work_off(&mut batch)? {
                continue;
            }
            let Some(job) = waiting.pop_front() else {
                break;
            };
            let told = match self.tell(&job.ask, careful).await {
                Ok(told) => told,
                Err(source) => {
                    waiting.push_front(job);
                    return Err(source.into());
                }
            };
            let mut pen = pen(&self.ctx, self.now, &mut batch);
            match self.desk.carry_out(&job.ask, &job.cause, told, &mut pen) {
                Ok(verdict) => done.push((job, verdict)),
                Err(unwritable) => {
                    error!(
                        symbol = self.market.symbol,
                        error = &unwritable as &dyn Error,
                        "request given up"
                    );
                    let _ = job.answer.send(Answer::Broken);
                    return Err(Failure::Job);
                }
            }
        }
        if let Some(mut commit) = self.desk.seal(self.now, &mut batch)? {
            commit.fence = Some(self.fence.clone());
            self.ctx.store.commit(commit).await?;
            self.show();
        }
        Ok(batch)
    }

    /// Shows the book as it is now.
    fn show(&self) {
        self.shown.send_replace(Arc::new(self.desk.snapshot()));
        self.news.send_replace(());
    }

    /// Does what comes before the next request, if there is something: what is left of the last
    /// one, then what the time has brought.
    fn work_off(&mut self, batch: &mut Batch) -> Result<bool, Failure> {
        let mut backlog = self.desk.backlog(self.now);
        if backlog.is_none() {
            self.now = self.now.max(self.ctx.clock.now());
            backlog = self.desk.backlog(self.now);
        }
        let mut pen = pen(&self.ctx, self.now, batch);
        match backlog {
            Some(command) => {
                self.desk.work_off(&command, &mut pen)?;
                Ok(true)
            }
            None => Ok(self.desk.keep_hours(&mut pen)?),
        }
    }

    /// Keeps the desk as a whole when it is time for that. Without it the desk is loaded more
    /// slowly and is the same, so a failure is only told of.
    async fn keep(&mut self, batch: &Batch) {
        let Some((stream, sequence)) = batch.last() else {
            return;
        };
        if self.desk.wants_checkpoint()
            && let Err(error) = self.keep_at(stream, *sequence).await
        {
            warn!(
                symbol = self.market.symbol,
                error = &error as &dyn Error,
                "checkpoint not written"
            );
        }
    }

    /// Writes a checkpoint of the desk as this event left it.
    async fn keep_at(&mut self, stream: &str, sequence: u64) -> Result<(), Failure> {
        let store = self.ctx.store.as_ref();
        let last = store.read_stream(stream, sequence - 1, 1).await?;
        let Some(last) = last.first() else {
            return Ok(());
        };
        let latest = timer::nanos(self.now).unwrap_or_default();
        let (kept, views) = self.desk.checkpoint(last.position, latest)?;
        let commit = Commit {
            fence: Some(self.fence.clone()),
            views,
            ..Commit::default()
        };
        store.commit(commit).await?;
        self.desk.note_checkpoint(kept);
        info!(
            symbol = self.market.symbol,
            position = last.position,
            "checkpoint written"
        );
        Ok(())
    }

    /// What the desk has to know about a request that only the store knows.
    async fn tell(&self, ask: &Ask, careful: bool) -> Result<Told, StoreError> {
        let store = self.ctx.store.as_ref();
        Ok(match self.desk.lacks(ask, careful) {
            Lack::Nothing => Told::default(),
            Lack::Trade(order_id) => Told {
                finished_owner: views::trade_of(store, order_id)
                    .await?
                    .map(|trade| trade.user_id),
                ..Told::default()
            },
            Lack::Settled(order_id) => Told {
                settled: views::settled(store, trade_id(order_id)).await?,
                ..Told::default()
            },
            Lack::Request(request_id) => Told {
                request: views::session_request(store, request_id).await?,
                ..Told::default()
            },
        })
    }

    async fn answer_all(&self, done: Vec<Done>, batch: &Batch) {
        for (job, verdict) in done {
            let answer = match verdict {
                Err(no_effect) => Answer::NoEffect(no_effect),
                Ok(None) => Answer::Trade(None),
                Ok(Some(order_id)) => self.trade_of(order_id, batch).await,
            };
            // A caller that no longer waits needs no answer.
            let _ = job.answer.send(answer);
        }
    }

    /// The trade of an order as it stands after the commit.
    async fn trade_of(&self, order_id: Uuid, batch: &Batch) -> Answer {
        let here = self
            .desk
            .trades()
            .get(&order_id)
            .or_else(|| batch.finished(order_id));
        if let Some(trade) = here {
            return Answer::Trade(Some(Box::new(trade.clone())));
        }
        match views::trade_of(self.ctx.store.as_ref(), order_id).await {
            Ok(trade) => Answer::Trade(trade.map(Box::new)),
            Err(error) => {
                warn!(
                    symbol = self.market.symbol,
                    error = &error as &dyn Error,
                    "trade not read"
                );
                Answer::Unavailable
            }
        }
    }
}

impl Failure {
    /// Whether the right to write is gone.
    fn is_fence(&self) -> bool {
        matches!(
            self,
            Failure::Commit(CommitError::Conflict(Conflict::Fenced { .. }))
        )
    }
}

fn pen<'a>(ctx: &'a Context, at: SystemTime, batch: &'a mut Batch) -> Pen<'a> {
    Pen {
        at,
        clock: ctx.clock.as_ref(),
        batch,
        lead: None,
    }
}

/// Waits before the next try, not beyond `stop`.
async fn wait(attempt: u32, stop: &CancellationToken) {
    tokio::select! {
        biased;
        () = stop.cancelled() => {}
        () = tokio::time::sleep(RETRY_BACKOFF.after(attempt)) => {}
    }
}

#[cfg(test)]
pub(super) mod bench;
