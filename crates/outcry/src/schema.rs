//! `outcry schema`: the contract, for people and programs.

mod check;
mod services;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use outcry_events::catalog::{CatalogEntry, catalog};
use outcry_schema::consumers::{Consumer, Consumers};
use outcry_schema::export;
use serde_json::{Value, json};

use crate::arguments::Schema;
use crate::output::Output;

/// `outcry schema …`
///
/// # Errors
/// A folder cannot be written, or is no export.
pub fn run(schema: Schema, out: Output) -> anyhow::Result<ExitCode> {
    match schema {
        Schema::List => list(out)?,
        Schema::Services if out.is_json() => out.document(&services::json()?)?,
        Schema::Services => out.text(&services::print()?)?,
        Schema::Export { folder } => export(&folder, out)?,
        Schema::Check(check) => return check::run(&check, out),
    }
    Ok(ExitCode::SUCCESS)
}

/// Every group of the platform with what it gets.
fn consumers() -> Consumers {
    let groups = crate::services::consumers()
        .into_iter()
        .map(|group| Consumer {
            name: group.name.to_owned(),
            topics: group.topics.iter().map(|&topic| topic.to_owned()).collect(),
        });
    Consumers(groups.collect())
}

fn list(out: Output) -> anyhow::Result<()> {
    let events = &catalog().events;
    let consumers = consumers();
    if out.is_json() {
        let rows: Vec<Value> = events
            .iter()
            .map(|event| {
                json!({
                    "topic": event.topic,
                    "message": event.full_name,
                    "owner": event.owner,
                    "aggregate": event.aggregate,
                    "version": event.version,
                    "origin": if event.extension { "extension" } else { "record" },
                    "supersededBy": event.superseded_by,
                    "publishedUntil": event.published_until,
                    "consumers": consumers.of(event),
                    "description": event.description,
                    "fingerprint": event.fingerprint,
                })
            })
            .collect();
        return out.document(&Value::Array(rows));
    }
    let rows: Vec<Vec<String>> = events
        .iter()
        .map(|event| {
            let origin = if event.extension {
                "extension"
            } else {
                "record"
            };
            vec![
                event.topic.to_owned(),
                event.owner.to_owned(),
                format!("v{}", event.version),
                origin.to_owned(),
                consumers.of(event).join(" "),
                succession(event),
            ]
        })
        .collect();
    let head = [
        "TOPIC",
        "OWNER",
        "VERSION",
        "ORIGIN",
        "CONSUMERS",
        "SUPERSEDED BY",
    ];
    out.table(&head, &rows)?;
    let names = catalog().newest().count();
    let extensions = catalog().newest().filter(|event| event.extension).count();
    out.line(format_args!(
        "{} events of the decision record, {extensions} extensions; {} older versions",
        names - extensions,
        events.len() - names
    ))
}

/// What an older version has been replaced by, and how long it is still published.
fn succession(event: &CatalogEntry) -> String {
    match (event.superseded_by, event.published_until) {
        (Some(topic), Some(until)) => format!("{topic}, published until {until}"),
        _ => String::new(),
    }
}

fn export(folder: &Path, out: Output) -> anyhow::Result<()> {
    let files = export::files(&consumers()).context("making the export")?;
    for file in &files {
        let path = folder.join(&file.path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| format!("making {}", parent.display()))?;
        }
        fs::write(&path, &file.bytes).with_context(|| format!("writing {}", path.display()))?;
    }
    if out.is_json() {
        let written: Vec<&str> = files.iter().map(|file| file.path.as_ref()).collect();
        return out.document(&json!({ "folder": folder, "files": written }));
    }
    out.line(format_args!(
        "wrote {} files to {}",
        files.len(),
        folder.display()
    ))
}

#[cfg(test)]
mod tests {
    use outcry_schema::asyncapi::{CONTENT_TYPE, EXCHANGE};
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_event_has_a_receiver_in_the_exported_document() {
        let files = export::files(&consumers()).expect("files");
        let document = files.iter().find(|file| file.path == "asyncapi.json");
        let document: Value =
            serde_json::from_slice(&document.expect("a document").bytes).expect("json");
        let operations = document["operations"].as_object().expect("operations");
        for event in &catalog().events {
            let topic = event.topic;
            let receivers = consumers().of(event).len();
            let suffix = format!(".receives.{topic}");
            let listed = operations.keys().filter(|name| name.ends_with(&suffix));
            assert_eq!(listed.count(), receivers, "{topic}");
            let old = event.superseded_by.is_some();
            assert_eq!(receivers == 0, old, "{topic} has {receivers} receivers");
        }
    }

    #[test]
    fn the_document_names_what_the_broker_uses() {
        assert_eq!(EXCHANGE, outcry_broker::topology::EVENTS);
        assert_eq!(CONTENT_TYPE, outcry_broker::message::CONTENT_TYPE);
    }
}
