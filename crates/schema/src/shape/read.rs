//! From descriptors to the plain value.

use std::collections::{BTreeMap, BTreeSet};

use prost_reflect::{
    DescriptorPool, DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor,
    MethodDescriptor, ServiceDescriptor, Value,
};

use super::{
    Access, Cardinality, Enum, EnumValue, Field, Idempotency, Message, Method, PACKAGE, Service,
    Shape,
};
use crate::option;
use crate::rule_text::{self, Rule};
use crate::specimen::real_oneof;

/// Rules of a whole message.
const MESSAGE_RULES: &str = "buf.validate.message";
const EVENT: &str = "outcry.options.v1.event";
const ACCESS: &str = "outcry.options.v1.access";
const CRITICALITY: &str = "outcry.options.v1.criticality";
const PERSONAL: &str = "outcry.options.v1.personal";

impl Shape {
    /// What the contract's own packages declare.
    #[must_use]
    pub fn of(pool: &DescriptorPool) -> Shape {
        let messages = pool
            .all_messages()
            .filter(|message| is_ours(message.package_name()) && !message.is_map_entry())
            .map(|message| (message.full_name().to_owned(), read_message(&message)));
        let enums = pool
            .all_enums()
            .filter(|declared| is_ours(declared.package_name()))
            .map(|declared| (declared.full_name().to_owned(), read_enum(&declared)));
        let services = pool
            .services()
            .filter(|service| is_ours(service.package_name()))
            .map(|service| (service.full_name().to_owned(), read_service(&service)));
        Shape {
            messages: messages.collect(),
            enums: enums.collect(),
            services: services.collect(),
        }
    }
}

fn is_ours(package: &str) -> bool {
    package
        .strip_prefix(PACKAGE)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn read_message(message: &MessageDescriptor) -> Message {
    let ranges = message.reserved_ranges().map(|range| {
        // The end of a message's range is not part of it.
        spanned(i64::from(range.start), i64::from(range.end) - 1)
    });
    let names = message.reserved_names().map(str::to_owned);
    let mut fields: Vec<Field> = message.fields().map(|field| read_field(&field)).collect();
    fields.sort_by_key(|field| field.number);
    Message {
        file: message.parent_file().name().to_owned(),
        event: event(&message.options()),
        rules: by_name(rule_text::of_option(&message.options(), MESSAGE_RULES)),
        oneofs: message
            .oneofs()
            .filter(|oneof| !oneof.is_synthetic())
            .map(|oneof| {
                (
                    oneof.name().to_owned(),
                    by_name(rule_text::of_oneof(&oneof)),
                )
            })
            .collect(),
        reserved: ranges.chain(names).collect(),
        fields,
    }
}

/// The event option, every set field as text.
fn event(options: &DynamicMessage) -> BTreeMap<String, String> {
    let Some(event) = option::message(options, EVENT) else {
        return BTreeMap::new();
    };
    event
        .fields()
        .map(|(field, value)| {
            (
                field.name().to_owned(),
                rule_text::text(value, &field.kind()),
            )
        })
        .collect()
}

fn read_field(field: &FieldDescriptor) -> Field {
    let (cardinality, type_name) = match field.kind() {
        Kind::Message(entry) if field.is_map() => (
            Cardinality::Map,
            format!(
                "map<{}, {}>",
                name_of(&entry.map_entry_key_field().kind()),
                name_of(&entry.map_entry_value_field().kind())
            ),
        ),
        kind if field.is_list() => (Cardinality::Repeated, name_of(&kind)),
        kind => (Cardinality::Singular, name_of(&kind)),
    };
    Field {
        number: field.number(),
        name: field.name().to_owned(),
        json: field.json_name().to_owned(),
        type_name,
        cardinality,
        presence: field.supports_presence(),
        oneof: real_oneof(field).map(|oneof| oneof.name().to_owned()),
        personal: option::set(&field.options(), PERSONAL)
            .is_some_and(|(value, _)| value.as_bool() == Some(true)),
        rules: by_name(rule_text::of_field(field)),
    }
}

fn read_enum(declared: &EnumDescriptor) -> Enum {
    let ranges = declared
        .reserved_ranges()
        .map(|range| spanned(i64::from(*range.start()), i64::from(*range.end())));
    let names = declared.reserved_names().map(str::to_owned);
    let mut values: Vec<EnumValue> = declared
        .values()
        .map(|value| EnumValue {
            number: value.number(),
            name: value.name().to_owned(),
        })
        .collect();
    values.sort();
    Enum {
        file: declared.parent_file().name().to_owned(),
        reserved: ranges.chain(names).collect(),
        values,
    }
}

fn read_service(service: &ServiceDescriptor) -> Service {
    Service {
        file: service.parent_file().name().to_owned(),
        methods: service
            .methods()
            .map(|method| (method.name().to_owned(), read_method(&method)))
            .collect(),
    }
}

fn read_method(method: &MethodDescriptor) -> Method {
    let options = method.options();
    let idempotency = options
        .get_field_by_name("idempotency_level")
        .and_then(|level| level.as_enum_number());
    let access = option::message(&options, ACCESS);
    let texts = |name: &str| match access.as_ref().and_then(|access| set_field(access, name)) {
        Some((field, Value::List(items))) => items
            .iter()
            .map(|item| rule_text::text(item, &field.kind()))
            .collect(),
        _ => BTreeSet::new(),
    };
    let public = access
        .as_ref()
        .and_then(|access| set_field(access, "public"));
    Method {
        request: method.input().full_name().to_owned(),
        response: method.output().full_name().to_owned(),
        client_streaming: method.is_client_streaming(),
        server_streaming: method.is_server_streaming(),
        idempotency: match idempotency {
            Some(1) => Idempotency::NoSideEffects,
            Some(2) => Idempotency::Idempotent,
            _ => Idempotency::Unknown,
        },
        access: Access {
            public: matches!(public, Some((_, Value::Bool(true)))),
            roles: texts("roles"),
            callers: texts("callers"),
        },
        criticality: option::set(&options, CRITICALITY)
            .map(|(value, kind)| rule_text::text(&value, &kind)),
    }
}

/// A field of an option that is set, with its value.
fn set_field(message: &DynamicMessage, name: &str) -> Option<(FieldDescriptor, Value)> {
    message
        .fields()
        .find(|(field, _)| field.name() == name)
        .map(|(field, value)| (field, value.clone()))
}

fn name_of(kind: &Kind) -> String {
    match kind {
        Kind::Message(message) => message.full_name().to_owned(),
        Kind::Enum(declared) => declared.full_name().to_owned(),
        // The scalar types are written in the contract as they are named here, in lower case.
        scalar => format!("{scalar:?}").to_lowercase(),
    }
}

fn by_name(rules: Vec<Rule>) -> BTreeMap<String, String> {
    rules
        .into_iter()
        .map(|rule| (rule.name, rule.value))
        .collect()
}

/// `5` or `5 to 7`.
fn spanned(first: i64, last: i64) -> String {
    if first == last {
        first.to_string()
    } else {
        format!("{first} to {last}")
    }
}
