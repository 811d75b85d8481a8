//! What is carried on when nobody waits for it any more: after a crash, or when custody or the
//! venue did not answer in time.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use outcry_contracts::orders::v1::CancelReason;
use outcry_events::Cause;
use outcry_service::{Context, Fault, TimerHandler};
use outcry_store::{Commit, Timer, TimerWrite};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::cancelling;
use crate::config::Config;
use crate::placing;
use crate::releasing;
use crate::replacing;
use crate::updates;
use crate::views::{Filter, orders};

/// How long the request that began something has to finish it before the timer takes over: longer
/// than the calls of one command may take together, so that the two seldom meet. They may.
pub(crate) const CARRY_ON_AFTER: Duration = Duration::from_secs(8);

/// Orders of a suspended user taken up in one go: each sets a timer, and a commit holds ten thousand
/// writes; small enough that other timers get their turn.
const SUSPENDED_AT_ONCE: usize = 1_000;

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
    /// Has custody give back what an order does not need any more.
    Release { order_id: String },
    /// Cancels the open orders of a user who may not trade any more.
    Suspend {
        user_id: String,
        /// Place of the suspension in the user's life: orders made after it stay.
        sequence: u64,
        /// How far the user's orders have been gone through.
        after: Option<String>,
    },
    /// Numbers the changes of a user's orders, made until then.
    Number {
        user_id: String,
        /// The end of a span of time, in nanoseconds since 1970: each span has a timer of its own,
        /// so that changes made while one fires do not get into its way.
        until: i64,
    },
}

// === impl Job ===

impl Job {
    /// The timer's id: there is one of each kind per order or user.
    fn id(&self) -> String {
        match self {
            Self::Place { order_id } => format!("place/{order_id}"),
            Self::Cancel { order_id, .. } => format!("cancel/{order_id}"),
            Self::Replace { order_id } => format!("replace/{order_id}"),
            Self::Release { order_id } => format!("release/{order_id}"),
            Self::Suspend {
                user_id, sequence, ..
            } => format!("suspend/{user_id}/{sequence}"),
            Self::Number { user_id, until } => format!("number/{user_id}/{until}"),
        }
    }

    /// Sets the timer: due now, plus `after`.
    pub(crate) fn set(&self, ctx: &Context, after: Duration) -> TimerWrite {
        self.set_at(ctx.clock.now() + after)
    }

    /// Sets the timer: due then.
    pub(crate) fn set_at(&self, due: SystemTime) -> TimerWrite {
        TimerWrite::Set(Timer {
            id: self.id(),
            due,
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
    /// One timer per open order made before the suspension, due at once: each is cancelled on its
    /// own, and again until done. Goes on behind `after` when there are more.
    async fn suspend(
        &self,
        user_id: &str,
        sequence: u64,
        after: Option<String>,
    ) -> Result<Commit, Fault> {
        let filter = Filter {
            user_id,
            open_only: true,
            ..Filter::default()
        };
        let open = orders(self.ctx.store.as_ref(), &filter, after, SUSPENDED_AT_ONCE).await?;
        let ids = open
            .iter()
            .filter(|(row, _)| row.progress.user_sequence < sequence)
            .map(|(row, _)| row.order.order_id.as_str());
        let reason = CancelReason::UserSuspended;
        let mut timers = cancelling::timers(&self.ctx, ids, reason, Duration::ZERO);
        if let Some((_, cursor)) = open.last().filter(|_| open.len() == SUSPENDED_AT_ONCE) {
            let next = Job::Suspend {
                user_id: user_id.to_owned(),
                sequence,
                after: Some(cursor.clone()),
            };
            timers.push(next.set(&self.ctx, Duration::ZERO));
        }
        Ok(Commit {
            timers,
            ..Commit::default()
        })
    }

    /// Numbers a user's changes until none is left without a number.
    async fn number(&self, user_id: &str) -> Result<(), Fault> {
        while updates::number(&self.ctx, user_id)
            .await
            .map_err(Fault::retry)?
        {}
        Ok(())
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
            Job::Release { order_id } => {
                releasing::carry_on(ctx, &self.config, order_id, &cause).await?;
            }
            Job::Suspend {
                user_id,
                sequence,
                after,
            } => return self.suspend(user_id, *sequence, after.clone()).await,
            Job::Number { user_id, .. } => self.number(user_id).await?,
        }
        Ok(Commit::default())
    }
}
