//! Sends what is pending on a channel when its timer is due.
//!
//! A channel has one timer, so a slow receiver holds up nobody but its own user. Timers fire in
//! one replica at a time. What was sent and not yet written down when that replica dies is sent
//! again by the next one, under the same delivery id.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use outcry_contracts::notifications::v1::{ChannelKind, DeliveryStatus};
use outcry_service::{Context, Fault, TimerHandler};
use outcry_store::{Commit, Timer, TimerWrite, timer};

use crate::channels::{self, ChannelRow};
use crate::deliveries::{self, DeliveryRow, Failure};
use crate::email::Mailer;
use crate::inbox;
use crate::letter::Letter;
use crate::webhook::Poster;

/// Deliveries of one channel before its timer is set anew: what was sent is written down together,
/// and what a crash repeats is no more than this.
const BATCH_MAX: usize = 16;

/// No further delivery of a batch is begun after this time: one attempt has ten seconds and the
/// timer's handler thirty.
const BEGIN_WITHIN: Duration = Duration::from_secs(10);

/// The ways out.
pub(crate) struct Ways {
    /// None without a mail server.
    pub(crate) mailer: Option<Mailer>,
    pub(crate) poster: Poster,
}

/// Fires the timers of channels.
pub(crate) struct Courier {
    pub(crate) ctx: Context,
    pub(crate) ways: Arc<Ways>,
}

#[async_trait]
impl TimerHandler for Courier {
    async fn fire(&self, timer: &Timer) -> Result<Commit, Fault> {
        let Some((user_id, kind)) = deliveries::channel_of(timer) else {
            return Err(Fault::discard(format!("unknown timer {}", timer.id)));
        };
        let store = self.ctx.store.as_ref();
        let now = self.ctx.clock.now();
        // Before looking: what becomes pending meanwhile refuses the commits that send nothing.
        let queued = deliveries::queued(store, user_id, kind).await?;
        let due = deliveries::pending(store, user_id, kind, BATCH_MAX).await?;
        let next = due.first().and_then(|(first, _)| first.next_ns);
        let next = next.map(timer::time_of);
        if next.is_none_or(|next| next > now) {
            let fired = TimerWrite::Fired {
                id: timer.id.clone(),
                due: timer.due,
            };
            let again = next.map(|next| deliveries::look_after(user_id, kind, next));
            return Ok(Commit {
                views: vec![deliveries::unless_queued(user_id, kind, queued)?],
                timers: [fired].into_iter().chain(again).collect(),
                ..Commit::default()
            });
        }
        let channel = channels::channel(store, user_id, kind).await?;
        let channel = channel.map(|(channel, _)| channel);
        let mut commit = Commit::default();
        for (delivery, version) in self.deliver(channel.as_ref(), due, now).await? {
            commit.views.push(delivery.write(version)?);
        }
        // At once, to look for more. Set whatever others have set meanwhile: what was sent must
        // not be sent again for their sake.
        let timer = deliveries::look_after(user_id, kind, self.ctx.clock.now());
        commit.timers.push(timer);
        Ok(commit)
    }
}

// === impl Courier ===

impl Courier {
    /// Attempts what is due until something fails or time is up; what became of those tried.
    async fn deliver(
        &self,
        channel: Option<&ChannelRow>,
        due: Vec<(DeliveryRow, u64)>,
        now: SystemTime,
    ) -> Result<Vec<(DeliveryRow, u64)>, Fault> {
        let begun = tokio::time::Instant::now();
        let mut tried = Vec::new();
        for (delivery, version) in due {
            let is_due = delivery
                .next_ns
                .is_some_and(|next| timer::time_of(next) <= now);
            if !is_due || begun.elapsed() > BEGIN_WITHIN {
                break;
            }
            let Some(channel) = channel.filter(|channel| channel.enabled) else {
                let reason = "the channel was removed or switched off";
                tried.push((delivery.given_up(reason, now), version));
                continue;
            };
            let outcome = self.attempt(channel, &delivery).await?;
            let failed = outcome.is_err();
            let delivery = delivery.attempted(outcome, self.ctx.clock.now());
            note(&delivery);
            tried.push((delivery, version));
            // The next one would most likely fail, too, and time is short.
            if failed {
                break;
            }
        }
        Ok(tried)
    }

    async fn attempt(
        &self,
        channel: &ChannelRow,
        delivery: &DeliveryRow,
    ) -> Result<Result<(), Failure>, Fault> {
        let store = self.ctx.store.as_ref();
        let message = inbox::message(store, &delivery.user_id, delivery.sequence).await?;
        let Some(message) = message else {
            // Deleted together with its deliveries, this one among them: the commit is a conflict.
            return Ok(Err(Failure::lasting("the message was deleted")));
        };
        let letter = Letter::new(delivery, &message);
        let now = self.ctx.clock.now();
        Ok(match (channel.kind(), &self.ways.mailer) {
            (ChannelKind::Webhook, _) => {
                let poster = &self.ways.poster;
                poster
                    .post(&channel.target, &channel.secret, &letter, now)
                    .await
            }
            (ChannelKind::Email, Some(mailer)) => mailer.send(&channel.target, &letter, now).await,
            (ChannelKind::Email, None) => {
                Err(Failure::passing("no mail server is configured any more"))
            }
            (ChannelKind::Unspecified, _) => Err(Failure::lasting("the channel has no kind")),
        })
    }
}

/// Tells the log, without who it was for.
fn note(delivery: &DeliveryRow) {
    let DeliveryRow {
        delivery_id,
        attempts,
        last_error,
        ..
    } = delivery;
    let kind = delivery.kind().as_str_name();
    match delivery.status() {
        DeliveryStatus::Dead => {
            tracing::warn!(delivery_id, kind, attempts, last_error, "delivery given up");
        }
        DeliveryStatus::Pending => {
            tracing::info!(delivery_id, kind, attempts, last_error, "delivery failed");
        }
        _ => tracing::debug!(delivery_id, kind, attempts, "delivered"),
    }
}
