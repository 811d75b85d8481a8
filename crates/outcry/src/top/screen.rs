//! A board as lines of a terminal, as many and as long as it has room for.

use console::truncate_str;

use super::board::{Board, CallRow, GroupRow, ServiceRow};
use crate::operators::SlowCall;
use crate::output::{Output, Paint};
use crate::text::{self, fitted};

/// The room there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Places of a line.
    pub width: usize,
    /// Lines.
    pub height: usize,
}

/// A line, and how it is painted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The text.
    pub text: String,
    /// `None`: as it is.
    pub paint: Option<Paint>,
}

/// Age of the oldest unsent event, in seconds, from which on something is in its way.
const UNSENT_LATE_S: f64 = 5.0;

/// Places of a number.
const NUMBER: usize = 9;

/// Places of a service's or a group's name.
const NAME: usize = 14;

/// Places of a correlation id.
const ID: usize = 36;

/// A section's heading and its rows.
struct Section {
    heading: String,
    rows: Vec<Line>,
}

/// The board within a size: what is wrong first, then services, groups, calls and flows, each with as many rows as
/// fit.
pub fn lines(board: &Board, size: Size) -> Vec<Line> {
    let mut lines = vec![title(board)];
    lines.extend(absent(board));
    let sections = [services(board), groups(board), calls(board), traces(board)];
    let mut left = size.height.saturating_sub(lines.len());
    for (place, section) in sections.iter().enumerate() {
        // A blank line, a heading and a row: less than that says nothing.
        if left < 3 {
            break;
        }
        // Sections below get their share of what is left, unless this one does not need it.
        let share = (left / (sections.len() - place)).max(3);
        let below: usize = sections[place + 1..]
            .iter()
            .map(|section| section.rows.len() + 2)
            .sum();
        let room = share.max(left.saturating_sub(below)) - 2;
        lines.push(plain(String::new()));
        lines.push(Line {
            text: section.heading.clone(),
            paint: Some(Paint::Bold),
        });
        let shown = section.rows.len().min(room);
        lines.extend(section.rows.iter().take(shown).cloned());
        left = left.saturating_sub(shown + 2);
    }
    let tail = if size.width == 0 { "" } else { "…" };
    for line in &mut lines {
        line.text = truncate_str(&text::printable(&line.text), size.width, tail)
            .trim_end()
            .to_owned();
    }
    lines.truncate(size.height);
    lines
}

fn title(board: &Board) -> Line {
    let ready = board.processes.iter().filter(|row| row.state == "ready");
    let sum = |of: fn(&ServiceRow) -> f64| board.services.iter().map(of).sum::<f64>();
    let of_groups = |of: fn(&GroupRow) -> f64| board.groups.iter().map(of).sum::<f64>();
    let text = format!(
        "outcry top  {} of {} processes ready  {}/s published  {}/s handled  {} unsent  {} waiting  {} keys parked",
        ready.count(),
        board.processes.len(),
        number(sum(|row| row.published)),
        number(sum(|row| row.handled)),
        number(sum(|row| row.unsent)),
        number(of_groups(|row| row.lag)),
        number(of_groups(|row| row.parked_keys)),
    );
    Line {
        text,
        paint: Some(Paint::Bold),
    }
}

/// Processes that are not as they should be, and versions beside each other.
fn absent(board: &Board) -> Vec<Line> {
    let wrong = board.processes.iter().filter(|row| row.state != "ready");
    let mut lines: Vec<Line> = wrong
        .map(|row| Line {
            text: format!("{} is {}", row.origin, row.state),
            paint: Some(if row.state == "away" {
                Paint::Bad
            } else {
                Paint::Doubtful
            }),
        })
        .collect();
    let mut versions: Vec<&str> = board
        .processes
        .iter()
        .map(|row| row.version.as_str())
        .collect();
    versions.retain(|version| !version.is_empty());
    versions.sort_unstable();
    versions.dedup();
    if versions.len() > 1 {
        lines.push(Line {
            text: format!("processes of several versions: {}", versions.join(", ")),
            paint: Some(Paint::Doubtful),
        });
    }
    lines
}

fn services(board: &Board) -> Section {
    let row = |row: &ServiceRow| Line {
        text: format!(
            "{} {:>5} {} {} {} {} {}",
            fitted(&row.service, NAME),
            row.processes,
            cell(row.published),
            cell(row.handled),
            cell(row.failed),
            cell(row.unsent),
            cell(row.oldest_unsent),
        ),
        paint: mood(row.failed > 0.0, row.oldest_unsent >= UNSENT_LATE_S),
    };
    Section {
        heading: heading(
            "SERVICE",
            Some("RUN"),
            &["PUBLISH/S", "HANDLE/S", "FAIL/S", "UNSENT", "OLDEST S"],
        ),
        rows: board.services.iter().map(row).collect(),
    }
}

fn groups(board: &Board) -> Section {
    let row = |row: &GroupRow| Line {
        text: format!(
            "{} {:>5} {} {} {} {} {}",
            fitted(&row.group, NAME),
            "",
            cell(row.lag),
            cell(row.worst_partition_lag),
            cell(row.handled),
            cell(row.retried),
            cell(row.parked_keys),
        ),
        paint: mood(row.retried > 0.0, row.parked_keys > 0.0),
    };
    Section {
        heading: heading(
            "GROUP",
            None,
            &["WAITING", "WORST", "HANDLE/S", "RETRY/S", "PARKED"],
        ),
        rows: board.groups.iter().map(row).collect(),
    }
}

fn calls(board: &Board) -> Section {
    let row = |row: &CallRow| Line {
        text: format!(
            "{} {} {} {}  {}",
            cell(row.p99_ms),
            cell(row.p50_ms),
            cell(row.rate),
            cell(row.failed),
            row.method.strip_prefix("outcry.").unwrap_or(&row.method),
        ),
        paint: mood(row.failed > 0.0, false),
    };
    let columns: Vec<String> = ["P99 MS", "P50 MS", "CALLS/S", "FAIL/S"]
        .map(|name| format!("{name:>NUMBER$}"))
        .to_vec();
    Section {
        heading: format!("{}  SLOWEST CALLS", columns.join(" ")),
        rows: board.calls.iter().map(row).collect(),
    }
}

/// Slow flows, with what `outcry trace` takes.
fn traces(board: &Board) -> Section {
    let row = |row: &SlowCall| Line {
        text: format!(
            "{} {:>NUMBER$}  {:<ID$}  {}  {}",
            cell(row.milliseconds),
            format!("{}s", row.seconds_ago),
            row.correlation_id,
            row.method.strip_prefix("outcry.").unwrap_or(&row.method),
            if row.status == "OK" { "" } else { &row.status },
        ),
        paint: mood(row.status != "OK", false),
    };
    Section {
        heading: format!(
            "{:>NUMBER$} {:>NUMBER$}  {:<ID$}  SLOWEST TRACES (outcry trace ID)",
            "MS", "AGO", "ID"
        ),
        rows: board.traces.iter().map(row).collect(),
    }
}

fn heading(name: &str, count: Option<&str>, columns: &[&str]) -> String {
    let columns: Vec<String> = columns
        .iter()
        .map(|column| format!("{column:>NUMBER$}"))
        .collect();
    format!(
        "{} {:>5} {}",
        fitted(name, NAME),
        count.unwrap_or_default(),
        columns.join(" ")
    )
}

fn mood(is_doubtful: bool, is_bad: bool) -> Option<Paint> {
    match (is_doubtful, is_bad) {
        (_, true) => Some(Paint::Bad),
        (true, false) => Some(Paint::Doubtful),
        (false, false) => None,
    }
}

fn plain(text: String) -> Line {
    Line { text, paint: None }
}

fn cell(value: f64) -> String {
    format!("{:>NUMBER$}", number(value))
}

/// A number in a few places: `0`, `0.5`, `12`, `3456`, `1.2M`.
fn number(value: f64) -> String {
    match value {
        value if value <= 0.0 => "0".to_owned(),
        value if value < 9.95 => format!("{value:.1}").trim_end_matches(".0").to_owned(),
        value if value < 99_999.5 => format!("{value:.0}"),
        value if value < 999_500.0 => format!("{:.0}k", value / 1e3),
        value => format!("{:.1}M", value / 1e6),
    }
}

// === impl Line ===

impl Line {
    /// The line as it is shown here.
    pub fn painted(&self, out: Output) -> String {
        match self.paint {
            Some(paint) => out.paint(paint, &self.text),
            None => self.text.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use console::measure_text_width;

    use super::super::board::ProcessRow;
    use super::*;

    fn board(rows: usize) -> Board {
        let name = |place: usize| format!("service-{place}");
        Board {
            processes: vec![ProcessRow {
                origin: "http://a:1".to_owned(),
                state: "ready",
                version: "0.1.0".to_owned(),
            }],
            services: (0..rows)
                .map(|place| ServiceRow {
                    service: name(place),
                    processes: 1,
                    ..ServiceRow::default()
                })
                .collect(),
            groups: (0..rows)
                .map(|place| GroupRow {
                    group: name(place),
                    ..GroupRow::default()
                })
                .collect(),
            calls: (0..rows)
                .map(|place| CallRow {
                    method: format!("outcry.orders.v1.OrderService/Method{place}"),
                    rate: 1.0,
                    failed: 0.0,
                    p50_ms: 1.0,
                    p99_ms: 2.0,
                })
                .collect(),
            traces: (0..rows)
                .map(|place| SlowCall {
                    method: "outcry.orders.v1.OrderService/PlaceOrder".to_owned(),
                    correlation_id: format!("{place:036}"),
                    milliseconds: 12.0,
                    status: "OK".to_owned(),
                    seconds_ago: 3,
                })
                .collect(),
        }
    }

    fn shown(board: &Board, width: usize, height: usize) -> Vec<String> {
        let lines = lines(board, Size { width, height });
        lines.into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn nothing_is_wider_or_higher_than_the_terminal() {
        for rows in [0, 1, 10, 50] {
            for (width, height) in [(20, 1), (40, 5), (80, 24), (200, 60), (0, 0)] {
                let lines = shown(&board(rows), width, height);
                assert!(lines.len() <= height, "{width}×{height}: {lines:#?}");
                let widest = lines.iter().map(|line| measure_text_width(line)).max();
                assert!(widest <= Some(width), "{width}×{height}: {lines:#?}");
            }
        }
    }

    #[test]
    fn every_section_is_shown_and_the_room_is_used() {
        let lines = shown(&board(10), 100, 24);
        for heading in ["SERVICE ", "GROUP ", "SLOWEST CALLS", "SLOWEST TRACES"] {
            assert!(
                lines.iter().any(|line| line.contains(heading)),
                "{lines:#?}"
            );
        }
        assert_eq!(lines.len(), 24, "{lines:#?}");
        // What a short section leaves is for the others.
        let mut few = board(10);
        few.groups.truncate(1);
        few.calls.truncate(1);
        few.traces.truncate(1);
        let lines = shown(&few, 100, 24);
        assert!(
            lines.iter().any(|line| line.starts_with("service-9 ")),
            "{lines:#?}"
        );
    }

    #[test]
    fn what_is_wrong_stands_out() {
        let mut board = board(1);
        board.processes.push(ProcessRow {
            origin: "http://b:1".to_owned(),
            state: "away",
            version: "0.2.0".to_owned(),
        });
        board.groups[0].parked_keys = 2.0;
        board.services[0].failed = 0.5;
        let size = Size {
            width: 100,
            height: 30,
        };
        let lines = lines(&board, size);
        let paint = |part: &str| {
            let found = lines.iter().find(|line| line.text.contains(part));
            found
                .unwrap_or_else(|| panic!("{part} is not in {lines:#?}"))
                .paint
        };
        assert!(lines[0].text.contains("1 of 2 processes ready"));
        assert!(
            lines[0].text.ends_with("2 keys parked"),
            "{}",
            lines[0].text
        );
        assert_eq!(paint("http://b:1 is away"), Some(Paint::Bad));
        assert_eq!(paint("0.1.0, 0.2.0"), Some(Paint::Doubtful));
        let rows: Vec<&Line> = lines
            .iter()
            .filter(|line| line.text.starts_with("service-0"))
            .collect();
        assert_eq!(rows[0].paint, Some(Paint::Doubtful));
        assert_eq!(rows[1].paint, Some(Paint::Bad));
    }

    #[test]
    fn numbers_take_few_places() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "0"),
            (0.25, "0.2"),
            (2.0, "2"),
            (9.96, "10"),
            (1234.4, "1234"),
            (123_456.0, "123k"),
            (1_250_000.0, "1.2M"),
        ] {
            assert_eq!(number(value), expected);
        }
    }
}
