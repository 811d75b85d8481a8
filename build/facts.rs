//! Writes the `Event` implementations and the tables of events and methods.

use std::fmt::Write as _;

use crate::generator::contract::{Event, Method};
use crate::generator::{naming, versions};

/// Rust source of `events.rs`.
pub fn write_events(events: &[Event]) -> String {
    let mut out = String::new();
    for event in events {
        write_event(&mut out, event);
    }
    out.push_str(
        "/// Every event of the contract, sorted by topic.\npub const EVENTS: &[EventFacts] = &[\n",
    );
    for event in events {
        write_event_row(&mut out, event);
    }
    out.push_str("];\n");
    out
}

/// Rust source of `methods.rs`.
pub fn write_methods(methods: &[Method]) -> String {
    let mut out = String::from(
        "/// Every method of the contract, sorted by path.\npub const METHODS: &[MethodFacts] = &[\n",
    );
    for method in methods {
        write_method_row(&mut out, method);
    }
    out.push_str("];\n");
    out
}

// Writing to a `String` cannot fail, so the results of `write!` carry nothing.
fn write_event(out: &mut String, event: &Event) {
    let path = naming::message_path(&event.message);
    let subjects: Vec<String> = event
        .subject_fields
        .iter()
        .map(|field| format!("self.{}.as_str()", naming::identifier(field)))
        .collect();
    let subjects = if subjects.is_empty() {
        "Vec::new()".to_owned()
    } else {
        format!(
            "[{}].into_iter().filter(|id| !id.is_empty()).collect()",
            subjects.join(", ")
        )
    };
    let _ = writeln!(
        out,
        "impl Event for {path} {{
    const TOPIC: &'static str = {:?};
    const OWNER: &'static str = {:?};
    const AGGREGATE: &'static str = {:?};
    const SCHEMA_VERSION: u32 = {};
    const EXTENSION: bool = {};
    fn aggregate_id(&self) -> &str {{
        &self.{}
    }}
    fn partition_key(&self) -> &str {{
        &self.{}
    }}
    fn subjects(&self) -> Vec<&str> {{
        {subjects}
    }}
}}
",
        event.topic,
        event.owner,
        event.aggregate,
        event.schema_version,
        event.extension,
        naming::identifier(&event.aggregate_id_field),
        naming::identifier(&event.partition_key_field),
    );
}

fn write_event_row(out: &mut String, event: &Event) {
    let full_name = event.message.full_name();
    let path = naming::message_path(&event.message);
    let successor = versions::succession(event).map_or_else(
        || "None".to_owned(),
        |next| {
            format!(
                "Some(Successor {{ topic: {:?}, published_until: {:?}, over_s: {} }})",
                next.topic, next.until, next.over_s
            )
        },
    );
    let _ = writeln!(
        out,
        "    EventFacts::of::<{path}>({full_name:?}, \"type.googleapis.com/{full_name}\", {successor}),"
    );
}

fn write_method_row(out: &mut String, method: &Method) {
    let roles: Vec<String> = method
        .roles
        .iter()
        .map(|role| format!("Role::{role}"))
        .collect();
    let _ = writeln!(
        out,
        "    MethodFacts {{
        path: {:?},
        service_owner: {:?},
        public: {},
        roles: &[{}],
        callers: &{:?},
        idempotent: {},
        safe: {},
        criticality: Criticality::{},
        server_streaming: {},
    }},",
        method.path,
        method.owner,
        method.public,
        roles.join(", "),
        method.callers,
        method.idempotent,
        method.safe,
        method.criticality,
        method.server_streaming,
    );
}
