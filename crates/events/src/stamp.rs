//! What an envelope holds beyond the event itself.

use std::time::SystemTime;

use uuid::Uuid;

use crate::cause::Cause;

/// Identity, place, time and cause of one event. All of it is given: sealing reads no clock
/// and draws no ids.
#[derive(Debug, Clone, Copy)]
pub struct Stamp<'a> {
    /// Unique id of the event.
    pub event_id: Uuid,
    /// Place in its stream: 1, 2, 3 … without gaps.
    pub sequence: u64,
    /// When the fact happened.
    pub occurred_at: SystemTime,
    /// When it is written down.
    pub recorded_at: SystemTime,
    /// What led to it.
    pub cause: &'a Cause,
}
