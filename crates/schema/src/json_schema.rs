//! JSON Schemas of events, in the canonical JSON form of protobuf.
//!
//! Names are those of the JSON form. A field is required when the contract says so, or when its
//! rules exclude the value that the form leaves out. 64-bit integers are text, as protobuf writes
//! them, or numbers, which it also reads. What a schema cannot say stands in the descriptions.

mod integers;
mod texts;

use std::collections::BTreeMap;

use outcry_events::catalog::{CatalogEntry, CatalogField, catalog};
use outcry_events::descriptors;
use prost_reflect::{Cardinality, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

pub use self::integers::Range;
pub use self::texts::PatternError;
use crate::rules::{self, Rules};

/// The version of JSON Schema.
pub const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";
/// Name of the envelope.
pub const ENVELOPE: &str = "outcry.events.v1.EventEnvelope";
/// Marks personal data and secrets.
pub const PERSONAL: &str = "x-outcry-personal";

/// Where the type of an event stands when it is the payload of an envelope.
const TYPE: &str = "@type";

/// The schema of an event's payload, by itself.
///
/// # Errors
/// A pattern means something else outside RE2.
pub fn of_event(entry: &CatalogEntry) -> Result<Value, PatternError> {
    of_message(entry.full_name)
}

/// The schema of the envelope, whatever it holds.
///
/// # Errors
/// As [`of_event`].
pub fn of_envelope() -> Result<Value, PatternError> {
    of_message(ENVELOPE)
}

fn of_message(full_name: &str) -> Result<Value, PatternError> {
    let mut schemas = Schemas::below("#/$defs/");
    schemas.add(full_name)?;
    let mut definitions = schemas.found;
    let root = definitions.remove(full_name).unwrap_or_default();
    let Value::Object(mut root) = root else {
        return Ok(Value::Bool(true));
    };
    root.insert("$schema".to_owned(), json!(DRAFT));
    if !definitions.is_empty() {
        root.insert("$defs".to_owned(), json!(definitions));
    }
    Ok(Value::Object(root))
}

/// Schemas of messages and enums by full name, each once.
pub struct Schemas {
    /// What a reference begins with.
    place: &'static str,
    found: BTreeMap<String, Value>,
}

// === impl Schemas ===

impl Schemas {
    /// None yet. References will begin with `place`.
    #[must_use]
    pub fn below(place: &'static str) -> Schemas {
        Schemas {
            place,
            found: BTreeMap::new(),
        }
    }

    /// Adds a message and all it consists of.
    ///
    /// # Errors
    /// A pattern means something else outside RE2.
    pub fn add(&mut self, full_name: &str) -> Result<(), PatternError> {
        match descriptors::pool().get_message_by_name(full_name) {
            Some(message) => self.message(&message),
            None => Ok(()),
        }
    }

    /// All of them.
    #[must_use]
    pub fn into_map(self) -> BTreeMap<String, Value> {
        self.found
    }

    fn message(&mut self, message: &MessageDescriptor) -> Result<(), PatternError> {
        let full_name = message.full_name();
        if self.found.contains_key(full_name) {
            return Ok(());
        }
        // Holds the place, so that a message may contain itself.
        self.found.insert(full_name.to_owned(), Value::Null);
        let (description, comments) = described(full_name);
        let (mut properties, mut required) = (Map::new(), Vec::new());
        if let Some(event) = event(full_name) {
            let about = "The type, where the event is the payload of an envelope.";
            let of_type = json!({"const": event.type_url, "description": about});
            properties.insert(TYPE.to_owned(), of_type);
        }
        for field in message.fields() {
            let rules = Rules::of(&field);
            let mut schema = self.field(&field, &rules)?;
            if let Some(comment) = comments.iter().find(|one| one.name == field.name()) {
                schema.insert("description".to_owned(), json!(in_words(comment)));
            }
            if descriptors::is_personal(&field) {
                schema.insert(PERSONAL.to_owned(), json!(true));
            }
            properties.insert(field.json_name().to_owned(), Value::Object(schema));
            if is_required(&field, &rules) {
                required.push(field.json_name().to_owned());
            }
        }
        let mut schema = object(json!({
            "title": message.name(),
            "description": description,
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        }));
        let choices: Vec<Value> = choices(message);
        if !choices.is_empty() {
            schema.insert("allOf".to_owned(), json!(choices));
        }
        self.found
            .insert(full_name.to_owned(), Value::Object(schema));
        Ok(())
    }

    fn field(
        &mut self,
        field: &FieldDescriptor,
        rules: &Rules,
    ) -> Result<Map<String, Value>, PatternError> {
        if let Kind::Message(entry) = field.kind()
            && field.is_map()
        {
            let of_value = self.value(&entry.map_entry_value_field(), &Rules::default())?;
            return Ok(object(
                json!({"type": "object", "additionalProperties": of_value}),
            ));
        }
        if field.is_list() {
            let mut list = object(json!({"type": "array"}));
            list.insert("items".to_owned(), self.value(field, &rules.items())?);
            for (rule, keyword) in [("min_items", "minItems"), ("max_items", "maxItems")] {
                if let Some(count) = rules.number(rule) {
                    list.insert(keyword.to_owned(), integers::exact(count));
                }
            }
            if rules.is("unique") {
                list.insert("uniqueItems".to_owned(), json!(true));
            }
            return Ok(list);
        }
        Ok(object(self.value(field, rules)?))
    }

    /// The schema of a value that is no list.
    fn value(&mut self, field: &FieldDescriptor, rules: &Rules) -> Result<Value, PatternError> {
        let schema = match field.kind() {
            Kind::Message(message) => return self.nested(&message),
            Kind::Enum(declared) => self.enumeration(&declared, rules),
            Kind::String => texts::text(field, rules)?,
            Kind::Bytes => texts::base64(rules),
            Kind::Bool => match rules.flag("const") {
                Some(only) => json!({"const": only}),
                None => json!({"type": "boolean"}),
            },
            Kind::Float | Kind::Double => {
                let named = json!({"enum": ["NaN", "Infinity", "-Infinity"]});
                json!({"anyOf": [{"type": "number"}, named]})
            }
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => integer(Range::I32, rules, false),
            Kind::Uint32 | Kind::Fixed32 => integer(Range::U32, rules, false),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => integer(Range::I64, rules, true),
            Kind::Uint64 | Kind::Fixed64 => integer(Range::U64, rules, true),
        };
        if !rules.but_empty {
            return Ok(schema);
        }
        let empty = match field.kind() {
            Kind::String | Kind::Bytes => json!({"const": ""}),
            Kind::Bool => json!({"const": false}),
            Kind::Enum(declared) => json!({"const": declared.default_value().name()}),
            _ => json!({"enum": [0, "0"]}),
        };
        Ok(json!({"anyOf": [empty, schema]}))
    }

    fn nested(&mut self, message: &MessageDescriptor) -> Result<Value, PatternError> {
        match message.full_name() {
            "google.protobuf.Timestamp" => return Ok(texts::timestamp()),
            "google.protobuf.Any" => {
                let of_type =
                    json!({"type": "string", "pattern": "^[^/]*/[A-Za-z][A-Za-z0-9_.]*$"});
                return Ok(json!({
                    "type": "object",
                    "properties": {TYPE: of_type},
                    "required": [TYPE],
                }));
            }
            _ => {}
        }
        self.message(message)?;
        // Alone in its object: older readers ignore what stands beside a reference.
        Ok(json!({"allOf": [self.reference(message.full_name())]}))
    }

    fn reference(&self, full_name: &str) -> Value {
        json!({"$ref": format!("{}{full_name}", self.place)})
    }

    /// By name. Without `defined_only` a number that this version does not know may stand there.
    fn enumeration(&mut self, declared: &EnumDescriptor, rules: &Rules) -> Value {
        let full_name = declared.full_name();
        if !self.found.contains_key(full_name) {
            let names: Vec<String> = declared.values().map(|one| one.name().to_owned()).collect();
            let schema = json!({
                "title": declared.name(),
                "description": enum_in_words(full_name),
                "enum": names,
            });
            self.found.insert(full_name.to_owned(), schema);
        }
        let names = |numbers: Vec<i128>| -> Vec<String> {
            let of_number = |number| declared.get_value(i32::try_from(number).ok()?);
            let values = numbers.into_iter().filter_map(of_number);
            values.map(|value| value.name().to_owned()).collect()
        };
        let mut all = if rules.is("defined_only") {
            vec![self.reference(full_name)]
        } else {
            vec![json!({"anyOf": [self.reference(full_name), Range::I32.as_number()]})]
        };
        let allowed: Vec<i128> = rules
            .number("const")
            .into_iter()
            .chain(rules.numbers("in"))
            .collect();
        if !allowed.is_empty() {
            all.push(json!({"enum": names(allowed)}));
        }
        let refused = names(rules.numbers("not_in"));
        if !refused.is_empty() {
            all.push(json!({"not": {"enum": refused}}));
        }
        json!({"allOf": all})
    }
}

/// The schema of an integer; a wide one may be text.
fn integer(of_type: Range, rules: &Rules, wide: bool) -> Value {
    let schema = |range: Range| {
        if wide {
            range.as_text()
        } else {
            range.as_number()
        }
    };
    let forms = |number: i128| {
        let text = wide.then(|| json!(number.to_string()));
        text.into_iter().chain([integers::exact(number)])
    };
    let ranges: Vec<Value> = of_type.allowed(rules).into_iter().map(schema).collect();
    let mut value = match ranges.as_slice() {
        [one] => object(one.clone()),
        _ => object(json!({"anyOf": ranges})),
    };
    let only = rules.number("const").into_iter().chain(rules.numbers("in"));
    let only: Vec<Value> = only.flat_map(forms).collect();
    if !only.is_empty() {
        value.insert("enum".to_owned(), json!(only));
    }
    let refused: Vec<Value> = rules
        .numbers("not_in")
        .into_iter()
        .flat_map(forms)
        .collect();
    if !refused.is_empty() {
        value.insert("not".to_owned(), json!({"enum": refused}));
    }
    Value::Object(value)
}

/// Whether the JSON form of a valid message always has the field.
fn is_required(field: &FieldDescriptor, rules: &Rules) -> bool {
    if rules.required {
        return true;
    }
    if field.supports_presence() || rules.but_empty {
        return false;
    }
    if field.cardinality() == Cardinality::Repeated {
        return rules.number("min_items").is_some_and(|count| count > 0);
    }
    match field.kind() {
        Kind::String => !texts::may_be_empty(rules),
        Kind::Bytes => ["min_len", "len"]
            .iter()
            .any(|rule| rules.number(rule).is_some_and(|count| count > 0)),
        Kind::Bool => rules.flag("const") == Some(true),
        Kind::Enum(declared) => {
            let undeclared = rules.is("defined_only") && declared.get_value(0).is_none();
            undeclared || !numbers_allow_zero(rules)
        }
        Kind::Message(_) | Kind::Float | Kind::Double => false,
        _ => {
            let ranges = Range::I64.allowed(rules);
            !ranges.iter().any(|range| range.holds(0)) || !numbers_allow_zero(rules)
        }
    }
}

fn numbers_allow_zero(rules: &Rules) -> bool {
    let listed = rules.numbers("in");
    let only = rules.number("const").is_none_or(|only| only == 0);
    only && (listed.is_empty() || listed.contains(&0)) && !rules.numbers("not_in").contains(&0)
}

/// What holds between the members of each oneof.
fn choices(message: &MessageDescriptor) -> Vec<Value> {
    let oneofs = message.oneofs().filter(|oneof| !oneof.is_synthetic());
    oneofs
        .map(|oneof| {
            let member = |field: FieldDescriptor| json!({"required": [field.json_name()]});
            let mut one_of: Vec<Value> = oneof.fields().map(member).collect();
            if !rules::one_is_required(&oneof) {
                let none = json!({"not": {"anyOf": one_of}});
                one_of.push(none);
            }
            json!({"oneOf": one_of})
        })
        .collect()
}

fn event(full_name: &str) -> Option<&'static CatalogEntry> {
    let mut events = catalog().events.iter();
    events.find(|entry| entry.full_name == full_name)
}

/// What the contract says about a message and its fields.
fn described(full_name: &str) -> (&'static str, &'static [CatalogField]) {
    let of_type = catalog().types.get(full_name);
    let of_type = of_type.map(|of_type| (of_type.description.as_str(), of_type.fields.as_slice()));
    let of_event = || {
        let entry = event(full_name)?;
        Some((entry.description.as_str(), entry.fields.as_slice()))
    };
    of_type.or_else(of_event).unwrap_or_default()
}

/// A field's comment and rules.
fn in_words(field: &CatalogField) -> String {
    let rules = field.rules.join("; ");
    match (field.comment.is_empty(), rules.is_empty()) {
        (_, true) => field.comment.clone(),
        (true, false) => format!("Rules: {rules}."),
        (false, false) => format!("{}\n\nRules: {rules}.", field.comment),
    }
}

/// An enum's comment and its values.
fn enum_in_words(full_name: &str) -> String {
    let Some(declared) = catalog().types.get(full_name) else {
        return String::new();
    };
    let commented = declared
        .values
        .iter()
        .filter(|value| !value.comment.is_empty());
    let values = commented.map(|value| format!("\n- {}: {}", value.name, value.comment));
    format!("{}{}", declared.description, values.collect::<String>())
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests;
