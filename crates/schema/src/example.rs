//! A valid example of each event, made from the contract alone: the same in every export.
//!
//! Only what the rules demand is filled in, so that fields that belong to some cases only are
//! left out. A test has every example judged by the event's own validator.

use outcry_contracts::events::v1::EventEnvelope;
use outcry_events::catalog::CatalogEntry;
use outcry_events::descriptors;
use outcry_events::json::{self, Personal};
use prost::Message as _;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};
use prost_types::{Any, Timestamp};
use regex::Regex;
use sha2::{Digest as _, Sha256};

use crate::json_schema::Range;
use crate::rules::Rules;

/// When the examples happen, in seconds: 2026-01-05 14:30 UTC, a Monday.
const MOMENT: i64 = 1_767_623_400;
/// How long something lasts that expires, in seconds.
const LIFE: i64 = 900;
/// Trace of the examples: the one the W3C recommendation shows.
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// A text for each pattern of the contract: the first that fits is taken.
const TEXTS: [&str; 5] = [
    "ACME",
    "USD",
    "4242",
    "/orders",
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
];

/// What stands in a field where the rules alone would leave the example misleading.
enum Chosen {
    Text(&'static str),
    Number(i32),
}

/// By full name of the field.
const CHOSEN: [(&str, Chosen); 15] = [
    ("outcry.funds.v1.FundsDepositedEvent.note", Chosen::Text("")),
    ("outcry.funds.v1.FundsWithdrawnEvent.note", Chosen::Text("")),
    (
        "outcry.funds.v1.FundsWithdrawnEvent.method",
        Chosen::Number(1),
    ),
    (
        "outcry.orders.v1.OrderFilledEvent.leaves_quantity",
        Chosen::Number(0),
    ),
    // FILLED.
    (
        "outcry.orders.v1.OrderFilledEvent.status",
        Chosen::Number(7),
    ),
    (
        "outcry.orders.v1.OrderRejectedEvent.message",
        Chosen::Text("Not enough cash."),
    ),
    (
        "outcry.trades.v1.TradeExecutedEvent.leaves_quantity",
        Chosen::Number(0),
    ),
    (
        "outcry.trades.v1.TradeExecutedEvent.match_id",
        Chosen::Text("ACME-1"),
    ),
    (
        "outcry.trades.v1.TradeExecutedEvent.execution_id",
        Chosen::Text("ACME-1-B"),
    ),
    // PLACED.
    (
        "outcry.trades.v1.TradePlacedEvent.status",
        Chosen::Number(2),
    ),
    // HALTED.
    (
        "outcry.trades.v1.SessionChangedEvent.new_state",
        Chosen::Number(2),
    ),
    ("outcry.types.v1.Money.nanos", Chosen::Number(250_000_000)),
    (
        "outcry.users.v1.UserCreatedEvent.display_name",
        Chosen::Text("Ada"),
    ),
    (
        "outcry.users.v1.UserLoginEvent.ip_address",
        Chosen::Text("192.0.2.7"),
    ),
    // SUSPENDED.
    (
        "outcry.users.v1.UserStatusChangedEvent.new_status",
        Chosen::Number(2),
    ),
];

/// A valid payload.
#[must_use]
pub fn payload(message: &MessageDescriptor) -> DynamicMessage {
    let mut filled = DynamicMessage::new(message.clone());
    for field in message.fields() {
        if let Some(value) = value(&field) {
            filled.set_field(&field, value);
        }
    }
    filled
}

/// A valid event with its envelope; none for an entry of another contract.
#[must_use]
pub fn event(entry: &CatalogEntry) -> Option<EventEnvelope> {
    let message = descriptors::message_of(entry.type_url)?;
    let payload = payload(&message);
    let said = |name: &str| {
        let value = payload.get_field_by_name(name);
        let text = value.as_deref().and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    Some(EventEnvelope {
        event_id: uuid(entry.topic),
        source: format!("/{}", entry.owner),
        spec_version: "1.0".to_owned(),
        event_type: entry.topic.to_owned(),
        payload: Some(Any {
            type_url: entry.type_url.to_owned(),
            value: payload.encode_to_vec(),
        }),
        schema_version: entry.version,
        aggregate_type: entry.aggregate.to_owned(),
        aggregate_id: said(&entry.aggregate_id_field),
        aggregate_sequence: 1,
        occurred_at: Some(moment(0)),
        recorded_at: Some(moment(0)),
        correlation_id: uuid("correlation_id"),
        causation_id: uuid("causation_id"),
        traceparent: TRACEPARENT.to_owned(),
        tracestate: String::new(),
        actor: format!("service:{}", entry.owner),
        copy_of: String::new(),
        partition_key: said(&entry.partition_key_field),
    })
}

/// The same as JSON, nothing hidden: all of it is made up.
#[must_use]
pub fn event_as_json(entry: &CatalogEntry) -> serde_json::Value {
    let event = event(entry).unwrap_or_default();
    json::bytes(&event.encode_to_vec(), Personal::Shown)
}

/// A value that keeps the field's rules; none where it may be left out.
fn value(field: &FieldDescriptor) -> Option<Value> {
    let chosen = CHOSEN.iter().find(|(name, _)| *name == field.full_name());
    if let Some((_, chosen)) = chosen {
        return Some(match (chosen, field.kind()) {
            (Chosen::Text(text), _) => Value::String((*text).to_owned()),
            (Chosen::Number(number), Kind::Enum(_)) => Value::EnumNumber(*number),
            (Chosen::Number(number), kind) => integer(&kind, i128::from(*number))?,
        });
    }
    let rules = Rules::of(field);
    let oneof = field
        .containing_oneof()
        .filter(|oneof| !oneof.is_synthetic());
    let is_first = oneof.and_then(|oneof| oneof.fields().next()).as_ref() == Some(field);
    if field.supports_presence() && !rules.required && !is_first || rules.but_empty {
        return None;
    }
    if field.is_map() {
        return None;
    }
    if field.is_list() {
        return Some(Value::List(vec![single(field, &rules.items())?]));
    }
    single(field, &rules)
}

fn single(field: &FieldDescriptor, rules: &Rules) -> Option<Value> {
    Some(match field.kind() {
        Kind::Message(message) if message.full_name() == "google.protobuf.Timestamp" => {
            let later = if field.name().starts_with("expires") {
                LIFE
            } else {
                0
            };
            let mut timestamp = DynamicMessage::new(message);
            timestamp.set_field_by_name("seconds", Value::I64(MOMENT + later));
            Value::Message(timestamp)
        }
        Kind::Message(message) => Value::Message(payload(&message)),
        Kind::Enum(declared) => {
            let refused = rules.numbers("not_in");
            let listed = rules.numbers("in");
            let mut numbers = declared.values().map(|value| value.number());
            let fits = |number: &i32| {
                let wide = i128::from(*number);
                *number != 0
                    && !refused.contains(&wide)
                    && (listed.is_empty() || listed.contains(&wide))
            };
            let only = rules
                .number("const")
                .and_then(|only| i32::try_from(only).ok());
            Value::EnumNumber(only.or_else(|| numbers.find(fits))?)
        }
        Kind::String => Value::String(text(field, rules)?),
        Kind::Bool => Value::Bool(rules.flag("const").unwrap_or_default()),
        Kind::Bytes | Kind::Float | Kind::Double => return None,
        kind => {
            let ranges = of_kind(&kind)?.allowed(rules);
            let fits = |number: &i128| {
                let listed = rules.numbers("in");
                let is_listed = listed.is_empty() || listed.contains(number);
                let is_refused = rules.numbers("not_in").contains(number);
                is_listed && !is_refused && ranges.iter().any(|range| range.holds(*number))
            };
            let ends = ranges.iter().flat_map(|range| [range.least, range.most]);
            let mut candidates = [1, 0].into_iter().chain(rules.numbers("in")).chain(ends);
            let number = rules.number("const").or_else(|| candidates.find(fits))?;
            integer(&kind, number)?
        }
    })
}

fn text(field: &FieldDescriptor, rules: &Rules) -> Option<String> {
    if let Some(only) = rules.text("const") {
        return Some(only);
    }
    if rules.is("uuid") {
        return Some(uuid(field.name()));
    }
    if let Some(pattern) = rules.text("pattern") {
        let pattern = Regex::new(&pattern).ok()?;
        let fitting = TEXTS.iter().find(|text| pattern.is_match(text))?;
        return Some((*fitting).to_owned());
    }
    let named = || field.name().replace('_', "-");
    Some(rules.texts("in").into_iter().next().unwrap_or_else(named))
}

/// What an integer of a kind can hold.
fn of_kind(kind: &Kind) -> Option<Range> {
    Some(match kind {
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Range::I32,
        Kind::Uint32 | Kind::Fixed32 => Range::U32,
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Range::I64,
        Kind::Uint64 | Kind::Fixed64 => Range::U64,
        _ => return None,
    })
}

fn integer(kind: &Kind, number: i128) -> Option<Value> {
    Some(match of_kind(kind)? {
        Range::I32 => Value::I32(i32::try_from(number).ok()?),
        Range::U32 => Value::U32(u32::try_from(number).ok()?),
        Range::I64 => Value::I64(i64::try_from(number).ok()?),
        _ => Value::U64(u64::try_from(number).ok()?),
    })
}

/// The same for the same name: an order is one order in all examples.
fn uuid(name: &str) -> String {
    let hash = Sha256::digest(name.as_bytes());
    let tail: String = hash
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("019b8e6a-2640-7000-8000-{tail}")
}

fn moment(later: i64) -> Timestamp {
    Timestamp {
        seconds: MOMENT + later,
        nanos: 0,
    }
}

#[cfg(test)]
mod tests {
    use outcry_contracts::{EventFacts, Validate as _};
    use outcry_events::catalog::catalog;

    use super::*;

    #[test]
    fn every_event_has_an_example_that_its_own_validator_accepts() {
        let mut judged = 0;
        for entry in &catalog().events {
            let event = event(entry).expect("an example");
            assert_eq!(event.validate(), Ok(()), "{}", entry.topic);
            let payload = event.payload.expect("a payload");
            let facts = EventFacts::of_topic(entry.topic).expect("facts");
            assert_eq!(
                (facts.validate)(&payload.value),
                Ok(Ok(())),
                "{}",
                entry.topic
            );
            judged += 1;
        }
        println!("{judged} examples judged");
        assert_eq!(judged, outcry_contracts::EVENTS.len());
    }

    #[test]
    fn every_chosen_value_is_for_a_field_of_the_contract() {
        for (name, _) in &CHOSEN {
            let (message, field) = name.rsplit_once('.').expect("a full name");
            let message = descriptors::pool().get_message_by_name(message);
            let field = message.and_then(|message| message.get_field_by_name(field));
            assert!(field.is_some(), "{name}");
        }
    }
}
