//! What is written: a value.

mod check;

use std::time::SystemTime;

use outcry_events::SealedEvent;
use uuid::Uuid;

use crate::error::InvalidCommit;
use crate::lease::Fence;
use crate::parking::ParkWrite;
use crate::timer::TimerWrite;
use crate::view::ViewWrite;

/// Everything one decision changes. Applied whole or not at all.
#[derive(Debug, Clone, Default)]
pub struct Commit {
    /// The right to do this, where it belongs to the holder of a slot. It is looked at first.
    pub fence: Option<Fence>,
    /// Events added to streams.
    pub appends: Vec<Append>,
    /// The event this commit is the effect of.
    pub handled: Option<Handled>,
    /// The request this commit answers.
    pub answered: Option<Answer>,
    /// Read models.
    pub views: Vec<ViewWrite>,
    /// Timers set and cleared.
    pub timers: Vec<TimerWrite>,
    /// Events put aside or taken back.
    pub parked: Vec<ParkWrite>,
}

/// Events added to the end of one stream. Without events it only demands that the stream still
/// ends where it did.
#[derive(Debug, Clone)]
pub struct Append {
    /// `<aggregate>-<id>`, the stream of every one of the events.
    pub stream: String,
    /// Sequence of the stream's last event before these; 0 for a new stream.
    pub expected: u64,
    /// The events, numbered from `expected + 1`.
    pub events: Vec<SealedEvent>,
}

/// The mark that a group has handled an event.
///
/// Refused while the event's key has parked events ([`Conflict::KeyParked`]), unless the commit
/// also takes exactly this event out of the parked ones.
///
/// [`Conflict::KeyParked`]: crate::Conflict::KeyParked
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handled {
    /// The consumer group.
    pub group: String,
    /// The event.
    pub event_id: Uuid,
    /// The event's partition key.
    pub key: String,
    /// When; marks are forgotten by age.
    pub at: SystemTime,
}

/// The answer to a request, kept so that a repetition of the request gets it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Who asked.
    pub principal: String,
    /// What was called.
    pub method: String,
    /// The id the caller gave the request.
    pub request_id: String,
    /// Hash of the request's body: the same id with another body is no repetition.
    pub request_hash: [u8; 32],
    /// The encoded response.
    pub response: Vec<u8>,
    /// When; answers are forgotten by age.
    pub at: SystemTime,
}

// === impl Commit ===

impl Commit {
    /// Adds what `other` writes, after what is here.
    ///
    /// # Errors
    /// Both handle an event, both answer a request, or both are made for a slot: a commit is the
    /// effect of one cause.
    pub fn merge(&mut self, other: Commit) -> Result<(), InvalidCommit> {
        if self.handled.is_some() && other.handled.is_some() {
            return Err(InvalidCommit::TwoCauses { what: "event" });
        }
        if self.answered.is_some() && other.answered.is_some() {
            return Err(InvalidCommit::TwoCauses { what: "request" });
        }
        if self.fence.is_some() && other.fence.is_some() {
            return Err(InvalidCommit::TwoCauses { what: "slot" });
        }
        self.fence = self.fence.take().or(other.fence);
        self.appends.extend(other.appends);
        self.handled = self.handled.take().or(other.handled);
        self.answered = self.answered.take().or(other.answered);
        self.views.extend(other.views);
        self.timers.extend(other.timers);
        self.parked.extend(other.parked);
        Ok(())
    }

    /// Whether there is nothing to write and nothing to demand; a fence alone demands nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.appends.is_empty()
            && self.handled.is_none()
            && self.answered.is_none()
            && self.views.is_empty()
            && self.timers.is_empty()
            && self.parked.is_empty()
    }

    /// Whether readers of [`Store::commits`](crate::Store::commits) are told of it: it adds events
    /// or changes timers or parked events.
    #[must_use]
    pub fn is_news(&self) -> bool {
        self.appends.iter().any(|append| !append.events.is_empty())
            || !self.timers.is_empty()
            || !self.parked.is_empty()
    }
}
