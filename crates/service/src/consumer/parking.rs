//! Putting an event aside, durably, before the broker is told that it is settled.

use outcry_broker::Message;
use outcry_events::SealedEvent;
use outcry_store::limits::{KEY_BYTES_MAX, TEXT_BYTES_MAX};
use outcry_store::{Commit, CommitError, Conflict, ParkWrite, ParkedEvent};
use tracing::{error, warn};

use super::{Consumer, Stopped};
use crate::faults::chain;
use crate::tenure::Tenure;

/// Key of events that cannot be read and came without a key: they wait in one line.
const UNREADABLE_KEY: &str = "unreadable";

/// How parking behind another event ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Behind {
    /// The event is parked, or was before.
    Parked,
    /// The key has become free meanwhile: the event can be handled.
    KeyFree,
}

impl Consumer {
    /// Parks an event that cannot be handled, and its key with it.
    pub(super) async fn park(&self, parcel: ParkedEvent, tenure: &Tenure) -> Result<(), Stopped> {
        let (key, reason, attempts) = (parcel.key.clone(), parcel.reason.clone(), parcel.attempts);
        self.put_aside(ParkWrite::Park(parcel), tenure).await?;
        error!(key, reason, attempts, "event parked, and its key with it");
        Ok(())
    }

    /// Parks an event because its key is parked, from position `first` on.
    pub(super) async fn park_behind(
        &self,
        message: &Message,
        event: &SealedEvent,
        first: u64,
        tenure: &Tenure,
    ) -> Result<Behind, Stopped> {
        let parcel = self.parcel(message, event, &format!("waits behind {first}"), 0);
        let behind = self
            .put_aside(ParkWrite::ParkBehind(parcel), tenure)
            .await?;
        if behind == Behind::Parked {
            warn!(key = event.partition_key(), first, "event parked behind");
        }
        Ok(behind)
    }

    /// Commits the parking until the store takes it: an event is never let go otherwise.
    async fn put_aside(&self, write: ParkWrite, tenure: &Tenure) -> Result<Behind, Stopped> {
        tenure.note_parked(true);
        let commit = Commit {
            parked: vec![write],
            ..Commit::default()
        };
        let mut failures = 0;
        loop {
            match self.insist_commit(tenure, commit.clone()).await? {
                Ok(()) => {
                    self.metrics.parked.count();
                    return Ok(Behind::Parked);
                }
                Err(CommitError::Duplicate(_)) => return Ok(Behind::Parked),
                Err(CommitError::Conflict(Conflict::KeyFree { .. })) => return Ok(Behind::KeyFree),
                Err(refused) => {
                    failures += 1;
                    self.pause(failures, &chain(&refused), tenure).await?;
                }
            }
        }
    }

    /// `event` as it is parked.
    pub(super) fn parcel(
        &self,
        message: &Message,
        event: &SealedEvent,
        reason: &str,
        attempts: u32,
    ) -> ParkedEvent {
        ParkedEvent {
            group: self.spec.name.to_owned(),
            key: event.partition_key().to_owned(),
            event_id: event.id(),
            topic: event.topic().to_owned(),
            bytes: message.body.clone(),
            headers: message.headers.clone(),
            reason: shortened(reason, TEXT_BYTES_MAX).to_owned(),
            attempts,
            parked_at: self.ctx.clock.now(),
        }
    }

    /// The same for bytes that are not an event: what the message around them says is all there is.
    pub(super) fn unreadable(&self, message: &Message, reason: &str) -> ParkedEvent {
        let key = match shortened(&message.partition_key, KEY_BYTES_MAX) {
            "" => UNREADABLE_KEY,
            key => key,
        };
        ParkedEvent {
            group: self.spec.name.to_owned(),
            key: key.to_owned(),
            event_id: ParkedEvent::id_of(&message.event_id, &message.body),
            topic: shortened(&message.topic, KEY_BYTES_MAX).to_owned(),
            bytes: message.body.clone(),
            headers: message.headers.clone(),
            reason: shortened(reason, TEXT_BYTES_MAX).to_owned(),
            attempts: 1,
            parked_at: self.ctx.clock.now(),
        }
    }
}

/// The beginning of `text`, at most `bytes` long.
pub(super) fn shortened(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        assert_eq!(shortened("grüße", 100), "grüße");
        assert_eq!(shortened("grüße", 3), "gr");
        assert_eq!(shortened("", 3), "");
    }
}
