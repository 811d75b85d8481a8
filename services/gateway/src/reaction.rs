//! The one consumer of all events: archives each, and notes whose tokens are void.

use async_trait::async_trait;
use outcry_events::SealedEvent;
use outcry_service::{Fault, GroupSpec, Reaction, Unknown};
use outcry_store::{Commit, ViewWrite};

use crate::archive::Archive;
use crate::revocation::Revocations;
use crate::token_epochs::TokenEpoch;
use crate::{CONSUMES, SERVICE};

/// Archives events and keeps the token epochs.
pub(crate) struct Recorder {
    pub(crate) archive: Archive,
    pub(crate) revocations: Revocations,
}

#[async_trait]
impl Reaction for Recorder {
    fn group(&self) -> GroupSpec {
        // One partition: the archive is one order, so one process writes it at a time.
        GroupSpec::new(SERVICE, CONSUMES, Unknown::Handle)
            .partitions(1)
            .in_runs()
    }

    async fn react(&self, event: &SealedEvent) -> Result<Commit, Fault> {
        let Some(archived) = self.archive.write(event).await.map_err(Fault::retry)? else {
            return Err(Fault::discard("it is in the archive already"));
        };
        archiving(event, archived)
    }

    async fn react_to_run(&self, events: &[SealedEvent]) -> Vec<Commit> {
        let Ok(Some(writes)) = self.archive.write_run(events).await else {
            return Vec::new();
        };
        let commits = events.iter().zip(writes);
        commits
            .map_while(|(event, archived)| archiving(event, archived).ok())
            .collect()
    }

    async fn committed(&self, event: &SealedEvent) {
        self.archive.written(event);
        if let Ok(Some(epoch)) = TokenEpoch::of(event) {
            epoch.note(&self.revocations);
        }
    }
}

/// Archives an event, and keeps the token epoch it begins.
fn archiving(event: &SealedEvent, archived: ViewWrite) -> Result<Commit, Fault> {
    let mut commit = Commit::default();
    if let Some(epoch) = TokenEpoch::of(event).map_err(Fault::park)? {
        let write = epoch.write(&archived.key).map_err(Fault::park)?;
        commit.views.push(write);
    }
    commit.views.push(archived);
    Ok(commit)
}
