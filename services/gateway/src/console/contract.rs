//! The contract as the console reads it: names and numbers of fields, and nothing it does not need.

use std::collections::{BTreeMap, HashSet};

use outcry_events::catalog::catalog;
use outcry_events::descriptors;
use prost_reflect::{
    Cardinality, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor,
};
use serde_json::{Map, Value, json};

/// What every event comes in.
const ENVELOPE: &str = "outcry.events.v1.EventEnvelope";

/// Messages that are no service's and no event's, but stand in the details of errors.
fn details() -> [(&'static str, Value); 6] {
    [
        (
            "google.rpc.Status",
            json!([
                [1, "code", "int32", ""],
                [2, "message", "string", ""],
                [3, "details", "message:google.protobuf.Any", "repeated"]
            ]),
        ),
        (
            "google.rpc.ErrorInfo",
            json!([
                [1, "reason", "string", ""],
                [2, "domain", "string", ""],
                [
                    3,
                    "metadata",
                    "message:google.rpc.ErrorInfo.MetadataEntry",
                    "map"
                ]
            ]),
        ),
        (
            "google.rpc.ErrorInfo.MetadataEntry",
            json!([[1, "key", "string", ""], [2, "value", "string", ""]]),
        ),
        (
            "google.rpc.RetryInfo",
            json!([[1, "retryDelay", "message:google.protobuf.Duration", ""]]),
        ),
        (
            "google.rpc.BadRequest",
            json!([[
                1,
                "fieldViolations",
                "message:google.rpc.BadRequest.FieldViolation",
                "repeated"
            ]]),
        ),
        (
            "google.rpc.BadRequest.FieldViolation",
            json!([
                [1, "field", "string", ""],
                [2, "description", "string", ""],
                [3, "reason", "string", ""]
            ]),
        ),
    ]
}

/// What the page may call and read, of the contract.
///
/// - `messages`: by full name, a list of `[number, JSON name, kind, label]`; a kind is a scalar's
///   name, or `message:` or `enum:` and a full name; a label is `repeated`, `map` or nothing
/// - `enums`: by full name, the names of their values by their numbers
/// - `methods`: by `<service>/<method>`, the messages it takes and gives
///
/// Of methods, only those are there that are open to the outside; of messages and enums, those that
/// they and events consist of.
pub(super) fn compact() -> Value {
    let methods = open_methods();
    let events = catalog().events.iter();
    let begin = events
        .filter_map(|event| descriptors::pool().get_message_by_name(event.full_name))
        .chain(descriptors::pool().get_message_by_name(ENVELOPE))
        .chain(
            methods
                .iter()
                .flat_map(|method| [method.input(), method.output()]),
        );
    let (messages, enums) = reached(begin.collect());
    let mut messages: Map<String, Value> = messages
        .iter()
        .map(|(name, message)| (name.clone(), fields(message)))
        .collect();
    messages.extend(details().map(|(name, fields)| (name.to_owned(), fields)));
    let enums: Map<String, Value> = enums
        .iter()
        .map(|(name, one)| (name.clone(), values(one)))
        .collect();
    let methods: Map<String, Value> = methods
        .iter()
        .map(|method| {
            let shape = json!({
                "takes": method.input().full_name(),
                "gives": method.output().full_name(),
            });
            (path(method), shape)
        })
        .collect();
    json!({ "messages": messages, "enums": enums, "methods": methods })
}

/// Methods that somebody outside may call.
fn open_methods() -> Vec<MethodDescriptor> {
    let open: HashSet<&str> = outcry_contracts::METHODS
        .iter()
        .filter(|method| method.public || !method.roles.is_empty())
        .map(|method| method.path.trim_start_matches('/'))
        .collect();
    descriptors::pool()
        .services()
        .flat_map(|service| service.methods().collect::<Vec<_>>())
        .filter(|method| open.contains(path(method).as_str()))
        .collect()
}

/// `<service>/<method>`.
fn path(method: &MethodDescriptor) -> String {
    format!("{}/{}", method.parent_service().full_name(), method.name())
}

type Reached = (
    BTreeMap<String, MessageDescriptor>,
    BTreeMap<String, EnumDescriptor>,
);

/// The messages and enums that some messages consist of, themselves included. Messages that JSON
/// writes its own way are not the contract's, and left out.
fn reached(begin: Vec<MessageDescriptor>) -> Reached {
    let (mut messages, mut enums) = (BTreeMap::new(), BTreeMap::new());
    let mut open = begin;
    while let Some(message) = open.pop() {
        let name = message.full_name().to_owned();
        if !name.starts_with("outcry.") || messages.contains_key(&name) {
            continue;
        }
        for field in message.fields() {
            match field.kind() {
                Kind::Message(inner) => open.push(inner),
                Kind::Enum(one) => {
                    enums.insert(one.full_name().to_owned(), one);
                }
                _ => {}
            }
        }
        messages.insert(name, message);
    }
    (messages, enums)
}

fn values(one: &EnumDescriptor) -> Value {
    let values: Map<String, Value> = one
        .values()
        .map(|value| (value.number().to_string(), json!(value.name())))
        .collect();
    Value::Object(values)
}

fn fields(message: &MessageDescriptor) -> Value {
    message.fields().map(|field| row(&field)).collect()
}

fn row(field: &FieldDescriptor) -> Value {
    let kind = match field.kind() {
        Kind::Message(message) => format!("message:{}", message.full_name()),
        Kind::Enum(one) => format!("enum:{}", one.full_name()),
        scalar => format!("{scalar:?}").to_lowercase(),
    };
    let label = match field.cardinality() {
        _ if field.is_map() => "map",
        Cardinality::Repeated => "repeated",
        Cardinality::Optional | Cardinality::Required => "",
    };
    json!([field.number(), field.json_name(), kind, label])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_learns_of_every_event_and_of_what_is_open_to_it() {
        let contract = compact();
        for event in &catalog().events {
            assert!(
                contract["messages"][event.full_name].is_array(),
                "{}",
                event.topic
            );
        }
        let place = &contract["methods"]["outcry.orders.v1.OrderService/PlaceOrder"];
        assert_eq!(place["takes"], "outcry.orders.v1.PlaceOrderRequest");
        let terms = contract["messages"]["outcry.orders.v1.OrderTerms"]
            .as_array()
            .unwrap();
        assert!(terms.contains(&json!([2, "side", "enum:outcry.orders.v1.Side", ""])));
        assert_eq!(contract["enums"]["outcry.orders.v1.Side"]["1"], "SIDE_BUY");
    }

    #[test]
    fn what_services_say_among_themselves_is_not_in_it() {
        let contract = compact().to_string();
        for inside in [
            "LockFunds",
            "AskDesk",
            "SubmitOrder",
            "outcry.options.v1.personal",
        ] {
            assert!(!contract.contains(inside), "{inside}");
        }
    }

    #[test]
    fn every_kind_is_one_that_the_page_can_read() {
        let known = [
            "string", "bytes", "bool", "int32", "uint32", "int64", "uint64", "sint32", "sint64",
            "double",
        ];
        let own_way = ["Any", "Duration", "Timestamp"].map(|one| format!("google.protobuf.{one}"));
        let contract = compact();
        for (name, fields) in contract["messages"].as_object().unwrap() {
            for field in fields.as_array().unwrap() {
                let kind = field[2].as_str().unwrap();
                let there = match kind.split_once(':') {
                    Some(("enum", one)) => contract["enums"][one].is_object(),
                    Some((_, one)) => {
                        own_way.iter().any(|known| known == one)
                            || contract["messages"][one].is_array()
                    }
                    None => known.contains(&kind),
                };
                assert!(there, "{name}: {field}");
            }
        }
    }
}
