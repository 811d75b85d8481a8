//! Validation rules as text, one line per rule: to tell a tightened one from a loosened one, and to
//! know which violations a message can have at all.

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, OneofDescriptor, Value};

use crate::option;

/// What the name of a rule of each item begins with.
const ITEMS: &str = "repeated.items.";

/// One rule, `string.min_len = 1`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// `required`, `ignore`, `int64.gte`, `repeated.items.string.uuid`.
    pub name: String,
    /// Its value as text: `true`, `1`, `^[A-Z]{3}$`, `0, 3`.
    pub value: String,
}

/// The rules of a field, sorted by name.
#[must_use]
pub fn of_field(field: &FieldDescriptor) -> Vec<Rule> {
    of_option(&field.options(), option::FIELD_RULES)
}

/// The rules of a oneof, sorted by name.
#[must_use]
pub fn of_oneof(oneof: &OneofDescriptor) -> Vec<Rule> {
    of_option(&oneof.options(), option::ONEOF_RULES)
}

/// Any option that is a message of rules, for example of a message, sorted by name.
#[must_use]
pub fn of_option(options: &DynamicMessage, name: &str) -> Vec<Rule> {
    let rules = option::message(options, name);
    let mut rules = rules.map_or_else(Vec::new, |rules| flatten(&rules, ""));
    rules.sort();
    rules
}

/// The ids under which protovalidate reports a field's rules, those of its items apart.
#[must_use]
pub fn ids(rules: &[Rule]) -> Vec<String> {
    let of_items: Vec<Rule> = rules
        .iter()
        .filter_map(|rule| {
            let name = rule.name.strip_prefix(ITEMS)?;
            Some(Rule {
                name: name.to_owned(),
                value: rule.value.clone(),
            })
        })
        .collect();
    let own: Vec<&Rule> = rules
        .iter()
        .filter(|rule| !rule.name.starts_with(ITEMS))
        .collect();
    let mut ids = of_one(&own);
    if !of_items.is_empty() {
        ids.extend(of_one(&of_items.iter().collect::<Vec<_>>()));
    }
    ids.sort();
    ids.dedup();
    ids
}

/// The ids of rules that hold for one value.
fn of_one(rules: &[&Rule]) -> Vec<String> {
    let zero_is_ignored = rules
        .iter()
        .any(|rule| rule.name == "ignore" && rule.value == "IGNORE_IF_ZERO_VALUE");
    let required = rules.iter().any(|rule| rule.name == "required");
    let mut ids = Vec::new();
    let mut bounds = (None, None);
    for rule in rules {
        let (kind, name) = rule.name.rsplit_once('.').unwrap_or(("", &rule.name));
        match name {
            "ignore" => {}
            _ if rule.value == "false" && kind != "bool" => {}
            "gt" | "gte" => bounds.0 = Some(rule),
            "lt" | "lte" => bounds.1 = Some(rule),
            "uuid" | "email" => {
                ids.push(rule.name.clone());
                // The empty text has an id of its own, unless it is not looked at.
                if !zero_is_ignored && !required {
                    ids.push(format!("{}_empty", rule.name));
                }
            }
            _ => ids.push(rule.name.clone()),
        }
    }
    match bounds {
        (Some(lower), Some(upper)) => {
            let bound = |rule: &Rule| rule.value.parse::<i128>().unwrap_or_default();
            let end = upper.name.rsplit('.').next().unwrap_or_default();
            // Bounds the wrong way round forbid what is between them.
            let exclusive = if bound(upper) < bound(lower) {
                "_exclusive"
            } else {
                ""
            };
            ids.push(format!("{}_{end}{exclusive}", lower.name));
        }
        (Some(only), None) | (None, Some(only)) => ids.push(only.name.clone()),
        (None, None) => {}
    }
    ids
}

/// Every set field of a message of rules, nested ones by their path.
fn flatten(message: &DynamicMessage, prefix: &str) -> Vec<Rule> {
    let mut rules = Vec::new();
    for (field, value) in message.fields() {
        let name = format!("{prefix}{}", field.name());
        match value {
            Value::Message(nested) => rules.extend(flatten(nested, &format!("{name}."))),
            value => rules.push(Rule {
                name,
                value: text(value, &field.kind()),
            }),
        }
    }
    rules
}

/// A rule's value as text.
pub(crate) fn text(value: &Value, kind: &Kind) -> String {
    match (value, kind) {
        (Value::EnumNumber(number), Kind::Enum(declared)) => declared
            .get_value(*number)
            .map_or_else(|| number.to_string(), |value| value.name().to_owned()),
        (Value::Bool(value), _) => value.to_string(),
        (Value::I32(number), _) => number.to_string(),
        (Value::I64(number), _) => number.to_string(),
        (Value::U32(number), _) => number.to_string(),
        (Value::U64(number), _) => number.to_string(),
        (Value::String(text), _) => text.clone(),
        (Value::List(items), kind) => {
            let items: Vec<String> = items.iter().map(|item| text(item, kind)).collect();
            items.join(", ")
        }
        (other, _) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(name: &str, value: &str) -> Rule {
        Rule {
            name: name.to_owned(),
            value: value.to_owned(),
        }
    }

    #[test]
    fn two_bounds_make_one_rule() {
        let both = [rule("int64.gte", "1"), rule("int64.lte", "9")];
        assert_eq!(ids(&both), ["int64.gte_lte"]);
        let outside = [rule("int32.gt", "9"), rule("int32.lt", "1")];
        assert_eq!(ids(&outside), ["int32.gt_lt_exclusive"]);
        assert_eq!(ids(&both[..1]), ["int64.gte"]);
    }

    #[test]
    fn the_empty_text_is_no_uuid_in_its_own_way_unless_it_is_not_looked_at() {
        let uuid = rule("string.uuid", "true");
        assert_eq!(
            ids(std::slice::from_ref(&uuid)),
            ["string.uuid", "string.uuid_empty"]
        );
        let lenient = [rule("ignore", "IGNORE_IF_ZERO_VALUE"), uuid];
        assert_eq!(ids(&lenient), ["string.uuid"]);
    }

    #[test]
    fn rules_of_items_are_reported_under_the_ids_of_one_value() {
        let rules = [
            rule("repeated.items.string.max_len", "12"),
            rule("repeated.max_items", "3"),
        ];
        assert_eq!(ids(&rules), ["repeated.max_items", "string.max_len"]);
    }
}
