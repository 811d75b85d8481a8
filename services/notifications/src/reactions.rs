//! Events become messages.

use async_trait::async_trait;
use outcry_events::SealedEvent;
use outcry_service::{Context, Fault, GroupSpec, Reaction, Unknown};
use outcry_store::{Commit, timer};
use tokio::sync::watch;
use uuid::Uuid;

use crate::inbox::{self, Message};
use crate::templates::{self, Text, UNMUTABLE};
use crate::{CONSUMES, NAME};

/// Writes messages to the users an event is about.
pub(crate) struct Messenger {
    pub(crate) ctx: Context,
    /// Changes with every message, to wake the streams.
    pub(crate) news: watch::Sender<u64>,
}

#[async_trait]
impl Reaction for Messenger {
    fn group(&self) -> GroupSpec {
        GroupSpec::new(NAME, CONSUMES, Unknown::Skip)
    }

    async fn react(&self, event: &SealedEvent) -> Result<Commit, Fault> {
        let mut commit = Commit::default();
        let Some(text) = templates::text(event)? else {
            return Ok(commit);
        };
        let mut subjects = event.subjects().map_err(Fault::park)?;
        subjects.sort();
        subjects.dedup();
        for user_id in subjects {
            self.tell(&user_id, event, &text, &mut commit).await?;
        }
        Ok(commit)
    }

    async fn committed(&self, _event: &SealedEvent) {
        self.news.send_modify(|news| *news = news.wrapping_add(1));
    }
}

// === impl Messenger ===

impl Messenger {
    async fn tell(
        &self,
        user_id: &str,
        event: &SealedEvent,
        text: &Text,
        commit: &mut Commit,
    ) -> Result<(), Fault> {
        let store = self.ctx.store.as_ref();
        let topic = event.topic();
        let id = Uuid::new_v5(&event.id(), user_id.as_bytes()).to_string();
        // The group's mark of the event is forgotten after a while; the message stays.
        if inbox::by_id(store, user_id, &id).await?.is_some() {
            return Ok(());
        }
        let muted = inbox::preferences(store, user_id).await?.muted;
        if muted.contains(topic) && !UNMUTABLE.contains(&topic) {
            return Ok(());
        }
        let (mut counter, version) = inbox::counter(store, user_id).await?;
        counter.sequence += 1;
        counter.unread += 1;
        let message = Message {
            user_id: user_id.to_owned(),
            sequence: counter.sequence,
            notification_id: id,
            topic: topic.to_owned(),
            priority: text.priority.into(),
            title: text.title.clone(),
            body: text.body.clone(),
            reference: text.reference.clone(),
            read: false,
            at_ns: timer::nanos(event.occurred_at()).unwrap_or_default(),
        };
        commit.views.push(message.write()?);
        commit.views.push(counter.write(user_id, version)?);
        Ok(())
    }
}
