//! The contract as a plain value: everything a change could break, and nothing else. Comments and
//! the order of declarations are not in it.

mod read;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// Packages that belong to the contract.
pub(crate) const PACKAGE: &str = "outcry";

/// What a contract declares, by full name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Messages, events among them.
    pub messages: BTreeMap<String, Message>,
    /// Enums.
    pub enums: BTreeMap<String, Enum>,
    /// gRPC services.
    pub services: BTreeMap<String, Service>,
}

/// A message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// File that declares it.
    pub file: String,
    /// Its event option as text, by the option's field: `topic`, `owner` … None if it is no event.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub event: BTreeMap<String, String>,
    /// Rules of the whole message.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rules: BTreeMap<String, String>,
    /// Rules of its oneofs, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub oneofs: BTreeMap<String, BTreeMap<String, String>>,
    /// Numbers and names that no field may have.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub reserved: BTreeSet<String>,
    /// Its fields, by number.
    pub fields: Vec<Field>,
}

/// A field.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// Number on the wire.
    pub number: u32,
    /// Name in the contract.
    pub name: String,
    /// Name in JSON.
    pub json: String,
    /// `string`, `outcry.types.v1.Money`, `map<string, string>`.
    #[serde(rename = "type")]
    pub type_name: String,
    /// How many values it holds.
    #[serde(default, skip_serializing_if = "Cardinality::is_singular")]
    pub cardinality: Cardinality,
    /// Unset differs from empty.
    #[serde(default, skip_serializing_if = "is_false")]
    pub presence: bool,
    /// The oneof it is a member of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oneof: Option<String>,
    /// Personal data or a secret.
    #[serde(default, skip_serializing_if = "is_false")]
    pub personal: bool,
    /// Validation rules: value by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rules: BTreeMap<String, String>,
}

/// How many values a field holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cardinality {
    /// One.
    #[default]
    Singular,
    /// A list.
    Repeated,
    /// A map.
    Map,
}

/// An enum.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enum {
    /// File that declares it.
    pub file: String,
    /// Numbers and names that no value may have.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub reserved: BTreeSet<String>,
    /// Its values, by number.
    pub values: Vec<EnumValue>,
}

/// A value of an enum.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EnumValue {
    /// Number on the wire.
    pub number: i32,
    /// Name in the contract and in JSON.
    pub name: String,
}

/// A gRPC service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// File that declares it.
    pub file: String,
    /// Its methods, by name.
    pub methods: BTreeMap<String, Method>,
}

/// A method.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Method {
    /// Full name of what it takes.
    pub request: String,
    /// Full name of what it answers with.
    pub response: String,
    /// It takes a stream.
    #[serde(default, skip_serializing_if = "is_false")]
    pub client_streaming: bool,
    /// It answers with a stream.
    #[serde(default, skip_serializing_if = "is_false")]
    pub server_streaming: bool,
    /// What calling it again does.
    #[serde(default, skip_serializing_if = "Idempotency::is_unknown")]
    pub idempotency: Idempotency,
    /// Who may call it.
    #[serde(default)]
    pub access: Access,
    /// How much its calls matter, if it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub criticality: Option<String>,
}

/// What calling a method again does. A later one promises all that an earlier one does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Idempotency {
    /// Nothing is promised.
    #[default]
    Unknown,
    /// Nothing more.
    Idempotent,
    /// Nothing, not even the first time.
    NoSideEffects,
}

/// Who may call a method.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// Anybody.
    #[serde(default, skip_serializing_if = "is_false")]
    pub public: bool,
    /// Users with one of these roles.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub roles: BTreeSet<String>,
    /// These services.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub callers: BTreeSet<String>,
}

// === impl Message ===

impl Message {
    /// The topic, if it is an event.
    #[must_use]
    pub fn topic(&self) -> Option<&str> {
        self.event.get("topic").map(String::as_str)
    }

    /// The field with this number.
    #[must_use]
    pub fn field(&self, number: u32) -> Option<&Field> {
        self.fields.iter().find(|field| field.number == number)
    }

    /// The field with this name.
    #[must_use]
    pub fn field_named(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

impl Cardinality {
    fn is_singular(&self) -> bool {
        *self == Cardinality::Singular
    }
}

impl Idempotency {
    fn is_unknown(&self) -> bool {
        *self == Idempotency::Unknown
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_false(value: &bool) -> bool {
    !value
}
