//! Events become messages, and messages deliveries.

use async_trait::async_trait;
use outcry_events::SealedEvent;
use outcry_events::topic::event_name;
use outcry_service::{Context, Fault, GroupSpec, Reaction, Unknown};
use outcry_store::{Ahead, Commit, timer};
use tokio::sync::watch;
use uuid::Uuid;

use crate::deliveries::{DeliveryRow, look_after, queue};
use crate::inbox::{self, Message};
use crate::templates::{self, Text};
use crate::{CONSUMES, NAME, channels};

/// Writes messages to the users an event is about.
pub(crate) struct Messenger {
    pub(crate) ctx: Context,
    /// Changes with every message, to wake the streams.
    pub(crate) news: watch::Sender<u64>,
}

#[async_trait]
impl Reaction for Messenger {
    fn group(&self) -> GroupSpec {
        GroupSpec::new(NAME, CONSUMES, Unknown::Skip).in_runs()
    }

    async fn react(&self, event: &SealedEvent) -> Result<Commit, Fault> {
        self.tell_all(event, &Ahead::of(self.ctx.store.as_ref()))
            .await
    }

    async fn react_to_run(&self, events: &[SealedEvent]) -> Vec<Commit> {
        let mut ahead = Ahead::of(self.ctx.store.as_ref());
        let mut commits = Vec::new();
        for event in events {
            // Whatever is wrong with it is told when it comes alone.
            let Ok(commit) = self.tell_all(event, &ahead).await else {
                break;
            };
            if ahead.apply(&commit).await.is_err() {
                break;
            }
            commits.push(commit);
        }
        commits
    }

    async fn committed(&self, _event: &SealedEvent) {
        self.news.send_modify(|news| *news = news.wrapping_add(1));
    }
}

// === impl Messenger ===

impl Messenger {
    async fn tell_all(&self, event: &SealedEvent, ahead: &Ahead<'_>) -> Result<Commit, Fault> {
        let mut commit = Commit::default();
        let Some(text) = templates::text(event)? else {
            return Ok(commit);
        };
        let mut subjects = event.subjects().map_err(Fault::park)?;
        subjects.sort();
        subjects.dedup();
        for user_id in subjects {
            self.tell(&user_id, event, &text, ahead, &mut commit)
                .await?;
        }
        Ok(commit)
    }

    async fn tell(
        &self,
        user_id: &str,
        event: &SealedEvent,
        text: &Text,
        ahead: &Ahead<'_>,
        commit: &mut Commit,
    ) -> Result<(), Fault> {
        // Of these rows no message changes any.
        let store = ahead.store();
        let topic = event_name(event.topic());
        let id = Uuid::new_v5(&event.id(), user_id.as_bytes()).to_string();
        // The group's mark of the event is forgotten after a while; the message, or that there was
        // one, stays.
        if inbox::was_told(store, user_id, &id).await? {
            return Ok(());
        }
        if inbox::preferences(store, user_id).await?.mutes(topic) {
            return Ok(());
        }
        let (mut counter, version) =
            inbox::counter_of(ahead.view(inbox::COUNTERS, user_id).await?)?;
        counter.sequence += 1;
        counter.unread += 1;
        let message = Message {
            user_id: user_id.to_owned(),
            sequence: counter.sequence,
            notification_id: id,
            event_id: event.id().to_string(),
            topic: topic.to_owned(),
            priority: text.priority.into(),
            title: text.title.clone(),
            body: text.body.clone(),
            reference: text.reference.clone(),
            read: false,
            archived: false,
            at_ns: timer::nanos(event.occurred_at()).unwrap_or_default(),
        };
        commit.views.push(message.write()?);
        commit.views.push(counter.write(user_id, version)?);
        let now = self.ctx.clock.now();
        for channel in channels::of_user(store, user_id).await? {
            if channel.takes(text.priority) {
                let delivery = DeliveryRow::new(&message, channel.kind(), now);
                commit.views.push(delivery.write(0)?);
                commit.views.push(queue(&delivery)?);
                commit.timers.push(look_after(user_id, channel.kind(), now));
            }
        }
        Ok(())
    }
}
