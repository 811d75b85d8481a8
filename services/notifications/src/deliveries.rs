//! Messages on their way over channels: rows, what an attempt makes of them, listings.
//!
//! `PENDING → DELIVERED`, or after a failure `PENDING` again, later and later, and `DEAD` in the
//! end; `DEAD → PENDING` when somebody asks for it.

pub(crate) mod retry;

use std::time::{Duration, SystemTime};

use outcry_contracts::notifications::v1::{ChannelKind, Delivery, DeliveryStatus};
use outcry_contracts::types::v1::PageInfo;
use outcry_service::Page;
use outcry_service::backoff::Backoff;
use outcry_store::{Scan, Store, StoreError, Timer, TimerWrite, ViewRow, ViewWrite, timer};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::channels::key;
use crate::inbox::Message;

/// Deliveries by id: rows are [`DeliveryRow`].
pub const DELIVERIES: &str = "deliveries";

/// By channel, what was last put on it. Written whenever something becomes pending, so that whoever
/// finds nothing to send notices what comes in between.
pub const QUEUES: &str = "queues";

/// Deliveries of a user.
const OF_USER: &str = "user";
/// Deliveries of a user in a status.
const OF_STATUS: &str = "status";
/// Deliveries of a message.
const OF_MESSAGE: &str = "message";
/// Deliveries of a message in a status.
const OF_MESSAGE_STATUS: &str = "message_status";
/// Pending ones of a channel by the time of the next attempt.
const DUE: &str = "due";

/// Attempts before a delivery is given up: with [`WAITS`] about three hours, so that a receiver
/// may be down for as long as it takes to notice and repair it.
pub const ATTEMPTS_MAX: u32 = 12;

/// Waits between attempts: soon at first, for most failures are short, and hourly in the end.
pub const WAITS: Backoff = Backoff {
    first: Duration::from_secs(10),
    most: Duration::from_secs(3600),
};

/// A delivery as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryRow {
    /// Its id: the same in every attempt.
    pub delivery_id: String,
    /// The message.
    pub notification_id: String,
    /// Place of the message among the user's.
    pub sequence: u64,
    /// Whose it is.
    pub user_id: String,
    /// The contract's number of the channel's kind.
    pub kind: i32,
    /// The contract's number of where it is in its life.
    pub status: i32,
    /// Attempts since it was made or asked for again.
    pub attempts: u32,
    /// What the last failed attempt met; empty before one.
    pub last_error: String,
    /// When it is tried (again), in nanoseconds since 1970; none when it is not.
    pub next_ns: Option<i64>,
    /// When it last changed, in nanoseconds since 1970.
    pub updated_ns: i64,
}

/// Why an attempt failed. Says nothing about who the message was for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Failure {
    /// In words.
    pub reason: String,
    /// Trying again does not help.
    pub is_final: bool,
}

/// Which deliveries are listed, all of one user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Whose.
    pub user_id: String,
    /// Only in this status.
    pub status: Option<DeliveryStatus>,
    /// Only of this message; empty means all.
    pub notification_id: String,
}

// === impl Failure ===

impl Failure {
    /// May pass.
    pub fn passing(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            is_final: false,
        }
    }

    /// Stays.
    pub fn lasting(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            is_final: true,
        }
    }
}

// === impl DeliveryRow ===

impl DeliveryRow {
    /// A message to be sent over a channel now.
    #[must_use]
    pub fn new(message: &Message, kind: ChannelKind, now: SystemTime) -> Self {
        let now_ns = nanos(now);
        Self {
            delivery_id: id_of(&message.notification_id, kind),
            notification_id: message.notification_id.clone(),
            sequence: message.sequence,
            user_id: message.user_id.clone(),
            kind: kind.into(),
            status: DeliveryStatus::Pending.into(),
            attempts: 0,
            last_error: String::new(),
            next_ns: Some(now_ns),
            updated_ns: now_ns,
        }
    }

    /// Kind of the channel.
    #[must_use]
    pub fn kind(&self) -> ChannelKind {
        ChannelKind::try_from(self.kind).unwrap_or_default()
    }

    /// Where it is in its life.
    #[must_use]
    pub fn status(&self) -> DeliveryStatus {
        DeliveryStatus::try_from(self.status).unwrap_or_default()
    }

    /// After an attempt.
    #[must_use]
    pub fn attempted(mut self, outcome: Result<(), Failure>, now: SystemTime) -> Self {
        self.attempts = self.attempts.saturating_add(1);
        self.updated_ns = nanos(now);
        match outcome {
            Ok(()) => self.becomes(DeliveryStatus::Delivered, None),
            Err(failure) => {
                let again = !failure.is_final && self.attempts < ATTEMPTS_MAX;
                self.last_error = failure.reason;
                if again {
                    let next = now + WAITS.after(self.attempts);
                    self.becomes(DeliveryStatus::Pending, Some(next))
                } else {
                    self.becomes(DeliveryStatus::Dead, None)
                }
            }
        }
    }

    /// Given up without an attempt.
    #[must_use]
    pub fn given_up(mut self, reason: &str, now: SystemTime) -> Self {
        reason.clone_into(&mut self.last_error);
        self.updated_ns = nanos(now);
        self.becomes(DeliveryStatus::Dead, None)
    }

    /// To be tried again from the beginning.
    #[must_use]
    pub fn again(mut self, now: SystemTime) -> Self {
        self.attempts = 0;
        self.updated_ns = nanos(now);
        self.becomes(DeliveryStatus::Pending, Some(now))
    }

    fn becomes(mut self, status: DeliveryStatus, next: Option<SystemTime>) -> Self {
        self.status = status.into();
        self.next_ns = next.map(nanos);
        self
    }

    /// The write of this row with its places in the listings, provided it was written so often
    /// before.
    ///
    /// # Errors
    /// It does not serialise.
    pub fn write(&self, version: u64) -> Result<ViewWrite, StoreError> {
        let Self {
            user_id,
            notification_id,
            kind,
            status,
            sequence,
            ..
        } = self;
        let place = format!("{sequence:020}/{kind}");
        let write = ViewWrite::put(DELIVERIES, &self.delivery_id, self)?
            .expect(version)
            .index(OF_USER, format!("{user_id}/{place}"))
            .index(OF_STATUS, format!("{user_id}/{status}/{place}"))
            .index(OF_MESSAGE, format!("{user_id}/{notification_id}/{place}"))
            .index(
                OF_MESSAGE_STATUS,
                format!("{user_id}/{notification_id}/{status}/{place}"),
            );
        Ok(match self.next_ns {
            Some(next) => write.index(DUE, format!("{user_id}/{kind}/{next:020}/{place}")),
            None => write,
        })
    }

    /// For callers.
    #[must_use]
    pub fn shown(&self) -> Delivery {
        Delivery {
            delivery_id: self.delivery_id.clone(),
            notification_id: self.notification_id.clone(),
            user_id: self.user_id.clone(),
            kind: self.kind,
            status: self.status,
            attempts: self.attempts,
            last_error: self.last_error.clone(),
            next_attempt_at: self.next_ns.map(|next| timer::time_of(next).into()),
            updated_at: Some(timer::time_of(self.updated_ns).into()),
        }
    }
}

/// Times far from ours cannot be kept and are as good as 1970.
fn nanos(at: SystemTime) -> i64 {
    timer::nanos(at).unwrap_or_default()
}

/// The id of a message's delivery over a kind of channel: one for each, however often it is made.
#[must_use]
pub fn id_of(notification_id: &str, kind: ChannelKind) -> String {
    let name = format!("{notification_id}/{}", i32::from(kind));
    Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).to_string()
}

/// Notes on a channel's queue that a delivery is pending.
///
/// # Errors
/// It does not serialise.
pub fn queue(row: &DeliveryRow) -> Result<ViewWrite, StoreError> {
    ViewWrite::put(QUEUES, key(&row.user_id, row.kind()), &row.delivery_id)
}

/// A write that is refused when something became pending on a channel since its queue was written
/// so often.
///
/// # Errors
/// It does not serialise.
pub fn unless_queued(
    user_id: &str,
    kind: ChannelKind,
    version: u64,
) -> Result<ViewWrite, StoreError> {
    Ok(ViewWrite::put(QUEUES, key(user_id, kind), &"")?.expect(version))
}

/// How often a channel's queue was written.
///
/// # Errors
/// The store cannot be read.
pub async fn queued(
    store: &dyn Store,
    user_id: &str,
    kind: ChannelKind,
) -> Result<u64, StoreError> {
    let row = store.view(QUEUES, &key(user_id, kind)).await?;
    Ok(row.map_or(0, |row| row.version))
}

/// Has a channel looked after at a time.
#[must_use]
pub fn look_after(user_id: &str, kind: ChannelKind, due: SystemTime) -> TimerWrite {
    TimerWrite::Set(Timer {
        id: format!("{TIMER}{user_id}/{}", i32::from(kind)),
        due,
        payload: Vec::new(),
    })
}

/// What the ids of timers begin with.
const TIMER: &str = "channel/";

/// The channel a timer looks after: whose, and of which kind.
#[must_use]
pub fn channel_of(timer: &Timer) -> Option<(&str, ChannelKind)> {
    let (user_id, kind) = timer.id.strip_prefix(TIMER)?.rsplit_once('/')?;
    let kind = ChannelKind::try_from(kind.parse::<i32>().ok()?).ok()?;
    Some((user_id, kind))
}

/// One delivery, and how often it was written.
///
/// # Errors
/// The store cannot be read.
pub async fn delivery(
    store: &dyn Store,
    delivery_id: &str,
) -> Result<Option<(DeliveryRow, u64)>, StoreError> {
    match store.view(DELIVERIES, delivery_id).await? {
        Some(row) => Ok(Some((row.decode()?, row.version))),
        None => Ok(None),
    }
}

/// Pending deliveries of a channel, soonest first, and how often each was written.
///
/// # Errors
/// The store cannot be read.
pub async fn pending(
    store: &dyn Store,
    user_id: &str,
    kind: ChannelKind,
    limit: usize,
) -> Result<Vec<(DeliveryRow, u64)>, StoreError> {
    let scan = Scan::new(DELIVERIES)
        .index(DUE)
        .prefix(format!("{user_id}/{}/", i32::from(kind)))
        .limit(limit);
    let rows = store.scan(&scan).await?;
    rows.iter()
        .map(|row| Ok((row.decode()?, row.version)))
        .collect()
}

/// A user's deliveries, newest message first, and where the next page begins.
///
/// # Errors
/// The store cannot be read, or the cursor is none.
pub async fn newest(
    store: &dyn Store,
    listing: &Listing,
    page: Page,
) -> Result<(Vec<DeliveryRow>, PageInfo), StoreError> {
    let (user, of) = (&listing.user_id, &listing.notification_id);
    let (index, prefix) = match (listing.status.map(i32::from), of.as_str()) {
        (None, "") => (OF_USER, format!("{user}/")),
        (Some(status), "") => (OF_STATUS, format!("{user}/{status}/")),
        (None, of) => (OF_MESSAGE, format!("{user}/{of}/")),
        (Some(status), of) => (OF_MESSAGE_STATUS, format!("{user}/{of}/{status}/")),
    };
    let scan = Scan::new(DELIVERIES).index(index).prefix(prefix).reverse();
    let (rows, page) = page.read(store, scan).await?;
    let rows = rows.iter().map(ViewRow::decode).collect::<Result<_, _>>()?;
    Ok((rows, page))
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn row() -> DeliveryRow {
        let message = Message {
            user_id: "u".to_owned(),
            sequence: 7,
            notification_id: "n".to_owned(),
            event_id: String::new(),
            topic: String::new(),
            priority: 0,
            title: String::new(),
            body: String::new(),
            reference: String::new(),
            read: false,
            archived: false,
            at_ns: 0,
        };
        DeliveryRow::new(&message, ChannelKind::Webhook, UNIX_EPOCH)
    }

    #[test]
    fn a_failure_is_tried_again_later_and_later_and_given_up_in_the_end() {
        let mut row = row();
        let mut now = UNIX_EPOCH;
        for attempt in 1..ATTEMPTS_MAX {
            row = row.attempted(Err(Failure::passing("down")), now);
            assert_eq!(
                (row.status(), row.attempts),
                (DeliveryStatus::Pending, attempt)
            );
            let next = timer::time_of(row.next_ns.unwrap());
            let wait = next.duration_since(now).unwrap();
            assert!(wait <= WAITS.most && wait >= WAITS.first / 2, "{wait:?}");
            now = next;
        }
        row = row.attempted(Err(Failure::passing("down")), now);
        assert_eq!((row.status(), row.next_ns), (DeliveryStatus::Dead, None));
        assert_eq!(row.last_error, "down");
        let hours = now.duration_since(UNIX_EPOCH).unwrap().as_secs() / 3600;
        assert!((1..=4).contains(&hours), "{hours}");
    }

    #[test]
    fn a_failure_that_stays_is_given_up_at_once_and_tried_again_when_asked_for() {
        let dead = row().attempted(Err(Failure::lasting("no such mailbox")), UNIX_EPOCH);
        assert_eq!(dead.status(), DeliveryStatus::Dead);
        let again = dead.again(UNIX_EPOCH);
        assert_eq!(
            (again.status(), again.attempts),
            (DeliveryStatus::Pending, 0)
        );
        let done = again.attempted(Ok(()), UNIX_EPOCH);
        assert_eq!(done.status(), DeliveryStatus::Delivered);
    }

    #[test]
    fn a_message_has_one_delivery_id_per_kind_of_channel() {
        let id = |kind| id_of("n", kind);
        assert_eq!(id(ChannelKind::Email), id(ChannelKind::Email));
        assert_ne!(id(ChannelKind::Email), id(ChannelKind::Webhook));
        assert_ne!(id(ChannelKind::Email), id_of("m", ChannelKind::Email));
    }

    #[test]
    fn a_timer_leads_back_to_its_channel() {
        let TimerWrite::Set(timer) = look_after("u-1", ChannelKind::Email, UNIX_EPOCH) else {
            panic!("no timer is set");
        };
        assert_eq!(channel_of(&timer), Some(("u-1", ChannelKind::Email)));
    }
}
