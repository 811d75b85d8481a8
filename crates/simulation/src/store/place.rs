//! Where a row is in one order of a view, and between which places a scan runs.

use std::ops::Bound;

use outcry_store::{Scan, StoreError};

/// Sort key and key. By key alone, the sort key is empty.
pub(super) type Place = (String, String);

/// The rows of a scan: those from `first`, inclusive, to before `end`; no end means to the last.
pub(super) struct Span {
    pub(super) first: Place,
    pub(super) end: Option<Place>,
}

/// A place as text. Both parts may hold any character, so the first one's length leads.
pub(super) fn cursor(sort_key: &str, key: &str) -> String {
    format!("{}:{sort_key}{key}", sort_key.len())
}

fn parse(cursor: &str) -> Option<Place> {
    let (length, texts) = cursor.split_once(':')?;
    let (sort_key, key) = texts.split_at_checked(length.parse().ok()?)?;
    Some((sort_key.to_owned(), key.to_owned()))
}

// === impl Span ===

impl Span {
    pub(super) fn of(scan: &Scan) -> Result<Self, StoreError> {
        let place = |text: String| match scan.index {
            None => (String::new(), text),
            Some(_) => (text, String::new()),
        };
        let mut span = Self {
            first: place(scan.prefix.clone()),
            end: behind_prefix(&scan.prefix).map(place),
        };
        let Some(after) = &scan.after else {
            return Ok(span);
        };
        let (sort_key, mut key) = parse(after).ok_or(StoreError::BadCursor)?;
        if scan.reverse {
            let after = (sort_key, key);
            span.end = Some(match span.end {
                Some(end) => end.min(after),
                None => after,
            });
        } else {
            // Nothing lies between a text and the same text with a zero added.
            key.push('\0');
            span.first = span.first.max((sort_key, key));
        }
        Ok(span)
    }

    /// Whether no place is in it; ranges of maps must not run backwards.
    pub(super) fn is_empty(&self) -> bool {
        self.end.as_ref().is_some_and(|end| *end <= self.first)
    }

    /// The same as bounds of keys, for the order by key.
    pub(super) fn keys(&self) -> (Bound<&str>, Bound<&str>) {
        let end = match &self.end {
            Some((_, key)) => Bound::Excluded(key.as_str()),
            None => Bound::Unbounded,
        };
        (Bound::Included(self.first.1.as_str()), end)
    }

    /// The same as bounds of places.
    pub(super) fn places(&self) -> (Bound<&Place>, Bound<&Place>) {
        let end = match &self.end {
            Some(end) => Bound::Excluded(end),
            None => Bound::Unbounded,
        };
        (Bound::Included(&self.first), end)
    }
}

/// The first text behind all that begin with `prefix`; none when there is none. The order of texts
/// is that of their characters: the last one that has a successor is replaced by it.
fn behind_prefix(prefix: &str) -> Option<String> {
    prefix.char_indices().rev().find_map(|(at, last)| {
        let next = (last..=char::MAX).nth(1)?;
        let mut text = prefix.get(..at)?.to_owned();
        text.push(next);
        Some(text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_come_back_and_nothing_else_is_one() {
        for (sort_key, key) in [("", ""), ("a:b", "c"), ("", "7:x"), ("é", "日本")] {
            let place = (sort_key.to_owned(), key.to_owned());
            assert_eq!(parse(&cursor(sort_key, key)), Some(place));
        }
        for nonsense in ["", "x", "5", ":a", "3:ab", "-1:a", "1:é"] {
            assert_eq!(parse(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn the_end_of_a_prefix_is_its_successor() {
        assert_eq!(behind_prefix("ab").as_deref(), Some("ac"));
        assert_eq!(behind_prefix("a\u{10FFFF}").as_deref(), Some("b"));
        assert_eq!(behind_prefix("\u{D7FF}").as_deref(), Some("\u{E000}"));
        assert_eq!(behind_prefix("\u{10FFFF}"), None);
        assert_eq!(behind_prefix(""), None);
    }

    #[test]
    fn a_cursor_behind_the_prefix_leaves_nothing() {
        let scan = Scan::new("rows").prefix("a").after(Some(cursor("", "b")));
        let span = Span::of(&scan);
        assert!(span.is_ok_and(|span| span.is_empty()));
    }
}
