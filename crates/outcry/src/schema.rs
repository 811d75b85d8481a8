//! `outcry schema`: the contract, for people and programs.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use outcry_events::catalog::{CatalogEntry, catalog, topic_matches};
use outcry_schema::export;
use serde_json::{Value, json};

use crate::arguments::Schema;
use crate::services;
use crate::text;

/// `outcry schema …`
///
/// # Errors
/// The folder cannot be written.
pub fn run(schema: Schema) -> anyhow::Result<()> {
    match schema {
        Schema::List { json } => list(json),
        Schema::Export { folder } => export(&folder),
    }
}

/// Names of the groups that handle an event. They skip copies in older versions, so those are for
/// consumers elsewhere only.
fn consumers(event: &CatalogEntry) -> Vec<&'static str> {
    if event.superseded_by.is_some() {
        return Vec::new();
    }
    let takes = |topics: &[&str]| topics.iter().any(|one| topic_matches(one, event.topic));
    services::consumers()
        .into_iter()
        .filter(|group| takes(group.topics))
        .map(|group| group.name)
        .collect()
}

fn list(as_json: bool) -> anyhow::Result<()> {
    let events = &catalog().events;
    if as_json {
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
                    "consumers": consumers(event),
                    "description": event.description,
                    "fingerprint": event.fingerprint,
                })
            })
            .collect();
        return Ok(text::print_json(&Value::Array(rows))?);
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
                consumers(event).join(" "),
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
    text::print_table(&head, &rows)?;
    let names = catalog().newest().count();
    let extensions = catalog().newest().filter(|event| event.extension).count();
    println!(
        "{} events of the decision record, {extensions} extensions; {} older versions",
        names - extensions,
        events.len() - names
    );
    Ok(())
}

/// What an older version has been replaced by, and how long it is still published.
fn succession(event: &CatalogEntry) -> String {
    match (event.superseded_by, event.published_until) {
        (Some(topic), Some(until)) => format!("{topic}, published until {until}"),
        _ => String::new(),
    }
}

fn export(folder: &Path) -> anyhow::Result<()> {
    let files = export::files().context("writing the catalog")?;
    for file in &files {
        let path = folder.join(&file.path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| format!("making {}", parent.display()))?;
        }
        fs::write(&path, &file.bytes).with_context(|| format!("writing {}", path.display()))?;
    }
    println!("wrote {} files to {}", files.len(), folder.display());
    Ok(())
}
