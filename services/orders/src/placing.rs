//! From a request to the venue: created, funded, validated, submitted.
//!
//! The first commit makes the order, fixes what it needs and sets a timer. Every later step reads
//! where the order is, asks custody or the venue a question that may be asked again, and writes
//! the answer down. Whoever finds the order half way, the request or the timer, goes on from there.

use std::time::{Duration, SystemTime};

use outcry_contracts::orders::v1::{CancelReason, OrderStatus, OrderTerms, RejectReason};
use outcry_contracts::users::v1::UserStatus;
use outcry_events::Cause;
use outcry_service::{CommandError, Context, Loaded, decide};
use outcry_store::{Answer, CommitError, Conflict, TimerWrite, timer};
use tonic::{Code, Status};
use tracing::debug;

use crate::cancelling;
use crate::changes::{self, Along, Failed, after_each, existing, not_committed, store_failed};
use crate::custody::{self, Ask, Locking};
use crate::domain::{Command, Order, Refused};
use crate::pretrade::Need;
use crate::timers::{CARRY_ON_AFTER, Job};
use crate::updates::{self, Place};
use crate::venue;
use crate::views::{
    self, BARRED, CLIENT_ORDERS, Document, OrderRow, Progress, VenueState, Versioned, write_order,
};

/// How long custody is asked about a new order before it is given up: longer than a restart of
/// the funds service takes, short enough that nobody's order wakes up in another market.
const GIVE_UP_AFTER: Duration = Duration::from_secs(120);

/// Steps of one go: created, validated, submitted, and a few more looks where others interfere.
const STEPS_MAX: u32 = 8;

/// An order to be made.
#[derive(Clone, Debug)]
pub(crate) struct NewOrder {
    pub(crate) order_id: String,
    pub(crate) user_id: String,
    pub(crate) client_order_id: String,
    pub(crate) terms: OrderTerms,
    /// Place in the user's life, as far as it is known.
    pub(crate) user_sequence: u64,
    /// What it needs, or why it is refused at once.
    pub(crate) outcome: Result<Need, Refused>,
}

/// Why an order was not made.
#[derive(Debug)]
pub(crate) enum NotCreated {
    /// Another order has the user's own id.
    ClientOrderIdTaken,
    /// The request has been answered by somebody faster.
    Answered,
    /// The user has been suspended meanwhile.
    Barred,
    /// All else.
    Failed(Failed),
}

/// Makes an order, with the answer that fixes its id for every repetition of the request.
///
/// # Errors
/// [`NotCreated`].
pub(crate) async fn create(
    ctx: &Context,
    cause: &Cause,
    new: NewOrder,
    answered: Option<Answer>,
) -> Result<OrderRow, NotCreated> {
    let order_id = new.order_id.clone();
    let failed = |error| NotCreated::Failed(store_failed(&order_id, error));
    let command = Command::Place {
        order_id: new.order_id,
        user_id: new.user_id,
        client_order_id: new.client_order_id,
        terms: Box::new(new.terms),
        refused: new.outcome.clone().err(),
    };
    let (executed, mut commit) =
        decide(ctx, &order_id, Loaded::<Order>::default(), cause, &command)
            .map_err(NotCreated::Failed)?;
    let progress = Progress {
        placing: new.outcome.ok(),
        user_sequence: new.user_sequence,
        ..Progress::default()
    };
    if progress.placing.is_some() {
        commit.timers.push(job(&order_id).set(ctx, CARRY_ON_AFTER));
    }
    let mut new = Versioned {
        row: OrderRow {
            order: Document::default(),
            progress: progress.clone(),
        },
        version: 0,
    };
    for (place, row) in after_each(&new.row.clone(), &progress, &executed) {
        let event = &executed.events[place];
        new.row = row;
        let place = Place::Own(event.sequence());
        updates::record(ctx, &mut commit, event, place, new.row.clone()).map_err(failed)?;
    }
    let order = &new.row.order;
    if !order.client_order_id.is_empty() {
        let (user, own) = (&order.user_id, &order.client_order_id);
        let take = views::take_client_order_id(user, own, &order_id).map_err(failed)?;
        commit.views.push(take);
    }
    commit.views.push(views::not_barred(&order.user_id));
    commit.views.push(write_order(&new).map_err(failed)?);
    commit.answered = answered;
    match ctx.store.commit(commit).await {
        Ok(()) => Ok(new.row),
        Err(CommitError::Conflict(Conflict::View { view, .. })) if view == CLIENT_ORDERS => {
            Err(NotCreated::ClientOrderIdTaken)
        }
        Err(CommitError::Conflict(Conflict::View { view, .. })) if view == BARRED => {
            Err(NotCreated::Barred)
        }
        Err(CommitError::Duplicate(_)) => Err(NotCreated::Answered),
        Err(error) => Err(NotCreated::Failed(not_committed(&order_id, error))),
    }
}

/// The timer that carries an order on.
pub(crate) fn job(order_id: &str) -> Job {
    Job::Place {
        order_id: order_id.to_owned(),
    }
}

/// Brings an order to the venue, from wherever it is; `done` are the timer writes of the last step.
///
/// # Errors
/// Custody, the venue or the store did not answer: go on later.
pub(crate) async fn carry_on(
    ctx: &Context,
    order_id: &str,
    cause: &Cause,
    done: Vec<TimerWrite>,
) -> Result<OrderRow, Status> {
    let done = Along::timers(done);
    for _ in 0..STEPS_MAX {
        let row = existing(ctx, order_id).await?.row;
        let Some(need) = row.progress.placing.clone() else {
            return Ok(row);
        };
        let step = match row.order.status() {
            OrderStatus::New => fund(ctx, &row.order, &need, cause, &done).await,
            _ => submit(ctx, &row.order, cause, &done).await,
        };
        match step {
            Ok(()) => {}
            // Somebody was faster, a cancellation for example: look again.
            Err(Stalled::Failed(CommandError::Rejected(rejection))) => {
                debug!(order_id, %rejection, "overtaken while being placed");
            }
            Err(Stalled::Failed(error)) => return Err(error.into()),
            Err(Stalled::Unknown(status)) => return Err(status),
        }
    }
    let message = "the order is being changed by others; look again in a moment";
    Err(outcry_mesh::refusal::with_reason(
        Code::Aborted,
        "CONFLICT",
        message,
    ))
}

/// Why a step did not come to an end.
enum Stalled {
    /// Custody or the venue did not answer.
    Unknown(Status),
    /// The answer could not be written down.
    Failed(Failed),
}

/// New → validated or rejected.
async fn fund(
    ctx: &Context,
    order: &Document,
    need: &Need,
    cause: &Cause,
    done: &Along,
) -> Result<(), Stalled> {
    let order_id = &order.order_id;
    if is_suspended(ctx, order).await? {
        // Somebody else may have brought it to the venue meanwhile, so the venue is asked.
        let reason = CancelReason::UserSuspended;
        let cancelled = cancelling::carry_on(ctx, order_id, reason, cause).await;
        return cancelled.map(|_| ()).map_err(Stalled::Unknown);
    }
    let asking = changes::next_cause(ctx, order_id, cause).await?;
    let ask = Ask {
        order_id,
        user_id: &order.user_id,
        revision: 0,
        lock: &need.lock,
        cumulative_quantity: 0,
    };
    match custody::lock(ctx, &asking, &ask).await {
        Locking::Locked => {
            let validate = Command::Validate {
                locked: need.lock.to_message(),
                protection: need.protection(),
            };
            changes::apply(ctx, order_id, cause, &validate, |_| {}, &Along::default()).await?;
            Ok(())
        }
        Locking::Refused(refused) => reject(ctx, order_id, cause, refused, done).await,
        Locking::Unknown(status) if age(ctx, order) < GIVE_UP_AFTER => {
            Err(Stalled::Unknown(status))
        }
        Locking::Unknown(_) => {
            custody::give_up(ctx, &asking, order_id, &order.user_id)
                .await
                .map_err(Stalled::Unknown)?;
            let refused = Refused {
                reason: RejectReason::AccountNotReady,
                message: "the account could not be checked in time".to_owned(),
            };
            reject(ctx, order_id, cause, refused, done).await
        }
    }
}

/// Looked at again after the order was made: nothing is locked for a user who is suspended by now.
async fn is_suspended(ctx: &Context, order: &Document) -> Result<bool, Stalled> {
    let user = views::known_user(ctx.store.as_ref(), &order.user_id)
        .await
        .map_err(|error| store_failed(&order.user_id, error))?;
    Ok(user.is_some_and(|user| user.row.status() != UserStatus::Active))
}

async fn reject(
    ctx: &Context,
    order_id: &str,
    cause: &Cause,
    refused: Refused,
    done: &Along,
) -> Result<(), Stalled> {
    changes::apply(
        ctx,
        order_id,
        cause,
        &Command::Reject(refused),
        |_| {},
        done,
    )
    .await?;
    Ok(())
}

/// Validated → at the venue. What the venue decided arrives by its events; here it is only noted.
async fn submit(
    ctx: &Context,
    order: &Document,
    cause: &Cause,
    done: &Along,
) -> Result<(), Stalled> {
    let order_id = &order.order_id;
    let asking = changes::next_cause(ctx, order_id, cause).await?;
    let trade = venue::submit(ctx, &asking, order)
        .await
        .map_err(Stalled::Unknown)?;
    let said = VenueState::of(&trade);
    let placed = |row: &OrderRow| -> Result<Progress, Failed> {
        let mut progress = row.progress.clone();
        progress.hear(said.clone());
        Ok(progress)
    };
    changes::note(ctx, order_id, placed, done).await?;
    Ok(())
}

/// How long ago an order was placed.
fn age(ctx: &Context, order: &Document) -> Duration {
    let placed: SystemTime = timer::time_of(order.created_at);
    ctx.clock.now().duration_since(placed).unwrap_or_default()
}

impl From<Failed> for Stalled {
    fn from(error: Failed) -> Self {
        Self::Failed(error)
    }
}
