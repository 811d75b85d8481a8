//! Keeping the events of others, each in the journals of those it is about.

use std::collections::BTreeSet;

use async_trait::async_trait;
use outcry_events::SealedEvent;
use outcry_service::{Context, Fault, GroupSpec, Reaction, Unknown};
use outcry_store::{Ahead, Commit};

use crate::{CONSUMES, NAME, journal, prices};

/// Keeps what happens.
pub(crate) struct Keeper {
    ctx: Context,
}

// === impl Keeper ===

impl Keeper {
    pub(crate) fn new(ctx: Context) -> Keeper {
        Keeper { ctx }
    }

    async fn keep(&self, event: &SealedEvent, ahead: &Ahead<'_>) -> Result<Commit, Fault> {
        // Once per user, also for one who is on both sides of a match.
        let users: BTreeSet<String> = event.subjects().map_err(Fault::park)?.into_iter().collect();
        let mut commit = Commit::default();
        for user_id in &users {
            let head = journal::head_of(ahead.view(journal::HEADS, user_id).await?)?;
            let writes = journal::keep(event, user_id, head)?
                .ok_or_else(|| Fault::park("the event's time is no time"))?;
            commit.views.extend(writes);
        }
        let priced = prices::keep(ahead, event).await?;
        commit.views.extend(priced);
        Ok(commit)
    }
}

#[async_trait]
impl Reaction for Keeper {
    /// Of an event this build does not know nobody can tell whom it is about; skipped, it would be
    /// missing in reports for ever.
    fn group(&self) -> GroupSpec {
        GroupSpec::new(NAME, CONSUMES, Unknown::Park).in_runs()
    }

    async fn react(&self, event: &SealedEvent) -> Result<Commit, Fault> {
        self.keep(event, &Ahead::of(self.ctx.store.as_ref())).await
    }

    async fn react_to_run(&self, events: &[SealedEvent]) -> Vec<Commit> {
        let mut ahead = Ahead::of(self.ctx.store.as_ref());
        let mut commits = Vec::new();
        for event in events {
            // Whatever is wrong with it is told when it comes alone.
            let Ok(commit) = self.keep(event, &ahead).await else {
                break;
            };
            if ahead.apply(&commit).await.is_err() {
                break;
            }
            commits.push(commit);
        }
        commits
    }
}
