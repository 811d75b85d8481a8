//! Why a store did not do what it was asked.

use uuid::Uuid;

/// Why a commit was not applied. Nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// What the commit builds on has changed: read again, decide again.
    #[error(transparent)]
    Conflict(Conflict),
    /// What the commit does has been done already.
    #[error(transparent)]
    Duplicate(Duplicate),
    /// The commit is wrong in itself; trying again does not help.
    #[error("the commit is invalid")]
    Invalid(#[from] InvalidCommit),
    /// The store failed. Unknown to the caller is only whether a connection broke before or after
    /// the commit took effect; trying again is safe for commits with a cause.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// A stream ends elsewhere.
    #[error("stream {stream} ends at {found}, expected {expected}")]
    Stream {
        /// The stream.
        stream: String,
        /// Sequence the commit expected.
        expected: u64,
        /// Sequence of its last event.
        found: u64,
    },
    /// A view row has another version.
    #[error("row {key} of view {view} has version {found}, expected {expected}")]
    View {
        /// The view.
        view: &'static str,
        /// The row.
        key: String,
        /// Version the commit expected.
        expected: u64,
        /// Version it has; 0 means that it is not there.
        found: u64,
    },
    /// A timer that fired has been cleared or set to another time.
    #[error("timer {id} has changed since it fired")]
    Timer {
        /// The timer.
        id: String,
    },
    /// The event's key has parked events, so it must be parked behind them.
    #[error("key {key} of group {group} is parked from position {first}")]
    KeyParked {
        /// The group.
        group: String,
        /// The key.
        key: String,
        /// The first parked row of the key.
        first: u64,
    },
    /// Nothing of the event's key is parked any more, so it can be handled.
    #[error("key {key} of group {group} is not parked any more")]
    KeyFree {
        /// The group.
        group: String,
        /// The key.
        key: String,
    },
    /// The slot the commit was made for has another holder, or none, since.
    #[error("slot {slot} of pool {pool} is at epoch {found}, the commit was made in epoch {epoch}")]
    Fenced {
        /// The pool.
        pool: String,
        /// The slot.
        slot: u32,
        /// Epoch the commit was made in.
        epoch: u64,
        /// Epoch the slot is at.
        found: u64,
    },
    /// A parked row is gone.
    #[error("nothing is parked at position {position}")]
    NotParked {
        /// The row.
        position: u64,
    },
    /// A parked row is not the first of its key.
    #[error("the event parked at {position} waits behind the one at {first}")]
    NotFirst {
        /// The row.
        position: u64,
        /// The first of its key.
        first: u64,
    },
}

/// What has been done already.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Duplicate {
    /// The group has handled the event.
    #[error("group {group} has handled event {event_id}")]
    Handled {
        /// The group.
        group: String,
        /// The event.
        event_id: Uuid,
    },
    /// The request has been answered.
    #[error("request {request_id} has been answered")]
    Answered {
        /// Who asked.
        principal: String,
        /// What was called.
        method: String,
        /// The request.
        request_id: String,
    },
    /// The event is parked.
    #[error("event {event_id} of group {group} is parked at position {position}")]
    Parked {
        /// The group.
        group: String,
        /// The event.
        event_id: Uuid,
        /// The row.
        position: u64,
    },
}

/// What is wrong with a commit in itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCommit {
    /// An event's envelope says another sequence than its place.
    #[error("an event with sequence {found} is to become number {place} of stream {stream}")]
    Sequence {
        /// The stream.
        stream: String,
        /// Its place.
        place: u64,
        /// What its envelope says.
        found: u64,
    },
    /// An event belongs to another stream.
    #[error("an event of stream {found} is to be added to stream {stream}")]
    OtherStream {
        /// The stream of the append.
        stream: String,
        /// The stream of the event.
        found: String,
    },
    /// Something is too large.
    #[error("{what} of {bytes} bytes, at most {max} are allowed")]
    TooLarge {
        /// What.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// What is allowed.
        max: usize,
    },
    /// Too many of something.
    #[error("{count} {what}, at most {max} are allowed")]
    TooMany {
        /// What.
        what: &'static str,
        /// How many.
        count: usize,
        /// What is allowed.
        max: usize,
    },
    /// A time no store can keep.
    #[error("the time of the {what} is out of range")]
    Time {
        /// What it is the time of.
        what: &'static str,
    },
    /// Two commits with a cause each were merged.
    #[error("a commit cannot be the effect of more than one {what}")]
    TwoCauses {
        /// `event` or `request`.
        what: &'static str,
    },
    /// A parked event is to be taken back without being handled.
    #[error("a parked event leaves its place only in the commit that handles it")]
    UnparkWithoutHandled,
}

/// Why a store could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database failed.
    #[error("the store's database failed")]
    Backend(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The tables could not be brought up to date.
    #[error("the tables of {service} cannot be used")]
    Tables {
        /// Whose.
        service: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A stored value cannot be read.
    #[error("{what} in the store cannot be read")]
    Corrupt {
        /// What, for example `event 17`.
        what: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A cursor that no scan has given out.
    #[error("not a cursor of this listing")]
    BadCursor,
    /// A request for leases that cannot be.
    #[error("{reason}")]
    BadLease {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A value cannot be written as JSON.
    #[error("row {key} of view {view} cannot be written")]
    Encode {
        /// The view.
        view: &'static str,
        /// The row.
        key: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A row is not the value that was expected.
    #[error("view row {key} cannot be read")]
    Decode {
        /// The row.
        key: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}
