//! What may go wrong on the way.

use std::fmt;

use outcry_broker::Message;

/// Decides what goes wrong, message by message. Called while the exchange is held: it must not
/// call the exchange or a broker. To be repeatable, it decides from its own seeded state.
pub trait Faults: Send + Sync + 'static {
    /// What becomes of a message that could be published.
    fn published(&self, message: &Message) -> Published {
        let _ = message;
        Published::Confirmed
    }

    /// What becomes of the first acknowledgement of a delivery.
    fn acknowledged(&self, group: &str, partition: u32, message: &Message) -> Acknowledged {
        let _ = (group, partition, message);
        Acknowledged::Done
    }
}

/// What becomes of a message that could be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// It is kept and the publisher knows.
    Confirmed,
    /// It is not kept, and the publisher knows that it has failed.
    Refused,
    /// It is kept, but the publisher hears that it has failed, and will publish it again.
    Unconfirmed,
}

/// What becomes of an acknowledged delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acknowledged {
    /// It never comes again.
    Done,
    /// It comes once more: after so many other deliveries of the partition, or sooner when there
    /// is nothing else to deliver. Whatever it overtakes has been delivered before.
    Again {
        /// Other deliveries before it.
        after: u64,
    },
}

/// Why a publish failed on purpose.
#[derive(Debug)]
pub(super) struct Arranged;

/// Nothing goes wrong.
pub(super) struct Faultless;

// === impl Arranged ===

impl fmt::Display for Arranged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the simulated broker failed")
    }
}

impl std::error::Error for Arranged {}

// === impl Faultless ===

impl Faults for Faultless {}
