//! The two fonts: how wide text is in them, and how it is encoded. No file of the font is needed,
//! every reader brings it; the widths are those its metrics give.

use pdf_writer::Name;

/// A font.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Face {
    /// Helvetica.
    Regular,
    /// Helvetica bold.
    Bold,
}

/// The first character of the tables of widths: a space.
const FIRST: u8 = 32;

/// Widths of the characters from space to tilde in thousandths of the size.
const REGULAR: [u16; 95] = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278,
    278, // space to /
    556, 556, 556, 556, 556, 556, 556, 556, 556, 556, // digits
    278, 278, 584, 584, 584, 556, 1015, // : to @
    667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, // A to M
    722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, // N to Z
    278, 278, 278, 469, 556, 333, // [ to `
    556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, // a to m
    556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, // n to z
    334, 260, 334, 584, // { to ~
];

/// The same in bold.
const BOLD: [u16; 95] = [
    278, 333, 474, 556, 556, 889, 722, 238, 333, 333, 389, 584, 278, 333, 278,
    278, // space to /
    556, 556, 556, 556, 556, 556, 556, 556, 556, 556, // digits
    333, 333, 584, 584, 584, 611, 975, // : to @
    722, 722, 722, 722, 667, 611, 778, 722, 278, 556, 722, 611, 833, // A to M
    722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, // N to Z
    333, 278, 333, 584, 556, 333, // [ to `
    556, 611, 556, 611, 556, 333, 611, 611, 278, 278, 556, 278, 889, // a to m
    611, 611, 611, 611, 389, 556, 333, 611, 556, 778, 556, 556, 500, // n to z
    389, 280, 389, 584, // { to ~
];

/// Letters the accented ones from 0xC0 on are as wide as.
const ACCENTED: &[u8; 64] = b"AAAAAAMCEEEEIIIIDNOOOOO+OUUUUYPBaaaaaamceeeeiiiidnooooo+ouuuuypy";

/// Stands for what the fonts do not have.
const MISSING: u8 = b'?';

/// The bytes of text in the fonts' encoding, that of Western Europe.
pub(super) fn encoded(text: &str) -> Vec<u8> {
    text.chars().map(encode).collect()
}

fn encode(letter: char) -> u8 {
    match letter {
        ' '..='~' => letter as u8,
        '\u{a0}'..='\u{ff}' => letter as u8,
        '€' => 0x80,
        '…' => 0x85,
        '‘' => 0x91,
        '’' => 0x92,
        '“' => 0x93,
        '”' => 0x94,
        '–' => 0x96,
        '—' => 0x97,
        letter if letter.is_whitespace() => b' ',
        _ => MISSING,
    }
}

/// How wide text of a size is, both in thousandths of a point.
pub(super) fn width(text: &str, face: Face, size: i32) -> i32 {
    let thousandths: i64 = text
        .chars()
        .map(|letter| face.advance(encode(letter)))
        .sum();
    let width = thousandths * i64::from(size) / 1000;
    // Wider than any paper is wide enough.
    i32::try_from(width).unwrap_or(i32::MAX / 4)
}

/// Text in lines that are at most so wide: broken between words where possible, otherwise within.
/// At least one line.
pub(super) fn wrapped(text: &str, face: Face, size: i32, room: i32) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let longer = if line.is_empty() {
            word.to_owned()
        } else {
            format!("{line} {word}")
        };
        if width(&longer, face, size) <= room {
            line = longer;
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        for letter in word.chars() {
            line.push(letter);
            if line.chars().nth(1).is_some() && width(&line, face, size) > room {
                line.pop();
                lines.push(std::mem::take(&mut line));
                line.push(letter);
            }
        }
    }
    lines.push(line);
    lines
}

// === impl Face ===

impl Face {
    /// Its name within the file.
    pub(super) fn name(self) -> Name<'static> {
        match self {
            Face::Regular => Name(b"F1"),
            Face::Bold => Name(b"F2"),
        }
    }

    fn advance(self, byte: u8) -> i64 {
        let widths = match self {
            Face::Regular => &REGULAR,
            Face::Bold => &BOLD,
        };
        let of = |byte: u8| widths.get(usize::from(byte.wrapping_sub(FIRST))).copied();
        let width = match byte {
            0x85 | 0x97 => Some(1000),
            0x91 | 0x92 => Some(278),
            0xc0.. => of(ACCENTED[usize::from(byte) - 0xc0]),
            byte => of(byte),
        };
        // That of a digit.
        i64::from(width.unwrap_or(556))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_all_as_wide_so_that_columns_of_numbers_stand_in_line() {
        for digit in '0'..='9' {
            for face in [Face::Regular, Face::Bold] {
                assert_eq!(width(&digit.to_string(), face, 10_000), 5_560);
            }
        }
    }

    #[test]
    fn text_is_broken_between_words_and_a_long_word_within() {
        let broken = wrapped("ab cd efghijkl", Face::Regular, 10_000, 30_000);
        assert_eq!(broken, ["ab cd", "efghijk", "l"]);
        assert_eq!(wrapped("", Face::Regular, 10_000, 30_000), [""]);
    }

    #[test]
    fn letters_of_western_europe_are_written_and_others_marked() {
        assert_eq!(encoded("Zoë – 5 €"), b"Zo\xeb \x96 5 \x80");
        assert_eq!(encoded("山\n"), b"? ");
    }
}
