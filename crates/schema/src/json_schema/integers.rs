//! Ranges of integers, as numbers and as the decimal text that protobuf's JSON writes 64 bits in.

use serde_json::{Value, json};

use crate::rules::Rules;

/// Integers from one to another, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The least.
    pub least: i128,
    /// The greatest.
    pub most: i128,
}

// === impl Range ===

impl Range {
    /// What a type can hold.
    pub const I32: Range = Range::new(i32::MIN as i128, i32::MAX as i128);
    /// What a type can hold.
    pub const U32: Range = Range::new(0, u32::MAX as i128);
    /// What a type can hold.
    pub const I64: Range = Range::new(i64::MIN as i128, i64::MAX as i128);
    /// What a type can hold.
    pub const U64: Range = Range::new(0, u64::MAX as i128);

    const fn new(least: i128, most: i128) -> Range {
        Range { least, most }
    }

    /// What the rules leave of what the type can hold: one range, or two when the lower bound is
    /// above the upper one, which excludes what is between them.
    #[must_use]
    pub fn allowed(self, rules: &Rules) -> Vec<Range> {
        let above = rules.number("gt").map(|bound| bound + 1);
        let below = rules.number("lt").map(|bound| bound - 1);
        let least = above.or_else(|| rules.number("gte")).unwrap_or(self.least);
        let most = below.or_else(|| rules.number("lte")).unwrap_or(self.most);
        if least <= most {
            return vec![Range::new(least, most)];
        }
        vec![Range::new(self.least, most), Range::new(least, self.most)]
    }

    /// Whether a number is in it.
    #[must_use]
    pub fn holds(self, number: i128) -> bool {
        (self.least..=self.most).contains(&number)
    }

    /// As a JSON number.
    #[must_use]
    pub fn as_number(self) -> Value {
        json!({"type": "integer", "minimum": exact(self.least), "maximum": exact(self.most)})
    }

    /// As decimal text, or as a number: protobuf writes the text and reads both.
    #[must_use]
    pub fn as_text(self) -> Value {
        json!({
            "type": ["string", "integer"],
            "pattern": self.pattern(),
            "minimum": exact(self.least),
            "maximum": exact(self.most),
        })
    }

    /// A regular expression for the decimal texts of these numbers. Exact, but where the range ends
    /// with its type: there the number of digits is what counts.
    #[must_use]
    pub fn pattern(self) -> String {
        let mut texts = Vec::new();
        if self.least < 0 {
            let smallest = (-self.most).max(1);
            let minus = digits(smallest, opened(-self.least));
            texts.extend(minus.into_iter().map(|text| format!("-{text}")));
        }
        if self.most >= 0 {
            texts.extend(digits(self.least.max(0), opened(self.most)));
        }
        match texts.as_slice() {
            [one] => format!("^{one}$"),
            _ => format!("^({})$", texts.join("|")),
        }
    }
}

/// The greatest number with as many digits, for the end of a 64-bit type.
fn opened(end: i128) -> i128 {
    let ends = [Range::I64.most, -Range::I64.least, Range::U64.most];
    if ends.contains(&end) {
        return 10_i128.pow(length(end)) - 1;
    }
    end
}

/// Expressions for the numbers between two that are not negative.
fn digits(least: i128, most: i128) -> Vec<String> {
    let mut texts = Vec::new();
    if least == 0 {
        texts.push("0".to_owned());
    }
    let least = least.max(1);
    if least > most {
        return texts;
    }
    // Lengths of which every number is in the range become one expression.
    let mut whole: Option<(u32, u32)> = None;
    for length in length(least)..=length(most) {
        let (first, last) = (10_i128.pow(length - 1), 10_i128.pow(length) - 1);
        if least <= first && last <= most {
            whole = Some((whole.map_or(length, |(from, _)| from), length));
            continue;
        }
        let (from, to) = (least.max(first).to_string(), most.min(last).to_string());
        texts.extend(whole.take().map(all_of_lengths));
        texts.extend(of_one_length(&from, &to));
    }
    texts.extend(whole.map(all_of_lengths));
    texts
}

fn length(number: i128) -> u32 {
    number.checked_ilog10().map_or(1, |log| log + 1)
}

fn all_of_lengths((shortest, longest): (u32, u32)) -> String {
    let (from, to) = (shortest - 1, longest - 1);
    match (from, to) {
        (0, 0) => "[1-9]".to_owned(),
        (1, 1) => "[1-9][0-9]".to_owned(),
        _ if from == to => format!("[1-9][0-9]{{{to}}}"),
        _ => format!("[1-9][0-9]{{{from},{to}}}"),
    }
}

/// Expressions for the numbers between two of the same length, leading zeros included.
fn of_one_length(least: &str, most: &str) -> Vec<String> {
    let (Some(low), Some(high)) = (first(least), first(most)) else {
        return vec![String::new()];
    };
    let (after_low, after_high) = (&least[1..], &most[1..]);
    let led = |digit: char, texts: Vec<String>| {
        texts.into_iter().map(move |text| format!("{digit}{text}"))
    };
    if low == high {
        return led(low, of_one_length(after_low, after_high)).collect();
    }
    let count = after_low.len();
    let (zeros, nines) = ("0".repeat(count), "9".repeat(count));
    let (low_is_whole, high_is_whole) = (after_low == zeros, after_high == nines);
    let mut texts = Vec::new();
    if !low_is_whole {
        texts.extend(led(low, of_one_length(after_low, &nines)));
    }
    let from = if low_is_whole { low } else { next(low) };
    let to = if high_is_whole { high } else { before(high) };
    if from <= to {
        let digit = if from == to {
            from.to_string()
        } else {
            format!("[{from}-{to}]")
        };
        let rest = match count {
            0 => String::new(),
            1 => "[0-9]".to_owned(),
            _ => format!("[0-9]{{{count}}}"),
        };
        texts.push(format!("{digit}{rest}"));
    }
    if !high_is_whole {
        texts.extend(led(high, of_one_length(&zeros, after_high)));
    }
    texts
}

fn first(text: &str) -> Option<char> {
    text.chars().next()
}

fn next(digit: char) -> char {
    char::from_u32(u32::from(digit) + 1).unwrap_or(digit)
}

fn before(digit: char) -> char {
    char::from_u32(u32::from(digit) - 1).unwrap_or(digit)
}

/// As a JSON number, exact.
pub fn exact(number: i128) -> Value {
    let whole = i64::try_from(number).map(Value::from);
    whole
        .or_else(|_| u64::try_from(number).map(Value::from))
        .unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::*;

    #[test]
    fn a_pattern_holds_exactly_the_numbers_of_its_range() {
        let ends = [
            -1_001, -1_000, -999, -120, -10, -9, -1, 0, 1, 2, 9, 10, 19, 99, 100, 205, 999, 1_000,
            1_234,
        ];
        let mut ranges = 0;
        for least in ends {
            for most in ends.into_iter().filter(|most| *most >= least) {
                let range = Range::new(least, most);
                let pattern = Regex::new(&range.pattern()).expect("a pattern");
                for number in -1_300..=1_300 {
                    let text = i128::to_string(&number);
                    assert_eq!(
                        pattern.is_match(&text),
                        range.holds(number),
                        "{range:?} {text}"
                    );
                }
                assert!(
                    !pattern.is_match("") && !pattern.is_match("01") && !pattern.is_match("-0")
                );
                ranges += 1;
            }
        }
        assert_eq!(ranges, ends.len() * (ends.len() + 1) / 2);
    }

    #[test]
    fn patterns_stay_short() {
        let pattern = |least, most| Range::new(least, most).pattern();
        assert_eq!(pattern(1, 1_000_000_000), "^([1-9][0-9]{0,8}|1000000000)$");
        assert_eq!(
            Range::I64.pattern(),
            "^(-[1-9][0-9]{0,18}|0|[1-9][0-9]{0,18})$"
        );
        assert_eq!(Range::U64.pattern(), "^(0|[1-9][0-9]{0,19})$");
        assert_eq!(pattern(1, Range::I64.most), "^[1-9][0-9]{0,18}$");
        assert_eq!(pattern(0, Range::I64.most), "^(0|[1-9][0-9]{0,18})$");
    }
}
