//! Taking orders off the market. Only the venue decides between fill and cancellation, so the wish
//! is written down, the venue is asked until it answers, and its facts are what happens.

use std::time::Duration;

use outcry_contracts::orders::v1::CancelReason;
use outcry_events::Cause;
use outcry_service::{CommandError, Context};
use outcry_store::{Answer, TimerWrite};
use tonic::Status;

use crate::changes::{self, Along, Failed, existing};
use crate::domain::{Command, Rejection};
use crate::timers::{CARRY_ON_AFTER, Job};
use crate::venue;
use crate::views::{OrderRow, Progress, VenueState};

/// Writes the wish to cancel down, with the answer to the request and a timer.
///
/// # Errors
/// The store failed.
pub(crate) async fn wish(
    ctx: &Context,
    order_id: &str,
    reason: CancelReason,
    answered: Option<Answer>,
) -> Result<OrderRow, Failed> {
    let along = Along {
        timers: vec![job(order_id, reason).set(ctx, CARRY_ON_AFTER)],
        answered,
    };
    changes::note(ctx, order_id, |row| Ok(wished(row, reason)), &along).await
}

/// The timer that carries a cancellation on.
pub(crate) fn job(order_id: &str, reason: CancelReason) -> Job {
    Job::Cancel {
        order_id: order_id.to_owned(),
        reason: reason.into(),
    }
}

/// Carries a cancellation on, for its timer: also one that so far is nothing but the timer.
///
/// # Errors
/// The venue or the store did not answer: go on later.
pub(crate) async fn carry_on(
    ctx: &Context,
    order_id: &str,
    reason: CancelReason,
    cause: &Cause,
) -> Result<OrderRow, Status> {
    let wish = |row: &OrderRow| -> Result<Progress, Failed> { Ok(wished(row, reason)) };
    changes::note(ctx, order_id, wish, &Along::default()).await?;
    ask_venue(ctx, order_id, cause, Vec::new()).await
}

/// Asks the venue; `done` are the timer writes once it has answered.
///
/// # Errors
/// The venue or the store did not answer: go on later.
pub(crate) async fn ask_venue(
    ctx: &Context,
    order_id: &str,
    cause: &Cause,
    done: Vec<TimerWrite>,
) -> Result<OrderRow, Status> {
    let done = Along::timers(done);
    let row = existing(ctx, order_id).await?.row;
    // It has been decided. The timer is left to fire: another wish may have set it anew.
    let Some(wish) = row.progress.cancelling else {
        return Ok(row);
    };
    let asking = changes::next_cause(ctx, order_id, cause).await?;
    match venue::cancel(ctx, &asking, &row.order, wish.reason()).await? {
        Some(trade) => {
            let said = VenueState::of(&trade);
            let answered = |row: &OrderRow| -> Result<Progress, Failed> {
                let mut progress = row.progress.clone();
                progress.answer_cancel(said.clone());
                Ok(progress)
            };
            Ok(changes::note(ctx, order_id, answered, &done).await?)
        }
        None => {
            let reason = wish.reason();
            let cancel = Command::CancelBeforeVenue { reason };
            match changes::apply(ctx, order_id, cause, &cancel, |_| {}, &done).await {
                Ok(row) => Ok(row),
                // It ended in another way meanwhile.
                Err(CommandError::Rejected(Rejection::Final { .. })) => {
                    Ok(existing(ctx, order_id).await?.row)
                }
                Err(error) => Err(error.into()),
            }
        }
    }
}

fn wished(row: &OrderRow, reason: CancelReason) -> Progress {
    let mut progress = row.progress.clone();
    progress.wish_cancel(reason);
    progress
}

/// Timers for many cancellations, due after `after`.
pub(crate) fn timers<'a>(
    ctx: &Context,
    order_ids: impl Iterator<Item = &'a str>,
    reason: CancelReason,
    after: Duration,
) -> Vec<TimerWrite> {
    order_ids
        .map(|order_id| job(order_id, reason).set(ctx, after))
        .collect()
}
