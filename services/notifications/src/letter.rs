//! What is sent of a message, the same in every attempt. Pure.

use jiff::Timestamp;
use outcry_contracts::notifications::v1::Priority;
use serde::Serialize;

use crate::deliveries::DeliveryRow;
use crate::inbox::Message;

/// A message with the id of its delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Letter {
    /// Id of the delivery: the same in every attempt, so that receivers can tell repetitions.
    pub delivery_id: String,
    /// The event it tells of.
    pub event_id: String,
    /// Whom it is for.
    pub user_id: String,
    /// The message.
    pub notification: Contents,
}

/// What the message says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Contents {
    /// Its id.
    pub notification_id: String,
    /// Place among the user's messages, from 1.
    pub sequence: u64,
    /// Topic of the event.
    pub topic: String,
    /// How much it matters: `LOW`, `NORMAL` or `HIGH`.
    pub priority: &'static str,
    /// One line.
    pub title: String,
    /// A sentence or two.
    pub body: String,
    /// Order, payment or report it is about; may be empty.
    pub reference: String,
    /// When the event happened, as RFC 3339 has it.
    pub at: String,
}

// === impl Letter ===

impl Letter {
    /// A message as a delivery sends it.
    #[must_use]
    pub fn new(delivery: &DeliveryRow, message: &Message) -> Self {
        let at = Timestamp::from_nanosecond(message.at_ns.into()).unwrap_or_default();
        Self {
            delivery_id: delivery.delivery_id.clone(),
            event_id: message.event_id.clone(),
            user_id: message.user_id.clone(),
            notification: Contents {
                notification_id: message.notification_id.clone(),
                sequence: message.sequence,
                topic: message.topic.clone(),
                priority: priority(message.priority),
                title: message.title.clone(),
                body: message.body.clone(),
                reference: message.reference.clone(),
                at: at.to_string(),
            },
        }
    }
}

fn priority(number: i32) -> &'static str {
    match Priority::try_from(number).unwrap_or_default() {
        Priority::High => "HIGH",
        Priority::Normal => "NORMAL",
        Priority::Low | Priority::Unspecified => "LOW",
    }
}
