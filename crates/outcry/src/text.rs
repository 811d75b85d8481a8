//! What the command line prints: tables for people, JSON for programs.

use std::io::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prost_types::Timestamp;
use serde_json::Value;

/// Widest cell of a table; longer text is cut with an ellipsis.
const CELL_MAX: usize = 48;

/// Prints JSON in a readable form.
pub fn print_json(value: &Value) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value)?;
    writeln!(out)
}

/// Prints JSON on one line.
pub fn print_json_line(value: &Value) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, value)?;
    writeln!(out)?;
    out.flush()
}

/// Prints rows under headings, columns aligned.
pub fn print_table(headings: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
    io::stdout()
        .lock()
        .write_all(table(headings, rows).as_bytes())
}

/// The same with cells of any length, where a name cut short would be of no use.
pub fn print_whole_table(headings: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
    io::stdout()
        .lock()
        .write_all(aligned(headings, rows).as_bytes())
}

/// Rows under headings, columns aligned, long cells cut.
pub fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|text| cut(text)).collect())
        .collect();
    aligned(headings, &rows)
}

/// Rows under headings, columns aligned, no line ending in blanks.
fn aligned(headings: &[&str], rows: &[Vec<String>]) -> String {
    let heading: Vec<String> = headings.iter().map(|text| (*text).to_owned()).collect();
    let lines: Vec<&Vec<String>> = std::iter::once(&heading).chain(rows).collect();
    let widths: Vec<usize> = (0..headings.len())
        .map(|column| {
            let cells = lines.iter().filter_map(|line| line.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for line in &lines {
        let padded: Vec<String> = line
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        text.push_str(padded.join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn cut(text: &str) -> String {
    if text.chars().count() <= CELL_MAX {
        return text.to_owned();
    }
    let kept: String = text.chars().take(CELL_MAX - 1).collect();
    format!("{kept}…")
}

/// A time as RFC 3339 in UTC with milliseconds; empty when there is none.
pub fn time(at: Option<&Timestamp>) -> String {
    at.map(|at| {
        let since = Duration::new(
            u64::try_from(at.seconds).unwrap_or(0),
            u32::try_from(at.nanos).unwrap_or(0),
        );
        system_time(UNIX_EPOCH + since)
    })
    .unwrap_or_default()
}

/// A time as RFC 3339 in UTC with milliseconds.
pub fn system_time(at: SystemTime) -> String {
    jiff::Timestamp::try_from(at)
        .map(|at| format!("{at:.3}"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_long_cells_are_cut() {
        let long = "x".repeat(60);
        let rows = vec![
            vec!["a".to_owned(), "one".to_owned()],
            vec!["bcd".to_owned(), long],
        ];
        let text = table(&["id", "text"], &rows);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "id   text");
        assert_eq!(lines[1], "a    one");
        assert!(lines[2].ends_with('…'));
    }

    #[test]
    fn times_are_shown_in_utc_to_the_millisecond() {
        let at = Timestamp {
            seconds: 1_800_000_000,
            nanos: 123_456_789,
        };
        assert_eq!(time(Some(&at)), "2027-01-15T08:00:00.123Z");
        assert_eq!(time(None), "");
    }
}
