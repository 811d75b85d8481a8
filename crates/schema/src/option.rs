//! Options of the contract's descriptors, as they were written.

use prost_reflect::{DynamicMessage, Kind, ReflectMessage as _, Value};

/// Field option that holds the rules.
pub(crate) const FIELD_RULES: &str = "buf.validate.field";
/// Oneof option that holds the rules.
pub(crate) const ONEOF_RULES: &str = "buf.validate.oneof";

/// An option that is set, with its type.
pub(crate) fn set(options: &DynamicMessage, name: &str) -> Option<(Value, Kind)> {
    let extension = options
        .descriptor()
        .parent_pool()
        .get_extension_by_name(name)?;
    options.has_extension(&extension).then(|| {
        (
            options.get_extension(&extension).into_owned(),
            extension.kind(),
        )
    })
}

/// An option that is a message, if it is set.
pub(crate) fn message(options: &DynamicMessage, name: &str) -> Option<DynamicMessage> {
    match set(options, name)? {
        (Value::Message(message), _) => Some(message),
        _ => None,
    }
}
