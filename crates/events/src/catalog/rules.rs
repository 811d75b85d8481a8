//! Validation rules in words.

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, Value};

/// Field option that holds the rules.
const FIELD_RULES: &str = "buf.validate.field";
/// Oneof option that holds the rules.
const ONEOF_RULES: &str = "buf.validate.oneof";

/// The rules of a field, each as words that go on from "the value is" or "has".
pub fn in_words(field: &FieldDescriptor) -> Vec<String> {
    let mut words = Vec::new();
    let pool = field.parent_pool();
    if let Some(option) = pool.get_extension_by_name(FIELD_RULES)
        && let Some(rules) = field.options().get_extension(&option).as_message()
    {
        words = of_rules(rules, field);
    }
    if let Some(oneof) = field
        .containing_oneof()
        .filter(|oneof| !oneof.is_synthetic())
    {
        let required = pool
            .get_extension_by_name(ONEOF_RULES)
            .is_some_and(|option| {
                let options = oneof.options();
                let rules = options.get_extension(&option);
                rules
                    .as_message()
                    .and_then(|rules| rules.get_field_by_name("required"))
                    .and_then(|required| required.as_bool())
                    == Some(true)
            });
        let members: Vec<String> = oneof
            .fields()
            .map(|field| field.name().to_owned())
            .collect();
        let count = if required { "exactly" } else { "at most" };
        words.push(format!("{count} one of {} is set", members.join(", ")));
    }
    words
}

/// The words for a `FieldRules` message.
fn of_rules(rules: &DynamicMessage, field: &FieldDescriptor) -> Vec<String> {
    let mut words = Vec::new();
    for (rule, value) in rules.fields() {
        match (rule.name(), value) {
            ("required", Value::Bool(true)) => words.push("required".to_owned()),
            ("ignore", Value::EnumNumber(0)) => {}
            ("ignore", Value::EnumNumber(1)) => words.push("may be left empty".to_owned()),
            ("ignore", _) => words.push("not validated".to_owned()),
            (kind, Value::Message(of_kind)) => {
                let set = of_kind.fields().collect::<Vec<_>>();
                let phrases = set
                    .iter()
                    .flat_map(|(rule, value)| phrase(kind, rule, value, field));
                words.extend(phrases);
            }
            _ => {}
        }
    }
    words
}

/// The words for one rule of a type.
fn phrase(
    kind: &str,
    rule: &FieldDescriptor,
    value: &Value,
    field: &FieldDescriptor,
) -> Vec<String> {
    let unit = match kind {
        "bytes" => "bytes",
        "repeated" => "items",
        _ => "characters",
    };
    let shown = show(value, field);
    let words = match (rule.name(), value) {
        ("items", Value::Message(rules)) => {
            let of_item = of_rules(rules, field);
            return of_item
                .into_iter()
                .map(|words| format!("each item: {words}"))
                .collect();
        }
        (_, Value::Bool(false)) => return Vec::new(),
        ("defined_only", _) => "one of the declared values".to_owned(),
        ("unique", _) => "no item twice".to_owned(),
        ("const", _) => format!("exactly {shown}"),
        ("len", _) => format!("exactly {shown} {unit}"),
        ("min_len" | "min_items", _) => format!("at least {shown} {unit}"),
        ("max_len" | "max_items", _) => format!("at most {shown} {unit}"),
        ("pattern", _) => format!("matches {shown}"),
        ("prefix", _) => format!("begins with {shown}"),
        ("in", _) => format!("one of {shown}"),
        ("not_in", _) => format!("none of {shown}"),
        ("lt", _) => format!("less than {shown}"),
        ("lte", _) => format!("at most {shown}"),
        ("gt", _) => format!("more than {shown}"),
        ("gte", _) => format!("at least {shown}"),
        ("uuid", _) => "a UUID".to_owned(),
        ("email", _) => "an email address".to_owned(),
        // Rules the contract may gain later are shown by name rather than left out.
        (name, _) => format!("{name} {shown}"),
    };
    vec![words]
}

/// A rule's value as words; enum numbers by their names.
fn show(value: &Value, field: &FieldDescriptor) -> String {
    let of_enum = |number: i32| match field.kind() {
        Kind::Enum(declared) => declared
            .get_value(number)
            .map(|value| value.name().to_owned()),
        _ => None,
    };
    match value {
        Value::I32(number) => of_enum(*number).unwrap_or_else(|| number.to_string()),
        Value::I64(number) => number.to_string(),
        Value::U32(number) => number.to_string(),
        Value::U64(number) => number.to_string(),
        Value::String(text) => format!("`{text}`"),
        Value::List(items) => items
            .iter()
            .map(|item| show(item, field))
            .collect::<Vec<_>>()
            .join(", "),
        other => other.to_string(),
    }
}
