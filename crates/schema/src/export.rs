//! Every file that is exported, by name.

use std::collections::BTreeMap;

use outcry_contracts::{FILE_DESCRIPTOR_SET, SOURCES};
use outcry_events::catalog::{CatalogEntry, CatalogMethod, CatalogType, catalog};
use serde::Serialize;
use thiserror::Error;

use crate::consumers::Consumers;
use crate::json_schema::PatternError;
use crate::{asyncapi, json_schema, pages};

/// One file of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its place below the folder, `proto/outcry/orders/v1/events.proto`.
    pub path: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// An export cannot be made.
#[derive(Debug, Error)]
pub enum ExportError {
    /// Something cannot be written as JSON.
    #[error("writing JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A rule cannot be written as JSON Schema.
    #[error(transparent)]
    Pattern(#[from] PatternError),
}

/// The catalog with who gets each event.
#[derive(Serialize)]
struct Exported<'a> {
    events: Vec<ExportedEvent<'a>>,
    methods: &'a [CatalogMethod],
    types: &'a BTreeMap<String, CatalogType>,
}

/// One event of it.
#[derive(Serialize)]
struct ExportedEvent<'a> {
    #[serde(flatten)]
    entry: &'a CatalogEntry,
    /// Names of the groups that get it.
    consumers: Vec<&'a str>,
}

/// The contract of this version of the platform, for these consumers. The same for the same.
///
/// # Errors
/// [`ExportError`].
pub fn files(consumers: &Consumers) -> Result<Vec<File>, ExportError> {
    let mut files = vec![
        file("outcry.binpb", FILE_DESCRIPTOR_SET),
        json("catalog.json", &exported(consumers))?,
        json("asyncapi.json", &asyncapi::document(consumers)?)?,
        file("catalog.html", pages::html(consumers).as_bytes()),
        file("catalog.md", pages::markdown(consumers).as_bytes()),
        json("jsonschema/envelope.json", &json_schema::of_envelope()?)?,
    ];
    for entry in &catalog().events {
        let path = format!("jsonschema/{}.json", entry.topic);
        files.push(json(&path, &json_schema::of_event(entry)?)?);
    }
    let sources = SOURCES.iter();
    files.extend(sources.map(|(name, text)| file(&format!("proto/{name}"), text.as_bytes())));
    Ok(files)
}

fn exported(consumers: &Consumers) -> Exported<'_> {
    let catalog = catalog();
    let events = catalog.events.iter().map(|entry| ExportedEvent {
        entry,
        consumers: consumers.of(entry),
    });
    Exported {
        events: events.collect(),
        methods: &catalog.methods,
        types: &catalog.types,
    }
}

fn json(path: &str, value: &impl Serialize) -> Result<File, ExportError> {
    let mut bytes = serde_json::to_vec_pretty(value)?;
    bytes.push(b'\n');
    Ok(file(path, &bytes))
}

fn file(path: &str, bytes: &[u8]) -> File {
    File {
        path: path.to_owned(),
        bytes: bytes.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::consumers::Consumer;

    fn groups() -> Consumers {
        Consumers(vec![Consumer {
            name: "trades".to_owned(),
            topics: vec!["order.*".to_owned()],
        }])
    }

    #[test]
    fn an_export_is_the_same_every_time_and_names_each_file_once() {
        let files = super::files(&groups()).expect("files");
        assert_eq!(files, super::files(&groups()).expect("files"));
        let names: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(names.len(), files.len());
        for entry in &catalog().events {
            let name = format!("jsonschema/{}.json", entry.topic);
            assert!(names.contains(name.as_str()), "{name}");
        }
        println!("{} files", files.len());
    }

    #[test]
    fn the_catalog_says_who_gets_each_event() {
        let files = super::files(&groups()).expect("files");
        let catalog = files.iter().find(|file| file.path == "catalog.json");
        let catalog: Value =
            serde_json::from_slice(&catalog.expect("a catalog").bytes).expect("json");
        let events = catalog["events"].as_array().expect("events");
        let mut orders = 0;
        for event in events {
            let topic = event["topic"].as_str().expect("a topic");
            let is_order = topic.starts_with("order.") && topic.split('.').count() == 2;
            let wanted = if is_order { vec!["trades"] } else { vec![] };
            assert_eq!(event["consumers"], Value::from(wanted), "{topic}");
            assert!(event["fields"].is_array() && event["fingerprint"].is_string());
            orders += usize::from(is_order);
        }
        assert!(orders > 0);
        assert!(catalog["types"]["outcry.events.v1.EventEnvelope"].is_object());
    }
}
