//! Messages with something in every field, to be damaged.

use prost_reflect::bytes::Bytes;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value};
use uuid::Uuid;

/// Depth of nested messages that are filled in: the contract has no deeper ones.
const DEPTH: usize = 4;

/// A message with one value in every field, two in every list; ids are UUIDs.
pub fn filled(descriptor: &MessageDescriptor) -> DynamicMessage {
    to_depth(descriptor, DEPTH)
}

fn to_depth(descriptor: &MessageDescriptor, depth: usize) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    for field in descriptor.fields() {
        if let Some(value) = value(&field, depth) {
            message.set_field(&field, value);
        }
    }
    message
}

fn value(field: &FieldDescriptor, depth: usize) -> Option<Value> {
    let one = match field.kind() {
        Kind::Message(_) if depth == 0 => return None,
        Kind::Message(inner) if field.is_map() => {
            let value = value(&inner.map_entry_value_field(), depth - 1)?;
            let key = MapKey::String("key".to_owned());
            return Some(Value::Map([(key, value)].into()));
        }
        Kind::Message(inner) => Value::Message(to_depth(&inner, depth - 1)),
        Kind::Enum(_) => Value::EnumNumber(1),
        Kind::String => Value::String(Uuid::from_u128(5).to_string()),
        Kind::Bytes => Value::Bytes(Bytes::from_static(b"bytes")),
        Kind::Bool => Value::Bool(true),
        Kind::Double => Value::F64(1.5),
        Kind::Float => Value::F32(1.5),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(7),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(7),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(7),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(7),
    };
    Some(if field.is_list() {
        Value::List(vec![one.clone(), one])
    } else {
        one
    })
}
