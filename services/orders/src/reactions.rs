//! Facts of users and of the venue, and what they mean for orders.

use std::time::Duration;

use async_trait::async_trait;
use outcry_contracts::orders::v1::CancelReason;
use outcry_contracts::trades::v1::{
    FailureReason, TradeCancelledEvent, TradeExecutedEvent, TradeFailedEvent,
};
use outcry_contracts::users::v1::{UserCreatedEvent, UserStatus, UserStatusChangedEvent};
use outcry_events::{Amount, SealedEvent};
use outcry_service::{CommandError, Context, Fault, GroupSpec, Reaction, Retry, Unknown};
use outcry_store::Commit;

use crate::changes::{self, existing};
use crate::domain::{Command, Fill, Refused, Rejection};
use crate::timers::{ACTOR, Job};
use crate::venue::reject_reason;
use crate::views::write_user;

/// What orders listens to.
pub const CONSUMES: &[&str] = &[
    "user.created",
    "user.status_changed",
    "trade.executed",
    "trade.cancelled",
    "trade.failed",
];

/// Facts of the venue may come before what they build on is written down here: a change of terms
/// whose answer was lost waits for its timer, and that for a venue that answers. They are tried for
/// about three minutes, longer than both take when processes stop and others take over: parked,
/// they would hold up their whole symbol until a person comes.
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
    /// The user's status is written down first; only then are the user's orders looked for.
    fn user(&self, user_id: &str, status: UserStatus) -> Result<Commit, Fault> {
        let mut commit = Commit {
            views: vec![write_user(user_id, status)?],
            ..Commit::default()
        };
        if status != UserStatus::Active {
            let user_id = user_id.to_owned();
            let suspend = Job::Suspend { user_id };
            commit.timers.push(suspend.set(&self.ctx, Duration::ZERO));
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
        let cause = event.cause(ACTOR);
        match changes::plan(&self.ctx, order_id, &cause, command, |_| {}).await {
            Ok((_, commit)) => Ok(commit),
            Err(error) => Err(fault(error)),
        }
    }
}

#[async_trait]
impl Reaction for Reactions {
    fn group(&self) -> GroupSpec {
        GroupSpec::new("orders", CONSUMES, Unknown::Park).retry(RETRY)
    }

    async fn react(&self, event: &SealedEvent) -> Result<Commit, Fault> {
        match event.topic() {
            "user.created" => {
                let created: UserCreatedEvent = event.payload()?;
                self.user(&created.user_id, UserStatus::Active)
            }
            "user.status_changed" => {
                let changed: UserStatusChangedEvent = event.payload()?;
                self.user(&changed.user_id, changed.new_status())
            }
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
