//! Things to do at a time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Something to do at a time, under an id that the service chooses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timer {
    /// Unique within the service; setting it again replaces it.
    pub id: String,
    /// When.
    pub due: SystemTime,
    /// What the service needs to know then.
    pub payload: Vec<u8>,
}

/// A change to the timers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimerWrite {
    /// Sets a timer, or sets it anew.
    Set(Timer),
    /// Clears a timer; one that is not there is fine.
    Clear {
        /// Which.
        id: String,
    },
    /// Clears a timer that has just fired, provided it has not been cleared or set to another time
    /// meanwhile: otherwise the commit is a conflict ([`Conflict::Timer`]). With it, one setting
    /// has at most one effect, and a new setting is never lost.
    ///
    /// [`Conflict::Timer`]: crate::Conflict::Timer
    Fired {
        /// Which.
        id: String,
        /// The time it was due.
        due: SystemTime,
    },
}

impl TimerWrite {
    /// The timer it changes.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Set(timer) => &timer.id,
            Self::Clear { id } | Self::Fired { id, .. } => id,
        }
    }
}

/// Nanoseconds since 1970: how stores keep times, exactly and in order. None outside of the years
/// 1677 to 2262.
#[must_use]
pub fn nanos(at: SystemTime) -> Option<i64> {
    match at.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_nanos()).ok(),
        Err(before) => i64::try_from(before.duration().as_nanos())
            .ok()
            .map(|nanos| -nanos),
    }
}

/// The time that [`nanos`] made a number.
#[must_use]
pub fn time_of(nanos: i64) -> SystemTime {
    let distance = Duration::from_nanos(nanos.unsigned_abs());
    if nanos < 0 {
        UNIX_EPOCH - distance
    } else {
        UNIX_EPOCH + distance
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_back_to_the_nanosecond() {
        for at in [
            UNIX_EPOCH,
            UNIX_EPOCH + Duration::new(1_800_000_000, 123_456_789),
            UNIX_EPOCH - Duration::new(1, 5),
        ] {
            assert_eq!(nanos(at).map(time_of), Some(at));
        }
    }

    #[test]
    fn times_too_far_away_are_none() {
        let year_2300 = UNIX_EPOCH + Duration::from_secs(330 * 366 * 24 * 3600);
        assert_eq!(nanos(year_2300), None);
    }
}
