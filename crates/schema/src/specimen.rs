//! Valid messages made from the contract alone: the same ones every time, with values a person
//! recognises. They become golden events and the cases of the parity file.

use outcry_contracts::validate;
use prost::Message as _;
use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, OneofDescriptor, ReflectMessage as _,
    Value,
};
use sha2::{Digest as _, Sha256};

use crate::rule_text;

/// Deepest nesting that is filled: more than the contract has, and an end for messages that hold
/// themselves.
const DEPTH_MAX: usize = 6;
/// Items of a list that is set.
const ITEMS: usize = 2;
/// Seconds since 1970 of times that are not named below: 15 June 2025, 15:06:40 UTC.
const SECONDS: i64 = 1_750_000_000;
/// Messages of protobuf itself, whose fields are not looked into.
const WELL_KNOWN: [&str; 2] = ["google.protobuf.Timestamp", "google.protobuf.Any"];

/// A message with everything set. `variant` chooses the member of each oneof and the value of each
/// enum; [`variants`] says how many differ.
#[must_use]
pub fn complete(message: &MessageDescriptor, variant: usize) -> DynamicMessage {
    filled(message, variant, 0)
}

/// A valid message with nothing set that may be left out.
#[must_use]
pub fn minimal(message: &MessageDescriptor) -> DynamicMessage {
    let mut minimal = complete(message, 0);
    for path in paths(&minimal) {
        let mut without = minimal.clone();
        clear(&mut without, &path);
        if is_valid(&without) {
            minimal = without;
        }
    }
    minimal
}

/// How many variants show every member of every oneof and every value of every enum.
#[must_use]
pub fn variants(message: &MessageDescriptor) -> usize {
    most_choices(message, 0)
}

/// Whether a message keeps the rules of the contract.
#[must_use]
pub fn is_valid(message: &DynamicMessage) -> bool {
    validate::message(message.descriptor().full_name(), &message.encode_to_vec())
        == Some(Ok(Ok(())))
}

fn filled(message: &MessageDescriptor, variant: usize, depth: usize) -> DynamicMessage {
    let mut made = DynamicMessage::new(message.clone());
    if depth > DEPTH_MAX {
        return made;
    }
    for field in message.fields().filter(|field| is_chosen(field, variant)) {
        if field.is_map() {
            continue;
        }
        let value = if field.is_list() {
            let items = (0..ITEMS).map(|item| single(&field, variant + item, depth));
            Value::List(items.collect())
        } else {
            single(&field, variant, depth)
        };
        made.set_field(&field, value);
    }
    made
}

/// Whether a field is set in a variant: of a oneof only one member is.
fn is_chosen(field: &FieldDescriptor, variant: usize) -> bool {
    match real_oneof(field) {
        None => true,
        Some(oneof) => {
            let members: Vec<FieldDescriptor> = oneof.fields().collect();
            members.get(variant % members.len().max(1)) == Some(field)
        }
    }
}

fn most_choices(message: &MessageDescriptor, depth: usize) -> usize {
    if depth > DEPTH_MAX || WELL_KNOWN.contains(&message.full_name()) {
        return 1;
    }
    let oneofs = message.oneofs().filter(|oneof| !oneof.is_synthetic());
    let members = oneofs.map(|oneof| oneof.fields().count());
    let fields = message.fields().map(|field| match field.kind() {
        Kind::Enum(_) => enum_values(&field).len(),
        Kind::Message(nested) => most_choices(&nested, depth + 1),
        _ => 1,
    });
    fields.chain(members).max().unwrap_or(1).max(1)
}

/// The oneof a field is a member of, unless it is only how `optional` is written down.
pub(crate) fn real_oneof(field: &FieldDescriptor) -> Option<OneofDescriptor> {
    field
        .containing_oneof()
        .filter(|oneof| !oneof.is_synthetic())
}

/// The numbers of a field's enum that mean something.
fn enum_values(field: &FieldDescriptor) -> Vec<i32> {
    match field.kind() {
        Kind::Enum(declared) => declared
            .values()
            .map(|value| value.number())
            .filter(|number| *number != 0)
            .collect(),
        _ => Vec::new(),
    }
}

fn single(field: &FieldDescriptor, variant: usize, depth: usize) -> Value {
    let name = field.name();
    match field.kind() {
        Kind::Bool => Value::Bool(true),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
            Value::I32(i32::try_from(number(field)).unwrap_or(i32::MAX))
        }
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(number(field)),
        Kind::Uint32 | Kind::Fixed32 => {
            Value::U32(u32::try_from(number(field)).unwrap_or(u32::MAX))
        }
        Kind::Uint64 | Kind::Fixed64 => Value::U64(number(field).unsigned_abs()),
        Kind::Float => Value::F32(0.5),
        Kind::Double => Value::F64(0.5),
        Kind::String => Value::String(text(field)),
        Kind::Bytes => Value::Bytes(name.as_bytes().to_vec().into()),
        Kind::Enum(_) => {
            let values = enum_values(field);
            let chosen = values.get(variant % values.len().max(1));
            Value::EnumNumber(chosen.copied().unwrap_or_default())
        }
        Kind::Message(nested) => Value::Message(match nested.full_name() {
            "google.protobuf.Timestamp" => timestamp(&nested, name),
            "google.protobuf.Any" => packed(&nested),
            _ => filled(&nested, variant, depth + 1),
        }),
    }
}

/// A time that fits the field's name.
fn timestamp(message: &MessageDescriptor, name: &str) -> DynamicMessage {
    let (seconds, nanos) = match name {
        "occurred_at" => (SECONDS, 123_456_789),
        "recorded_at" => (SECONDS, 128_000_000),
        "expires_at" => (SECONDS + 86_400, 0),
        "from" => (SECONDS - 2_592_000, 0),
        _ => (SECONDS, 250_000_000),
    };
    let mut made = DynamicMessage::new(message.clone());
    made.set_field_by_name("seconds", Value::I64(seconds));
    made.set_field_by_name("nanos", Value::I32(nanos));
    made
}

/// An event in the shell that an envelope holds it in.
fn packed(any: &MessageDescriptor) -> DynamicMessage {
    let mut made = DynamicMessage::new(any.clone());
    let event = any
        .parent_pool()
        .get_message_by_name("outcry.orders.v1.OrderFilledEvent");
    if let Some(event) = event {
        let type_url = format!("type.googleapis.com/{}", event.full_name());
        let bytes = complete(&event, 0).encode_to_vec();
        made.set_field_by_name("type_url", Value::String(type_url));
        made.set_field_by_name("value", Value::Bytes(bytes.into()));
    }
    made
}

/// A number that fits the field's name, within its bounds.
fn number(field: &FieldDescriptor) -> i64 {
    let bounds = rule_text::of_field(field);
    let most = bounds
        .iter()
        .find(|rule| rule.name.ends_with(".lte"))
        .and_then(|rule| rule.value.parse::<i64>().ok())
        .unwrap_or(i64::MAX);
    let fitting = match field.name() {
        "quantity" => 100,
        "last_quantity" | "leaves_quantity" => 40,
        "cumulative_quantity" => 60,
        "units" => 101,
        "nanos" => 250_000_000,
        "revision" => 3,
        "schema_version" => 1,
        "size_bytes" => 48_213,
        // Beyond what a double holds exactly, so that a reader who makes one of it is found out.
        "as_of_position" | "venue_sequence" => 9_007_199_254_740_993,
        _ => 12,
    };
    fitting.min(most)
}

/// Text that fits the field's name and rules.
fn text(field: &FieldDescriptor) -> String {
    let name = field.name();
    let rules = rule_text::of_field(field);
    let rule = |suffix: &str| rules.iter().find(|rule| rule.name.ends_with(suffix));
    if rule("string.uuid").is_some() || name.ends_with("_event_id") {
        return id(name);
    }
    if rule("string.email").is_some() {
        return "ada@example.com".to_owned();
    }
    let fitting = match name {
        "symbol" | "symbols" => "ACME",
        "currency_code" => "USD",
        "destination_last4" => "4242",
        "spec_version" => "1.0",
        "event_type" => "order.filled",
        "source" => "/orders",
        "aggregate_type" => "order",
        "traceparent" => "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "tracestate" => "vendor=1",
        "actor" => "service:orders",
        "sha256" => "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "display_name" => "Ada Lovelace",
        "password" | "new_password" | "old_password" => "correct horse battery",
        "ip_address" => "203.0.113.7",
        "client_order_id" => "desk-7",
        "match_id" => "ACME-1042",
        "execution_id" => "ACME-1042-B",
        "provider" => "sandbox",
        "provider_reference" => "psp-8f14e45f",
        "reference" => "payment-2025-000017",
        "reason" => "volatility halt – “limit up”",
        "message" => "the provider declined it",
        "note" => "paid back by hand",
        "page_token" => "",
        _ => return name.replace('_', "-"),
    };
    fitting.to_owned()
}

/// An id that is always the same for a field's name: a UUID of version 7 of that day.
pub(crate) fn id(name: &str) -> String {
    let digest = Sha256::digest(name.as_bytes());
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "01977432-fe00-7{}-8{}-{}",
        &hex[..3],
        &hex[3..6],
        &hex[6..18]
    )
}

/// Where a field stands in a message: names from the outside in, lists left out.
fn paths(message: &DynamicMessage) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for (field, value) in message.fields() {
        all.push(vec![field.name().to_owned()]);
        if let Value::Message(nested) = value {
            if WELL_KNOWN.contains(&nested.descriptor().full_name()) {
                continue;
            }
            for mut path in paths(nested) {
                path.insert(0, field.name().to_owned());
                all.push(path);
            }
        }
    }
    all
}

fn clear(message: &mut DynamicMessage, path: &[String]) {
    match path {
        [] => {}
        [last] => message.clear_field_by_name(last),
        [first, rest @ ..] => {
            // Not `get_field_by_name_mut` alone: that would set what has been cleared already.
            if message.has_field_by_name(first)
                && let Some(Value::Message(nested)) = message.get_field_by_name_mut(first)
            {
                clear(nested, rest);
            }
        }
    }
}
