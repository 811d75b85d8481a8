//! `contracts/golden`: events as bytes and as JSON, written once and kept for ever, so that no later
//! version of the platform, in any language, reads an old fact differently.

mod events;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use outcry_contracts::EventFacts;
use outcry_contracts::events::v1::EventEnvelope;
use outcry_events::{Cause, SealError, Stamp, descriptors};
use prost::Message as _;
use prost_reflect::{DynamicMessage, Value};
use serde::Serialize as _;
use uuid::Uuid;

use crate::specimen;

/// The envelope of every event.
const ENVELOPE: &str = "outcry.events.v1.EventEnvelope";
/// Name of the golden event with nothing set that may be left out.
const MINIMAL: &str = "minimal";
/// Seconds since 1970 at which golden events happen: 15 June 2025, 15:06:40 UTC.
const SECONDS: u64 = 1_750_000_000;

/// One golden event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// `minimal`, `complete`, `complete_2` …
    pub name: String,
    /// The envelope's bytes.
    pub bytes: Vec<u8>,
}

/// Why a golden event cannot be made or read.
#[derive(Debug, thiserror::Error)]
pub enum GoldenError {
    /// The event has no line in the table of types.
    #[error("{0} is not in the table of crates/schema/src/golden/events.rs: add it there")]
    Unlisted(String),
    /// The message made for it breaks a rule.
    #[error(
        "a message made for the golden file is not valid: teach crates/schema/src/specimen.rs its fields"
    )]
    Invalid(#[from] SealError),
    /// The bytes are no envelope.
    #[error("not an envelope")]
    Undecodable(#[from] prost::DecodeError),
    /// The JSON is none of an envelope, or it cannot be written.
    #[error("the JSON form does not fit")]
    Json(#[from] serde_json::Error),
    /// The contract has no envelope.
    #[error("the contract has no {ENVELOPE}")]
    NoEnvelope,
}

/// The golden events that an event still needs, given the bytes of those it has by name: the least it
/// can hold, and what sets each field, each member of a oneof and each value of an enum that none of
/// them shows yet.
///
/// # Errors
/// A message made for it is not valid, its type is not listed, or one that is there is damaged.
pub fn missing(
    event: &EventFacts,
    present: &BTreeMap<String, Vec<u8>>,
) -> Result<Vec<Case>, GoldenError> {
    let unlisted = || GoldenError::Unlisted(event.full_name.to_owned());
    let message = descriptors::message_of(event.type_url).ok_or_else(unlisted)?;
    let mut shown = BTreeSet::new();
    for bytes in present.values() {
        let envelope = EventEnvelope::decode(bytes.as_slice())?;
        let payload = envelope.payload.unwrap_or_default();
        let payload = DynamicMessage::decode(message.clone(), payload.value.as_slice())?;
        show(&payload, "", &mut shown);
    }
    let mut cases = Vec::new();
    let mut add = |name: String, index: usize, specimen: &DynamicMessage| {
        let cause = cause(&name, event);
        let stamp = stamp(&name, event, index as u64, &cause);
        let payload = specimen.encode_to_vec();
        let sealed = events::seal(event.full_name, &payload, stamp).ok_or_else(unlisted)??;
        cases.push(Case {
            name,
            bytes: sealed.bytes().to_vec(),
        });
        Ok::<(), GoldenError>(())
    };
    if !present.contains_key(MINIMAL) {
        add(MINIMAL.to_owned(), 0, &specimen::minimal(&message))?;
    }
    let mut names = (1..)
        .map(complete)
        .filter(|(_, name)| !present.contains_key(name));
    for variant in 0..specimen::variants(&message) {
        let specimen = specimen::complete(&message, variant);
        let before = shown.len();
        show(&specimen, "", &mut shown);
        if shown.len() > before
            && let Some((index, name)) = names.next()
        {
            add(name, index, &specimen)?;
        }
    }
    Ok(cases)
}

/// The n-th name of a golden event with everything set.
fn complete(index: usize) -> (usize, String) {
    let name = match index {
        1 => "complete".to_owned(),
        _ => format!("complete_{index}"),
    };
    (index, name)
}

/// Collects which fields a message sets and which values of enums it holds.
fn show(message: &DynamicMessage, place: &str, shown: &mut BTreeSet<String>) {
    for (field, value) in message.fields() {
        let place = format!("{place}.{}", field.name());
        show_value(value, &place, shown);
        shown.insert(place);
    }
}

fn show_value(value: &Value, place: &str, shown: &mut BTreeSet<String>) {
    match value {
        Value::Message(nested) => show(nested, place, shown),
        Value::List(items) => items.iter().for_each(|item| show_value(item, place, shown)),
        Value::EnumNumber(number) => {
            shown.insert(format!("{place}={number}"));
        }
        _ => {}
    }
}

/// The minimal case starts a flow; the others are caused by another event and traced.
fn cause(case: &str, event: &EventFacts) -> Cause {
    let root = Cause::root(fixed_id(&["correlation", event.topic, case]), "user:ada");
    if case == MINIMAL {
        return root;
    }
    let mut caused = root.traced("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    caused.causation_id = Some(fixed_id(&["causation", event.topic, case]));
    caused.actor = format!("service:{}", event.owner);
    caused
}

fn stamp<'a>(case: &str, event: &EventFacts, index: u64, cause: &'a Cause) -> Stamp<'a> {
    let occurred_at: SystemTime = UNIX_EPOCH + Duration::new(SECONDS + index, 123_456_789);
    Stamp {
        event_id: fixed_id(&["event", event.topic, case]),
        sequence: index + 1,
        occurred_at,
        recorded_at: occurred_at + Duration::from_millis(5),
        cause,
    }
}

/// The same id for the same words, always.
fn fixed_id(words: &[&str]) -> Uuid {
    Uuid::parse_str(&specimen::id(&words.join("/"))).unwrap_or_default()
}

/// The JSON of an envelope: protobuf's canonical form with its payload expanded, fields in the order
/// of their numbers, indented.
///
/// # Errors
/// The bytes are no envelope, or hold a payload the contract does not know.
pub fn to_json(bytes: &[u8]) -> Result<String, GoldenError> {
    let envelope = descriptors::pool()
        .get_message_by_name(ENVELOPE)
        .ok_or(GoldenError::NoEnvelope)?;
    let message = DynamicMessage::decode(envelope, bytes)?;
    let mut text = Vec::new();
    message.serialize(&mut serde_json::Serializer::pretty(&mut text))?;
    text.push(b'\n');
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The bytes of an envelope that is written as JSON.
///
/// # Errors
/// The text is not the JSON form of an envelope.
pub fn from_json(text: &str) -> Result<Vec<u8>, GoldenError> {
    let envelope = descriptors::pool()
        .get_message_by_name(ENVELOPE)
        .ok_or(GoldenError::NoEnvelope)?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let message = DynamicMessage::deserialize(envelope, &mut reader)?;
    reader.end()?;
    Ok(message.encode_to_vec())
}
