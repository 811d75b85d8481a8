use super::*;

/// New York without summer time, with one holiday.
fn schedule() -> Schedule {
    let weekdays = ["monday", "tuesday", "wednesday", "thursday", "friday"];
    let hours = Hours {
        open: "09:30:00".parse().unwrap(),
        close: "16:00:00".parse().unwrap(),
    };
    let calendar = Calendar {
        utc_offset_minutes: -300,
        hours: weekdays.map(|day| (day.to_owned(), hours)).into(),
        holidays: BTreeMap::from([("2026-01-19".parse().unwrap(), "Some Day".to_owned())]),
    };
    calendar.check().unwrap();
    Schedule {
        calendar,
        session_end: SessionEnd::default(),
    }
}

fn at(text: &str) -> SystemTime {
    let second = text.parse::<Timestamp>().unwrap().as_second();
    UNIX_EPOCH + Duration::from_secs(second.cast_unsigned())
}

#[test]
fn a_market_is_open_from_the_first_to_the_last_second_of_its_hours() {
    let schedule = schedule();
    let phase = |text| schedule.phase_at(at(text)).unwrap();
    // A Monday.
    let open = at("2026-01-05T14:30:00Z");
    assert_eq!(phase("2026-01-05T14:29:59Z").session, Session::Closed);
    for text in ["2026-01-05T14:30:00Z", "2026-01-05T20:59:59Z"] {
        assert_eq!(phase(text).session, Session::Open);
        assert_eq!(phase(text).since, open);
    }
    let closed = phase("2026-01-05T21:00:00Z");
    assert_eq!(closed.session, Session::Closed);
    assert_eq!(closed.since, at("2026-01-05T21:00:00Z"));
    assert_eq!(schedule.change_after(open), Some(closed.since));
    assert_eq!(
        schedule.change_after(closed.since),
        Some(at("2026-01-06T14:30:00Z"))
    );
}

#[test]
fn a_day_ends_with_its_session_and_before_and_after_it_with_the_next() {
    let schedule = schedule();
    let close = |text| schedule.close_after(at(text)).unwrap();
    assert_eq!(close("2026-01-05T15:00:00Z"), at("2026-01-05T21:00:00Z"));
    assert_eq!(close("2026-01-05T03:00:00Z"), at("2026-01-05T21:00:00Z"));
    // From a Friday evening over a weekend and a holiday to Tuesday.
    assert_eq!(close("2026-01-16T21:00:00Z"), at("2026-01-20T21:00:00Z"));
}

#[test]
fn closed_days_say_why() {
    let schedule = schedule();
    let days: Vec<_> = schedule
        .days("2026-01-17".parse().unwrap())
        .take(4)
        .collect();
    let notes: Vec<_> = days.iter().map(|day| day.note.as_str()).collect();
    assert_eq!(notes, ["weekend", "weekend", "Some Day", ""]);
    assert!(days[2].open.is_none());
    assert_eq!(days[3].open.unwrap().0, at("2026-01-20T14:30:00Z"));
}

#[test]
fn without_hours_the_market_never_closes_and_days_end_at_the_session_end() {
    let schedule = Schedule {
        calendar: Calendar::default(),
        session_end: "21:00:00".parse().unwrap(),
    };
    let now = at("2026-01-05T14:30:00Z");
    assert_eq!(schedule.phase_at(now), None);
    assert_eq!(schedule.change_after(now), None);
    assert_eq!(schedule.close_after(now), Some(at("2026-01-05T21:00:00Z")));
    let day = schedule.day("2026-01-05".parse().unwrap());
    let whole = (at("2026-01-04T21:00:00Z"), at("2026-01-05T21:00:00Z"));
    assert_eq!(day.open, Some(whole));
}

#[test]
fn a_year_of_holidays_has_no_session() {
    let mut schedule = schedule();
    schedule.calendar.hours.clear();
    let hours = Hours {
        open: "10:00:00".parse().unwrap(),
        close: "11:00:00".parse().unwrap(),
    };
    schedule.calendar.hours.insert("sunday".into(), hours);
    let mut sunday: Date = "2025-01-05".parse().unwrap();
    for _ in 0..200 {
        schedule.calendar.holidays.insert(sunday, "rest".into());
        sunday = sunday.saturating_add(jiff::ToSpan::days(7));
    }
    let now = at("2026-06-01T00:00:00Z");
    assert_eq!(schedule.close_after(now), None);
    assert_eq!(schedule.phase_at(now).unwrap().session, Session::Closed);
}

#[test]
fn what_is_no_calendar_is_refused() {
    let text = r#"{"utc_offset_minutes":-300,"hours":{"monday":{"open":"09:30:00","close":"16:00:00"}},"holidays":{"2026-12-25":"Christmas"}}"#;
    let good: Calendar = serde_json::from_str(text).unwrap();
    good.check().unwrap();
    assert_eq!(serde_json::to_string(&good).unwrap(), text);
    let mut bad = good.clone();
    bad.utc_offset_minutes = 2_000;
    assert_eq!(bad.check(), Err(CalendarError::Offset));
    let mut bad = good.clone();
    bad.hours.insert("mon".into(), bad.hours["monday"]);
    assert_eq!(bad.check(), Err(CalendarError::Weekday("mon".into())));
    let mut bad = good;
    let hours = Hours {
        open: "16:00:00".parse().unwrap(),
        close: "09:30:00".parse().unwrap(),
    };
    bad.hours.insert("monday".into(), hours);
    assert_eq!(bad.check(), Err(CalendarError::Hours("monday".into())));
}
