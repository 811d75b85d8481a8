//! What is carried on when nobody waits for it any more: after a crash, or when custody or the
//! venue did not answer in time.

use std::time::Duration;

use async_trait::async_trait;
use outcry_contracts::orders::v1::CancelReason;
use outcry_events::Cause;
use outcry_service::{Context, Fault, TimerHandler};
use outcry_store::{Commit, Timer, TimerWrite};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::cancelling::{self, OPEN_MAX};
use crate::config::Config;
use crate::placing;
use crate::replacing;
use crate::views::{Filter, orders};

/// How long the request that began something has to finish it before the timer takes over: longer
/// than the calls of one command may take together, so that the two seldom meet. They may.
pub(crate) const CARRY_ON_AFTER: Duration = Duration::from_secs(8);

/// Who acts when a timer does.
pub(crate) const ACTOR: &str = "service:orders";

/// Fires the timers of orders.
pub(crate) struct Timers {
    pub(crate) ctx: Context,
    pub(crate) config: Config,
}

/// What a timer is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Job {
    /// Brings a placed order to the venue.
    Place { order_id: String },
    /// Has the venue cancel an order.
    Cancel { order_id: String, reason: i32 },
    /// Has the venue change an order.
    Replace { order_id: String },
    /// Cancels all open orders of a user who may not trade any more.
    Suspend { user_id: String },
}

// === impl Job ===

impl Job {
    /// The timer's id: there is one of each kind per order or user.
    fn id(&self) -> String {
        match self {
            Self::Place { order_id } => format!("place/{order_id}"),
            Self::Cancel { order_id, .. } => format!("cancel/{order_id}"),
            Self::Replace { order_id } => format!("replace/{order_id}"),
            Self::Suspend { user_id } => format!("suspend/{user_id}"),
        }
    }

    /// Sets the timer: due now, plus `after`.
    pub(crate) fn set(&self, ctx: &Context, after: Duration) -> TimerWrite {
        TimerWrite::Set(Timer {
            id: self.id(),
            due: ctx.clock.now() + after,
            // Strings and numbers always serialise.
            payload: serde_json::to_vec(self).unwrap_or_default(),
        })
    }

    /// Clears the timer.
    pub(crate) fn clear(&self) -> TimerWrite {
        TimerWrite::Clear { id: self.id() }
    }
}

// === impl Timers ===

impl Timers {
    /// One timer per open order, due at once: each is cancelled on its own, and again until done.
    async fn suspend(&self, user_id: &str) -> Result<Commit, Fault> {
        let filter = Filter {
            user_id,
            open_only: true,
            ..Filter::default()
        };
        let open = orders(self.ctx.store.as_ref(), &filter, None, OPEN_MAX).await?;
        let ids = open.iter().map(|(row, _)| row.order.order_id.as_str());
        let reason = CancelReason::UserSuspended;
        let mut timers = cancelling::timers(&self.ctx, ids, reason, Duration::ZERO);
        if open.len() == OPEN_MAX {
            let again = Job::Suspend {
                user_id: user_id.to_owned(),
            };
            timers.push(again.set(&self.ctx, CARRY_ON_AFTER));
        }
        Ok(Commit {
            timers,
            ..Commit::default()
        })
    }
}

#[async_trait]
impl TimerHandler for Timers {
    async fn fire(&self, timer: &Timer) -> Result<Commit, Fault> {
        let job: Job = serde_json::from_slice(&timer.payload)
            .map_err(|error| Fault::park(format!("timer {}: {error}", timer.id)))?;
        // Another flow than any order's, so that what happens is told within the order's own.
        let cause = Cause::root(Uuid::nil(), ACTOR);
        let ctx = &self.ctx;
        match &job {
            Job::Place { order_id } => {
                placing::carry_on(ctx, order_id, &cause, Vec::new()).await?;
            }
            Job::Cancel { order_id, reason } => {
                let reason = CancelReason::try_from(*reason).unwrap_or_default();
                cancelling::carry_on(ctx, order_id, reason, &cause).await?;
            }
            Job::Replace { order_id } => {
                replacing::carry_on(ctx, &self.config, order_id, &cause).await?;
            }
            Job::Suspend { user_id } => return self.suspend(user_id).await,
        }
        Ok(Commit::default())
    }
}
