//! Events as JSON: protobuf's canonical form, with the payload rendered in place.
//!
//! Rendering never fails, because it serves the people who look after what went wrong: a
//! payload that this version of the platform does not know, or that is damaged, is shown as
//! its type and its bytes. 64-bit integers are strings in this form.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use outcry_contracts::events::v1::EventEnvelope;
use prost::Name as _;
use prost_reflect::{DynamicMessage, Kind, MessageDescriptor};
use prost_types::Any;
use serde::Serialize as _;
use serde_json::{Map, Value, json};

use crate::descriptors;
use crate::sealed::SealedEvent;

/// What stands in place of a personal field.
pub const HIDDEN: &str = "<hidden>";

/// Field of the envelope that holds the payload.
const PAYLOAD: &str = "payload";

/// Whether personal fields are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Personal {
    /// [`HIDDEN`] stands in their place.
    #[default]
    Hidden,
    /// As they are: for the person themselves, and for exports that say so.
    Shown,
}

/// An event with its envelope: `{"eventId": …, "payload": {"@type": …, …}, …}`.
#[must_use]
pub fn event(event: &SealedEvent, personal: Personal) -> Value {
    bytes(event.bytes(), personal)
}

/// Bytes that ought to be an event, as a dead letter may hold: rendered as one if they are
/// an envelope at all, whatever else is wrong with it, else as `{"base64": …}`.
#[must_use]
pub fn bytes(bytes: &[u8], personal: Personal) -> Value {
    envelope(bytes, personal).unwrap_or_else(|| Value::Object(raw(bytes)))
}

/// A message by its type URL: `{"@type": …, …}`, or `{"@type": …, "base64": …}` if the
/// contract does not know it or the bytes are damaged. Such bytes may hold anything: they
/// are for operators.
#[must_use]
pub fn message(type_url: &str, bytes: &[u8], personal: Personal) -> Value {
    let known = descriptors::message_of(type_url)
        .and_then(|descriptor| fields(&descriptor, bytes, personal));
    let mut object = known.unwrap_or_else(|| raw(bytes));
    object.insert("@type".to_owned(), json!(type_url));
    Value::Object(object)
}

/// The envelope and its payload, if the bytes are an envelope.
fn envelope(bytes: &[u8], personal: Personal) -> Option<Value> {
    let descriptor = descriptors::message_of(&EventEnvelope::type_url())?;
    let mut envelope = DynamicMessage::decode(descriptor, bytes).ok()?;
    let payload = envelope.take_field_by_name(PAYLOAD);
    let mut object = canonical(&envelope)?;
    if let Some(payload) = payload {
        let payload: Any = payload.as_message()?.transcode_to().ok()?;
        let payload = message(&payload.type_url, &payload.value, personal);
        object.insert(PAYLOAD.to_owned(), payload);
    }
    Some(Value::Object(object))
}

/// A message's fields, if the bytes are that message.
fn fields(
    descriptor: &MessageDescriptor,
    bytes: &[u8],
    personal: Personal,
) -> Option<Map<String, Value>> {
    let message = DynamicMessage::decode(descriptor.clone(), bytes).ok()?;
    let mut object = canonical(&message)?;
    if personal == Personal::Hidden {
        hide(descriptor, &mut object);
    }
    Some(object)
}

/// The canonical form. None where there is none: a nested message of unknown type, a time
/// out of range, or a message whose form is not an object.
fn canonical(message: &DynamicMessage) -> Option<Map<String, Value>> {
    match message.serialize(serde_json::value::Serializer) {
        Ok(Value::Object(object)) => Some(object),
        Ok(_) | Err(_) => None,
    }
}

fn raw(bytes: &[u8]) -> Map<String, Value> {
    Map::from_iter([("base64".to_owned(), json!(BASE64_STANDARD.encode(bytes)))])
}

/// Puts [`HIDDEN`] in the place of personal fields, however deep.
fn hide(descriptor: &MessageDescriptor, object: &mut Map<String, Value>) {
    if descriptor.full_name() == Any::full_name() {
        let inner = object
            .get("@type")
            .and_then(Value::as_str)
            .and_then(descriptors::message_of);
        if let Some(inner) = inner {
            hide(&inner, object);
        }
        return;
    }
    for field in descriptor.fields() {
        let Some(value) = object.get_mut(field.json_name()) else {
            continue;
        };
        if descriptors::is_personal(&field) {
            *value = json!(HIDDEN);
        } else if let Kind::Message(nested) = field.kind() {
            hide_nested(&nested, field.is_map(), value);
        }
    }
}

/// The same in a field's value: one message, a list of them, or a map to them.
fn hide_nested(descriptor: &MessageDescriptor, is_map: bool, value: &mut Value) {
    match value {
        Value::Object(entries) if is_map => {
            if let Kind::Message(of_value) = descriptor.map_entry_value_field().kind() {
                entries
                    .values_mut()
                    .for_each(|value| hide_nested(&of_value, false, value));
            }
        }
        Value::Object(object) => hide(descriptor, object),
        Value::Array(items) => {
            items
                .iter_mut()
                .for_each(|item| hide_nested(descriptor, false, item));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
