//! Trading days as callers see them.

use std::time::SystemTime;

use jiff::civil::Date;
use outcry_contracts::trades::v1::{GetCalendarRequest, GetCalendarResponse, TradingDay};
use outcry_mesh::refusal;
use tonic::Status;

use super::bounded;
use crate::calendar::{Day, Schedule};

/// Days of a calendar when the caller does not say, and at most.
const DAYS: usize = 7;
const DAYS_MAX: usize = 366;

/// The days that are asked for.
pub(super) fn shown(
    schedule: &Schedule,
    now: SystemTime,
    asked: &GetCalendarRequest,
) -> Result<GetCalendarResponse, Status> {
    let from: Date = match asked.from.as_str() {
        "" => schedule.calendar.date_at(now),
        from => from
            .parse()
            .map_err(|_| refusal::invalid("from", "must be a date, as YYYY-MM-DD"))?,
    };
    let days = schedule
        .days(from)
        .take(bounded(asked.days, DAYS, DAYS_MAX));
    Ok(GetCalendarResponse {
        days: days.map(day).collect(),
        utc_offset_minutes: schedule.calendar.utc_offset_minutes,
    })
}

fn day(day: Day) -> TradingDay {
    TradingDay {
        date: day.date.to_string(),
        open: day.open.is_some(),
        opens_at: day.open.map(|(opens_at, _)| opens_at.into()),
        closes_at: day.open.map(|(_, closes_at)| closes_at.into()),
        note: day.note,
    }
}
