//! Events put aside with their keys, and how they come back.
//!
//! A group that cannot handle an event parks it: the row holds the event from then on, so the
//! broker's delivery is acknowledged once the row is durable. **A parked event is not marked
//! handled.** While a key has parked rows, its later events are parked behind them, so nothing of
//! the key is handled out of order; other keys go on.
//!
//! Rows leave from the front of their key in two ways, and both mark the event handled, so that a
//! late delivery of it changes nothing any more: *unparked*, by the commit that holds the event's
//! effect, or *discarded* by a person. A delivery of an event that is parked already is a
//! [`Duplicate::Parked`](crate::Duplicate::Parked).
//!
//! A redrive is asked for by event, key or group and becomes one durable request per key. A key's
//! request ends when nothing of the key is parked any more (also what came behind meanwhile) or
//! when an event of it fails again. Every request, and what it came to, is audited.

use std::time::SystemTime;

use bytes::Bytes;
use uuid::Uuid;

/// Namespace of ids made from the bytes of an event that cannot be read.
const UNREADABLE: Uuid = Uuid::from_u128(0x6f1c_24a1_8d0b_4e53_9d5e_3f1f_0a77_c5d2);

/// An event to be put aside, with all that is needed to handle it later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedEvent {
    /// The group that could not handle it.
    pub group: String,
    /// Its partition key.
    pub key: String,
    /// Its id; see [`ParkedEvent::id_of`] for events that cannot be read.
    pub event_id: Uuid,
    /// Its topic.
    pub topic: String,
    /// Its bytes as they came.
    pub bytes: Bytes,
    /// Its headers as they came.
    pub headers: Vec<(String, String)>,
    /// Why it is parked.
    pub reason: String,
    /// How often it was tried; 0 for one that waits behind another.
    pub attempts: u32,
    /// When.
    pub parked_at: SystemTime,
}

/// An event that is parked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// Place in the order of parking; names the row within the service.
    pub position: u64,
    /// The group that could not handle it.
    pub group: String,
    /// Its partition key.
    pub key: String,
    /// Its id.
    pub event_id: Uuid,
    /// Its topic.
    pub topic: String,
    /// Its bytes as they came.
    pub bytes: Bytes,
    /// Its headers as they came.
    pub headers: Vec<(String, String)>,
    /// Why it is parked, newest reason.
    pub reason: String,
    /// How often it was tried since it was parked or since a redrive was last asked for.
    pub attempts: u32,
    /// When it was parked.
    pub parked_at: SystemTime,
    /// Whether an open redrive request includes it.
    pub redrive_requested: bool,
}

/// A change to the parked events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParkWrite {
    /// Parks an event that cannot be handled. It goes behind those of its key that are parked.
    ///
    /// Duplicate when it is parked or handled already.
    Park(ParkedEvent),
    /// Parks an event because its key is parked.
    ///
    /// Conflict ([`Conflict::KeyFree`](crate::Conflict::KeyFree)) when nothing of the key is parked
    /// any more: then it can be handled. Duplicate when it is parked or handled already.
    ParkBehind(ParkedEvent),
    /// Takes the first event of its key back: the same commit holds its effect and its
    /// [`Handled`](crate::Handled) mark. Audited as redriven.
    ///
    /// Conflict when it is not parked any more or is not the first of its key.
    Unpark {
        /// The row.
        position: u64,
        /// When.
        at: SystemTime,
    },
    /// A redriven event could not be handled again: it stays, and the request of its key ends.
    ///
    /// Conflict when it is not parked any more.
    FailedAgain {
        /// The row.
        position: u64,
        /// Why this time.
        reason: String,
        /// Tries of this redrive; added to the row's.
        attempts: u32,
        /// When.
        at: SystemTime,
    },
    /// Asks for a redrive. Asking again widens or refreshes what is asked for already. Sets the
    /// rows' attempts back to 0.
    ///
    /// Conflict when a single event is asked for that is not parked any more or is not the first
    /// of its key. A key or group without parked events is fine: nothing is left to do.
    RequestRedrive(RedriveRequest),
    /// Withdraws the request of one key; none is fine.
    CancelRedrive {
        /// The group.
        group: String,
        /// The key.
        key: String,
        /// Who and why.
        asked: Asked,
    },
    /// Gives one event up for good, wherever in its key it is: the row goes, the event counts as
    /// handled, those behind it move up.
    ///
    /// Conflict when it is not parked any more.
    Discard {
        /// The row.
        position: u64,
        /// Who and why.
        asked: Asked,
    },
}

/// Who asked for something, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// For example `user:7c1…`.
    pub by: String,
    /// In their words; may be empty.
    pub why: String,
    /// When.
    pub at: SystemTime,
}

/// What is to be redriven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedriveRequest {
    /// The group.
    pub group: String,
    /// Which of its parked events.
    pub scope: RedriveScope,
    /// Events a second at most; 0 means no limit.
    pub per_second: u32,
    /// Who and why.
    pub asked: Asked,
}

/// Which parked events of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedriveScope {
    /// One, by position; it must be the first of its key.
    Event(u64),
    /// Those of one key.
    Key(String),
    /// All.
    Group,
}

/// An open request: one key to be brought through, from its front.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redrive {
    /// The group.
    pub group: String,
    /// The key.
    pub key: String,
    /// Only this row of the key.
    pub only: Option<u64>,
    /// Events a second at most; 0 means no limit.
    pub per_second: u32,
    /// Who and why, newest request.
    pub asked: Asked,
}

/// Which parked events are wanted, in the order of parking.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ParkedFilter {
    /// Of this group only.
    pub group: Option<String>,
    /// Of this key only.
    pub key: Option<String>,
    /// Of this topic only.
    pub topic: Option<String>,
    /// Only this event.
    pub event_id: Option<Uuid>,
    /// Only this row.
    pub position: Option<u64>,
    /// Only rows behind this position.
    pub after: u64,
    /// Rows wanted at most.
    pub limit: usize,
}

/// What was done about parked events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditAction {
    /// A redrive was asked for.
    RedriveRequested,
    /// A request was withdrawn.
    RedriveCancelled,
    /// An event was handled after all.
    Redriven,
    /// A redriven event failed again.
    RedriveFailed,
    /// An event was given up.
    Discarded,
}

/// One thing that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Place in the order of doing, from 1.
    pub position: u64,
    /// What.
    pub action: AuditAction,
    /// The group.
    pub group: String,
    /// The key; empty when it was about a whole group.
    pub key: String,
    /// The parked row; 0 when it was about several.
    pub parked_position: u64,
    /// The event; none when it was about several.
    pub event_id: Option<Uuid>,
    /// The event's topic; empty when it was about several.
    pub topic: String,
    /// Who, why and when. For what a redrive came to: who had asked for it, and in `why` the reason
    /// of a failure.
    pub asked: Asked,
}

/// Which audit entries are wanted, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditFilter {
    /// Of this group only.
    pub group: Option<String>,
    /// Only entries before (older than) this position.
    pub before: Option<u64>,
    /// Entries wanted at most.
    pub limit: usize,
}

// === impl ParkedEvent ===

impl ParkedEvent {
    /// The id to park an event under when its envelope cannot be read: the message's id if that is
    /// a UUID, else one made from the bytes. The same message always gets the same.
    #[must_use]
    pub fn id_of(message_id: &str, bytes: &[u8]) -> Uuid {
        Uuid::try_parse(message_id).unwrap_or_else(|_| Uuid::new_v5(&UNREADABLE, bytes))
    }
}

// === impl AuditAction ===

impl AuditAction {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::RedriveRequested,
        Self::RedriveCancelled,
        Self::Redriven,
        Self::RedriveFailed,
        Self::Discarded,
    ];

    /// Its name, as stored and shown.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::RedriveRequested => "redrive_requested",
            Self::RedriveCancelled => "redrive_cancelled",
            Self::Redriven => "redriven",
            Self::RedriveFailed => "redrive_failed",
            Self::Discarded => "discarded",
        }
    }

    /// The action of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }
}
