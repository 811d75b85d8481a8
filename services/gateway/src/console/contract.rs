//! The contract as the console reads it: names and numbers of fields, and nothing it does not need.

use outcry_events::descriptors;
use prost_reflect::{Cardinality, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

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
                [3, "metadata", "message:google.rpc.ErrorInfo.MetadataEntry", "map"]
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
            json!([[1, "fieldViolations", "message:google.rpc.BadRequest.FieldViolation", "repeated"]]),
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

/// Messages, enums and methods of the contract.
///
/// - `messages`: by full name, a list of `[number, JSON name, kind, label]`; a kind is a scalar's
///   name, or `message:` or `enum:` and a full name; a label is `repeated`, `map` or nothing
/// - `enums`: by full name, the names of its values by their numbers
/// - `methods`: by `<service>/<method>`, the messages it takes and gives
pub(super) fn compact() -> Value {
    let pool = descriptors::pool();
    let mut messages: Map<String, Value> = pool
        .all_messages()
        .filter(|message| is_ours(message.full_name()))
        .map(|message| (message.full_name().to_owned(), fields(&message)))
        .collect();
    messages.extend(details().map(|(name, fields)| (name.to_owned(), fields)));
    let enums: Map<String, Value> = pool
        .all_enums()
        .filter(|one| one.full_name().starts_with("outcry."))
        .map(|one| {
            let values = one
                .values()
                .map(|value| (value.number().to_string(), json!(value.name())))
                .collect();
            (one.full_name().to_owned(), Value::Object(values))
        })
        .collect();
    let methods: Map<String, Value> = pool
        .services()
        .flat_map(|service| service.methods().collect::<Vec<_>>())
        .map(|method| {
            let path = format!("{}/{}", method.parent_service().full_name(), method.name());
            let shape = json!({
                "takes": method.input().full_name(),
                "gives": method.output().full_name(),
            });
            (path, shape)
        })
        .collect();
    json!({ "messages": messages, "enums": enums, "methods": methods })
}

/// Not the options and rules that only builds read, nor the messages that JSON writes its own way.
fn is_ours(name: &str) -> bool {
    name.starts_with("outcry.") && !name.starts_with("outcry.options.")
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
