//! Changing the terms of an order at the venue.
//!
//! What the new terms need more is locked first, under the number of the change; then the venue is
//! asked; what it accepted is written down at once; what it needs less goes back after that. A
//! number is never used for two changes. What custody and venue did under it they do not do again,
//! so each step may be repeated.

mod planning;

use outcry_contracts::orders::v1::ReplaceOrderResponse;
use outcry_events::{Amount, Cause};
use outcry_mesh::refusal;
use outcry_service::{CommandError, Context};
use outcry_store::TimerWrite;
use prost::Message;
use tonic::{Code, Status};
use tracing::debug;

use crate::api::only_id;
use crate::changes::{self, Along, Failed, existing};
use crate::config::Config;
use crate::custody::{self, Ask, Locking};
use crate::domain::{Command, Rejection, Replacement};
use crate::instruments::Rules;
use crate::pretrade::Lock;
use crate::releasing;
use crate::timers::{CARRY_ON_AFTER, Job};
use crate::venue;
use crate::views::{Document, OrderRow, Progress, Replacing, RequestKey, Surplus, VenueState};

use planning::{Needs, change_of_need, planned};

/// New terms as they were asked for.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) request: RequestKey,
    pub(crate) quantity: i64,
    /// None keeps the present one.
    pub(crate) limit: Option<Amount>,
    /// None keeps the present one.
    pub(crate) stop: Option<Amount>,
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
    rules: Option<&Rules>,
    order_id: &str,
    wish: &Wish,
) -> Result<OrderRow, Status> {
    let along = Along::timers(vec![job(order_id).set(ctx, CARRY_ON_AFTER)]);
    let row = existing(ctx, order_id).await?.row;
    let plan = |row: &OrderRow| planned(config, rules, row, wish);
    if plan(&row)? == row.progress {
        return Ok(row);
    }
    changes::note(ctx, order_id, plan, &along).await
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
    let need = change_of_need(config, &row.order, &new);
    if let Needs::More(more) = &need
        && let Some(refused) = lock(ctx, &asking, &row.order, &new, more).await?
    {
        give_up(ctx, order_id, &new, &Needs::Same, |_| {}, &along).await?;
        return Ok(Ended::Refused(refused));
    }
    let (trade, answer) = match venue::replace(ctx, &asking, &row.order, &new).await {
        Ok(answered) => answered,
        Err(status) if venue::is_refusal(&status) => {
            give_up(ctx, order_id, &new, &need, |_| {}, &along).await?;
            give_back(ctx, config, order_id, cause).await;
            return Ok(Ended::Refused(status));
        }
        Err(status) => return Err(status),
    };
    let said = VenueState::of(&trade);
    if !answer.replaced {
        let hear = |progress: &mut Progress| progress.hear(said.clone());
        give_up(ctx, order_id, &new, &need, hear, &along).await?;
        give_back(ctx, config, order_id, cause).await;
        return Ok(Ended::Refused(too_late()));
    }
    let replace = Command::Replace(Replacement {
        revision: new.revision,
        // The venue finishes an order that is to have less than it has filled.
        quantity: new.quantity.max(trade.cumulative_quantity),
        limit: Amount::from_raw(new.limit_price).unwrap_or_default(),
        stop: new.stop_price.and_then(|raw| Amount::from_raw(raw).ok()),
        kept_priority: answer.kept_priority,
    });
    let turn = |progress: &mut Progress| {
        progress.end_replace(new.revision);
        if need == Needs::Less {
            progress.surplus = Some(Surplus {
                revision: new.revision,
                cumulative_quantity: trade.cumulative_quantity,
            });
        }
        progress.hear(said.clone());
    };
    let answer = ReplaceOrderResponse {
        order: Some(only_id(order_id)),
    };
    let mut along = along;
    along.answered = new.request.answer(answer.encode_to_vec(), ctx.clock.now());
    if need == Needs::Less {
        let release = releasing::job(order_id).set(ctx, CARRY_ON_AFTER);
        along.timers.push(release);
    }
    match changes::apply(ctx, order_id, cause, &replace, turn, &along).await {
        Ok(row) => {
            let row = give_back(ctx, config, order_id, cause).await.unwrap_or(row);
            Ok(Ended::Done(Box::new(row)))
        }
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

/// Gives back what the order does not need any more, as far as custody answers; else its timer
/// does.
async fn give_back(
    ctx: &Context,
    config: &Config,
    order_id: &str,
    cause: &Cause,
) -> Option<OrderRow> {
    match releasing::carry_on(ctx, config, order_id, cause).await {
        Ok(row) => Some(row),
        Err(status) => {
            let reason = status.message();
            debug!(order_id, reason, "the rest of the lock waits for its timer");
            None
        }
    }
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
    match custody::lock_settled(ctx, cause, &ask).await {
        Locking::Locked => Ok(None),
        Locking::Refused(refused) => {
            let reason = refused.reason.as_str_name();
            Ok(Some(refusal::with_reason(
                Code::FailedPrecondition,
                reason.trim_start_matches("REJECT_REASON_"),
                refused.message,
            )))
        }
        Locking::Unknown(status) => Err(status),
    }
}

/// Ends a wish that was not granted, with what the venue has said. What was locked for it goes back.
async fn give_up(
    ctx: &Context,
    order_id: &str,
    new: &Replacing,
    need: &Needs,
    hear: impl Fn(&mut Progress),
    along: &Along,
) -> Result<OrderRow, Failed> {
    let locked = matches!(need, Needs::More(_));
    let turn = |row: &OrderRow| -> Result<Progress, Failed> {
        let mut progress = row.progress.clone();
        hear(&mut progress);
        if locked && progress.replacing.is_some() {
            let venue = progress.venue.as_ref();
            progress.last_revision += 1;
            progress.surplus = Some(Surplus {
                revision: progress.last_revision,
                cumulative_quantity: venue.map_or(0, |venue| venue.cumulative_quantity),
            });
        }
        progress.end_replace(new.revision);
        Ok(progress)
    };
    let mut along = along.clone();
    if locked {
        let release = releasing::job(order_id).set(ctx, CARRY_ON_AFTER);
        along.timers.push(release);
    }
    changes::note(ctx, order_id, turn, &along).await
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
