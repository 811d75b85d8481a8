//! Events and methods as their options declare them, or why they cannot stand.

use std::borrow::Cow;
use std::collections::BTreeMap;

use prost_reflect::{
    DescriptorPool, DynamicMessage, Kind, MessageDescriptor, MethodDescriptor, Value,
};

use crate::generator::{Refusals, naming, versions};

const EVENT: &str = "outcry.options.v1.event";
const ACCESS: &str = "outcry.options.v1.access";
const ROLE: &str = "outcry.options.v1.Role";
const CRITICALITY: &str = "outcry.options.v1.Criticality";
const CRITICALITY_OPTION: &str = "outcry.options.v1.criticality";

/// Levels of `outcry.options.v1.Criticality` for methods that state none.
const SHEDDABLE_PLUS: i32 = 2;
const CRITICAL: i32 = 3;

/// Of `google.protobuf.MethodOptions.IdempotencyLevel`.
const NO_SIDE_EFFECTS: i32 = 1;

/// `ORIGIN_EXTENSION` of `outcry.options.v1.Origin`.
const ORIGIN_EXTENSION: i32 = 2;

/// An event: a message with the event option.
pub struct Event {
    pub message: MessageDescriptor,
    pub topic: String,
    pub owner: String,
    pub aggregate: String,
    pub aggregate_id_field: String,
    pub partition_key_field: String,
    pub subject_fields: Vec<String>,
    pub schema_version: u32,
    pub extension: bool,
    pub superseded_by: String,
    pub published_until: String,
}

/// A method and who may call it.
pub struct Method {
    pub path: String,
    pub owner: String,
    pub public: bool,
    /// Rust names of the roles.
    pub roles: Vec<String>,
    pub callers: Vec<String>,
    pub idempotent: bool,
    pub safe: bool,
    /// Rust name of the level.
    pub criticality: String,
    pub server_streaming: bool,
}

/// What the options declare.
pub struct Contract {
    /// Sorted by topic.
    pub events: Vec<Event>,
    /// Sorted by path.
    pub methods: Vec<Method>,
}

/// Reads all events and methods; what is wrong with them goes to `refusals`.
pub fn read(
    pool: &DescriptorPool,
    scope: &str,
    messages: &[MessageDescriptor],
    refusals: &mut Refusals,
) -> Contract {
    let mut events: Vec<Event> = messages
        .iter()
        .filter_map(|message| read_event(pool, message, refusals))
        .collect();
    let mut methods: Vec<Method> = pool
        .services()
        .filter(|service| naming::is_within(service.package_name(), scope))
        .flat_map(|service| service.methods().collect::<Vec<_>>())
        .map(|method| read_method(pool, &method, refusals))
        .collect();
    events.sort_by(|a, b| a.topic.cmp(&b.topic));
    methods.sort_by(|a, b| a.path.cmp(&b.path));
    refuse_shared_topics(&events, refusals);
    versions::check(&events, refusals);
    Contract { events, methods }
}

fn read_event(
    pool: &DescriptorPool,
    message: &MessageDescriptor,
    refusals: &mut Refusals,
) -> Option<Event> {
    let option = extension(pool, EVENT, &message.options())?;
    let event = Event {
        message: message.clone(),
        topic: text(&option, "topic"),
        owner: text(&option, "owner"),
        aggregate: text(&option, "aggregate"),
        aggregate_id_field: text(&option, "aggregate_id_field"),
        partition_key_field: text(&option, "partition_key_field"),
        subject_fields: texts(&option, "subject_fields"),
        schema_version: naming::major(message.package_name()).unwrap_or_default(),
        extension: number(&option, "origin") == ORIGIN_EXTENSION,
        superseded_by: text(&option, "superseded_by"),
        published_until: text(&option, "published_until"),
    };
    let mut refuse = |what: String| refusals.push(format!("event {}: {what}", message.full_name()));
    for (part, value) in [
        ("topic", &event.topic),
        ("owner", &event.owner),
        ("aggregate", &event.aggregate),
        ("aggregate_id_field", &event.aggregate_id_field),
        ("partition_key_field", &event.partition_key_field),
    ] {
        if value.is_empty() {
            refuse(format!("its event option does not say `{part}`"));
        }
    }
    if number(&option, "origin") == 0 {
        refuse("its event option does not say `origin`".to_owned());
    }
    if !event.topic.is_empty() {
        match topic_version(&event.topic) {
            None => refuse(format!(
                "topic `{}` is not `<aggregate>.<past verb>`, in lower_snake words, with `.vN` from version 2 on",
                event.topic
            )),
            Some(version) if version != event.schema_version => refuse(format!(
                "topic `{}` belongs to version {version}, but the package is {}",
                event.topic,
                message.package_name()
            )),
            Some(_) => {}
        }
    }
    let named = [&event.aggregate_id_field, &event.partition_key_field];
    for name in named
        .into_iter()
        .chain(&event.subject_fields)
        .filter(|name| !name.is_empty())
    {
        match message.get_field_by_name(name) {
            None => refuse(format!(
                "its event option names the field `{name}`, which does not exist"
            )),
            Some(field)
                if field.kind() != Kind::String || field.is_list() || field.supports_presence() =>
            {
                refuse(format!(
                    "its event option names `{name}`, which is not a plain singular string"
                ));
            }
            Some(_) => {}
        }
    }
    Some(event)
}

fn read_method(
    pool: &DescriptorPool,
    method: &MethodDescriptor,
    refusals: &mut Refusals,
) -> Method {
    let service = method.parent_service();
    let mut refuse = |what: &str| refusals.push(format!("method {}: {what}", method.full_name()));
    for message in [method.input(), method.output()] {
        if !naming::is_outcry(message.package_name()) {
            refuse("its request and response must be messages of this contract");
        }
    }
    let option = extension(pool, ACCESS, &method.options());
    let access = option.as_ref();
    let roles: Vec<i32> = access
        .map(|access| {
            list(access, "roles")
                .iter()
                .filter_map(Value::as_enum_number)
                .collect()
        })
        .unwrap_or_default();
    let callers = access
        .map(|access| texts(access, "callers"))
        .unwrap_or_default();
    let public = access.is_some_and(|access| flag(access, "public"));
    match access {
        None => refuse("it has no `(outcry.options.v1.access)` option, so nobody could call it"),
        Some(_) if !public && roles.is_empty() && callers.is_empty() => {
            refuse("its access option grants nobody");
        }
        Some(_) if roles.contains(&0) => refuse("its access option grants ROLE_UNSPECIFIED"),
        Some(_) if callers.iter().any(String::is_empty) => {
            refuse("its access option grants a service without a name");
        }
        Some(_) => {}
    }
    let role_names = pool.get_enum_by_name(ROLE).map(|role| {
        roles
            .iter()
            .filter_map(|number| role.get_value(*number))
            .map(|value| naming::variant("Role", value.name()))
            .collect()
    });
    let idempotency = number(&method.options(), "idempotency_level");
    let safe = idempotency == NO_SIDE_EFFECTS;
    let stated = pool
        .get_extension_by_name(CRITICALITY_OPTION)
        .and_then(|option| method.options().get_extension(&option).as_enum_number());
    let level = match stated {
        Some(level) if level != 0 => level,
        _ if safe => SHEDDABLE_PLUS,
        _ => CRITICAL,
    };
    let criticality = pool
        .get_enum_by_name(CRITICALITY)
        .and_then(|levels| levels.get_value(level))
        .map(|value| naming::variant("Criticality", value.name()))
        .unwrap_or_default();
    Method {
        path: format!("/{}/{}", service.full_name(), method.name()),
        owner: naming::domain(service.package_name()).to_owned(),
        public,
        roles: role_names.unwrap_or_default(),
        callers,
        idempotent: idempotency != 0,
        safe,
        criticality,
        server_streaming: method.is_server_streaming(),
    }
}

fn refuse_shared_topics(events: &[Event], refusals: &mut Refusals) {
    let mut by_topic: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for event in events.iter().filter(|event| !event.topic.is_empty()) {
        by_topic
            .entry(&event.topic)
            .or_default()
            .push(event.message.full_name());
    }
    for (topic, names) in by_topic.into_iter().filter(|(_, names)| names.len() > 1) {
        refusals.push(format!(
            "topic `{topic}` is claimed by {}",
            names.join(" and ")
        ));
    }
}

/// Version a topic belongs to: 1 without suffix, N with `.vN`.
fn topic_version(topic: &str) -> Option<u32> {
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    let words: Vec<&str> = topic.split('.').collect();
    match words.as_slice() {
        [aggregate, verb] if is_word(aggregate) && is_word(verb) => Some(1),
        [aggregate, verb, version] if is_word(aggregate) && is_word(verb) => {
            let number = version.strip_prefix('v')?;
            number
                .parse()
                .ok()
                .filter(|n| *n >= 2 && !number.starts_with('0'))
        }
        _ => None,
    }
}

/// An option of ours, if it is set.
pub fn extension(
    pool: &DescriptorPool,
    name: &str,
    options: &DynamicMessage,
) -> Option<DynamicMessage> {
    let extension = pool.get_extension_by_name(name)?;
    options
        .has_extension(&extension)
        .then(|| options.get_extension(&extension).into_owned())
        .and_then(|value| value.as_message().cloned())
}

fn field<'a>(message: &'a DynamicMessage, name: &str) -> Option<Cow<'a, Value>> {
    message.get_field_by_name(name)
}

fn text(message: &DynamicMessage, name: &str) -> String {
    field(message, name)
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}

fn flag(message: &DynamicMessage, name: &str) -> bool {
    field(message, name)
        .and_then(|value| value.as_bool())
        .unwrap_or_default()
}

fn number(message: &DynamicMessage, name: &str) -> i32 {
    field(message, name)
        .and_then(|value| value.as_enum_number())
        .unwrap_or_default()
}

fn list(message: &DynamicMessage, name: &str) -> Vec<Value> {
    field(message, name)
        .and_then(|value| value.as_list().map(<[Value]>::to_vec))
        .unwrap_or_default()
}

fn texts(message: &DynamicMessage, name: &str) -> Vec<String> {
    list(message, name)
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}
