//! Changing the terms of an order at the venue.
//!
//! What the new terms need more is locked first, under the number of the change; then the venue is
//! asked; what it accepted is written down at once. A number is never used for two changes. What
//! custody and venue did under it they do not do again, so each step may be repeated.

use std::time::Duration;

use outcry_contracts::orders::v1::{OrderStatus, OrderType, ReplaceOrderResponse};
use outcry_events::{Amount, Cause};
use outcry_mesh::refusal;
use outcry_service::{CommandError, Context};
use outcry_store::TimerWrite;
use prost::Message;
use tonic::{Code, Status};

use crate::api::only_id;
use crate::changes::{self, Along, Failed, existing};
use crate::config::Config;
use crate::custody::{self, Ask, Locking};
use crate::domain::{Command, Rejection, Replacement};
use crate::pretrade::{self, Lock};
use crate::timers::{CARRY_ON_AFTER, Job};
use crate::venue;
use crate::views::{Document, OrderRow, Progress, Replacing, RequestKey, VenueState};

/// Tries of a lock that waits for settlements, and the wait between them: fills are settled within
/// milliseconds, and the caller is waiting.
const SETTLEMENT_ATTEMPTS: u32 = 10;
const SETTLEMENT_WAIT: Duration = Duration::from_millis(50);

/// New terms as they were asked for.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) request: RequestKey,
    pub(crate) quantity: i64,
    /// None keeps the present one.
    pub(crate) limit: Option<Amount>,
}

/// How an attempt to change ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The venue has accepted it, or there was nothing to do.
    Done(Box<OrderRow>),
    /// It is not to be: nothing changed.
    Refused(Status),
}

/// Writes the wish down, with a timer, after checking it. A repetition of the same request goes on
/// with its own wish.
///
/// # Errors
/// The order cannot be changed, or not so; or the store failed.
pub(crate) async fn wish(
    ctx: &Context,
    config: &Config,
    order_id: &str,
    wish: &Wish,
) -> Result<OrderRow, Status> {
    let along = Along::timers(vec![job(order_id).set(ctx, CARRY_ON_AFTER)]);
    let row = existing(ctx, order_id).await?.row;
    if planned(config, &row, wish)? == row.progress {
        return Ok(row);
    }
    changes::note(ctx, order_id, |row| planned(config, row, wish), &along).await
}

/// The timer that carries a change on.
pub(crate) fn job(order_id: &str) -> Job {
    Job::Replace {
        order_id: order_id.to_owned(),
    }
}

/// Carries a change on, for its timer.
///
/// # Errors
/// Custody, the venue or the store did not answer: go on later.
pub(crate) async fn carry_on(
    ctx: &Context,
    config: &Config,
    order_id: &str,
    cause: &Cause,
) -> Result<(), Status> {
    // A refusal has nobody to go to any more: the caller was told that the order is pending and
    // finds it as it was.
    ask(ctx, config, order_id, cause, Vec::new()).await?;
    Ok(())
}

/// Locks what is missing and asks the venue; `done` are the timer writes once it has decided. The
/// answer to the request is stored with an accepted change; a refused one may be asked for again.
///
/// # Errors
/// Custody, the venue or the store did not answer: go on later.
pub(crate) async fn ask(
    ctx: &Context,
    config: &Config,
    order_id: &str,
    cause: &Cause,
    done: Vec<TimerWrite>,
) -> Result<Ended, Status> {
    let row = existing(ctx, order_id).await?.row;
    let Some(new) = row.progress.replacing.clone() else {
        return Ok(Ended::Done(Box::new(row)));
    };
    let asking = changes::next_cause(ctx, order_id, cause).await?;
    let along = Along {
        timers: done,
        answered: None,
    };
    if let Some(more) = more_needed(config, &row.order, &new)
        && let Some(refused) = lock(ctx, &asking, &row.order, &new, &more).await?
    {
        settle(ctx, order_id, &new, None, &along).await?;
        return Ok(Ended::Refused(refused));
    }
    let (trade, answer) = match venue::replace(ctx, &asking, &row.order, &new).await {
        Ok(answered) => answered,
        Err(status) if venue::is_refusal(&status) => {
            settle(ctx, order_id, &new, None, &along).await?;
            return Ok(Ended::Refused(status));
        }
        Err(status) => return Err(status),
    };
    let venue = VenueState::of(&trade);
    if !answer.replaced {
        settle(ctx, order_id, &new, Some(venue), &along).await?;
        return Ok(Ended::Refused(too_late()));
    }
    let replace = Command::Replace(Replacement {
        revision: new.revision,
        // The venue finishes an order that is to have less than it has filled.
        quantity: new.quantity.max(trade.cumulative_quantity),
        limit: Amount::from_raw(new.limit_price).unwrap_or_default(),
        kept_priority: answer.kept_priority,
    });
    let turn = |progress: &mut Progress| {
        progress.venue = Some(venue.clone());
        progress
            .replacing
            .take_if(|one| one.revision == new.revision);
    };
    let answer = ReplaceOrderResponse {
        order: Some(only_id(order_id)),
    };
    let answered = new.request.answer(answer.encode_to_vec(), ctx.clock.now());
    let along = Along { answered, ..along };
    match changes::apply(ctx, order_id, cause, &replace, turn, &along).await {
        Ok(row) => Ok(Ended::Done(Box::new(row))),
        // Request and timer met, and the other one wrote it down.
        Err(CommandError::Duplicate) => {
            Ok(Ended::Done(Box::new(existing(ctx, order_id).await?.row)))
        }
        Err(CommandError::Rejected(rejection @ Rejection::Final { .. })) => {
            Ok(Ended::Refused(refusal::status(&rejection)))
        }
        Err(error) => Err(error.into()),
    }
}

/// What becomes of the progress when `wish` is taken up; unchanged when there is nothing to do.
fn planned(config: &Config, row: &OrderRow, wish: &Wish) -> Result<Progress, Status> {
    let (order, progress) = (&row.order, &row.progress);
    if let Some(current) = &progress.replacing {
        if current.request == wish.request {
            return Ok(progress.clone());
        }
        return Err(not_now(
            "REPLACE_PENDING",
            "another change of the order is being decided",
        ));
    }
    if order.is_final() {
        let message = format!("the order is {} and final", order.status().as_str_name());
        return Err(not_now("ORDER_FINAL", &message));
    }
    if progress.cancelling.is_some() {
        return Err(not_now("CANCEL_PENDING", "the order is being cancelled"));
    }
    if order.status() == OrderStatus::New || progress.placing.is_some() {
        return Err(not_now("NOT_AT_VENUE", "the order is not at the venue yet"));
    }
    let limit = match (order.order_type(), order.limit()) {
        (OrderType::Limit, Some(limit)) => wish.limit.unwrap_or(limit),
        _ => {
            return Err(not_now(
                "NOT_A_LIMIT_ORDER",
                "only limit orders can be changed",
            ));
        }
    };
    if wish.quantity == order.quantity && Some(limit) == order.limit() {
        return Ok(progress.clone());
    }
    pretrade::check_terms(config, &order.symbol, limit, wish.quantity).map_err(|refused| {
        refusal::with_reason(
            Code::InvalidArgument,
            refused
                .reason
                .as_str_name()
                .trim_start_matches("REJECT_REASON_"),
            refused.message,
        )
    })?;
    let revision = progress.last_revision.max(order.revision) + 1;
    Ok(Progress {
        replacing: Some(Replacing {
            request: wish.request.clone(),
            revision,
            quantity: wish.quantity,
            limit_price: limit.raw(),
        }),
        last_revision: revision,
        ..progress.clone()
    })
}

/// What must be locked for the shares not filled yet, if that is more than under present terms.
/// What is less goes back when the order ends.
fn more_needed(config: &Config, order: &Document, new: &Replacing) -> Option<Lock> {
    let terms = order.terms();
    let filled = order.cumulative_quantity;
    let limit = Amount::from_raw(new.limit_price).ok()?;
    let wanted = pretrade::lock(config, &terms, limit, new.quantity - filled)?;
    let present = pretrade::lock(config, &terms, order.limit()?, order.quantity - filled)?;
    (wanted.size() > present.size()).then_some(wanted)
}

/// Locks for a change; the refusal if there is not enough.
async fn lock(
    ctx: &Context,
    cause: &Cause,
    order: &Document,
    new: &Replacing,
    lock: &Lock,
) -> Result<Option<Status>, Status> {
    let ask = Ask {
        order_id: &order.order_id,
        user_id: &order.user_id,
        revision: new.revision,
        lock,
        cumulative_quantity: order.cumulative_quantity,
    };
    let mut attempt = 1;
    loop {
        match custody::lock(ctx, cause, &ask).await {
            Locking::Locked => return Ok(None),
            Locking::Refused(refused) => {
                let reason = refused.reason.as_str_name();
                return Ok(Some(refusal::with_reason(
                    Code::FailedPrecondition,
                    reason.trim_start_matches("REJECT_REASON_"),
                    refused.message,
                )));
            }
            Locking::Unknown(status) => {
                if attempt == SETTLEMENT_ATTEMPTS || !custody::waits_for_settlement(&status) {
                    return Err(status);
                }
                attempt += 1;
                tokio::time::sleep(SETTLEMENT_WAIT).await;
            }
        }
    }
}

/// Ends a wish that was not granted.
async fn settle(
    ctx: &Context,
    order_id: &str,
    new: &Replacing,
    venue: Option<VenueState>,
    along: &Along,
) -> Result<OrderRow, Failed> {
    let turn = |row: &OrderRow| -> Result<Progress, Failed> {
        let mut progress = row.progress.clone();
        progress
            .replacing
            .take_if(|one| one.revision == new.revision);
        if venue.is_some() {
            progress.venue.clone_from(&venue);
        }
        Ok(progress)
    };
    changes::note(ctx, order_id, turn, along).await
}

fn too_late() -> Status {
    not_now(
        "TOO_LATE",
        "the order left the market before it could be changed",
    )
}

fn not_now(reason: &str, message: &str) -> Status {
    refusal::with_reason(Code::FailedPrecondition, reason, message)
}
