//! Times as envelopes hold them.

use std::ops::RangeInclusive;
use std::time::{SystemTime, UNIX_EPOCH};

use prost_types::Timestamp;

/// The years 1 to 9999 in seconds around 1970: what a protobuf timestamp may hold.
const TIMESTAMP_SECONDS: RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// Nanoseconds a protobuf timestamp may hold.
const TIMESTAMP_NANOS: RangeInclusive<i32> = 0..=999_999_999;

/// The time, unless it is out of range.
pub fn to_timestamp(time: SystemTime) -> Option<Timestamp> {
    let distance = match time.duration_since(UNIX_EPOCH) {
        Ok(after) => after,
        Err(before) => before.duration(),
    };
    // The conversion below panics at the far end of what a system time can hold.
    if distance.as_secs() > TIMESTAMP_SECONDS.end().unsigned_abs() {
        return None;
    }
    let timestamp = Timestamp::from(time);
    TIMESTAMP_SECONDS
        .contains(&timestamp.seconds)
        .then_some(timestamp)
}

/// The time, unless it is out of range.
pub fn from_timestamp(timestamp: Timestamp) -> Option<SystemTime> {
    if !TIMESTAMP_SECONDS.contains(&timestamp.seconds)
        || !TIMESTAMP_NANOS.contains(&timestamp.nanos)
    {
        return None;
    }
    SystemTime::try_from(timestamp).ok()
}
