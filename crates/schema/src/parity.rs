//! `contracts/parity.json`: messages and the rules they break, for validators of other languages to
//! agree with. Everything is derived from the contract; what a message breaks is said by our own
//! validators, which the build made from the same rules.

use std::collections::{BTreeMap, BTreeSet};

use outcry_contracts::{EVENTS, METHODS, validate};
use outcry_events::descriptors;
use prost::Message as _;
use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage as _, Value,
};
use serde::Serialize;

use crate::rule_text::{self, Rule};
use crate::specimen;

/// The envelope of every event.
const ENVELOPE: &str = "outcry.events.v1.EventEnvelope";
/// Requests whose every rule is broken once; of the others only a valid one is kept.
const REQUESTS: [&str; 3] = [
    "outcry.orders.v1.PlaceOrderRequest",
    "outcry.payments.v1.CreatePaymentRequest",
    "outcry.users.v1.RegisterRequest",
];
/// A number no enum of the contract has.
const UNDECLARED: i32 = 99;

/// One message and what is wrong with it.
#[derive(Debug, Serialize)]
pub struct Case {
    /// `outcry.orders.v1.OrderFilledEvent/last_quantity/int64.gte_lte`.
    pub name: String,
    /// Full name of the message.
    #[serde(rename = "type")]
    pub type_name: String,
    /// The message, in protobuf's JSON form.
    pub message: DynamicMessage,
    /// By field, then rule; none for a valid message.
    pub violations: Vec<Broken>,
}

/// One rule that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Broken {
    /// Its path.
    pub field: String,
    /// Protovalidate's id.
    pub rule: String,
}

/// A rule of the contract: the full name of its field or oneof, and its id.
pub type Subject = (String, String);

/// All cases, in the order of the file.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut writer = Writer::default();
    for message in strict() {
        writer.valid(&message);
        writer.each_rule(&message);
        writer.several(&message);
    }
    for message in requests() {
        writer.valid(&message);
    }
    writer.cases
}

/// Every rule of the messages whose rules are broken one by one.
#[must_use]
pub fn subjects() -> BTreeSet<Subject> {
    let mut subjects = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for message in strict() {
        collect(&message, &mut seen, &mut subjects);
    }
    subjects
}

/// The file's text: one case per line.
///
/// # Errors
/// A message cannot be written as JSON.
pub fn render(cases: &[Case]) -> Result<String, serde_json::Error> {
    let lines: Vec<String> = cases
        .iter()
        .map(serde_json::to_string)
        .collect::<Result<_, _>>()?;
    Ok(format!("{{\"cases\":[\n{}\n]}}\n", lines.join(",\n")))
}

/// Events, their envelope and [`REQUESTS`].
fn strict() -> Vec<MessageDescriptor> {
    let events = EVENTS.iter().map(|event| event.full_name);
    let names = events.chain([ENVELOPE]).chain(REQUESTS);
    names
        .filter_map(|name| descriptors::pool().get_message_by_name(name))
        .collect()
}

/// The other requests that have rules, by name.
fn requests() -> Vec<MessageDescriptor> {
    let paths: BTreeSet<&str> = METHODS.iter().map(|method| method.path).collect();
    let mut requests = BTreeMap::new();
    for service in descriptors::pool().services() {
        for method in service.methods() {
            let path = format!("/{}/{}", service.full_name(), method.name());
            let input = method.input();
            let mut rules = BTreeSet::new();
            collect(&input, &mut BTreeSet::new(), &mut rules);
            let is_new = !REQUESTS.contains(&input.full_name());
            if paths.contains(path.as_str()) && is_new && !rules.is_empty() {
                requests.insert(input.full_name().to_owned(), input);
            }
        }
    }
    requests.into_values().collect()
}

/// The rules of a message and of all it holds.
fn collect(
    message: &MessageDescriptor,
    seen: &mut BTreeSet<String>,
    subjects: &mut BTreeSet<Subject>,
) {
    if !seen.insert(message.full_name().to_owned()) {
        return;
    }
    for field in message.fields() {
        let ids = rule_text::ids(&rule_text::of_field(&field));
        subjects.extend(ids.into_iter().map(|id| (field.full_name().to_owned(), id)));
        if let Kind::Message(nested) = field.kind() {
            collect(&nested, seen, subjects);
        }
    }
    for oneof in message.oneofs() {
        let ids = rule_text::ids(&rule_text::of_oneof(&oneof));
        subjects.extend(ids.into_iter().map(|id| (oneof.full_name().to_owned(), id)));
    }
}

/// What a message breaks, sorted.
fn violations(message: &DynamicMessage) -> Vec<Broken> {
    let name = message.descriptor().full_name().to_owned();
    let Some(Ok(Err(found))) = validate::message(&name, &message.encode_to_vec()) else {
        return Vec::new();
    };
    let mut broken: Vec<Broken> = found
        .list
        .into_iter()
        .map(|violation| Broken {
            field: violation.field,
            rule: violation.rule.to_owned(),
        })
        .collect();
    broken.sort();
    broken
}

/// Collects cases.
#[derive(Default)]
struct Writer {
    cases: Vec<Case>,
    /// Rules that have been broken alone.
    done: BTreeSet<Subject>,
}

impl Writer {
    fn add(&mut self, name: String, message: DynamicMessage) {
        self.cases.push(Case {
            name,
            type_name: message.descriptor().full_name().to_owned(),
            violations: violations(&message),
            message,
        });
    }

    fn valid(&mut self, message: &MessageDescriptor) {
        let name = message.full_name();
        self.add(format!("{name}/minimal"), specimen::minimal(message));
        self.add(format!("{name}/complete"), specimen::complete(message, 0));
    }

    /// One case for each rule, of the message itself or within it, that no earlier case breaks:
    /// the first change that breaks it and nothing else.
    fn each_rule(&mut self, message: &MessageDescriptor) {
        for variant in 0..specimen::variants(message) {
            for changed in changes(&specimen::complete(message, variant)) {
                let broken = violations(&changed.message);
                let [only] = broken.as_slice() else {
                    continue;
                };
                let subject = (changed.place, only.rule.clone());
                if only.field == changed.path && self.done.insert(subject) {
                    let name = format!("{}/{}/{}", message.full_name(), only.field, only.rule);
                    self.add(name, changed.message);
                }
            }
        }
    }

    /// Several rules at once: nothing set at all, and everything of a kind wrong.
    fn several(&mut self, message: &MessageDescriptor) {
        let name = message.full_name();
        self.add(
            format!("{name}/empty"),
            DynamicMessage::new(message.clone()),
        );
        let mut wrong = specimen::complete(message, 0);
        spoil(&mut wrong);
        self.add(format!("{name}/spoilt"), wrong);
    }
}

/// Puts into every enum what it does not declare, and into every text and number what few rules
/// allow.
fn spoil(message: &mut DynamicMessage) {
    for (_, value) in message.fields_mut() {
        spoil_value(value);
    }
}

fn spoil_value(value: &mut Value) {
    match value {
        Value::Message(nested) if !nested.descriptor().full_name().starts_with("google.") => {
            spoil(nested);
        }
        Value::List(items) => items.iter_mut().for_each(spoil_value),
        Value::EnumNumber(number) => *number = UNDECLARED,
        Value::String(text) => *text = "?".to_owned(),
        Value::I32(number) => *number = -1,
        Value::I64(number) => *number = -1,
        _ => {}
    }
}

/// A valid message with one field changed.
struct Changed {
    /// Full name of the field or oneof.
    place: String,
    /// Where a violation of it is reported.
    path: String,
    message: DynamicMessage,
}

/// The message with each of its fields changed in every way that may break a rule.
fn changes(message: &DynamicMessage) -> Vec<Changed> {
    let mut all = Vec::new();
    for field in message.descriptor().fields() {
        if !message.has_field(&field) {
            continue;
        }
        let value = message.get_field(&field).into_owned();
        let rules = rule_text::of_field(&field);
        let mut add = |place: &str, path: String, value: Option<Value>| {
            let mut changed = message.clone();
            match value {
                Some(value) => changed.set_field(&field, value),
                None => changed.clear_field(&field),
            }
            all.push(Changed {
                place: place.to_owned(),
                path,
                message: changed,
            });
        };
        let own = field.full_name();
        let name = field.name().to_owned();
        if let Some(oneof) = specimen::real_oneof(&field) {
            add(oneof.full_name(), oneof.name().to_owned(), None);
        }
        add(own, name.clone(), None);
        match &value {
            Value::Message(nested) => {
                for inner in changes(nested) {
                    let path = format!("{name}.{}", inner.path);
                    add(&inner.place, path, Some(Value::Message(inner.message)));
                }
            }
            Value::List(items) => {
                for count in counts(&rules) {
                    let items = items.iter().cycle().take(count).cloned().collect();
                    add(own, name.clone(), Some(Value::List(items)));
                }
                let last = items.len().saturating_sub(1);
                for (place, path, item) in changed_items(&field, &rules, items.last()) {
                    let mut items = items.clone();
                    if let Some(slot) = items.last_mut() {
                        *slot = item;
                    }
                    let path = match path {
                        None => format!("{name}[{last}]"),
                        Some(inner) => format!("{name}[{last}].{inner}"),
                    };
                    add(&place, path, Some(Value::List(items)));
                }
            }
            _ => {
                for value in bad_values(&field.kind(), &rules) {
                    add(own, name.clone(), Some(value));
                }
            }
        }
    }
    all
}

/// Place, path below the item, and value of each change of an item.
fn changed_items(
    field: &FieldDescriptor,
    rules: &[Rule],
    item: Option<&Value>,
) -> Vec<(String, Option<String>, Value)> {
    match item {
        Some(Value::Message(nested)) => changes(nested)
            .into_iter()
            .map(|inner| (inner.place, Some(inner.path), Value::Message(inner.message)))
            .collect(),
        _ => bad_values(&field.kind(), rules)
            .into_iter()
            .map(|value| (field.full_name().to_owned(), None, value))
            .collect(),
    }
}

/// Lengths of a list that its rules may forbid.
fn counts(rules: &[Rule]) -> Vec<usize> {
    let bound = |name: &str| {
        let rule = rules.iter().find(|rule| rule.name == name)?;
        rule.value.parse::<usize>().ok()
    };
    let too_few = bound("repeated.min_items").map(|count| count.saturating_sub(1));
    let too_many = bound("repeated.max_items").map(|count| count + 1);
    too_few.into_iter().chain(too_many).collect()
}

/// Values of a kind that its rules may forbid.
fn bad_values(kind: &Kind, rules: &[Rule]) -> Vec<Value> {
    let bound = |names: [&str; 2], step: i128| {
        let rule = rules
            .iter()
            .find(|rule| names.iter().any(|name| rule.name.ends_with(name)))?;
        let bound = rule.value.parse::<i128>().ok()?;
        let beyond = if rule.name.ends_with('e') { step } else { 0 };
        Some(bound + beyond)
    };
    let numbers = bound([".gte", ".gt"], -1)
        .into_iter()
        .chain(bound([".lte", ".lt"], 1));
    match kind {
        Kind::Enum(_) => [0, UNDECLARED].map(Value::EnumNumber).to_vec(),
        Kind::String => bad_texts(rules).into_iter().map(Value::String).collect(),
        Kind::Int32 => numbers
            .filter_map(|number| i32::try_from(number).ok().map(Value::I32))
            .collect(),
        Kind::Int64 => numbers
            .filter_map(|number| i64::try_from(number).ok().map(Value::I64))
            .collect(),
        Kind::Uint32 => numbers
            .filter_map(|number| u32::try_from(number).ok().map(Value::U32))
            .collect(),
        Kind::Uint64 => numbers
            .filter_map(|number| u64::try_from(number).ok().map(Value::U64))
            .collect(),
        _ => Vec::new(),
    }
}

/// Texts that a field's rules may forbid: empty, of no form, too short, and too long in the forms
/// that patterns of the contract ask for.
fn bad_texts(rules: &[Rule]) -> Vec<String> {
    let mut texts = vec![String::new(), "?".to_owned()];
    for rule in rules {
        let Ok(length) = rule.value.parse::<usize>() else {
            continue;
        };
        if rule.name.ends_with("min_len") {
            texts.push("a".repeat(length.saturating_sub(1)));
        } else if rule.name.ends_with("max_len") {
            let long = "a".repeat(length + 1);
            texts.push(format!("/{long}"));
            texts.push(format!("a.{long}"));
            texts.push(format!("{long}@example.com"));
            texts.push(long);
        }
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_cases_break_nothing_and_all_others_something() {
        for case in cases() {
            let is_valid = case.name.ends_with("/minimal") || case.name.ends_with("/complete");
            // An event need not have rules that the empty message breaks, but all of ours do.
            assert_eq!(case.violations.is_empty(), is_valid, "{case:?}");
        }
    }

    #[test]
    fn names_of_cases_are_unique() {
        let cases = cases();
        let names: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
        assert_eq!(names.len(), cases.len());
    }
}
