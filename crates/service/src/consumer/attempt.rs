//! One try of a reaction, with all that belongs into its commit.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use outcry_events::SealedEvent;
use outcry_store::{Commit, CommitError, Conflict, Handled, ParkWrite};
use tracing::debug;

use super::Consumer;
use crate::faults::{Trouble, chain, panic_text};
use crate::tenure::Tenure;

/// Longest time a reaction may take. It holds up its partition, so it must end.
const REACTION_TIMEOUT: Duration = Duration::from_secs(30);

/// Tries in a row when others change the same things: each sees the newer state, so a few do.
const CONFLICT_ROUNDS: u32 = 8;

/// Why an event is parked that was to be refused.
const REFUSED_ON_PURPOSE: &str =
    "refused on purpose; the configuration has the faults under mesh.faults";

/// How a try ended without trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// The commit is durable.
    Committed,
    /// It was already: the event has been here before.
    AlreadyDone,
    /// The event's key has been parked meanwhile, from this position on.
    KeyParked(u64),
    /// The parked row is gone, or another one is in front of it now.
    RowMoved,
}

impl Consumer {
    /// Lets the reaction see `event` and commits what it leads to, together with the inbox mark
    /// and, for a parked event, the end of its row; all provided that the slot is still held.
    ///
    /// A reaction that was overtaken reacts again to the newer state.
    pub(super) async fn attempt(
        &self,
        event: &SealedEvent,
        parked_at: Option<u64>,
        tenure: &Tenure,
    ) -> Result<Effect, Trouble> {
        let mut overtaken = String::new();
        for _ in 0..CONFLICT_ROUNDS {
            let mut commit = self.react(event).await?;
            self.finish(&mut commit, event, parked_at);
            tenure
                .bind(&mut commit)
                .map_err(|error| Trouble::Park(chain(&error)))?;
            let error = match self.ctx.store.commit(commit).await {
                Ok(()) => {
                    self.reaction.committed(event).await;
                    return Ok(Effect::Committed);
                }
                Err(error) => error,
            };
            match error {
                CommitError::Duplicate(_) => return Ok(Effect::AlreadyDone),
                CommitError::Conflict(fenced @ Conflict::Fenced { .. }) => {
                    return Err(Trouble::Fenced(fenced.to_string()));
                }
                CommitError::Conflict(Conflict::KeyParked { first, .. }) => {
                    return Ok(Effect::KeyParked(first));
                }
                CommitError::Conflict(Conflict::NotParked { .. } | Conflict::NotFirst { .. }) => {
                    return Ok(Effect::RowMoved);
                }
                CommitError::Conflict(conflict) => {
                    overtaken = conflict.to_string();
                    debug!(reason = overtaken, "overtaken; reacting again");
                }
                CommitError::Invalid(error) => return Err(Trouble::Park(chain(&error))),
                CommitError::Store(error) => return Err(Trouble::Store(chain(&error))),
            }
        }
        Err(Trouble::Retry(overtaken))
    }

    /// Adds to a reaction's commit what makes it the one effect of `event`.
    pub(super) fn finish(&self, commit: &mut Commit, event: &SealedEvent, parked_at: Option<u64>) {
        let at = self.ctx.clock.now();
        commit.handled = Some(Handled {
            group: self.spec.name.to_owned(),
            event_id: event.id(),
            key: event.partition_key().to_owned(),
            at,
        });
        if let Some(position) = parked_at {
            commit.parked.push(ParkWrite::Unpark { position, at });
        }
    }

    /// The reaction itself.
    async fn react(&self, event: &SealedEvent) -> Result<Commit, Trouble> {
        if self.ctx.directory.refuses(self.ctx.service, event.topic()) {
            return Err(Trouble::Park(REFUSED_ON_PURPOSE.to_owned()));
        }
        let outcome = contained(self.reaction.react(event)).await?;
        outcome.map_err(Trouble::from)
    }
}

/// What a reaction says: bounded in time, and its panics are faults.
pub(super) async fn contained<T>(reacting: impl Future<Output = T>) -> Result<T, Trouble> {
    let reacting = AssertUnwindSafe(reacting).catch_unwind();
    match tokio::time::timeout(REACTION_TIMEOUT, reacting).await {
        Err(_) => Err(Trouble::Retry(format!(
            "took longer than {REACTION_TIMEOUT:?}"
        ))),
        Ok(Err(panic)) => Err(Trouble::Retry(panic_text(panic.as_ref()))),
        Ok(Ok(said)) => Ok(said),
    }
}
