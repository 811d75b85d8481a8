//! When the venue trades: hours by weekday, holidays, and when day orders end.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::civil::{Date, Weekday};
use serde::{Deserialize, Serialize};

use crate::book::Session;
use crate::session::{DayTime, SessionEnd};

/// Farthest a time zone is from UTC, in minutes.
const OFFSET_MINUTES_MAX: i32 = 18 * 60;

/// How far ahead the next opening or closing is looked for: more than a year, so that every
/// weekday and every yearly holiday is met.
const LOOK_AHEAD_DAYS: usize = 400;

const SECONDS_PER_DAY: u64 = 86_400;

/// When the venue trades, in its own time zone. Without hours it always does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Calendar {
    /// How far the venue's time zone is ahead of UTC, in minutes. It knows no summer time.
    pub utc_offset_minutes: i32,
    /// Trading hours by weekday (`monday` …); a weekday that is left out is closed.
    pub hours: BTreeMap<String, Hours>,
    /// Days on which the venue stays closed (`YYYY-MM-DD`), with their names.
    pub holidays: BTreeMap<Date, String>,
}

/// From when until when, local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    /// `HH:MM:SS`.
    pub open: DayTime,
    /// `HH:MM:SS`, later than `open`.
    pub close: DayTime,
}

/// What is wrong with a calendar.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CalendarError {
    /// No time zone is that far from UTC.
    #[error("utc_offset_minutes is at most {OFFSET_MINUTES_MAX} either way")]
    Offset,
    /// Not the name of a weekday.
    #[error("{0} is no weekday: they are written monday, tuesday and so on")]
    Weekday(String),
    /// Hours that end before they begin.
    #[error("the hours of {0} must end after they begin")]
    Hours(String),
}

/// One day of the venue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Day {
    pub(crate) date: Date,
    /// From when until when it trades, if it does.
    pub(crate) open: Option<(SystemTime, SystemTime)>,
    /// Why it does not.
    pub(crate) note: String,
}

/// What the hours want a market to be, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Phase {
    /// Open or closed.
    pub(crate) session: Session,
    pub(crate) since: SystemTime,
}

/// The calendar together with the end of days that have no hours.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Schedule {
    pub(crate) calendar: Calendar,
    pub(crate) session_end: SessionEnd,
}

// === impl Calendar ===

impl Calendar {
    /// Whether the venue can trade by it.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), CalendarError> {
        if self.utc_offset_minutes.abs() > OFFSET_MINUTES_MAX {
            return Err(CalendarError::Offset);
        }
        for (name, hours) in &self.hours {
            if !WEEKDAYS.iter().any(|(_, known)| known == name) {
                return Err(CalendarError::Weekday(name.clone()));
            }
            if hours.open >= hours.close {
                return Err(CalendarError::Hours(name.clone()));
            }
        }
        Ok(())
    }

    /// The local date at a time.
    pub(crate) fn date_at(&self, at: SystemTime) -> Date {
        let offset = i64::from(self.utc_offset_minutes) * 60;
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let local = i64::try_from(since)
            .unwrap_or(i64::MAX)
            .saturating_add(offset);
        let local = Timestamp::from_second(local).unwrap_or(Timestamp::MAX);
        jiff::tz::Offset::UTC.to_datetime(local).date()
    }

    /// A second of a local date.
    fn time_of(&self, date: Date, second: u64) -> SystemTime {
        let days = date.duration_since(Date::constant(1970, 1, 1)).as_hours() / 24;
        let local = days * SECONDS_PER_DAY.cast_signed() + second.cast_signed();
        let utc = local - i64::from(self.utc_offset_minutes) * 60;
        // Nothing trades before 1970.
        UNIX_EPOCH + Duration::from_secs(u64::try_from(utc).unwrap_or(0))
    }

    fn hours_of(&self, date: Date) -> Result<Hours, String> {
        if let Some(holiday) = self.holidays.get(&date) {
            return Err(holiday.clone());
        }
        let weekday = date.weekday();
        let name = WEEKDAYS.iter().find(|(day, _)| *day == weekday);
        let hours = name.and_then(|(_, name)| self.hours.get(*name));
        let is_weekend = matches!(weekday, Weekday::Saturday | Weekday::Sunday);
        hours.copied().ok_or_else(|| match is_weekend {
            true => "weekend".to_owned(),
            false => "no trading on this weekday".to_owned(),
        })
    }
}

const WEEKDAYS: [(Weekday, &str); 7] = [
    (Weekday::Monday, "monday"),
    (Weekday::Tuesday, "tuesday"),
    (Weekday::Wednesday, "wednesday"),
    (Weekday::Thursday, "thursday"),
    (Weekday::Friday, "friday"),
    (Weekday::Saturday, "saturday"),
    (Weekday::Sunday, "sunday"),
];

// === impl Schedule ===

impl Schedule {
    /// Whether the venue never closes.
    fn is_always_open(&self) -> bool {
        self.calendar.hours.is_empty()
    }

    /// A local day.
    pub(crate) fn day(&self, date: Date) -> Day {
        let calendar = &self.calendar;
        if self.is_always_open() {
            let close = self.session_end.after(calendar.time_of(date, 0));
            let open = close - Duration::from_secs(SECONDS_PER_DAY);
            return Day {
                date,
                open: Some((open, close)),
                note: String::new(),
            };
        }
        let (open, note) = match calendar.hours_of(date) {
            Ok(hours) => {
                let time = |time: DayTime| calendar.time_of(date, time.second());
                (Some((time(hours.open), time(hours.close))), String::new())
            }
            Err(note) => (None, note),
        };
        Day { date, open, note }
    }

    /// So many days from a date on; fewer at the end of time.
    pub(crate) fn days(&self, from: Date) -> impl Iterator<Item = Day> {
        let dates = std::iter::successors(Some(from), |date| date.tomorrow().ok());
        dates.map(|date| self.day(date))
    }

    /// When the session ends that runs at a time, or the next one if none does; always later than
    /// that. `None` if there is no session in sight.
    pub(crate) fn close_after(&self, at: SystemTime) -> Option<SystemTime> {
        if self.is_always_open() {
            return Some(self.session_end.after(at));
        }
        let sessions = self.around(at).filter_map(|day| day.open);
        let mut closes = sessions.map(|(_, close)| close);
        closes.find(|close| *close > at)
    }

    /// What the hours want a market to be at a time; `None` if there are none.
    pub(crate) fn phase_at(&self, at: SystemTime) -> Option<Phase> {
        if self.is_always_open() {
            return None;
        }
        let (session, since) = match self.last_change(at) {
            Some(change) => change,
            // No session in a year.
            None => (Session::Closed, UNIX_EPOCH),
        };
        Some(Phase { session, since })
    }

    fn last_change(&self, at: SystemTime) -> Option<(Session, SystemTime)> {
        let today = self.calendar.date_at(at);
        let dates = std::iter::successors(Some(today), |date| date.yesterday().ok());
        for date in dates.take(LOOK_AHEAD_DAYS) {
            if let Some((open, close)) = self.day(date).open {
                if close <= at {
                    return Some((Session::Closed, close));
                }
                if open <= at {
                    return Some((Session::Open, open));
                }
            }
        }
        None
    }

    /// When the hours open or close the market next.
    pub(crate) fn change_after(&self, at: SystemTime) -> Option<SystemTime> {
        if self.is_always_open() {
            return None;
        }
        let sessions = self.around(at).filter_map(|day| day.open);
        let mut changes = sessions.flat_map(|(open, close)| [open, close]);
        changes.find(|change| *change > at)
    }

    /// The days from the one of a time on, as far as is looked ahead.
    fn around(&self, at: SystemTime) -> impl Iterator<Item = Day> {
        self.days(self.calendar.date_at(at)).take(LOOK_AHEAD_DAYS)
    }
}

#[cfg(test)]
mod tests;
