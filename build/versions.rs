//! Versions of one event: an unbroken line, in which each names the next and says how long it is
//! still published beside it.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::generator::Refusals;
use crate::generator::contract::Event;

/// Seconds of a day.
const DAY_S: u64 = 24 * 3_600;

/// What the options say about the version after this one.
pub struct Succession {
    /// Topic of the next version.
    pub topic: String,
    /// Last day on which this version is still published.
    pub until: String,
    /// When that day is over, in seconds since 1970.
    pub over_s: u64,
}

/// Checks the versions of every event against each other.
pub fn check(events: &[Event], refusals: &mut Refusals) {
    // A topic that does not say its version has been refused already.
    let is_versioned = |event: &&Event| {
        !event.topic.is_empty() && event.topic == topic_of(name(&event.topic), event.schema_version)
    };
    let by_topic: BTreeMap<&str, &Event> = events
        .iter()
        .filter(is_versioned)
        .map(|event| (event.topic.as_str(), event))
        .collect();
    for event in events.iter().filter(is_versioned) {
        let mut refuse =
            |what: String| refusals.push(format!("event {}: {what}", event.message.full_name()));
        if event.schema_version > 1 {
            let before = topic_of(name(&event.topic), event.schema_version - 1);
            match by_topic.get(before.as_str()) {
                None => refuse(format!(
                    "`{}` has no `{before}` before it: versions are counted without a gap",
                    event.topic
                )),
                Some(before) => {
                    for part in differences(before, event) {
                        refuse(format!("its {part} is not that of `{}`", before.topic));
                    }
                }
            }
        }
        let next = topic_of(name(&event.topic), event.schema_version + 1);
        let has_next = by_topic.contains_key(next.as_str());
        if has_next && event.superseded_by != next {
            refuse(format!(
                "there is a `{next}`, so its event option must say `superseded_by: \"{next}\"`"
            ));
        }
        if has_next && over_s(&event.published_until).is_none() {
            refuse(format!(
                "there is a `{next}`, so its event option must say `published_until`: the last day of this version, as 2027-06-30"
            ));
        }
        let names_next = !event.superseded_by.is_empty() || !event.published_until.is_empty();
        if names_next && !has_next {
            refuse(format!(
                "it is the newest version, since there is no `{next}`: its event option must say neither `superseded_by` nor `published_until`"
            ));
        }
    }
}

/// The version after an event, if its options name one.
pub fn succession(event: &Event) -> Option<Succession> {
    Some(Succession {
        topic: event.superseded_by.clone(),
        until: event.published_until.clone(),
        over_s: over_s(&event.published_until)?,
    })
}

/// What versions of one event must have in common and these two do not.
fn differences(one: &Event, other: &Event) -> Vec<&'static str> {
    [
        ("owner", one.owner == other.owner),
        ("aggregate", one.aggregate == other.aggregate),
        (
            "aggregate_id_field",
            one.aggregate_id_field == other.aggregate_id_field,
        ),
        (
            "partition_key_field",
            one.partition_key_field == other.partition_key_field,
        ),
        ("origin", one.extension == other.extension),
    ]
    .into_iter()
    .filter(|(_, same)| !same)
    .map(|(part, _)| part)
    .collect()
}

/// A topic without its version.
fn name(topic: &str) -> &str {
    match topic.rsplit_once(".v") {
        Some((name, version))
            if !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            name
        }
        _ => topic,
    }
}

fn topic_of(name: &str, version: u32) -> String {
    match version {
        1 => name.to_owned(),
        version => format!("{name}.v{version}"),
    }
}

/// When a day is over, in seconds since 1970; none if the text is no day since then, written as
/// `2027-06-30`.
fn over_s(day: &str) -> Option<u64> {
    let is_shaped = day.len() == 10
        && day.bytes().enumerate().all(|(place, byte)| match place {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    if !is_shaped {
        return None;
    }
    let number = |range: Range<usize>| -> Option<u64> { day.get(range)?.parse().ok() };
    let (year, month, date) = (number(0..4)?, number(5..7)?, number(8..10)?);
    if year < 1970 || date < 1 || date > days_of_month(year, month)? {
        return None;
    }
    let years: u64 = (1970..year).map(days_of_year).sum();
    let months: u64 = (1..month).filter_map(|one| days_of_month(year, one)).sum();
    Some((years + months + date) * DAY_S)
}

fn days_of_year(year: u64) -> u64 {
    (1..=12)
        .filter_map(|month| days_of_month(year, month))
        .sum()
}

fn days_of_month(year: u64, month: u64) -> Option<u64> {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 => Some(if is_leap { 29 } else { 28 }),
        4 | 6 | 9 | 11 => Some(30),
        1..=12 => Some(31),
        _ => None,
    }
}
