//! When the trading day ends.

use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

const SECONDS_PER_DAY: u64 = 86_400;

/// A time of day, written `HH:MM:SS`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct DayTime {
    second_of_day: u64,
}

/// The time of day, UTC, at which a session ends and the next one begins, where the venue has no
/// trading hours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(transparent)]
pub struct SessionEnd(DayTime);

impl SessionEnd {
    /// The end of the session that runs at `now`; always later than `now`.
    pub fn after(self, now: SystemTime) -> SystemTime {
        let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let today = seconds - seconds % SECONDS_PER_DAY + self.0.second_of_day;
        let end = if today > seconds {
            today
        } else {
            today + SECONDS_PER_DAY
        };
        UNIX_EPOCH + Duration::from_secs(end)
    }
}

impl FromStr for SessionEnd {
    type Err = NotATimeOfDay;

    fn from_str(text: &str) -> Result<SessionEnd, NotATimeOfDay> {
        Ok(SessionEnd(text.parse()?))
    }
}

impl DayTime {
    /// Seconds since midnight.
    pub(crate) fn second(self) -> u64 {
        self.second_of_day
    }
}

/// Text that is not a time of day.
#[derive(Debug, thiserror::Error)]
#[error("a time of day is written HH:MM:SS, not {0:?}")]
pub struct NotATimeOfDay(String);

impl FromStr for DayTime {
    type Err = NotATimeOfDay;

    fn from_str(text: &str) -> Result<DayTime, NotATimeOfDay> {
        let refuse = || NotATimeOfDay(text.to_owned());
        let parts: Vec<&str> = text.split(':').collect();
        let [hours, minutes, seconds] = parts[..] else {
            return Err(refuse());
        };
        let part = |text: &str, below: u64| {
            let well_formed = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
            let value: u64 = text.parse().ok().filter(|_| well_formed)?;
            (value < below).then_some(value)
        };
        match (part(hours, 24), part(minutes, 60), part(seconds, 60)) {
            (Some(hours), Some(minutes), Some(seconds)) => Ok(DayTime {
                second_of_day: hours * 3600 + minutes * 60 + seconds,
            }),
            _ => Err(refuse()),
        }
    }
}

impl std::fmt::Display for DayTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let s = self.second_of_day;
        write!(f, "{:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
    }
}

impl<'de> Deserialize<'de> for DayTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<DayTime, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

impl Serialize for DayTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(second)
    }

    #[test]
    fn a_session_ends_after_now_even_at_its_very_end() {
        let end: SessionEnd = "21:00:00".parse().unwrap();
        assert_eq!(end.after(at(0)), at(75_600));
        assert_eq!(end.after(at(75_599)), at(75_600));
        assert_eq!(end.after(at(75_600)), at(75_600 + SECONDS_PER_DAY));
        assert_eq!(SessionEnd::default().after(at(5)), at(SECONDS_PER_DAY));
    }

    #[test]
    fn only_times_of_day_are_taken() {
        for text in [
            "", "24:00:00", "12:60:00", "12:00", "1:00:00", "aa:00:00", "+1:00:00",
        ] {
            assert!(text.parse::<DayTime>().is_err(), "{text}");
        }
        let end: DayTime = "09:05:07".parse().unwrap();
        assert_eq!(end.to_string(), "09:05:07");
    }
}
