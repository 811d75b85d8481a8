//! Every event was published, and the archive has what was published, once.

use std::collections::HashSet;

use anyhow::Context as _;
use uuid::Uuid;

use super::finding::Findings;
use super::history::{History, Snapshot};
use crate::services::NAMES;

pub async fn check(
    history: &History,
    snapshot: &Snapshot,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    for service in NAMES {
        let unsent = snapshot.store(service)?.oldest_unsent().await?;
        for _ in 0..unsent.map_or(0, |(_, count)| count) {
            findings.wait_for(format!("publishing by {service}"));
        }
        for _ in 0..snapshot.parked(service).await? {
            findings.wait_for(format!("redrive of a dead letter of {service}"));
        }
    }
    let archived = outcry_gateway::archived(snapshot.store("gateway")?)
        .await
        .context("reading the archive")?;
    let distinct = check_archive(history, &archived, findings);
    for recorded in &history.events {
        let (id, topic) = (recorded.event.id(), recorded.event.topic());
        if distinct.contains(&id) {
            findings.expect("delivery", true, id, String::new);
        } else if snapshot.handled("gateway", &recorded.event).await? {
            findings.expect("delivery", false, id, || {
                format!("{topic} was handled but not archived")
            });
        } else {
            findings.wait_for("archiving");
        }
    }
    Ok(())
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
