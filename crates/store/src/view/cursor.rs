//! Where a scan goes on, and between which bounds it runs.

use std::ops::Bound;

use super::Scan;
use crate::error::StoreError;

/// A place in one order of a view. By key alone, the sort key is empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) sort_key: String,
    pub(crate) key: String,
}

/// The rows of a scan: those from `first`, inclusive, to before `end`; no end means to the last.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) first: Place,
    pub(crate) end: Bound<Place>,
}

// === impl Place ===

impl Place {
    /// As text. Both parts may hold any character, so the first one's length comes before them.
    pub(crate) fn cursor(&self) -> String {
        format!("{}:{}{}", self.sort_key.len(), self.sort_key, self.key)
    }

    fn parse(cursor: &str) -> Option<Self> {
        let (length, rest) = cursor.split_once(':')?;
        let (sort_key, key) = rest.split_at_checked(length.parse().ok()?)?;
        Some(Self {
            sort_key: sort_key.to_owned(),
            key: key.to_owned(),
        })
    }

    /// The first place behind this one. In byte order nothing lies between a text and the same
    /// text with a zero added.
    fn next(mut self) -> Self {
        self.key.push('\0');
        self
    }
}

// === impl Bounds ===

impl Bounds {
    pub(crate) fn of(scan: &Scan) -> Result<Self, StoreError> {
        let after = match &scan.after {
            Some(cursor) => Some(Place::parse(cursor).ok_or(StoreError::BadCursor)?),
            None => None,
        };
        let by_key = scan.index.is_none();
        // By key, the prefix is one of the key; else one of the sort key.
        let place = |text: String| match by_key {
            true => Place {
                sort_key: String::new(),
                key: text,
            },
            false => Place {
                sort_key: text,
                key: String::new(),
            },
        };
        let first = place(scan.prefix.clone());
        let end = prefix_end(&scan.prefix).map(place);
        Ok(match (after, scan.reverse) {
            (None, _) => Self {
                first,
                end: end.map_or(Bound::Unbounded, Bound::Excluded),
            },
            (Some(after), false) => Self {
                first: first.max(after.next()),
                end: end.map_or(Bound::Unbounded, Bound::Excluded),
            },
            (Some(after), true) => Self {
                first,
                end: Bound::Excluded(match end {
                    Some(end) => end.min(after),
                    None => after,
                }),
            },
        })
    }
}

/// The first text behind all that begin with `prefix`; none when there is none.
fn prefix_end(prefix: &str) -> Option<String> {
    let mut end = prefix.to_owned();
    while let Some(last) = end.pop() {
        // UTF-8 orders texts as their characters do. Characters skip from D7FF to E000.
        let next = match last {
            '\u{D7FF}' => Some('\u{E000}'),
            last => char::from_u32(u32::from(last) + 1),
        };
        if let Some(next) = next {
            end.push(next);
            return Some(end);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_cursor_nobody_gave_out_is_refused() {
        for cursor in ["", "x", "5", ":a", "3:ab", "-1:a", "1:é"] {
            assert_eq!(Place::parse(cursor), None, "{cursor}");
        }
    }

    #[test]
    fn nothing_follows_the_last_character() {
        assert_eq!(prefix_end(""), None);
        assert_eq!(prefix_end("\u{10FFFF}\u{10FFFF}"), None);
        assert_eq!(prefix_end("a\u{10FFFF}").as_deref(), Some("b"));
    }

    proptest! {
        #[test]
        fn cursors_come_back(sort_key in ".*", key in ".*") {
            let place = Place { sort_key, key };
            prop_assert_eq!(Place::parse(&place.cursor()), Some(place));
        }

        #[test]
        fn texts_with_a_prefix_are_exactly_those_between_it_and_its_end(
            prefix in "\\PC{0,3}",
            tail in "\\PC{0,3}",
            other in "\\PC{0,4}",
        ) {
            let between = |text: &str| {
                text >= prefix.as_str()
                    && prefix_end(&prefix).is_none_or(|end| text < end.as_str())
            };
            let with_prefix = format!("{prefix}{tail}");
            prop_assert!(between(&with_prefix));
            prop_assert_eq!(between(&other), other.starts_with(&prefix));
        }
    }
}
