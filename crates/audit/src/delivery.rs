//! Every event was published, and the archive has what was published, once.

use std::collections::{HashMap, HashSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use outcry_events::SealedEvent;
use outcry_store::{Scan, Store};
use serde::Deserialize;

use uuid::Uuid;

use crate::error::{AuditError, Outcome};
use crate::finding::Findings;
use crate::history::History;
use crate::stores::{Stores, failed};

/// Rows of the archive read at once: an event may have a megabyte, so the bound is on memory.
const ARCHIVE_PAGE: usize = 500;

/// A row of the archive.
#[derive(Deserialize)]
struct Archived {
    /// The event's bytes as published, in base64.
    event: String,
}

pub async fn check(history: &History, stores: &Stores, findings: &mut Findings) -> Outcome<()> {
    for (service, store) in stores.services() {
        let unsent = store.oldest_unsent().await.map_err(failed(service))?;
        for _ in 0..unsent.map_or(0, |(_, count)| count) {
            findings.wait_for(format!("publishing by {service}"));
        }
        let parked = store.parked_keys(service).await.map_err(failed(service))?;
        let parked: u64 = parked.iter().map(|(_, count)| count).sum();
        for _ in 0..parked {
            findings.wait_for(format!("redrive of a dead letter of {service}"));
        }
    }
    let Some(archive) = stores.store("gateway") else {
        return Ok(());
    };
    let archived = archived(history, archive).await?;
    let distinct = check_archive(history, &archived, findings);
    for recorded in &history.events {
        let (id, topic) = (recorded.event.id(), recorded.event.topic());
        if distinct.contains(&id) {
            findings.expect("delivery", true, id, String::new);
        } else if stores.handled("gateway", &recorded.event).await? {
            findings.expect("delivery", false, id, || {
                format!("{topic} was handled but not archived")
            });
        } else {
            findings.wait_for("archiving");
        }
    }
    Ok(())
}

/// Ids of all archived events, in the archive's order. Events are archived as they were published,
/// so bytes that a store has need not be opened to know whose they are.
async fn archived(history: &History, archive: &dyn Store) -> Outcome<Vec<Uuid>> {
    let known: HashMap<&[u8], Uuid> = history
        .events
        .iter()
        .map(|recorded| (recorded.event.bytes().as_ref(), recorded.event.id()))
        .collect();
    let failed = failed("gateway");
    let mut ids = Vec::with_capacity(known.len());
    let mut after = None;
    loop {
        let scan = Scan::new("archive").limit(ARCHIVE_PAGE).after(after);
        let page = archive.scan(&scan).await.map_err(&failed)?;
        let Some(last) = page.last() else {
            return Ok(ids);
        };
        after = Some(last.cursor.clone());
        for row in &page {
            let archived: Archived = row.decode().map_err(&failed)?;
            let bytes = STANDARD
                .decode(archived.event)
                .map_err(|source| damaged(&row.key, source))?;
            ids.push(match known.get(bytes.as_slice()) {
                Some(id) => *id,
                None => SealedEvent::open(Bytes::from(bytes))
                    .map_err(|source| damaged(&row.key, source))?
                    .id(),
            });
        }
    }
}

fn damaged(key: &str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> AuditError {
    AuditError::Archived {
        key: key.to_owned(),
        source: source.into(),
    }
}

/// What is archived happened, and is archived once.
fn check_archive(history: &History, archived: &[Uuid], findings: &mut Findings) -> HashSet<Uuid> {
    let mut distinct = HashSet::with_capacity(archived.len());
    for id in archived {
        findings.expect("delivery", distinct.insert(*id), id, || {
            "archived twice".to_owned()
        });
        findings.expect("delivery", history.event(*id).is_some(), id, || {
            "archived, but in no store".to_owned()
        });
    }
    distinct
}

#[cfg(test)]
mod tests;
