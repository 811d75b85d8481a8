//! The catalog for people, as one HTML file and as Markdown: the same content, made from the contract.

mod html;
mod markdown;

use outcry_events::catalog::{CatalogEntry, CatalogField, CatalogType, catalog};

use crate::consumers::Consumers;
use crate::example;
use crate::json_schema::ENVELOPE;

pub use self::html::html;
pub use self::markdown::markdown;

/// What the pages are called.
const TITLE: &str = "Outcry events";
/// What they begin with.
const INTRODUCTION: &str = "Every event of the platform, made from the contract: who publishes it, who \
    gets it, what is in it and what holds of it. An event travels in an envelope, on RabbitMQ with its \
    topic as routing key of the exchange `outcry.events`. 64-bit integers are text in JSON, and fields \
    with their default value are left out there.";
/// Heads of the overview's columns.
const OVERVIEW: [&str; 5] = [
    "Topic",
    "What happened",
    "Publisher",
    "Version",
    "Consumers",
];
/// Heads of a field table's columns.
const FIELDS: [&str; 6] = ["Field", "No.", "Type", "Meaning", "Rules", "Personal"];
/// Heads of a value table's columns.
const VALUES: [&str; 3] = ["Value", "No.", "Meaning"];
/// Stands in the column of personal data and secrets.
const PERSONAL: &str = "personal";

/// What the pages say of one event.
struct Page<'a> {
    entry: &'a CatalogEntry,
    /// Name and value, in order; values may hold code in backticks.
    facts: Vec<(&'static str, String)>,
    consumers: String,
    example: String,
}

/// A piece of a comment.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Words(&'a str),
    Code(&'a str),
}

/// All events, by topic.
fn pages(consumers: &Consumers) -> Vec<Page<'static>> {
    let events = catalog().events.iter();
    events.map(|entry| page(entry, consumers)).collect()
}

fn page(entry: &'static CatalogEntry, consumers: &Consumers) -> Page<'static> {
    let names = consumers.of(entry).join(", ");
    let consumers = if names.is_empty() {
        "none".to_owned()
    } else {
        names
    };
    let origin = if entry.extension {
        "added by Outcry"
    } else {
        "decision record"
    };
    let facts = vec![
        ("Topic", code(entry.topic)),
        ("Message", code(entry.full_name)),
        ("Publisher", entry.owner.to_owned()),
        ("Consumers", consumers.clone()),
        ("Version", entry.version.to_string()),
        (
            "Aggregate",
            format!(
                "{}, by {}",
                entry.aggregate,
                code(&entry.aggregate_id_field)
            ),
        ),
        ("Partition key", code(&entry.partition_key_field)),
        ("Who may read it", readers(entry)),
        ("Origin", origin.to_owned()),
        ("File", code(&format!("proto/{}", entry.file))),
        ("Fingerprint", code(&entry.fingerprint)),
    ];
    let example = example::event_as_json(entry);
    Page {
        entry,
        facts,
        consumers,
        example: format!("{example:#}"),
    }
}

/// Whom the event log shows the event.
fn readers(entry: &CatalogEntry) -> String {
    let subjects: Vec<String> = entry
        .subject_fields
        .iter()
        .map(|field| code(field))
        .collect();
    if subjects.is_empty() {
        return "operators".to_owned();
    }
    format!(
        "operators, and the customers named by {}",
        subjects.join(" and ")
    )
}

/// The fields of the envelope.
fn envelope() -> &'static [CatalogField] {
    let envelope = catalog().types.get(ENVELOPE);
    envelope
        .map(|envelope| envelope.fields.as_slice())
        .unwrap_or_default()
}

/// The types that fields have, without the envelope.
fn types() -> impl Iterator<Item = (&'static str, &'static CatalogType)> {
    let types = catalog().types.iter().filter(|(name, _)| *name != ENVELOPE);
    types.map(|(name, of_type)| (name.as_str(), of_type))
}

/// A field's type in three pieces, of which the middle one names a type that the pages describe.
fn linked(type_name: &str) -> (&str, Option<&str>, &str) {
    let (before, rest) = match type_name.rsplit_once([' ', '<']) {
        Some((before, _)) => type_name.split_at(before.len() + 1),
        None => ("", type_name),
    };
    let name = rest.trim_end_matches('>');
    let after = &rest[name.len()..];
    if catalog().types.contains_key(name) {
        (before, Some(name), after)
    } else {
        (type_name, None, "")
    }
}

/// Where a type or an event is on the page.
fn anchor(name: &str) -> String {
    name.replace('.', "-")
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

/// A comment's words and code. A backtick without an end is a word.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((words, after)) = rest.split_once('`') {
        let Some((inner, behind)) = after.split_once('`') else {
            break;
        };
        found.push(Piece::Words(words));
        found.push(Piece::Code(inner));
        rest = behind;
    }
    found.push(Piece::Words(rest));
    found.retain(|piece| !matches!(piece, Piece::Words("")));
    found
}

#[cfg(test)]
mod tests;
