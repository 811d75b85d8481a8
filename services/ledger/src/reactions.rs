//! Booking: each event that moves something becomes one transaction.

use async_trait::async_trait;
use outcry_events::SealedEvent;
use outcry_service::{Context, Fault, GroupSpec, Reaction, Unknown};
use outcry_store::Commit;

use crate::desk::Desk;
use crate::{CONSUMES, NAME};

/// Books what moved.
pub(crate) struct Bookkeeper {
    ctx: Context,
}

// === impl Bookkeeper ===

impl Bookkeeper {
    pub(crate) fn new(ctx: Context) -> Bookkeeper {
        Bookkeeper { ctx }
    }
}

#[async_trait]
impl Reaction for Bookkeeper {
    /// One partition: a chain has one order.
    fn group(&self) -> GroupSpec {
        GroupSpec::new(NAME, CONSUMES, Unknown::Park)
            .partitions(1)
            .in_runs()
    }

    async fn react(&self, event: &SealedEvent) -> Result<Commit, Fault> {
        let mut desk = Desk::open(self.ctx.store.as_ref()).await?;
        desk.book(event).await
    }

    async fn react_to_run(&self, events: &[SealedEvent]) -> Vec<Commit> {
        let Ok(mut desk) = Desk::open(self.ctx.store.as_ref()).await else {
            return Vec::new();
        };
        let mut commits = Vec::new();
        for event in events {
            // Whatever is wrong with it is told when it comes alone.
            let Ok(commit) = desk.book(event).await else {
                break;
            };
            commits.push(commit);
        }
        commits
    }
}
