//! How an order changes: its events, its row and what goes along, in one commit.

use std::time::Duration;

use outcry_events::Cause;
use outcry_service::backoff::Backoff;
use outcry_service::decider::stream;
use outcry_service::{CommandError, Context, Decider, Executed, Loaded, decide, load};
use outcry_store::{Answer, Commit, CommitError, StoreError, TimerWrite};

use crate::domain::{Command, Order, Rejection, lifecycle};
use crate::updates::{self, Place};
use crate::views::{self, Document, OrderRow, Progress, Versioned, write_order};

/// Why an order was not changed.
pub(crate) type Failed = CommandError<Rejection>;

/// Tries of a change while others change the same order: requests, facts of the venue and timers
/// meet, a handful at a time.
const CONFLICT_ATTEMPTS: u32 = 20;

/// Waits between those tries: about the time of one commit.
const CONFLICT_BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(1),
    most: Duration::from_millis(50),
};

/// What goes along with a change.
#[derive(Clone, Debug, Default)]
pub(crate) struct Along {
    pub(crate) timers: Vec<TimerWrite>,
    pub(crate) answered: Option<Answer>,
}

/// Decides on `command` and writes what happens; `turn` says what that means for what is under way.
///
/// # Errors
/// [`Failed`].
pub(crate) async fn apply(
    ctx: &Context,
    order_id: &str,
    cause: &Cause,
    command: &Command,
    turn: impl Fn(&mut Progress),
    along: &Along,
) -> Result<OrderRow, Failed> {
    for attempt in 1..=CONFLICT_ATTEMPTS {
        let (row, mut commit) = plan(ctx, order_id, cause, command, &turn).await?;
        along.join(&mut commit);
        if write(ctx, commit, order_id, attempt).await? {
            return Ok(row);
        }
    }
    Err(contested(order_id))
}

/// The same without writing it, for reactions.
///
/// # Errors
/// [`Failed`].
pub(crate) async fn plan(
    ctx: &Context,
    order_id: &str,
    cause: &Cause,
    command: &Command,
    turn: impl Fn(&mut Progress),
) -> Result<(OrderRow, Commit), Failed> {
    // The row first: if the stream grows in between, the row's version no longer holds.
    let before = existing(ctx, order_id).await?;
    let loaded = load::<Order>(ctx, order_id).await?;
    let cause = within(&loaded, cause);
    let (executed, mut commit) = decide(ctx, order_id, loaded, &cause, command)?;
    let mut after = before.clone();
    turn(&mut after.row.progress);
    for (place, row) in after_each(&before.row, &after.row.progress, &executed) {
        let event = &executed.events[place];
        after.row = row;
        let place = Place::Own(event.sequence());
        updates::record(ctx, &mut commit, event, place, after.row.clone())
            .map_err(|error| store_failed(order_id, error))?;
    }
    if after.row.order.is_final() {
        after.row.progress = Progress::ended(&after.row.progress);
    }
    if after.row != before.row {
        check_move(&before.row, &after.row)?;
        let write = write_order(&after).map_err(|error| store_failed(order_id, error))?;
        commit.views.push(write);
    }
    Ok((after.row, commit))
}

/// The order after each of the events that were decided, by the event's place among them.
pub(crate) fn after_each(
    before: &OrderRow,
    progress: &Progress,
    executed: &Executed<Order>,
) -> Vec<(usize, OrderRow)> {
    let mut order = executed.before.clone();
    let mut document = before.order.clone();
    let mut rows = Vec::with_capacity(executed.events.len());
    for (place, event) in executed.typed.iter().enumerate() {
        order = order.evolve(event);
        let known =
            (executed.sequence > executed.events.len() as u64 || place > 0).then_some(&document);
        document = Document::after(known, &order, &executed.events[place..=place]);
        let progress = if document.is_final() {
            Progress::ended(progress)
        } else {
            progress.clone()
        };
        let row = OrderRow {
            order: document.clone(),
            progress,
        };
        rows.push((place, row));
    }
    rows
}

/// Whether the order moved as the table of its life allows.
///
/// # Errors
/// It did not.
pub(crate) fn check_move(before: &OrderRow, after: &OrderRow) -> Result<(), Failed> {
    let (from, to) = (views::settled_status(before), views::settled_status(after));
    if lifecycle::leads(from, to) {
        return Ok(());
    }
    Err(CommandError::Rejected(Rejection::IllegalMove { from, to }))
}

/// Writes what is under way, without an event. `turn` sees the order as it is and says what
/// becomes of its progress; a final order has none, and is left as it is.
///
/// # Errors
/// [`Failed`], or what `turn` says.
pub(crate) async fn note<E: From<Failed>>(
    ctx: &Context,
    order_id: &str,
    turn: impl Fn(&OrderRow) -> Result<Progress, E>,
    along: &Along,
) -> Result<OrderRow, E> {
    for attempt in 1..=CONFLICT_ATTEMPTS {
        let before = existing(ctx, order_id).await?;
        let mut after = before.clone();
        if !before.row.order.is_final() {
            after.row.progress = turn(&before.row)?;
        }
        let mut commit = Commit::default();
        if after.row != before.row {
            check_move(&before.row, &after.row)?;
            let write = write_order(&after).map_err(|error| store_failed(order_id, error))?;
            commit.views.push(write);
        }
        along.join(&mut commit);
        if write(ctx, commit, order_id, attempt).await? {
            return Ok(after.row);
        }
    }
    Err(contested(order_id).into())
}

/// The row of an order that must be there.
///
/// # Errors
/// [`Failed`]: there is no such order.
pub(crate) async fn existing(ctx: &Context, order_id: &str) -> Result<Versioned<OrderRow>, Failed> {
    views::order(ctx.store.as_ref(), order_id)
        .await
        .map_err(|error| store_failed(order_id, error))?
        .ok_or(CommandError::Rejected(Rejection::Unknown))
}

/// The cause of what an order does next or asks of others: in its own flow, and if nothing else is
/// known to have led to it, after its last event.
///
/// # Errors
/// [`Failed`].
pub(crate) async fn next_cause(
    ctx: &Context,
    order_id: &str,
    cause: &Cause,
) -> Result<Cause, Failed> {
    Ok(within(&load::<Order>(ctx, order_id).await?, cause))
}

fn within(loaded: &Loaded<Order>, cause: &Cause) -> Cause {
    let mut cause = loaded.own_flow(cause);
    cause.causation_id = cause.causation_id.or(loaded.last_event);
    cause
}

/// Whether it was written; not, when others were faster.
async fn write(
    ctx: &Context,
    commit: Commit,
    order_id: &str,
    attempt: u32,
) -> Result<bool, Failed> {
    if commit.is_empty() {
        return Ok(true);
    }
    match ctx.store.commit(commit).await {
        Ok(()) => Ok(true),
        Err(CommitError::Conflict(_)) => {
            tokio::time::sleep(CONFLICT_BACKOFF.after(attempt)).await;
            Ok(false)
        }
        Err(error) => Err(not_committed(order_id, error)),
    }
}

/// Why a commit failed that no newer look at the order helps.
pub(crate) fn not_committed(order_id: &str, error: CommitError) -> Failed {
    match error {
        CommitError::Duplicate(_) => CommandError::Duplicate,
        CommitError::Conflict(_) => contested(order_id),
        CommitError::Store(error) => store_failed(order_id, error),
        CommitError::Invalid(source) => CommandError::Invalid {
            stream: stream::<Order>(order_id),
            source,
        },
    }
}

fn contested(order_id: &str) -> Failed {
    CommandError::Conflict {
        stream: stream::<Order>(order_id),
    }
}

/// The store failed while `what` was read or written.
pub(crate) fn store_failed(what: &str, source: StoreError) -> Failed {
    let stream = what.to_owned();
    CommandError::Store { stream, source }
}

// === impl Along ===

impl Along {
    /// Only these timers.
    pub(crate) fn timers(timers: Vec<TimerWrite>) -> Self {
        Self {
            timers,
            answered: None,
        }
    }

    fn join(&self, commit: &mut Commit) {
        commit.timers.extend(self.timers.iter().cloned());
        commit.answered.clone_from(&self.answered);
    }
}
