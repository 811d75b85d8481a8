//! Texts, times and bytes.

use prost_reflect::FieldDescriptor;
use regex::Regex;
use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::rules::Rules;

/// Hexadecimal digits in groups of 8, 4, 4, 4 and 12.
const UUID: &str = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$";
/// RFC 3339, as protobuf writes and reads it.
const TIMESTAMP: &str = "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])\
     T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})$";
/// With or without padding, in either alphabet.
const BASE64: &str = "^[A-Za-z0-9+/_-]*={0,2}$";

/// A pattern that protobuf's validators and JSON Schema's would read differently.
#[derive(Debug, Error)]
#[error(
    "{field}: `{pattern}` does not mean the same in RE2 and in ECMAScript: write it with character classes, groups, counts and anchors alone"
)]
pub struct PatternError {
    /// Full name of the field.
    pub field: String,
    /// The pattern.
    pub pattern: String,
}

/// The schema of a `string`.
///
/// # Errors
/// [`PatternError`].
pub fn text(field: &FieldDescriptor, rules: &Rules) -> Result<Value, PatternError> {
    let mut schema = Map::from_iter([("type".to_owned(), json!("string"))]);
    let mut patterns = Vec::new();
    if let Some(count) = rules.number("len") {
        schema.insert("minLength".to_owned(), super::integers::exact(count));
        schema.insert("maxLength".to_owned(), super::integers::exact(count));
    }
    for (rule, keyword) in [("min_len", "minLength"), ("max_len", "maxLength")] {
        if let Some(count) = rules.number(rule) {
            schema.insert(keyword.to_owned(), super::integers::exact(count));
        }
    }
    if let Some(pattern) = rules.text("pattern") {
        if !is_portable(&pattern) {
            return Err(PatternError {
                field: field.full_name().to_owned(),
                pattern,
            });
        }
        patterns.push(pattern);
    }
    if let Some(prefix) = rules.text("prefix") {
        patterns.push(format!("^{}", literal(&prefix)));
    }
    if rules.is("uuid") {
        schema.insert("format".to_owned(), json!("uuid"));
        patterns.push(UUID.to_owned());
    }
    if rules.is("email") {
        schema.insert("format".to_owned(), json!("email"));
    }
    if let Some(only) = rules.text("const") {
        schema.insert("const".to_owned(), json!(only));
    }
    let (listed, refused) = (rules.texts("in"), rules.texts("not_in"));
    if !listed.is_empty() {
        schema.insert("enum".to_owned(), json!(listed));
    }
    if !refused.is_empty() {
        schema.insert("not".to_owned(), json!({"enum": refused}));
    }
    match patterns.as_slice() {
        [] => {}
        [one] => {
            schema.insert("pattern".to_owned(), json!(one));
        }
        several => {
            let all = several.iter().map(|one| json!({"pattern": one}));
            schema.insert("allOf".to_owned(), all.collect());
        }
    }
    Ok(Value::Object(schema))
}

/// Whether the rules let an empty text pass.
pub fn may_be_empty(rules: &Rules) -> bool {
    let none = |rule: &str| rules.number(rule).is_none_or(|count| count == 0);
    let matched = |pattern: String| Regex::new(&pattern).is_ok_and(|regex| regex.is_match(""));
    let listed = rules.texts("in");
    none("len")
        && none("min_len")
        && rules.text("pattern").is_none_or(matched)
        && rules.text("prefix").is_none_or(|prefix| prefix.is_empty())
        && rules.text("const").is_none_or(|only| only.is_empty())
        && (listed.is_empty() || listed.iter().any(String::is_empty))
        && !rules.texts("not_in").iter().any(String::is_empty)
        && !rules.is("uuid")
        && !rules.is("email")
}

/// The schema of `bytes`: their length is that of the text that stands for them.
pub fn base64(rules: &Rules) -> Value {
    let mut schema = Map::new();
    schema.insert("type".to_owned(), json!("string"));
    schema.insert("contentEncoding".to_owned(), json!("base64"));
    schema.insert("pattern".to_owned(), json!(BASE64));
    let exactly = rules.number("len");
    // Four characters stand for three bytes; padding may be left out.
    if let Some(least) = exactly.or_else(|| rules.number("min_len")) {
        let characters = super::integers::exact((least * 4).div_euclid(3));
        schema.insert("minLength".to_owned(), characters);
    }
    if let Some(most) = exactly.or_else(|| rules.number("max_len")) {
        let characters = super::integers::exact((most + 2).div_euclid(3) * 4);
        schema.insert("maxLength".to_owned(), characters);
    }
    Value::Object(schema)
}

/// The schema of a `google.protobuf.Timestamp`.
pub fn timestamp() -> Value {
    json!({"type": "string", "format": "date-time", "pattern": TIMESTAMP})
}

/// Whether a pattern means the same in RE2, ECMAScript and whatever else validators are written
/// in: literals, classes without names, plain groups, counts, alternatives and anchors.
fn is_portable(pattern: &str) -> bool {
    let mut rest = pattern.chars().peekable();
    let mut in_class = false;
    while let Some(character) = rest.next() {
        match character {
            // `\d` and the like take in more in some languages, `\pL` and `\A` are not in all.
            '\\' if rest
                .next()
                .is_none_or(|escaped| !escaped.is_ascii_punctuation()) =>
            {
                return false;
            }
            '\\' => {}
            '[' if in_class => return false,
            '[' => in_class = true,
            ']' => in_class = false,
            _ if in_class => {}
            '.' => return false,
            '(' if rest.peek() == Some(&'?') => return false,
            '+' | '*' | '?' | '}' if rest.peek() == Some(&'+') => return false,
            _ => {}
        }
    }
    !in_class && pattern.is_ascii()
}

/// A text as a pattern that matches just it.
fn literal(text: &str) -> String {
    let mut pattern = String::new();
    for character in text.chars() {
        if character.is_ascii_punctuation() && character != '_' {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_that_languages_read_differently_are_found() {
        for pattern in [
            "^[A-Z]{3}$",
            "^/[a-z][a-z0-9-]*$",
            "^a\\.b(\\.v[2-9])?$",
            "a|b",
            "[.]",
        ] {
            assert!(is_portable(pattern), "{pattern}");
        }
        for pattern in [
            "^\\d+$",
            "^\\w$",
            "a.b",
            "(?i)a",
            "\\pL",
            "\\Aa\\z",
            "[[:alpha:]]",
            "a++",
            "é",
            "\\",
        ] {
            assert!(!is_portable(pattern), "{pattern}");
        }
    }

    #[test]
    fn a_prefix_is_taken_literally() {
        assert_eq!(literal("a.b_c"), "a\\.b_c");
    }
}
