//! Writes `Debug` for messages with personal fields, so that no log line shows them.

use std::fmt::Write as _;

use prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor, OneofDescriptor};

use crate::generator::{Refusals, naming};

const PERSONAL: &str = "outcry.options.v1.personal";

/// What is printed in place of a personal field.
const HIDDEN: &str = "format_args!(\"<hidden>\")";

/// A message with at least one personal field.
pub struct Redacted {
    pub message: MessageDescriptor,
    /// Names of the personal fields.
    personal: Vec<String>,
}

impl Redacted {
    fn hides(&self, field: &FieldDescriptor) -> bool {
        self.personal.iter().any(|name| name == field.name())
    }
}

/// Finds the messages with personal fields.
pub fn read(
    pool: &DescriptorPool,
    messages: &[MessageDescriptor],
    refusals: &mut Refusals,
) -> Vec<Redacted> {
    let Some(option) = pool.get_extension_by_name(PERSONAL) else {
        return Vec::new();
    };
    let is_personal = |field: &FieldDescriptor| {
        field
            .options()
            .get_extension(&option)
            .as_bool()
            .unwrap_or_default()
    };
    let mut redacted = Vec::new();
    for message in messages {
        let personal: Vec<String> = message
            .fields()
            .filter(is_personal)
            .map(|field| field.name().to_owned())
            .collect();
        if personal.is_empty() {
            continue;
        }
        // Leaving out a message's `Debug` leaves out that of everything nested in it.
        if message.child_enums().len() > 0 || message.child_messages().any(|m| !m.is_map_entry()) {
            refusals.push(format!(
                "message {}: has personal fields, so types nested in it must move out of it",
                message.full_name()
            ));
        }
        redacted.push(Redacted {
            message: message.clone(),
            personal,
        });
    }
    redacted
}

/// Rust source of `redaction.rs`.
pub fn write(redacted: &[Redacted]) -> String {
    let mut out = String::new();
    for message in redacted {
        write_message(&mut out, message);
        for oneof in message
            .message
            .oneofs()
            .filter(|oneof| !oneof.is_synthetic())
        {
            write_oneof(&mut out, message, &oneof);
        }
    }
    out
}

// Writing to a `String` cannot fail, so the results of `write!` carry nothing.
fn write_message(out: &mut String, redacted: &Redacted) {
    let message = &redacted.message;
    let path = naming::message_path(message);
    let _ = writeln!(
        out,
        "impl ::core::fmt::Debug for {path} {{
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {{
        f.debug_struct({:?})",
        message.name()
    );
    let mut oneofs_done = Vec::new();
    for field in message.fields() {
        let oneof = field
            .containing_oneof()
            .filter(|oneof| !oneof.is_synthetic());
        let (name, shown) = match oneof {
            Some(oneof) if oneofs_done.contains(&oneof.name().to_owned()) => continue,
            Some(oneof) => {
                oneofs_done.push(oneof.name().to_owned());
                let name = oneof.name().to_owned();
                let shown = format!("&self.{}", naming::identifier(&name));
                (name, shown)
            }
            None if redacted.hides(&field) => (field.name().to_owned(), format!("&{HIDDEN}")),
            None => (field.name().to_owned(), shown(&field)),
        };
        let _ = writeln!(out, "            .field({name:?}, {shown})");
    }
    out.push_str("            .finish()\n    }\n}\n\n");
}

fn write_oneof(out: &mut String, redacted: &Redacted, oneof: &OneofDescriptor) {
    let _ = writeln!(
        out,
        "impl ::core::fmt::Debug for {} {{
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {{
        match self {{",
        naming::oneof_path(oneof)
    );
    for field in oneof.fields() {
        let variant = naming::upper_camel(field.name());
        let (binding, shown) = if redacted.hides(&field) {
            ("_", format!("&{HIDDEN}"))
        } else {
            ("value", "value".to_owned())
        };
        let _ = writeln!(
            out,
            "            Self::{variant}({binding}) => f.debug_tuple({variant:?}).field({shown}).finish(),"
        );
    }
    out.push_str("        }\n    }\n}\n\n");
}

/// Expression that prints a field: enums by name where the number is known.
fn shown(field: &FieldDescriptor) -> String {
    let name = naming::identifier(field.name());
    match field.kind() {
        Kind::Enum(enumeration) if !field.is_list() && !field.supports_presence() => {
            let path = naming::enum_path(&enumeration);
            format!(
                "<{path}>::try_from(self.{name}).as_ref().map_or(&self.{name} as &dyn ::core::fmt::Debug, |known| known)"
            )
        }
        _ => format!("&self.{name}"),
    }
}
