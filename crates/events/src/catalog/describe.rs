//! Reads the catalog from the descriptors.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use outcry_contracts::events::v1::EventEnvelope;
use outcry_contracts::options::v1::Role;
use outcry_contracts::{EVENTS, EventFacts, METHODS, MethodFacts};
use prost::Name as _;
use prost_reflect::{
    DescriptorPool, DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, Value,
};

use super::comments::Comments;
use super::fingerprint::Fingerprints;
use super::{CatalogEntry, CatalogField, CatalogMethod, CatalogType, CatalogValue, rules};
use crate::descriptors;

/// Message option that makes a message an event.
const EVENT: &str = "outcry.options.v1.event";

/// Reads a pool, once.
pub struct Describer<'a> {
    pool: &'a DescriptorPool,
    comments: Comments,
    fingerprints: Fingerprints,
}

// === impl Describer ===

impl<'a> Describer<'a> {
    pub fn new(pool: &'a DescriptorPool) -> Describer<'a> {
        Describer {
            pool,
            comments: Comments::read(pool),
            fingerprints: Fingerprints::read(pool),
        }
    }

    /// All events, by topic.
    pub fn events(&self) -> Vec<CatalogEntry> {
        let mut events: Vec<CatalogEntry> = EVENTS
            .iter()
            .filter_map(|facts| {
                let message = self.pool.get_message_by_name(facts.full_name)?;
                Some(self.event(facts, &message))
            })
            .collect();
        events.sort_by_key(|entry| entry.topic);
        events
    }

    fn event(&self, facts: &'static EventFacts, message: &MessageDescriptor) -> CatalogEntry {
        let options = message.options();
        let contract = self
            .pool
            .get_extension_by_name(EVENT)
            .and_then(|option| options.get_extension(&option).as_message().cloned());
        let file = message.parent_file();
        CatalogEntry {
            topic: facts.topic,
            owner: facts.owner,
            aggregate: facts.aggregate,
            version: facts.schema_version,
            extension: facts.extension,
            superseded_by: facts.successor.map(|next| next.topic),
            published_until: facts.successor.map(|next| next.published_until),
            full_name: facts.full_name,
            type_url: facts.type_url,
            description: self.comments.at(file.name(), message.path()),
            aggregate_id_field: text(contract.as_ref(), "aggregate_id_field"),
            partition_key_field: text(contract.as_ref(), "partition_key_field"),
            subject_fields: texts(contract.as_ref(), "subject_fields"),
            fields: self.fields(message),
            fingerprint: self.fingerprints.of(&file),
            file: file.name().to_owned(),
        }
    }

    fn fields(&self, message: &MessageDescriptor) -> Vec<CatalogField> {
        let file = message.parent_file();
        let mut fields: Vec<FieldDescriptor> = message.fields().collect();
        // Places in the file follow its order; the descriptors come by number.
        fields.sort_by(|one, other| one.path().cmp(other.path()));
        fields
            .into_iter()
            .map(|field| CatalogField {
                name: field.name().to_owned(),
                json_name: field.json_name().to_owned(),
                number: field.number(),
                type_name: type_name(&field),
                optional: field.supports_presence(),
                comment: self.comments.at(file.name(), field.path()),
                rules: rules::in_words(&field),
                personal: descriptors::is_personal(&field),
            })
            .collect()
    }

    /// All methods, by path.
    pub fn methods(&self) -> Vec<CatalogMethod> {
        let mut methods: Vec<CatalogMethod> = METHODS
            .iter()
            .filter_map(|facts| self.method(facts))
            .collect();
        methods.sort_by_key(|method| method.path);
        methods
    }

    fn method(&self, facts: &'static MethodFacts) -> Option<CatalogMethod> {
        let (service, name) = facts.path.strip_prefix('/')?.split_once('/')?;
        let service = self.pool.get_service_by_name(service)?;
        let method = service.methods().find(|method| method.name() == name)?;
        Some(CatalogMethod {
            path: facts.path,
            owner: facts.service_owner,
            description: self.comments.at(method.parent_file().name(), method.path()),
            request: method.input().full_name().to_owned(),
            response: method.output().full_name().to_owned(),
            server_streaming: facts.server_streaming,
            idempotent: facts.idempotent,
            public: facts.public,
            roles: facts.roles.iter().map(Role::as_str_name).collect(),
            callers: facts.callers.to_vec(),
        })
    }

    /// The envelope and the types these events consist of, directly or not. Those of protobuf
    /// itself are left out: everybody knows them.
    pub fn types_of(&self, events: &[CatalogEntry]) -> BTreeMap<String, CatalogType> {
        let mut types = BTreeMap::new();
        let envelope = EventEnvelope::full_name();
        if let Some(message) = self.pool.get_message_by_name(&envelope) {
            types.insert(envelope, self.message(&message));
        }
        for entry in events {
            if let Some(message) = self.pool.get_message_by_name(entry.full_name) {
                self.collect(&message, &mut types);
            }
        }
        types
    }

    /// Adds the types of a message's fields.
    fn collect(&self, message: &MessageDescriptor, types: &mut BTreeMap<String, CatalogType>) {
        for field in message.fields() {
            match field.kind() {
                Kind::Message(nested) if nested.is_map_entry() => self.collect(&nested, types),
                Kind::Message(nested) if is_ours(nested.full_name()) => {
                    if let Entry::Vacant(place) = types.entry(nested.full_name().to_owned()) {
                        place.insert(self.message(&nested));
                        self.collect(&nested, types);
                    }
                }
                Kind::Enum(declared) if is_ours(declared.full_name()) => {
                    types
                        .entry(declared.full_name().to_owned())
                        .or_insert_with(|| self.enumeration(&declared));
                }
                _ => {}
            }
        }
    }

    fn message(&self, message: &MessageDescriptor) -> CatalogType {
        CatalogType {
            description: self
                .comments
                .at(message.parent_file().name(), message.path()),
            fields: self.fields(message),
            values: Vec::new(),
        }
    }

    fn enumeration(&self, declared: &EnumDescriptor) -> CatalogType {
        let file = declared.parent_file();
        let values = declared.values().map(|value| CatalogValue {
            name: value.name().to_owned(),
            number: value.number(),
            comment: self.comments.at(file.name(), value.path()),
        });
        CatalogType {
            description: self.comments.at(file.name(), declared.path()),
            fields: Vec::new(),
            values: values.collect(),
        }
    }
}

/// Whether a type belongs to the contract, not to protobuf.
fn is_ours(full_name: &str) -> bool {
    full_name.starts_with("outcry.")
}

/// A field's type as it is written in a `.proto` file, with full names.
fn type_name(field: &FieldDescriptor) -> String {
    let one = match field.kind() {
        Kind::Message(entry) if field.is_map() => {
            let (key, value) = (entry.map_entry_key_field(), entry.map_entry_value_field());
            return format!("map<{}, {}>", type_name(&key), type_name(&value));
        }
        Kind::Message(message) => message.full_name().to_owned(),
        Kind::Enum(declared) => declared.full_name().to_owned(),
        scalar => format!("{scalar:?}").to_lowercase(),
    };
    if field.is_list() {
        format!("repeated {one}")
    } else {
        one
    }
}

fn text(message: Option<&DynamicMessage>, field: &str) -> String {
    message
        .and_then(|message| {
            message
                .get_field_by_name(field)?
                .as_str()
                .map(str::to_owned)
        })
        .unwrap_or_default()
}

fn texts(message: Option<&DynamicMessage>, field: &str) -> Vec<String> {
    let strings = |values: &[Value]| {
        values
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    };
    message
        .and_then(|message| message.get_field_by_name(field)?.as_list().map(strings))
        .unwrap_or_default()
}
