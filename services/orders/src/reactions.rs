//! Facts of users and of the venue, and what they mean for orders.

use std::time::Duration;

use async_trait::async_trait;
use outcry_contracts::orders::v1::{CancelReason, OrderStatus};
use outcry_contracts::trades::v1::{
    FailureReason, TradeCancelledEvent, TradeExecutedEvent, TradeFailedEvent, TradePlacedEvent,
    TradeStatus,
};
use outcry_contracts::users::v1::{UserCreatedEvent, UserStatus, UserStatusChangedEvent};
use outcry_events::{Amount, SealedEvent};
use outcry_service::{CommandError, Context, Fault, GroupSpec, Reaction, Retry, Unknown, load};
use outcry_store::Commit;

use crate::changes::{self, existing};
use crate::domain::{Command, Fill, Order, Refused, Rejection, Replacement};
use crate::releasing;
use crate::timers::{ACTOR, Job};
use crate::updates::{self, Place};
use crate::venue::reject_reason;
use crate::views::{
    OrderRow, Progress, UserRow, VenueState, Versioned, known_user, write_order, write_user,
};

/// What orders listens to.
pub const CONSUMES: &[&str] = &[
    "user.created",
    "user.status_changed",
    "trade.placed",
    "trade.executed",
    "trade.cancelled",
    "trade.failed",
];

/// Facts of the venue may come before what they build on is written down here, where several
/// processes write it. They are tried for about three minutes, longer than it takes when processes
/// stop and others take over: parked, they would hold up their whole symbol until a person comes.
const RETRY: Retry = Retry {
    attempts: 40,
    ..Retry::USUAL
};

/// The consumer of this service.
pub(crate) struct Reactions {
    pub(crate) ctx: Context,
}

// === impl Reactions ===

impl Reactions {
    /// The user's status is written down with the job that goes through the user's orders. News that
    /// is older than what is known, however late it comes, changes nothing.
    async fn user(
        &self,
        event: &SealedEvent,
        user_id: &str,
        status: UserStatus,
    ) -> Result<Commit, Fault> {
        let (ctx, sequence) = (&self.ctx, event.sequence());
        let known = known_user(ctx.store.as_ref(), user_id).await?;
        if known
            .as_ref()
            .is_some_and(|user| user.row.sequence >= sequence)
        {
            return Ok(Commit::default());
        }
        let user = Versioned {
            row: UserRow {
                status: status.into(),
                sequence,
            },
            version: known.map_or(0, |user| user.version),
        };
        let mut commit = Commit {
            views: write_user(user_id, &user)?.into(),
            ..Commit::default()
        };
        if status != UserStatus::Active {
            let suspend = Job::Suspend {
                user_id: user_id.to_owned(),
                sequence,
                after: None,
            };
            commit.timers.push(suspend.set(ctx, Duration::ZERO));
        }
        Ok(commit)
    }

    /// The venue has an order, has woken it, or has changed it. A change is written down with what
    /// the venue says; who asked for it brings it to its end.
    async fn placed(&self, event: &SealedEvent) -> Result<Commit, Fault> {
        let placed: TradePlacedEvent = event.payload()?;
        let (ctx, order_id) = (&self.ctx, placed.order_id.as_str());
        let before = existing(ctx, order_id).await.map_err(fault)?;
        let status = before.row.order.status();
        if before.row.order.is_final() {
            let status = status.as_str_name();
            return Err(Fault::discard(format!("placed, but the order is {status}")));
        }
        if status == OrderStatus::New {
            return Err(Fault::retry(Rejection::NotAtVenue));
        }
        let loaded = load::<Order>(ctx, order_id)
            .await
            .map_err(|error| fault(error.into()))?;
        let said = said_by(&before.row, &placed);
        if placed.revision <= loaded.state.revision {
            return self.told(event, before, loaded.sequence, said);
        }
        let (quantity, filled) = (placed.quantity, said.cumulative_quantity);
        let turn = |progress: &mut Progress| {
            progress.changed(placed.revision, quantity, filled);
            progress.hear(said.clone());
        };
        let replace = Command::Replace(replacement(&before.row, &placed)?);
        let mut commit = self.decide_and(event, order_id, &replace, turn).await?;
        if before.row.progress.replacing.is_none() {
            let release = releasing::job(order_id).set(ctx, Duration::ZERO);
            commit.timers.push(release);
        }
        Ok(commit)
    }

    /// Writes down what the venue says of an order whose terms stay, and that it did.
    fn told(
        &self,
        event: &SealedEvent,
        before: Versioned<OrderRow>,
        sequence: u64,
        said: VenueState,
    ) -> Result<Commit, Fault> {
        let mut after = before.clone();
        after.row.progress.hear(said);
        changes::check_move(&before.row, &after.row).map_err(fault)?;
        let mut commit = Commit::default();
        // The answer to a request may have said so before: who follows has not heard of it.
        let place = Place::Behind(sequence);
        updates::record(&self.ctx, &mut commit, event, place, after.row.clone())?;
        if after.row != before.row {
            commit.views.push(write_order(&after)?);
        }
        Ok(commit)
    }

    async fn failed(&self, event: &SealedEvent) -> Result<Commit, Fault> {
        let failed: TradeFailedEvent = event.payload()?;
        let command = if failed.reason() == FailureReason::CancelledBeforeVenue {
            let reason = self.reason_wished(&failed.order_id).await?;
            Command::CancelBeforeVenue { reason }
        } else {
            Command::Reject(Refused {
                reason: reject_reason(failed.reason()),
                message: failed.message.clone(),
            })
        };
        self.decide(event, &failed.order_id, &command).await
    }

    /// Why the order was to be cancelled when the venue barred it.
    async fn reason_wished(&self, order_id: &str) -> Result<CancelReason, Fault> {
        let wish = match existing(&self.ctx, order_id).await {
            Ok(order) => order.row.progress.cancelling,
            Err(error) => return Err(fault(error)),
        };
        Ok(wish.map_or(CancelReason::User, |wish| wish.reason()))
    }

    async fn decide(
        &self,
        event: &SealedEvent,
        order_id: &str,
        command: &Command,
    ) -> Result<Commit, Fault> {
        self.decide_and(event, order_id, command, |_| {}).await
    }

    /// Decides, and says what that means for what is under way.
    async fn decide_and(
        &self,
        event: &SealedEvent,
        order_id: &str,
        command: &Command,
        turn: impl Fn(&mut Progress),
    ) -> Result<Commit, Fault> {
        let cause = event.cause(ACTOR);
        match changes::plan(&self.ctx, order_id, &cause, command, turn).await {
            Ok((_, commit)) => Ok(commit),
            Err(error) => Err(fault(error)),
        }
    }
}

#[async_trait]
impl Reaction for Reactions {
    fn group(&self) -> GroupSpec {
        // Each event is about one order. Those of a trade come in its order, and no two trades are of one order.
        GroupSpec::new("orders", CONSUMES, Unknown::Park)
            .by_aggregate()
            .retry(RETRY)
    }

    async fn react(&self, event: &SealedEvent) -> Result<Commit, Fault> {
        match event.topic() {
            "user.created" => {
                let created: UserCreatedEvent = event.payload()?;
                self.user(event, &created.user_id, UserStatus::Active).await
            }
            "user.status_changed" => {
                let changed: UserStatusChangedEvent = event.payload()?;
                self.user(event, &changed.user_id, changed.new_status())
                    .await
            }
            "trade.placed" => self.placed(event).await,
            "trade.executed" => {
                let executed: TradeExecutedEvent = event.payload()?;
                let fill = fill(&executed)?;
                self.decide(event, &executed.order_id, &fill).await
            }
            "trade.cancelled" => {
                let cancelled: TradeCancelledEvent = event.payload()?;
                let command = Command::TakeOff {
                    cumulative: cancelled.cumulative_quantity,
                    unfilled: cancelled.cancelled_quantity,
                    reason: cancelled.reason(),
                };
                self.decide(event, &cancelled.order_id, &command).await
            }
            "trade.failed" => self.failed(event).await,
            other => Err(Fault::discard(format!("{other} means nothing to orders"))),
        }
    }
}

/// The new terms as the venue accepted them. It tells a collar only to who asked for it.
fn replacement(row: &OrderRow, placed: &TradePlacedEvent) -> Result<Replacement, Fault> {
    let asked = row.progress.replacing.as_ref();
    let asked = asked.filter(|one| one.revision == placed.revision);
    let limit = Amount::from_required(placed.limit_price.as_ref())
        .ok()
        .or_else(|| Amount::from_raw(asked?.limit_price).ok())
        .or_else(|| row.order.protection())
        .ok_or_else(|| Fault::park("a change without a price"))?;
    Ok(Replacement {
        revision: placed.revision,
        quantity: placed.quantity,
        limit,
        stop: Amount::from_required(placed.stop_price.as_ref()).ok(),
        kept_priority: placed.kept_priority,
    })
}

/// What the venue says with this: as its answers do, without an average price.
fn said_by(row: &OrderRow, placed: &TradePlacedEvent) -> VenueState {
    let cumulative = placed.quantity - placed.leaves_quantity;
    let status = match placed.status() {
        TradeStatus::TriggerPending => TradeStatus::TriggerPending,
        _ if placed.leaves_quantity == 0 => TradeStatus::Filled,
        _ if cumulative > 0 => TradeStatus::PartiallyFilled,
        _ => TradeStatus::Placed,
    };
    let known = row.progress.venue.as_ref();
    VenueState {
        status: status.into(),
        revision: placed.revision,
        cumulative_quantity: cumulative,
        average_price: known
            .filter(|known| known.cumulative_quantity == cumulative)
            .and_then(|known| known.average_price)
            .or(row.order.average_price),
        ..VenueState::default()
    }
}

fn fill(executed: &TradeExecutedEvent) -> Result<Command, Fault> {
    let price = Amount::from_required(executed.last_price.as_ref())
        .map_err(|error| Fault::park(format!("price of {}: {error}", executed.execution_id)))?;
    Ok(Command::Fill(Fill {
        execution_id: executed.execution_id.clone(),
        last: executed.last_quantity,
        price,
        cumulative: executed.cumulative_quantity,
        leaves: executed.leaves_quantity,
    }))
}

/// What a refused fact means: one that came too early waits, one that came too late is counted and
/// let go, and one that cannot be true is for a person.
fn fault(error: CommandError<Rejection>) -> Fault {
    match error {
        CommandError::Rejected(rejection) if rejection.may_pass() => Fault::retry(rejection),
        CommandError::Rejected(rejection @ Rejection::Final { .. }) => Fault::discard(rejection),
        error => error.into(),
    }
}
