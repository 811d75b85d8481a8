//! Text for people: tables, and times.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use console::{measure_text_width, truncate_str};
use prost_types::Timestamp;

/// Narrowest column of a table that is cut to fit: a few letters still tell rows apart.
const COLUMN_MIN: usize = 8;

/// Between two columns.
const GAP: &str = "  ";

/// Rows under headings, columns aligned, no line ending in blanks. With a width, the widest columns are cut until
/// lines fit, as far as that goes.
pub fn table(headings: &[&str], rows: &[Vec<String>], width: Option<usize>) -> String {
    let heading: Vec<String> = headings.iter().map(|text| (*text).to_owned()).collect();
    let lines: Vec<Vec<String>> = std::iter::once(&heading)
        .chain(rows)
        .map(|line| line.iter().map(|cell| printable(cell)).collect())
        .collect();
    let mut widths: Vec<usize> = (0..headings.len())
        .map(|column| {
            let cells = lines.iter().filter_map(|line| line.get(column));
            cells
                .map(|cell| measure_text_width(cell))
                .max()
                .unwrap_or(0)
        })
        .collect();
    if let Some(width) = width {
        let gaps = GAP.len() * headings.len().saturating_sub(1);
        narrow(&mut widths, width.saturating_sub(gaps));
    }
    let mut text = String::new();
    for line in &lines {
        let cells = line.iter().zip(&widths);
        let padded: Vec<String> = cells.map(|(cell, width)| fitted(cell, *width)).collect();
        text.push_str(padded.join(GAP).trim_end());
        text.push('\n');
    }
    text
}

/// Takes from the widest columns first until all of them are within `total`.
fn narrow(widths: &mut [usize], total: usize) {
    loop {
        let sum: usize = widths.iter().sum();
        let widest = widths.iter_mut().max_by_key(|width| **width);
        match widest {
            Some(widest) if sum > total && *widest > COLUMN_MIN => *widest -= 1,
            _ => return,
        }
    }
}

/// Text in exactly so many places: cut with an ellipsis, or followed by blanks.
pub fn fitted(text: &str, width: usize) -> String {
    let cut = truncate_str(text, width, "…");
    let blanks = width.saturating_sub(measure_text_width(&cut));
    format!("{cut}{}", " ".repeat(blanks))
}

/// Text on one line that only says something: what is in events must not move the cursor of whoever looks at them.
pub fn printable(text: &str) -> String {
    let shown = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(shown).collect()
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

    fn rows(rows: &[[&str; 2]]) -> Vec<Vec<String>> {
        let row = |row: &[&str; 2]| row.iter().map(|&cell| cell.to_owned()).collect();
        rows.iter().map(row).collect()
    }

    #[test]
    fn columns_line_up_and_are_whole_where_lines_may_be_long() {
        let long = "x".repeat(60);
        let text = table(
            &["id", "text"],
            &rows(&[["a", "one"], ["bcd", &long]]),
            None,
        );
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "id   text");
        assert_eq!(lines[1], "a    one");
        assert_eq!(lines[2], format!("bcd  {long}"));
    }

    #[test]
    fn on_a_terminal_the_widest_columns_are_cut_until_lines_fit() {
        let (long, longer) = ("x".repeat(30), "y".repeat(60));
        let rows = rows(&[["short", &longer], [&long, "z"]]);
        for width in [24, 40, 60, 80] {
            let text = table(&["a", "b"], &rows, Some(width));
            let widest = text.lines().map(measure_text_width).max();
            assert!(widest <= Some(width), "{width}: {text}");
            assert!(text.contains("short") && text.contains('…'), "{text}");
        }
        // The shorter column is whole as long as the other one is wider.
        assert!(table(&["a", "b"], &rows, Some(70)).contains(&long));
        // Narrower than that nothing would be left to read.
        assert!(table(&["a", "b"], &rows, Some(1)).contains("xxxxxxx…"));
    }

    #[test]
    fn wide_characters_take_two_places_and_control_characters_none_of_their_effect() {
        let text = table(
            &["a", "b"],
            &rows(&[["株式", "1"], ["abcd", "2\x1b[2J"]]),
            None,
        );
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], "株式  1");
        assert_eq!(lines[2], "abcd  2 [2J");
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
