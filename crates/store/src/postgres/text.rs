//! Texts as the database keeps them.
//!
//! PostgreSQL takes every text but those with a zero character. Names come from outside, too, so
//! one with a zero must find its place: zero becomes two characters, and so does the one that
//! marks it. The order of texts stays what it was.

use std::borrow::Cow;

const MARK: char = '\u{1}';

/// The text to be stored.
pub(super) fn stored(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', MARK]) {
        return Cow::Borrowed(text);
    }
    let mut stored = String::with_capacity(text.len() + 1);
    for character in text.chars() {
        match character {
            '\0' => stored.push_str("\u{1}\u{1}"),
            MARK => stored.push_str("\u{1}\u{2}"),
            other => stored.push(other),
        }
    }
    Cow::Owned(stored)
}

/// The text that was stored.
pub(super) fn read(stored: String) -> String {
    if !stored.contains(MARK) {
        return stored;
    }
    let mut text = String::with_capacity(stored.len());
    let mut characters = stored.chars();
    while let Some(character) = characters.next() {
        match character {
            MARK if characters.next() == Some(MARK) => text.push('\0'),
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{read, stored};

    proptest! {
        #[test]
        fn texts_come_back(text in "[\0\u{1}\u{2}a-c]{0,6}") {
            let kept = stored(&text).into_owned();
            prop_assert!(!kept.contains('\0'));
            prop_assert_eq!(read(kept), text);
        }

        #[test]
        fn their_order_stays(a in "[\0\u{1}\u{2}a-c]{0,4}", b in "[\0\u{1}\u{2}a-c]{0,4}") {
            prop_assert_eq!(stored(&a).cmp(&stored(&b)), a.cmp(&b));
        }
    }
}
